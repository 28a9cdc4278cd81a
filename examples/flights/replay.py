"""Keeps the flights data of a bucket growing: a file per hour and folder as time passes, none ever rewritten."""

import argparse
import contextlib
import time
from pathlib import Path

from flights.bucket import Bucket
from flights.clock import HOUR, SECOND, now_us, parse_us, show
from flights.source import load


def main() -> None:
    """Parses the command line and replays."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bucket", type=Path, required=True, help="directory that `prepare.py` has filled")
    parser.add_argument("--once", action="store_true", help="add what became known by now, then end")
    parser.add_argument("--until", type=parse_us, metavar="T", help="add what becomes known by T (RFC 3339), then end")
    arguments = parser.parse_args()
    bucket = Bucket(arguments.bucket)
    if bucket.written() is None:
        raise SystemExit(f"{bucket.root}: no flights data yet, run prepare.py first")
    growing, _ = load()
    if arguments.until is not None:
        _step(bucket, growing, arguments.until)
    elif arguments.once:
        _step(bucket, growing, now_us())
    else:
        while True:
            _step(bucket, growing, now_us() // HOUR * HOUR)
            time.sleep((HOUR - now_us() % HOUR) / SECOND + 1)


def _step(bucket: Bucket, growing: list, until: int) -> None:
    with bucket.locked():
        files = bucket.extend(growing, bucket.shift(until), until, HOUR)
    if files:
        print(f"{files} new files, known by {show(until)}", flush=True)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
