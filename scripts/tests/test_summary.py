"""What the last line of a test run is made of."""

import contextlib
import io
import tempfile
import unittest
from pathlib import Path

from test_summary import count, main

CARGO = """
running 3 tests
test a ... ok

successes:

---- a stdout ----
skipped: no redis-server on the PATH

test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s

test result: FAILED. 4 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s
"""


class Counting(unittest.TestCase):
    """One runner's log."""

    def test_cargo_binaries_add_up_and_a_skip_is_not_a_pass(self):
        total = count(CARGO, 101)
        self.assertEqual((total.passed, total.failed, total.skipped), (6, 1, 1))
        self.assertEqual(total.reasons, ["no redis-server on the PATH"])

    def test_unittest_failures_errors_and_skips_are_taken_off_the_passed(self):
        total = count("Ran 9 tests in 0.1s\n\nFAILED (failures=1, errors=2, skipped=1)\n", 1)
        self.assertEqual((total.passed, total.failed, total.skipped), (5, 3, 1))
        self.assertEqual(count("Ran 2 tests in 0.1s\n\nOK\n", 0).passed, 2)

    def test_a_runner_that_did_not_build_is_a_failure(self):
        total = count("error: could not compile `x`\n", 101)
        self.assertEqual((total.passed, total.failed), (0, 1))

    def test_the_sum_is_the_last_line_and_nothing_run_is_no_success(self):
        for log, status, last, code in (
            (CARGO, 101, "6 passed, 1 failed, 1 skipped", 1),
            ("test result: ok. 2 passed; 0 failed; 0 ignored;", 0, "2 passed, 0 failed, 0 skipped", 0),
            ("", 0, "0 passed, 0 failed, 0 skipped", 1),
        ):
            with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()) as printed:
                Path(folder, "rust.log").write_text(log)
                Path(folder, "rust.status").write_text(f"{status}\n")
                self.assertEqual(main(Path(folder)), code)
            self.assertEqual(printed.getvalue().splitlines()[-1], last)
