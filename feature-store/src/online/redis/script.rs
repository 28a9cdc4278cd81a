//! The write rule as a script of the server.

use std::sync::LazyLock;

use redis::{Cmd, Script};

use super::mark;
use crate::key::RowKey;
use crate::online::Written;

/// The write rule for rows of one slot: KEYS are the rows' keys, ARGV is row and expiry in milliseconds (0: none) in turn.
/// Compares as `row::compare` does: ranks lie at bytes 6 to 38 (7 to 38 in Lua's count) and sort byte by byte; they are
/// compared as whole numbers of 32 bits, which a double holds exactly. `<` on strings would follow the locale.
static WRITE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local function run_of(row)
  if #row < 38 or string.byte(row, 2) % 2 == 0 then return 0, 0 end
  return struct.unpack('>I4I4', row, 31)
end
local function outcome(old, new)
  if #old < 30 or #new < 30 then return 0 end
  local o1, o2, o3, o4, o5, o6 = struct.unpack('>I4I4I4I4I4I4', old, 7)
  local n1, n2, n3, n4, n5, n6 = struct.unpack('>I4I4I4I4I4I4', new, 7)
  local orh, orl = run_of(old)
  local nrh, nrl = run_of(new)
  local newer
  if n1 ~= o1 then newer = n1 > o1
  elseif n2 ~= o2 then newer = n2 > o2
  elseif n3 ~= o3 then newer = n3 > o3
  elseif n4 ~= o4 then newer = n4 > o4
  elseif n5 ~= o5 then newer = n5 > o5
  elseif n6 ~= o6 then newer = n6 > o6
  elseif nrh ~= orh then newer = nrh > orh
  elseif nrl ~= orl then newer = nrl > orl
  else return 1 end
  if newer then return 0 end
  if (orh > 0 or orl > 0) and nrh == 0 and nrl == 0 then return 2 end
  return 1
end
local out = {}
for i = 1, #KEYS do
  local row, px = ARGV[2 * i - 1], ARGV[2 * i]
  local code = outcome(redis.call('GETRANGE', KEYS[i], 0, 37), row)
  if code == 0 then
    if px == '0' then redis.call('SET', KEYS[i], row) else redis.call('SET', KEYS[i], row, 'PX', px) end
  end
  out[i] = code
end
return out
",
    )
});

/// One row for the write rule.
pub(super) struct RowWrite<'a> {
    pub(super) key: &'a RowKey,
    pub(super) bytes: &'a [u8],
    pub(super) px_ms: i64,
}

/// A call of the write rule for rows whose keys share a slot.
pub(super) fn write_call<'a>(rows: impl ExactSizeIterator<Item = RowWrite<'a>> + Clone) -> Cmd {
    let mut call = redis::cmd("EVALSHA");
    call.arg(WRITE.get_hash()).arg(rows.len());
    for row in rows.clone() {
        call.arg(row.key.as_bytes());
    }
    for row in rows {
        call.arg(row.bytes).arg(row.px_ms);
    }
    call
}

/// What a code of the write rule means.
pub(super) fn outcome(code: i64) -> Option<Written> {
    match code {
        0 => Some(Written::Stored),
        1 => Some(Written::Older),
        2 => Some(Written::OlderThanRetraction),
        _ => None,
    }
}

/// Loads every script, after a server said that it does not know them.
pub(super) async fn load(mut connection: redis::aio::MultiplexedConnection) -> redis::RedisResult<()> {
    WRITE.load_async(&mut connection).await?;
    mark::SCRIPT.load_async(&mut connection).await?;
    Ok(())
}
