"""The published detectors that are known by name: ``published.toml``."""

import tomllib
from functools import lru_cache
from importlib import resources
from typing import Any, Final, Self

from pydantic import Field, model_validator

from minewatch.errors import InputError
from minewatch.model._card import Metric, SourceFile, Threshold, Training
from minewatch.types import Settings

_REPOSITORY: Final = "https://raw.githubusercontent.com/earthrise-media/mining-detector"


class MakersTest(Settings):
    """What the makers report of a detector, on test patches of their own."""

    n_sites: int
    """Patches, both classes."""
    threshold: float
    """The score from which on they took a patch for mining."""
    precision: float
    """Of mining."""
    sensitivity: float
    """Of mining."""
    f1: float
    """Of mining."""
    average_precision: float | None = None
    """Whatever the threshold; None if not reported."""


class Published(Settings):
    """A published detector: where it lies, and what its makers say of it."""

    name: str
    """What it is called."""
    version: str
    """The date of its making."""
    file: str
    """The file's name."""
    commit: str = Field(pattern=r"^[0-9a-f]{40}$")
    """A state of the makers' repository that holds it."""
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    """SHA-256 of the file; None if no copy was at hand to take it from."""
    n_bytes: int | None = None
    """Size of the file; None if not known."""
    generation: str
    """Its bands, level and preparation, by the name of the generation."""
    description: str
    """What it is, in a sentence."""
    period: tuple[str, str] | None = None
    """First and last day of its training imagery."""
    test: MakersTest | None = None
    """What the makers report."""
    training_files: tuple[str, ...] = ()
    """Names of the makers' training files, without dates."""
    thresholds: dict[str, Threshold] = Field(default_factory=dict)
    """Scores that the makers decide by."""

    @model_validator(mode="after")
    def _file_is_a_name(self) -> Self:
        if "/" in self.file or not self.file.endswith(".h5"):
            raise ValueError(f"{self.file!r} is not the name of a .h5 file")
        return self

    @property
    def urls(self) -> tuple[str, ...]:
        """Where it can be had: at a fixed state of the repository, and at its newest."""
        return tuple(f"{_REPOSITORY}/{state}/models/{self.file}" for state in (self.commit, "main"))

    def card_facts(self) -> dict[str, Any]:
        """Give what a card says that the file does not."""
        start, end = self.period or (None, None)
        facts: dict[str, Any] = {
            "name": self.name,
            "version": self.version,
            "description": self.description,
            "thresholds": self.thresholds,
            "metrics": self._metrics(),
            "training": Training(period_start=start, period_end=end, files=self.training_files),
        }
        if self.sha256 is not None:
            facts["sources"] = (SourceFile(url=self.urls[0], sha256=self.sha256),)
        return facts

    def _metrics(self) -> tuple[Metric, ...]:
        if self.test is None:
            return ()
        test = self.test
        sample = f"the makers' {test.n_sites:,} test patches, L1C"
        values = {
            "precision": test.precision,
            "sensitivity": test.sensitivity,
            "f1": test.f1,
            "average_precision": test.average_precision,
        }
        return tuple(
            Metric(
                name=name,
                value=value,
                on=sample if name == "average_precision" else f"{sample}, at {test.threshold:g}",
                splitter="not said by the makers",
                n_sites=test.n_sites,
            )
            for name, value in values.items()
            if value is not None
        )


@lru_cache(maxsize=1)
def published_detectors() -> tuple[Published, ...]:
    """List the published detectors that are known by name.

    Examples
    --------
    >>> [one.name for one in published_detectors() if one.sha256]
    ['44px_v2.6_rgb', '48px_v3.7-a', '48px_v3.2-3.7ensemble']
    """
    text = resources.files("minewatch.model").joinpath("published.toml").read_text("utf-8")
    return tuple(Published(**entry) for entry in tomllib.loads(text)["detector"])


def find_published(name: str) -> Published:
    """Look up a published detector.

    Raises
    ------
    InputError
        If there is none of that name.
    """
    for one in published_detectors():
        if one.name == name:
            return one
    names = ", ".join(one.name for one in published_detectors())
    raise InputError(f"{name!r} is not a published detector that is known here; there are {names}")
