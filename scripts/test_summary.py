"""Adds up the logs of a test run and prints each skip with its reason and, last, `N passed, N failed, N skipped`.

Reads `<name>.log` and `<name>.status` (the exit code) of each runner in a folder: cargo test and unittest. A Rust test
that cannot run here prints `skipped: <reason>` and returns; it counts as skipped, not as passed.
"""

import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

_CARGO = re.compile(r"^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored")
_UNITTEST_RAN = re.compile(r"^Ran (\d+) tests? in ")
_UNITTEST_END = re.compile(r"^(?:OK|FAILED)(?: \((.*)\))?$")
_SKIP = re.compile(r"^skipped: (.+)$|^.* \.\.\. skipped '(.+)'$")


@dataclass
class Count:
    """Tests by outcome."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    reasons: list[str] = field(default_factory=list)

    def add(self, other: "Count") -> None:
        """Adds the other's tests."""
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        self.reasons += other.reasons


def count(log: str, status: int) -> Count:
    """What one runner's log says; a runner that failed without a failed test (it did not build) is one failure."""
    total = Count()
    for line in log.splitlines():
        if match := _CARGO.match(line):
            passed, failed, ignored = (int(number) for number in match.groups())
            total.add(Count(passed, failed, ignored))
        elif match := _UNITTEST_RAN.match(line):
            total.passed += int(match[1])
        elif match := _UNITTEST_END.match(line):
            outcome = dict(re.findall(r"(\w+)=(\d+)", match[1] or ""))
            failed = int(outcome.get("failures", 0)) + int(outcome.get("errors", 0))
            skipped = int(outcome.get("skipped", 0))
            total.add(Count(-failed - skipped, failed, skipped))
        elif match := _SKIP.match(line):
            total.reasons.append(match[1] or match[2])
            if match[1]:
                total.add(Count(-1, 0, 1))
    if status != 0 and total.failed == 0:
        total.failed = 1
    return total


def main(folder: Path) -> int:
    """Prints the sum of all runners; the exit code says whether all passed."""
    total = Count()
    for log in sorted(folder.glob("*.log")):
        status = int(log.with_suffix(".status").read_text())
        one = count(log.read_text(errors="replace"), status)
        print(f"{log.stem}: {one.passed} passed, {one.failed} failed, {one.skipped} skipped; exit code {status}")
        total.add(one)
    for reason in total.reasons:
        print(f"skipped: {reason}")
    print(f"{total.passed} passed, {total.failed} failed, {total.skipped} skipped")
    return 0 if total.failed == 0 and total.passed > 0 else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
