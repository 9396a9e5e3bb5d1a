"""Labelled places: read them, check them, write them, measure between them, draw background.

A table of sites is a `geopandas.GeoDataFrame` with one row per place:

- index ``site_id``: unique text;
- ``label``: Int8, 1 = mining, 0 = no mining, <NA> = unlabelled;
- ``source``: text, the file that the site came from;
- ``geometry``: a point, EPSG:4326, longitude first;
- any further columns, kept as they came.
"""

from minewatch.sites._check import SitesCheck, check_sites
from minewatch.sites._distance import nearest_distance_m
from minewatch.sites._read import read_sites
from minewatch.sites._sample import sample_background
from minewatch.sites._schema import CLASS_NAMES
from minewatch.sites._space import cluster_sites, spatial_blocks
from minewatch.sites._validate import validate_sites
from minewatch.sites._write import write_sites

__all__ = [
    "CLASS_NAMES",
    "SitesCheck",
    "check_sites",
    "cluster_sites",
    "nearest_distance_m",
    "read_sites",
    "sample_background",
    "spatial_blocks",
    "validate_sites",
    "write_sites",
]
