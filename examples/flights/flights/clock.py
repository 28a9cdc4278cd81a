"""Whole-week shifts between 2013 and the present. All instants are microseconds since 1970, UTC."""

from datetime import UTC, datetime

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
WEEK = 7 * DAY

# Monday of the week of 1 October 2013.
ANCHOR = int(datetime(2013, 9, 30, tzinfo=UTC).timestamp()) * SECOND


def now_us() -> int:
    """The present, whole seconds."""
    return int(datetime.now(UTC).timestamp()) * SECOND


def parse_us(text: str) -> int:
    """An RFC 3339 instant such as `2026-11-26T10:00:00Z` as whole seconds; a zone is required."""
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError(f"{text}: write the zone, for example {text}Z")
    return int(instant.timestamp()) * SECOND


def show(us: int) -> str:
    """RFC 3339, whole seconds."""
    return datetime.fromtimestamp(us // SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def weeks_since_anchor(us: int) -> int:
    """How many whole weeks put `us` into the week of 1 October 2013, weekdays unchanged."""
    return (us - ANCHOR) // WEEK


def cuts(start: int, end: int, step: int) -> list[tuple[int, int]]:
    """Splits (start, end] at multiples of `step`: the pieces in order, none empty."""
    pieces = []
    while start < end:
        stop = min(end, (start // step + 1) * step)
        pieces.append((start, stop))
        start = stop
    return pieces
