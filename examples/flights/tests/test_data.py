"""What prepare and replay promise about the files in the bucket."""

import tempfile
import unittest
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from flights.bucket import Bucket
from flights.clock import ANCHOR, DAY, HOUR, MINUTE, WEEK, cuts, parse_us, weeks_since_anchor
from flights.source import Dataset, load
from prepare import prepare

NOW = parse_us("2026-11-26T10:20:30Z")
GROWING, SCHEDULE = load()


def recent(dataset: Dataset) -> Dataset:
    """The same rows from some days before the anchor on: enough to grow, quick to write."""
    first = int(np.searchsorted(dataset.known, ANCHOR - 3 * DAY))
    return replace(dataset, known=dataset.known[first:], rows=dataset.rows.slice(first))


RECENT = [recent(dataset) for dataset in GROWING]


def rows(bucket: Bucket, path: str) -> pa.Table:
    """All rows below a folder in one fixed order."""
    table = pq.read_table(bucket.root / path)
    return table.sort_by([(name, "ascending") for name in table.column_names])


def files(bucket: Bucket) -> dict[str, tuple[int, bytes]]:
    """Every data file with its inode and bytes: a rewritten file gets another inode."""
    found = [path for folder in ("raw", "labels") for path in (bucket.root / folder).rglob("*") if path.is_file()]
    return {str(path.relative_to(bucket.root)): (path.stat().st_ino, path.read_bytes()) for path in found}


class Clock(unittest.TestCase):
    """Whole weeks, whole pieces."""

    def test_the_shift_puts_now_into_the_week_of_1_october_2013_and_keeps_the_weekday(self):
        for text in ("2026-11-26T10:20:30Z", "2013-09-30T00:00:00Z", "2027-01-03T23:59:59Z", "1999-05-05T05:05:05Z"):
            now = parse_us(text)
            then = datetime.fromtimestamp((now - weeks_since_anchor(now) * WEEK) / 1e6, UTC)
            self.assertEqual(then.isocalendar()[:2], (2013, 40), text)
            self.assertEqual(then.isoweekday(), datetime.fromtimestamp(now / 1e6, UTC).isoweekday(), text)

    def test_pieces_end_at_multiples_of_the_step_and_leave_no_gap(self):
        pieces = cuts(90 * MINUTE, 4 * HOUR + 1, HOUR)
        self.assertEqual([end for _, end in pieces], [2 * HOUR, 3 * HOUR, 4 * HOUR, 4 * HOUR + 1])
        self.assertEqual([start for start, _ in pieces[1:]], [end for _, end in pieces[:-1]])
        self.assertEqual(cuts(HOUR, HOUR, HOUR), [])

    def test_an_instant_without_a_zone_is_refused(self):
        with self.assertRaisesRegex(ValueError, "zone"):
            parse_us("2026-11-26T10:20:30")


class Source(unittest.TestCase):
    """Local clocks of 2013 in UTC."""

    def test_a_known_flight_has_the_instants_that_its_local_clocks_showed(self):
        # UA 1545, 1 January 2013: EWR 5:17 (2 late, UTC-5) to IAH 8:30 (11 late, UTC-6).
        departures, arrivals = GROWING[0].rows, GROWING[1].rows
        flight = (pc.field("carrier") == "UA") & (pc.field("flight") == 1545) & (pc.field("tailnum") == "N14228")
        left = departures.filter(flight & (pc.field("departed_at") < datetime(2013, 1, 2, tzinfo=UTC))).to_pylist()
        landed = arrivals.filter(flight & (pc.field("arrived_at") < datetime(2013, 1, 2, tzinfo=UTC))).to_pylist()
        self.assertEqual([row["departed_at"] for row in left], [datetime(2013, 1, 1, 10, 17, tzinfo=UTC)])
        self.assertEqual([row["arrived_at"] for row in landed], [datetime(2013, 1, 1, 14, 30, tzinfo=UTC)])

    def test_every_row_of_the_package_is_there(self):
        self.assertEqual(SCHEDULE.rows.num_rows, 336_776)
        self.assertEqual(GROWING[0].rows.num_rows, 336_776 - 8_255, "departures that left")
        self.assertEqual(GROWING[1].rows.num_rows, 336_776 - 9_430, "arrivals that landed")

    def test_not_known_is_null_and_never_nan(self):
        for dataset in [*GROWING, SCHEDULE]:
            for name in dataset.rows.column_names:
                column = dataset.rows[name]
                if pa.types.is_floating(column.type):
                    self.assertFalse(pc.any(pc.is_nan(column)).as_py(), f"{dataset.path} {name}")
        self.assertGreater(GROWING[2].rows["pressure"].null_count, 0)


class Prepared(unittest.TestCase):
    """One bucket, prepared once at NOW."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.bucket = Bucket(Path(cls.folder.name))
        prepare(cls.bucket, NOW)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def test_only_what_is_knowable_by_now_is_written(self):
        for path, time in (
            ("raw/departures", "departed_at"),
            ("raw/arrivals", "arrived_at"),
            ("raw/weather", "time_hour"),
        ):
            newest = pc.max(pq.read_table(self.bucket.root / path)[time]).value
            self.assertLess(newest, NOW, path)
            self.assertGreater(newest, NOW - 9 * HOUR, path)
        labels, arrivals = rows(self.bucket, "labels/scheduled"), rows(self.bucket, "raw/arrivals")
        self.assertEqual(labels.num_rows, arrivals.num_rows, "a flight has a label once it landed, not before")

    def test_upcoming_flights_leave_after_now_and_have_what_a_caller_knows(self):
        upcoming = pq.read_table(self.bucket.root / "requests/upcoming.parquet")
        self.assertEqual(upcoming.num_rows, 2_000)
        self.assertGreaterEqual(pc.min(upcoming["scheduled_at"]).value, NOW)
        expected = ["origin", "dest", "carrier", "tailnum", "scheduled_at", "distance", "hour", "weekday"]
        self.assertEqual(upcoming.column_names, expected)
        self.assertTrue(set(upcoming["weekday"].to_pylist()) <= set(range(1, 8)))

    def test_a_second_call_writes_nothing_and_keeps_the_shift(self):
        before = files(self.bucket)
        prepare(self.bucket, NOW)
        self.assertEqual(files(self.bucket), before)
        self.assertEqual(self.bucket.shift(NOW + 3 * WEEK), self.bucket.shift(NOW))


class Replayed(unittest.TestCase):
    """A bucket that grows."""

    def test_replay_adds_a_file_an_hour_and_rewrites_none(self):
        bucket = Bucket(Path(self.enterContext(tempfile.TemporaryDirectory())))
        bucket.extend(RECENT, bucket.shift(NOW), NOW, DAY)
        before = files(bucket)
        until = NOW // HOUR * HOUR + 3 * HOUR
        bucket.extend(RECENT, bucket.shift(NOW), until, HOUR)
        after = files(bucket)
        self.assertEqual({path: after[path] for path in before}, before)
        added = sorted(path for path in set(after) - set(before) if path.startswith("raw/departures/"))
        names = ["2026-11-26T102030Z", "2026-11-26T110000Z", "2026-11-26T120000Z"]
        self.assertEqual(added, [f"raw/departures/{name}.parquet" for name in names])

        at_once = Bucket(Path(self.enterContext(tempfile.TemporaryDirectory())))
        at_once.extend(RECENT, at_once.shift(until), until, DAY)
        for dataset in RECENT:
            self.assertEqual(rows(bucket, dataset.path), rows(at_once, dataset.path), dataset.path)


class Killed(unittest.TestCase):
    """A call that died after some of its files."""

    def test_the_next_call_finishes_the_announced_range_with_the_same_files(self):
        with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
            undisturbed, killed = Bucket(Path(one)), Bucket(Path(two))
            for bucket in (undisturbed, killed):
                bucket.extend(RECENT[:1], bucket.shift(NOW), NOW, DAY)
            undisturbed.extend(RECENT[:1], undisturbed.shift(NOW), NOW + 2 * HOUR, HOUR)
            undisturbed.extend(RECENT[:1], undisturbed.shift(NOW), NOW + 5 * HOUR, HOUR)

            died = DiesAfter(RECENT[0], 1)
            with self.assertRaises(KeyboardInterrupt):
                killed.extend([died], killed.shift(NOW), NOW + 2 * HOUR, HOUR)
            killed.extend(RECENT[:1], killed.shift(NOW), NOW + 5 * HOUR, HOUR)
            content = {path: data for path, (_, data) in files(undisturbed).items()}
            self.assertEqual({path: data for path, (_, data) in files(killed).items()}, content)


class DiesAfter:
    """A dataset whose writer is interrupted after so many pieces."""

    def __init__(self, dataset, pieces):
        self.dataset, self.pieces = dataset, pieces
        self.path, self.known = dataset.path, dataset.known

    def between(self, start, end, shift):
        """Rows of the piece, or the interrupt."""
        self.pieces -= 1
        if self.pieces < 0:
            raise KeyboardInterrupt
        return self.dataset.between(start, end, shift)


class Arrivals(unittest.TestCase):
    """The derived instants hold together for all flights."""

    def test_a_flight_arrives_after_it_left_and_within_a_day(self):
        labels, arrivals = GROWING[3].rows, GROWING[1]
        elapsed = arrivals.known - labels["scheduled_at"].cast(pa.int64()).to_numpy()
        self.assertGreater(np.min(elapsed), 0)
        self.assertLess(np.max(elapsed), 36 * HOUR)


if __name__ == "__main__":
    unittest.main()
