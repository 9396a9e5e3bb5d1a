"""Progress is a callable that the caller passes; by default it says nothing."""

from typing import Protocol


class Progress(Protocol):
    """Whatever can be told how far a job is.

    Called with the name of the step, the units done and the units in all. The first call of a step
    has ``done == 0``, the last ``done == total``; a job may have several steps, one after another.
    What stands in brackets after a step's name may change on the way: ``load patches (2 failed)``.
    """

    def __call__(self, step: str, done: int, total: int, /) -> None: ...


def silent(_step: str, _done: int, _total: int, /) -> None:
    """Say nothing."""
