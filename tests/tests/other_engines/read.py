"""Prints a Delta table as delta-rs reads it: version, rows, and the partition of each row, values as exact text."""

import json
import struct
import sys
from datetime import UTC, datetime

import pyarrow as pa
from deltalake import DeltaTable

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def text(kind: pa.DataType, value: object) -> str:
    """A value as the test writes it: times in microseconds, floats as the bits of a double, bytes in hex."""
    if pa.types.is_boolean(kind):
        return str(value).lower()
    if pa.types.is_timestamp(kind):
        if kind.tz != "UTC":
            raise ValueError(f"a time of zone {kind.tz}")
        since = value - EPOCH
        return str((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds)
    if pa.types.is_floating(kind):
        return struct.pack(">d", value).hex()
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return value.hex()
    return str(value)


def main() -> None:
    """Reads the table at the path given."""
    table = DeltaTable(sys.argv[1])
    rows = pa.table(table.to_pyarrow_table())
    columns = {field.name: (field.type, rows[field.name].to_pylist()) for field in rows.schema}
    _, partitions = columns.pop("event_date")
    found = [
        {name: text(kind, values[row]) for name, (kind, values) in columns.items() if values[row] is not None}
        for row in range(rows.num_rows)
    ]
    json.dump({"version": table.version(), "rows": found, "dates": [str(date) for date in partitions]}, sys.stdout)


main()
