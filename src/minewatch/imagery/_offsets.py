"""Whether a scene's numbers still hold the offset of its processing baseline: by rule, checked."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class DarkPixelCheck:
    """What the darkest pixels of a scene say about the offset that its metadata tells of."""

    offset_dn: int
    """The offset to add, decided."""
    agrees: bool
    """False if the pixels contradict the metadata."""
    decision: str
    """In one line, for the composite's attributes; "" if there is nothing to say."""


def check_dark_pixels(
    numbers: npt.NDArray[np.uint16], *, offset_dn: int, scene_id: str
) -> DarkPixelCheck:
    """Hold the darkest of a scene's raw numbers against the offset that its metadata tells of."""
    raise NotImplementedError
