"""Imagery: from a place and a period to a composite without clouds, whatever the source."""

from minewatch.imagery._query import SceneQuery
from minewatch.imagery._source import BatchSource, ImagerySource, check_composite

__all__ = ["BatchSource", "ImagerySource", "SceneQuery", "check_composite"]
