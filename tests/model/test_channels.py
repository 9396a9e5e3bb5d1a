"""A detector takes an earlier date and channels of context, by name, and is the same when saved."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from minewatch import patches, toy
from minewatch.cli._app import run
from minewatch.errors import BandError, InputError, LevelError
from minewatch.model import FusionDetector, load_detector, read_pixels, save_detector
from minewatch.model._channel_statistics import channel_statistic_names, channel_statistics
from minewatch.model._ensemble import EnsembleDetector
from minewatch.model._features import patch_statistics
from minewatch.model._onnx import RunOptions
from minewatch.model._stacked import nearness, open_stacked, stack_patches
from minewatch.model._textures import TextureDetector
from minewatch.model._trees import TreeDetector

pytestmark = pytest.mark.usefixtures("few_windows")

BANDS = ("B04", "B03", "B02", "B08")
N = 24


def draw(sites, *, size=48, layers=("highway", "target"), seed=2):
    """Draw made-up channels, in another order of sites than the patches'."""
    rng = np.random.default_rng(seed)
    keys = list(sites)[::-1]
    dims = ("site", "layer", "y", "x")
    shape = (len(keys), len(layers), size, size)
    distance = rng.uniform(0, 15_000, shape).astype("f4")
    return xr.Dataset(
        {
            "presence": (dims, (rng.random(shape) < 0.1).astype("u1")),
            "distance_m": (dims, np.where(distance > 10_000, np.nan, distance)),
        },
        coords={"site": keys, "layer": list(layers)},
    )


def write(folder, sites, pixels, start, end):
    table = sites.assign(start=start, end=end)
    return patches.write_patches(folder, table, pixels, bands=BANDS, level="L2A")


@pytest.fixture(scope="module")
def two_dates(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dates")
    valley = toy.Valley(seed=3, width_m=12_000, height_m=12_000)
    sites = valley.sites(N // 2, N // 2)
    now = valley.pixels(sites, bands=BANDS)
    rng = np.random.default_rng(1)
    then = (now.to_numpy() * rng.uniform(0.8, 1.2, now.shape)).astype("uint16")
    after = write(folder / "after", sites, now, "2021-01-01", "2021-12-31")
    before = write(folder / "before", sites, now.copy(data=then), "2018-01-01", "2018-12-31")
    return after, before


@pytest.fixture(scope="module")
def stacked(two_dates):
    after, before = two_dates
    drawn = draw(after.sites.index)
    return stack_patches(after, before=before, context=drawn, measures=("presence", "distance"))


def test_every_channel_is_joined_by_site_and_comes_in_the_order_asked(stacked, two_dates):
    after, before = two_dates
    keys = list(after.sites.index[[5, 1]])
    wanted = ["osm:highway", "B03@before", "B04", "osm:highway_distance"]
    pixels = stacked.pixels(keys, bands=wanted)
    assert pixels["band"].to_numpy().tolist() == wanted
    assert pixels["site"].to_numpy().tolist() == keys
    drawn = stacked.drawn.sel(site=keys, layer="highway")
    np.testing.assert_array_equal(pixels.sel(band="osm:highway"), drawn["presence"])
    np.testing.assert_allclose(
        pixels.sel(band="osm:highway_distance"), nearness(drawn["distance_m"].to_numpy())
    )
    for name, dataset in (("B03@before", before), ("B04", after)):
        own = dataset.pixels(keys, bands=[name.partition("@")[0]])[:, 0]
        np.testing.assert_array_equal(pixels.sel(band=name), own)
    assert pixels.attrs["level"] == "L2A"
    assert pixels.attrs["resolution_m"] == 10.0


def test_what_names_the_target_is_not_stacked(stacked):
    assert not any("target" in name for name in stacked.channels)


def test_read_pixels_takes_an_earlier_date(two_dates):
    after, before = two_dates
    pixels = read_pixels(after, before=before, channels=draw(after.sites.index))
    assert pixels["band"].to_numpy().tolist() == [
        *BANDS, *(f"{band}@before" for band in BANDS), "osm:highway",
    ]  # fmt: skip


def test_dates_and_channels_that_do_not_fit_are_refused(two_dates, tmp_path):
    after, before = two_dates
    with pytest.raises(InputError, match="not earlier"):
        stack_patches(before, before=after)
    with pytest.raises(InputError, match="have no channels"):
        stack_patches(after, context=draw(after.sites.index[:3]))
    with pytest.raises(InputError, match="32 × 32"):
        stack_patches(after, context=draw(after.sites.index, size=32))
    with pytest.raises(InputError, match="no layer waterway"):
        stack_patches(after, context=draw(after.sites.index), layers=["waterway"])
    few = patches.write_patches(
        tmp_path / "few", after.sites.iloc[:3], after.digital_numbers(after.sites.index[:3]),
        bands=BANDS, level="L2A",
    )  # fmt: skip
    with pytest.raises(InputError, match=r"are not in .*few"):
        stack_patches(after, before=few)
    other = patches.write_patches(
        tmp_path / "l1c", before.sites, before.digital_numbers(), bands=BANDS, level="L1C"
    )
    with pytest.raises(LevelError, match="one level"):
        stack_patches(after, before=other)


def test_an_earlier_date_on_other_pixels_is_refused(two_dates, tmp_path):
    after, before = two_dates
    moved = before.sites.copy()
    first = moved.index[0]
    grid = before.geobox(first).affine
    shifted = [grid.a, grid.b, grid.c + 30.0, grid.d, grid.e, grid.f]
    moved.loc[first, "transform"] = ",".join(map(str, shifted))
    elsewhere = patches.write_patches(
        tmp_path / "moved", moved, before.digital_numbers(), bands=BANDS, level="L2A"
    )
    with pytest.raises(InputError, match=f"other pixels.*{first}"):
        stack_patches(after, before=elsewhere)


def test_the_digest_tells_what_was_stacked(two_dates):
    after, before = two_dates
    digests = {
        stacked.header.digest
        for stacked in (
            stack_patches(after, before=before),
            stack_patches(after, context=draw(after.sites.index)),
            stack_patches(after, context=draw(after.sites.index, seed=9)),
            after,
        )
    }
    assert len(digests) == 4


def test_statistics_of_bands_are_the_same_beside_other_channels(stacked):
    pixels = stacked.pixels()
    names = stacked.channels
    values, columns = channel_statistics(pixels.to_numpy(), names)
    assert columns == channel_statistic_names(names)
    own, own_columns = patch_statistics(pixels.sel(band=list(BANDS)).to_numpy(), BANDS)
    assert columns[: len(own_columns)] == own_columns
    np.testing.assert_array_equal(values[:, : len(own_columns)], own)


def test_statistics_of_change_are_nought_where_nothing_changed():
    rng = np.random.default_rng(0)
    now = rng.uniform(0.02, 0.4, (2, 2, 24, 24)).astype("f4")
    now[0, 0, 3, 4] = np.nan
    names = ("B04", "B08", "B04@before", "B08@before")
    values, columns = channel_statistics(np.concatenate([now, now], axis=1), names)
    changed = [i for i, name in enumerate(columns) if name.startswith(("change:", "difference:"))]
    assert len(changed) > 100
    np.testing.assert_allclose(values[:, changed], 0.0, atol=1e-6)


def test_statistics_of_differences_are_what_numpy_says():
    rng = np.random.default_rng(0)
    now, then = rng.uniform(0.02, 0.4, (2, 1, 1, 24, 24)).astype("f4")
    now[0, 0, :5, :7] = np.nan
    values, columns = channel_statistics(np.concatenate([now, then], 1), ("B04", "B04@before"))
    known = (now - then)[0, 0]
    for percent in (2, 90):
        place = columns.index(f"difference: B04 p{percent}")
        assert values[0, place] == pytest.approx(np.nanpercentile(known, percent), abs=1e-6)
    place = columns.index("difference: B04 std")
    assert values[0, place] == pytest.approx(np.nanstd(known), rel=1e-5)


def labels_of(dataset):
    return dataset.sites["label"].astype("int64")


@pytest.mark.parametrize(
    "detector",
    [
        TreeDetector(n_trees=20, random_state=1),
        TextureDetector(n_textures=12, random_state=1),
        EnsembleDetector([TreeDetector(n_trees=20), TextureDetector(n_textures=12)]),
    ],
    ids=["trees", "textures", "ensemble"],
)
def test_a_saved_detector_of_many_channels_gives_the_same_scores(detector, stacked, tmp_path):
    pixels, labels = read_pixels(stacked), labels_of(stacked)
    pixels[1, :, :10, :10] = np.nan
    detector.fit(pixels, labels)
    saved = load_detector(save_detector(detector, tmp_path / "d"), options=RunOptions(threads=1))
    assert saved.card.bands == stacked.channels
    shuffled = pixels.isel(band=np.random.default_rng(0).permutation(len(stacked.channels)))
    expected = detector.predict_proba(pixels)
    assert np.ptp(expected[:, 1]) > 0.1
    np.testing.assert_allclose(saved.predict_proba(shuffled), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("left_out", "advice"),
    [("B04@before", "--before"), ("osm:highway", "--channels"), ("B08", "with those bands")],
)
def test_a_detector_says_what_to_bring_where_a_channel_is_missing(left_out, advice, stacked):
    detector = TreeDetector(n_trees=5).fit(read_pixels(stacked), labels_of(stacked))
    kept = [name for name in stacked.channels if name != left_out]
    with pytest.raises(BandError, match=f"lack {left_out} .*{advice}"):
        detector.predict_proba(read_pixels(stacked, bands=kept))


def test_trees_see_what_only_a_channel_tells(two_dates):
    after, _ = two_dates
    labels = labels_of(after)
    rng = np.random.default_rng(0)
    grey = np.full((N, len(BANDS), 48, 48), 0.1) + rng.normal(0, 0.005, (N, len(BANDS), 48, 48))
    road = np.zeros((N, 1, 48, 48))
    road[labels.to_numpy() == 1, :, 20:28] = 1.0
    pixels = xr.DataArray(
        np.concatenate([grey, road], axis=1).astype("f4"),
        dims=("site", "band", "y", "x"),
        coords={"site": list(labels.index), "band": [*BANDS, "osm:highway"]},
        attrs={"level": "L2A", "resolution_m": 10.0},
    )
    half = np.arange(N) % 2 == 0
    trees = TreeDetector(n_trees=50, max_features=1.0)
    trees.fit(pixels[half], labels[half])
    assert (trees.predict(pixels[~half]) == labels[~half]).all()


def test_late_fusion_weighs_a_base_that_sees_channels(stacked, tmp_path):
    pixels, labels = read_pixels(stacked), labels_of(stacked)
    context = pd.DataFrame(
        {"road_m": np.random.default_rng(0).uniform(0, 9, N)}, index=labels.index
    )
    fusion = FusionDetector(TreeDetector(n_trees=10), n_trees=10, n_splits=2)
    fusion.fit(pixels, labels, context)
    saved = load_detector(save_detector(fusion, tmp_path / "d"), options=RunOptions(threads=1))
    np.testing.assert_allclose(
        saved.predict_proba(pixels, context),
        fusion.predict_proba(pixels, context),
        rtol=0,
        atol=1e-5,
    )


def test_the_null_model_of_colour_sees_bands_of_its_date_alone(stacked):
    from minewatch.model import NullDetector

    pixels = read_pixels(stacked)
    seen = NullDetector("mean colour").summarise(pixels)
    assert tuple(seen.columns) == BANDS


@pytest.fixture
def around(two_dates, tmp_path):
    """Context of the patches: one road through the first, and its channels."""
    import geopandas as gpd
    import pyarrow as pa
    from shapely import LineString

    from minewatch.context import Features, write_context

    after, _ = two_dates
    first = after.sites.iloc[0]
    ends = [(first["longitude"] + step, first["latitude"]) for step in (-0.01, 0.01)]
    tags = pd.array([[("name", "Troncal")]], dtype=pd.ArrowDtype(pa.map_(pa.string(), pa.string())))
    table = gpd.GeoDataFrame(
        {
            "highway": ["track"],
            "target": pd.array([None], dtype="str"),
            "kind": ["line"],
            "tags": tags,
        },
        geometry=[LineString(ends)],
        index=pd.Index(["way/1"], name="feature_id"),
        crs="EPSG:4326",
    )
    features = Features(table, pd.DataFrame(columns=["feature_id", "reason", "repaired"]), {})
    grids = {str(site): after.geobox(str(site)) for site in after.sites.index}
    return write_context(tmp_path / "context", after.sites, features, geoboxes=grids)


def test_commands_take_an_earlier_date_and_channels(two_dates, around, tmp_path, capsys):
    after, before = two_dates
    beside = ["--before", str(before.path), "--channels", str(around.path)]
    out, scores = tmp_path / "trees", tmp_path / "scores.csv"
    train = ["model", "train", str(after.path), "--out", str(out), "--trees", "5", "--folds", "2"]
    assert run([*train, "--block-m", "4000", *beside, "--drawn", "both"]) == 0
    card = load_detector(out).card
    assert {"B04@before", "osm:highway", "osm:highway_distance"} <= set(card.bands)
    assert "context" in card.null_models  # of the table that lies beside the channels
    capsys.readouterr()
    predict = ["model", "predict", str(after.path), str(out), "--out", str(scores)]
    assert run(predict) == 3
    assert "--before" in capsys.readouterr().err
    assert run([*predict, *beside]) == 0
    table = pd.read_csv(scores).set_index("site_id")
    assert table["score"].notna().all()
    assert table["is_applicable"].all()


def test_channels_of_a_folder_lie_on_the_patches_pixels(two_dates, around):
    after, _ = two_dates
    stacked = stack_patches(after, context=around)
    drawn = stacked.pixels(bands=["B04", "osm:highway"]).sel(band="osm:highway")
    rows = drawn[0].to_numpy()
    assert rows.any(axis=0).all()
    assert rows.any(axis=1).sum() <= 4
    assert 20 <= np.flatnonzero(rows.any(axis=1)).mean() <= 28


def test_channels_that_look_less_far_are_refused(two_dates, around, tmp_path):
    from minewatch.context import write_context

    after, _ = two_dates
    near = write_context(tmp_path / "near", after.sites, around.features, max_distance_m=500.0)
    with pytest.raises(InputError, match="look 500 m far"):
        stack_patches(after, context=near, measures=["distance"])
    stacked = open_stacked(after.path, channels=near.path, drawn="all")
    assert stacked.channels == (*BANDS, "osm:highway")


class TestNetwork:
    """The network with channels; needs torch."""

    @pytest.fixture(autouse=True)
    def torch(self):
        return pytest.importorskip("torch")

    def test_a_saved_network_of_many_channels_gives_the_same_scores(self, stacked, tmp_path):
        from minewatch.model import CnnDetector
        from minewatch.model._cnn_train import member_scores

        pixels, labels = read_pixels(stacked), labels_of(stacked)
        detector = CnnDetector(width=4, n_members=1, epochs=2, inner_splits=2, threads=1)
        detector.fit(pixels, labels)
        saved = load_detector(
            save_detector(detector, tmp_path / "d"), options=RunOptions(threads=1)
        )
        assert saved.card.bands == stacked.channels
        by_torch = member_scores(
            detector.network_, detector.normalisation_, detector.members_[0], pixels.to_numpy()
        )
        np.testing.assert_allclose(saved.predict_proba(pixels)[:, 1], by_torch, rtol=0, atol=1e-5)

    def test_what_is_hardly_ever_mapped_is_not_cut_off(self):
        from minewatch.model._cnn_layers import learn_normalisation

        values = np.random.default_rng(0).uniform(0.1, 0.2, (4, 2, 40, 40)).astype("f4")
        values[:, 1] = 0.0
        values[0, 1, 3, 3] = 1.0
        learnt = learn_normalisation(values, [1])
        assert learnt.high[1] == 1.0
        assert (1.0 - learnt.mean[1]) / learnt.deviation[1] == pytest.approx(10.0, rel=0.01)
        assert learn_normalisation(values).high[1] == 0.0

    def test_light_and_gaps_leave_channels_alone_and_differ_between_dates(self, torch):
        from minewatch.model._cnn_augment import augment

        values = torch.full((300, 3, 20, 20), 0.2)
        values[:, 2] = 1.0
        varied = augment(values, torch.Generator().manual_seed(0), ((0,), (1,)))
        assert (varied[:, 2] == 1.0).all()
        now, then = varied[:, 0].nanmean((1, 2)), varied[:, 1].nanmean((1, 2))
        assert float((now - then).abs().median()) > 0.01
        assert bool((varied[:, 0].isnan() != varied[:, 1].isnan()).any())
