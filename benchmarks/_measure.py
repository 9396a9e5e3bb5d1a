"""Run one part of a benchmark in a process of its own, and take its time and its peak memory."""

import contextlib
import json
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_BYTES_PER_MAXRSS = 1 if sys.platform == "darwin" else 1024


@dataclass(frozen=True)
class Measured:
    """What one part took."""

    name: str
    seconds: float
    """Time of the work itself, without starting Python and importing libraries."""
    process_s: float
    """Time of the whole process."""
    cpu_s: float
    """Processor time of the whole process, all threads: what a busy machine does not blur."""
    peak_mb: float
    """Most memory that the process held at once (resident set), together with processes of its own,
    megabytes. Linux alone can be asked for the sum; elsewhere it is the largest of them."""
    work_cpu_s: float
    """Processor time of the work itself, all threads, without starting Python and importing."""

    def line(self) -> str:
        """Say it in one line."""
        return (
            f"{self.name:<46} {self.seconds:9.2f} s   (process {self.process_s:7.2f} s, "
            f"processor {self.cpu_s:7.2f} s)   peak {self.peak_mb:6.0f} MB"
        )


def measure(
    script: str, part: str, *arguments: str, name: str | None = None, python: str = sys.executable
) -> Measured:
    """Run ``script --part part arguments…`` with this or another Python; it must end with `report`.

    The caller's own memory must be small: a child's peak begins with what it is forked from.
    """
    command = [python, script, "--part", part, *arguments]
    start = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    output = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    elapsed = time.perf_counter() - start
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        sys.exit(f"{' '.join(command)} ended with exit code {child.returncode}")
    told = json.loads(output.splitlines()[-1])
    seconds, work_cpu_s = float(told["seconds"]), float(told["cpu_s"])
    cpu_s = usage.ru_utime + usage.ru_stime
    peak_mb = max(usage.ru_maxrss * _BYTES_PER_MAXRSS, told["family_peak_bytes"]) / 1e6
    return Measured(name or part, seconds, elapsed, cpu_s, peak_mb, work_cpu_s)


def report(work: Callable[[], object]) -> None:
    """Do the work of a part and tell `measure` how long it took; last line of the output."""
    done, sampled = threading.Event(), list[int]()
    sampler = threading.Thread(target=_sample_family, args=(done, sampled))
    sampler.start()
    start, cpu_start = time.perf_counter(), time.process_time()
    try:
        work()
    finally:  # or else the process would never end
        seconds, cpu_s = time.perf_counter() - start, time.process_time() - cpu_start
        done.set()
        sampler.join()
    told = {"seconds": seconds, "cpu_s": cpu_s, "family_peak_bytes": max(sampled, default=0)}
    print(json.dumps(told))


def _sample_family(done: threading.Event, sampled: list[int]) -> None:
    """Note every 20 ms how much memory this process and those that it started hold together."""
    page = resource.getpagesize()
    while not done.wait(0.02):
        pids = ["self"]
        for children in Path("/proc/self/task").glob("*/children"):
            with contextlib.suppress(OSError):
                pids += children.read_text().split()
        total = 0
        for pid in pids:
            with contextlib.suppress(OSError):
                total += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * page
        sampled.append(total)


def machine() -> str:
    """Name what the numbers were taken on."""
    model = "unknown processor"
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        names = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        model = names[0].split(":", 1)[1].strip() if names else model
    return f"{os.cpu_count()} cores of {model}, Python {sys.version.split()[0]}"
