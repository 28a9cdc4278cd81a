"""The directory that serves as bucket: files appear whole, and none is ever rewritten.

`_flights/shift.json` holds the shift in weeks, `_flights/written.json` how far the data has been written. A range is
announced before its files are written, so that a killed call is finished by the next one with the same files.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from .clock import DAY, WEEK, cuts, show, weeks_since_anchor
from .source import Dataset


@dataclass(frozen=True)
class Bucket:
    """A bucket that holds (or will hold) the flights data."""

    root: Path

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One writer at a time: `prepare` beside a running `replay` waits."""
        self._own("lock").parent.mkdir(parents=True, exist_ok=True)
        with self._own("lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def shift(self, now: int) -> int:
        """Microseconds between 2013 and the present: chosen at the first call, then kept."""
        stored = self._own("shift.json")
        if not stored.exists():
            weeks = weeks_since_anchor(now)
            write_text(stored, json.dumps({"weeks": weeks, "chosenAt": show(now)}) + "\n")
        return json.loads(stored.read_text())["weeks"] * WEEK

    def written(self) -> int | None:
        """Up to when (exclusive) the rows are in the bucket; `None` before the first call."""
        return self._progress().get("until")

    def extend(self, datasets: list[Dataset], shift: int, until: int, step: int) -> int:
        """Adds what became known before `until`, one file per `step` and dataset; returns the number of new files."""
        progress = self._progress()
        files = 0
        if announced := progress.get("announced"):
            files += self._write(datasets, shift, announced["since"], announced["until"], announced["step"])
            progress = {"until": announced["until"]}
        since = progress.get("until", min(int(d.known[0]) for d in datasets) // DAY * DAY + shift)
        if since < until:
            self._record({**progress, "announced": {"since": since, "until": until, "step": step}})
            files += self._write(datasets, shift, since, until, step)
            progress = {"until": until}
        self._record(progress)
        return files

    def write_parquet(self, path: str, table: pa.Table) -> None:
        """Writes one file at a bucket-rooted path; it appears whole or not at all."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        part = self._own(f"{os.getpid()}.part")  # outside every folder that is read as a source
        part.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, part, compression="zstd")
        os.replace(part, target)

    def _write(self, datasets: list[Dataset], shift: int, since: int, until: int, step: int) -> int:
        files = 0
        for start, end in cuts(since, until, step):
            name = show(start).replace(":", "")
            for dataset in datasets:
                path = f"{dataset.path}/{name[:10] if start % DAY == 0 else name}.parquet"
                rows = dataset.between(start, end, shift)
                if rows.num_rows and not (self.root / path).exists():
                    self.write_parquet(path, rows)
                    files += 1
        return files

    def _progress(self) -> dict:
        stored = self._own("written.json")
        return json.loads(stored.read_text()) if stored.exists() else {}

    def _record(self, progress: dict) -> None:
        write_text(self._own("written.json"), json.dumps(progress) + "\n")

    def _own(self, name: str) -> Path:
        return self.root / "_flights" / name


def write_text(target: Path, text: str) -> None:
    """Writes a text file that appears whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    part.write_text(text)
    os.replace(part, target)
