"""The flights example: real departures of 2013, moved into the present."""
