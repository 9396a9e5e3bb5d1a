import numpy as np
import pytest
import shapely
from affine import Affine
from rasterio.features import rasterize

from minewatch.context._runs import Runs
from minewatch.context._tracks import Tracks

SHAPE = (24, 20)


def touched_by_rasterizer(line: shapely.Geometry) -> np.ndarray:
    return rasterize(
        [line], out_shape=SHAPE, transform=Affine.identity(), all_touched=True, dtype="uint8"
    )


@pytest.mark.parametrize("close_to_edges", [False, True])
def test_a_side_touches_the_pixels_that_the_rasterizer_touches(close_to_edges: bool) -> None:
    random = np.random.default_rng(5)
    ends = random.uniform(-4.0, 28.0, (600, 2, 2))
    ends[:, 1] = ends[:, 0] + random.normal(0.0, 1.0, (600, 2)) * random.choice(
        [0.4, 4, 30], (600, 1)
    )
    if close_to_edges:
        off = 10.0 ** random.uniform(-8.0, -1.0, ends.shape) * random.choice([-1, 1], ends.shape)
        ends = np.where(random.random(ends.shape) < 0.4, np.rint(ends) + off, ends)
    lines = np.asarray(shapely.linestrings(ends))
    upright = np.array([[1.0, 0.0, 0.0, 0.0, 1.0, 0.0]])
    tracks = Tracks.of(Runs.of(lines), upright, SHAPE)
    judged = np.setdiff1d(np.arange(len(lines)), tracks.feature[tracks.doubtful])
    assert len(judged) > 200
    for feature in judged:
        burnt = np.zeros((1, *SHAPE), dtype=np.uint8)
        tracks.mark(np.arange(len(lines)) == feature, burnt)
        np.testing.assert_array_equal(burnt[0], touched_by_rasterizer(lines[feature]))


def test_turned_pixels_find_the_lines_that_cross_them() -> None:
    random = np.random.default_rng(6)
    forward = Affine(8.0, 6.0, 500_000.0, 6.0, -8.0, 600_000.0)
    ends = random.uniform(-10.0, 30.0, (60, 2, 2))
    moved = np.stack(forward @ np.moveaxis(ends, -1, 0), axis=-1)
    back = np.array([tuple(~forward)[:6]])
    lines = np.asarray(shapely.linestrings(moved))
    tracks = Tracks.of(Runs.of(lines), back, SHAPE)
    met = shapely.intersects(shapely.linestrings(ends), shapely.box(0, 0, SHAPE[1], SHAPE[0]))
    assert set(np.flatnonzero(met)) <= set(tracks.feature.tolist())
