import numpy as np
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from minewatch.context._near import Near
from minewatch.context._pieces import Borders
from minewatch.context._runs import Runs

seeds = st.integers(0, 2**32 - 1)


def found_by(near: Near, x: np.ndarray, y: np.ndarray, reach: np.ndarray) -> list[tuple[int, int]]:
    pairs = []
    for one in near.search(x, y, reach):
        place = (one.place + one.places.start).tolist()
        pairs += zip(place, one.circle.tolist(), strict=True)
    return pairs


@settings(deadline=None, max_examples=20)
@given(seed=seeds)
def test_every_circle_within_reach_is_found_and_once(seed: int) -> None:
    random = np.random.default_rng(seed)
    circle_x, circle_y = random.uniform(-30_000.0, 30_000.0, (2, 300))
    radius = random.pareto(1.0, 300) * 50.0
    x, y = random.uniform(-30_000.0, 30_000.0, (2, 40))
    reach = random.uniform(0.0, 5_000.0, 40)
    pairs = found_by(Near.of(circle_x, circle_y, radius, 5_000.0), x, y, reach)
    away = np.hypot(circle_x - x[:, None], circle_y - y[:, None]) - radius
    wanted = np.argwhere(away <= reach[:, None])
    assert len(pairs) == len(set(pairs))
    assert {(int(place), int(circle)) for place, circle in wanted} <= set(pairs)


@settings(deadline=None, max_examples=10)
@given(seed=seeds)
def test_neither_far_circles_nor_other_places_change_the_order(seed: int) -> None:
    random = np.random.default_rng(seed)
    circle_x, circle_y = random.uniform(0.0, 3_000.0, (2, 100))
    radius = random.uniform(0.0, 100.0, 100)
    x, y, reach = np.array([1_000.0]), np.array([1_500.0]), np.array([2_000.0])
    alone = found_by(Near.of(circle_x, circle_y, radius, 2_000.0), x, y, reach)
    more_x = np.append(circle_x, random.uniform(90_000.0, 99_000.0, 20))
    more_y, more_radius = np.append(circle_y, np.zeros(20)), np.append(radius, np.ones(20) * 5.0)
    both = Near.of(more_x, more_y, more_radius, 2_000.0)
    places = np.append(x, 95_000.0), np.append(y, 0.0), np.append(reach, 2_000.0)
    assert [pair for pair in found_by(both, *places) if pair[0] == 0] == alone


@settings(deadline=None, max_examples=20)
@given(seed=seeds)
def test_areas_that_are_judged_simple_are_valid_and_have_their_area(seed: int) -> None:
    random = np.random.default_rng(seed)
    drawn = [shapely.Polygon(random.normal(0.0, 50.0, (5, 2))) for _ in range(40)]
    drawn += [
        shapely.Point(*place).buffer(9.0, quad_segs=5) for place in random.normal(0.0, 50.0, (5, 2))
    ]
    # Twice around: each corner turns one way, and yet it is no valid area.
    angle = np.arange(5) * 4.0 * np.pi / 5.0
    drawn.append(shapely.Polygon(np.column_stack([np.cos(angle), np.sin(angle)]) * 40.0))
    shapes = np.array(drawn, dtype=object)
    borders = Borders.of(Runs.of(shapes))
    simple = borders.bodies.feature[borders.simple]
    assert shapely.is_valid(shapes[simple]).all()
    assert len(simple) >= 5
    assert len(shapes) - 1 not in simple
    assert np.allclose(abs(borders.ground[borders.simple]), shapely.area(shapes[simple]))
    assert np.array_equal(
        borders.ground[borders.simple] > 0.0,
        shapely.is_ccw(shapely.get_exterior_ring(shapes[simple])),
    )
