"""Tests of the flights example: `python -m unittest discover -t . -s tests` in its folder."""
