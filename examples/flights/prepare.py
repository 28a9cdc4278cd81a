"""Writes the flights data that is knowable by now to a bucket. Run it again and it adds what became known since."""

import argparse
import time
from pathlib import Path

from flights.bucket import Bucket
from flights.clock import DAY, WEEK, now_us, parse_us, show
from flights.source import load

UPCOMING = 2_000


def main() -> None:
    """Parses the command line and prepares the bucket."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bucket", type=Path, required=True, help="directory that serves as bucket")
    parser.add_argument("--as-of", type=parse_us, metavar="T", help="prepare as if it were T (RFC 3339), for tests")
    arguments = parser.parse_args()
    prepare(Bucket(arguments.bucket), now_us() if arguments.as_of is None else arguments.as_of)


def prepare(bucket: Bucket, now: int) -> None:
    """Brings the bucket up to `now`, and writes the flights that leave next."""
    begun = time.monotonic()
    growing, schedule = load()
    with bucket.locked():
        shift = bucket.shift(now)
        files = bucket.extend(growing, shift, now, DAY)
        upcoming = schedule.between(now, now + 8 * WEEK, shift).slice(0, UPCOMING)
        bucket.write_parquet("requests/upcoming.parquet", upcoming)
    print(f"{bucket.root}: {files} new files, known by {show(now)}, moved by {shift // WEEK} weeks")
    print(f"{upcoming.num_rows} upcoming flights; {time.monotonic() - begun:.1f} s")
    if upcoming.num_rows < UPCOMING:
        print(f"the data of 2013 is running out: remove {bucket.root} to start again in the week of 1 October")


if __name__ == "__main__":
    main()
