"""A made-up valley with gold mines, the same for the same seed on every machine.

It stands in for the world wherever an example, a test or a benchmark needs sites and imagery whose
truth is known: see `Valley`.
"""

from minewatch.toy._render import COVERS
from minewatch.toy._valley import Valley

__all__ = ["COVERS", "Valley"]
