# Sourced by every script: where things lie outside the checkout, and the tools that bootstrap unpacked there.
# shellcheck shell=bash

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/triplane
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$CACHE/target}
export TRIPLANE_PYTHON=$CACHE/venv/bin/python
export PYTHONDONTWRITEBYTECODE=1

# Debian packages that were unpacked without root.
UNPACKED=$CACHE/debian
export PATH=$CACHE/tools/bin:$UNPACKED/usr/bin:$UNPACKED/usr/sbin:$PATH
if [[ -d $UNPACKED/usr/lib ]]; then
  LD_LIBRARY_PATH=$UNPACKED/usr/lib/$(uname -m)-linux-gnu:$UNPACKED/usr/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
  export LD_LIBRARY_PATH
fi

say() { printf '%s\n' "$*" >&2; }

die() {
  say "error: $*"
  exit 1
}

# Generated files and budgets. Built with the whole workspace named, so that no dependency is built twice.
xtask() { cargo build --quiet --locked --workspace --bin xtask && "$CARGO_TARGET_DIR/debug/xtask" "$@"; }

# stage NAME COMMAND...: runs the command and says how long it took.
stage() {
  local name=$1 begun=$SECONDS status=0
  shift
  say "== $name"
  "$@" || status=$?
  say "== $name: $((SECONDS - begun)) s$([[ $status -eq 0 ]] || echo ", failed")"
  return "$status"
}
