"""Asks for one prediction about a flight that leaves soon, by curl, and says in words what the answer tells."""

import argparse
import json
import shlex
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq


def main() -> None:
    """Parses the command line and asks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bucket", type=Path, required=True, help="directory that serves as bucket")
    parser.add_argument("--url", default="http://127.0.0.1:8080", help="where `triplane dev` serves")
    arguments = parser.parse_args()
    ask(arguments.bucket, arguments.url)


def ask(bucket: Path, url: str) -> None:
    """Shows the request as a curl command, sends it by that command, shows the answer and explains it."""
    flight = next_flight(bucket)
    command = request(url, flight)
    print(f"\n$ {shlex.join(command)}\n")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"curl failed with exit code {done.returncode}: {done.stderr.strip()}")
    answer = json.loads(done.stdout)
    print(json.dumps(answer, indent=2))
    print("\n".join(explain(flight, answer)))


def next_flight(bucket: Path) -> dict:
    """The next scheduled flight whose aircraft is known, as a caller would send it."""
    upcoming = pq.read_table(bucket / "requests/upcoming.parquet")
    now = datetime.now(UTC)
    soon = upcoming.filter(pc.and_(pc.is_valid(upcoming["tailnum"]), pc.greater(upcoming["scheduled_at"], now)))
    flight = (soon if soon.num_rows else upcoming).slice(0, 1).to_pylist()[0]
    del flight["scheduled_at"]
    return flight


def request(url: str, flight: dict) -> list[str]:
    """The command that asks about one flight."""
    body = json.dumps({"instances": [flight], "explain": True})
    return ["curl", "--silent", "--show-error", f"{url}/v1/models/delay:predict", "--data", body]


def explain(flight: dict, answer: dict) -> list[str]:
    """The answer in words: probability, model, and where each input came from."""
    if "error" in answer:
        return ["", f"refused, {answer['code']}: {answer['error']}"]
    about = answer["triplane"]
    row = about["rows"][0]
    as_of = datetime.fromtimestamp(about["as_of"] / 1e6, UTC).isoformat(timespec="seconds")
    what = f"{flight['carrier']} from {flight['origin']} to {flight['dest']} at {flight['hour']} o'clock"
    default = "yes: too little was known, so the safe default was served" if row["default"] else "no"
    lines = [
        "",
        f"{what}: late with probability {answer['predictions'][0]:.3f}",
        f"  model    {about['model']}, version {about['version']}, role {about['role']}",
        f"  as of    {as_of}, the moment at which the features were read",
        f"  default  {default}",
        "  inputs",
    ]
    for name, value, status in zip(about["inputs"], row["inputs"], row["status"], strict=True):
        flags = [flag for flag in ("imputed", "stale") if name in row[flag]]
        shown = "NULL" if value is None else f"{float(value):g}"
        lines.append(f"    {name:<36} {shown:>9}  {_origin(status)}{''.join(f', {flag}' for flag in flags)}")
    return lines


def _origin(status: str) -> str:
    words = {
        "PRESENT": "fetched",
        "NULL_VALUE": "NULL in its row",
        "NOT_FOUND": "no row",
        "OUTSIDE_MAX_AGE": "its row is too old",
        "REQUEST": "from the caller",
    }
    return words.get(status, status.lower())


if __name__ == "__main__":
    main()
