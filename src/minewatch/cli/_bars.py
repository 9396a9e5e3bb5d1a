"""Progress bars by rich, one for each step, drawn only when a step takes long."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as RichProgress

from minewatch._progress import Progress

PATIENCE_S = 1.0
"""A step shorter than this is not worth a bar."""


@contextmanager
def bars() -> Iterator[Progress]:
    """Give a progress callable that draws on standard error."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with RichProgress(*columns, console=Console(stderr=True), transient=True) as drawing:
        started: dict[str, float] = {}
        tasks: dict[str, TaskID] = {}

        def show(step: str, done: int, total: int, /) -> None:
            name = step.partition(" (")[0]
            began = started.setdefault(name, time.monotonic())
            if name not in tasks:
                if time.monotonic() - began < PATIENCE_S:
                    return
                tasks[name] = drawing.add_task(step, total=total, completed=done)
            drawing.update(tasks[name], completed=done, total=total, description=step)

        yield show
