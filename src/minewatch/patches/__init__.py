"""Patches: squares of imagery around places, their labels and their whereabouts, in one dataset.

A dataset is a folder: ``patches.zarr`` (Zarr v3: xarray opens it), ``sites.parquet`` (GeoParquet:
QGIS draws the footprints) and ``dataset.json``. Pixels are digital numbers, uint16: reflectance ×
10,000, 0 = no data. `PatchDataset.open` opens one, `build_patches` makes one from a source of
imagery, `write_patches` from arrays, and the imports from what others wrote. Pixels and places are
joined by ``site_id``, never by row.
"""

from minewatch.patches._arrays import import_arrays
from minewatch.patches._build import BuildSummary, build_patches
from minewatch.patches._dataset import PatchDataset
from minewatch.patches._export import export_patches
from minewatch.patches._geotiffs import import_geotiffs
from minewatch.patches._header import DatasetHeader
from minewatch.patches._import import ImportSettings
from minewatch.patches._legacy import import_legacy, legacy_companions
from minewatch.patches._scaling import Scaling
from minewatch.patches._write import write_patches

__all__ = [
    "BuildSummary",
    "DatasetHeader",
    "ImportSettings",
    "PatchDataset",
    "Scaling",
    "build_patches",
    "export_patches",
    "import_arrays",
    "import_geotiffs",
    "import_legacy",
    "legacy_companions",
    "write_patches",
]
