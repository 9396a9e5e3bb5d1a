"""What a figure of the exploration is: that of any report."""

from minewatch._report._plates import Drawn, Plate, draw_plates

__all__ = ["Drawn", "Plate", "draw_plates"]
