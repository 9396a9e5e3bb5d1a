"""The benchmarks' own stopwatch."""

import subprocess
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
FAILING = """
import _measure
def work():
    raise RuntimeError("no archive here")
_measure.report(work)
"""


def test_a_part_that_fails_ends_and_says_why() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", FAILING],
        cwd=BENCHMARKS,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 1
    assert "no archive here" in ended.stderr
