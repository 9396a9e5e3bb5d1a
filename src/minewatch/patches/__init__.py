"""Patches: squares of imagery around places, their labels and their whereabouts, in one dataset."""

from minewatch.patches._dataset import PatchDataset
from minewatch.patches._header import DatasetHeader
from minewatch.patches._write import write_patches

__all__ = ["DatasetHeader", "PatchDataset", "write_patches"]
