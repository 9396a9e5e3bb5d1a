import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import shapely

from minewatch.cli._app import run
from minewatch.context import open_context, write_features
from minewatch.patches import PatchDataset, write_patches
from minewatch.sites import write_sites

_spec = importlib.util.spec_from_file_location(
    "minewatch_test_map_tables", Path(__file__).with_name("map_tables.py")
)
tables = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(tables)


@pytest.fixture
def study(tmp_path):
    sites = tables.site_table([(-62.6, 5.4), (-62.55, 5.4), (-62.0, 5.4)])
    sites = sites.assign(label=[1, 0, 0], source="made")
    write_sites(sites, tmp_path / "sites.parquet")
    features = tables.as_features(
        tables.feature_table(
            [shapely.LineString([(-62.61, 5.4), (-62.59, 5.4)]), shapely.Point(-62.6, 5.41)],
            ["highway", "natural"],
            target=[None, "landuse=quarry"],
        ),
        area=shapely.box(-62.8, 5.0, -62.5, 5.8).wkt,
        attribution="© OpenStreetMap contributors, ODbL 1.0",
    )
    write_features(features, tmp_path / "context" / "features.parquet")
    return tmp_path


def test_the_summary_says_shares_and_what_limits_them(study, capsys):
    assert run(["context", "measure", "--study", str(study), "--size-px", "8"]) == 0
    out = capsys.readouterr().out
    assert "highway         33.3 %   33.3 %  33.3 %   66.7 %" in out
    assert "(the target)" in out
    assert "Nothing is drawn by hand around: 1 within 500 m, 1 within 2 km, 0 within 10 km" in out
    assert "\n1 site lies outside of the map: nothing is known of it\n" in out
    assert "to where the extract ends: 2 sites" in out
    assert "© OpenStreetMap contributors" in out
    assert "Nearest: the median over sites that have one within 10 km\n" in out
    assert "Channels: 3 patches × 3 layers of 8 × 8 pixels, cut around the sites: no" in out


def test_the_target_is_drawn_when_it_is_named(study, capsys):
    arguments = ["context", "measure", "--study", str(study), "--size-px", "8"]
    assert run([*arguments, "--layers", "highway, target"]) == 0
    assert "3 patches × 2 layers" in capsys.readouterr().out
    drawn = open_context(study / "context").channels["layer"]
    assert list(drawn.values) == ["highway", "target"]


def test_sites_without_coordinates_have_no_channels_and_that_is_said(study, capsys):
    sites = tables.site_table([(np.nan, np.nan)]).assign(label=[1], source="made")
    write_sites(sites, study / "sites.parquet", overwrite=True)
    assert run(["context", "measure", "--study", str(study)]) == 0
    out = capsys.readouterr().out
    assert "Shares of 0 sites; 1 has no coordinates\n" in out
    assert "No channels are drawn, for no site has coordinates\n" in out


def test_the_result_is_one_json_object(study, capsys):
    arguments = ["context", "measure", "--study", str(study), "--no-channels", "--json"]
    assert run([*arguments, "--radius-m", "700", "--layers", "highway"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["layers"]["highway"]["within_percent"] == {"700": 33.3}
    assert told["layers"]["target"]["within_percent"] == {"700": 0.0}
    assert told["sites"] == 3
    assert told["outside"] == 1
    assert told["nothing_mapped"] == {"700": 1}
    assert told["patches"] == 0


def test_a_dataset_is_drawn_on_its_own_grids(study, capsys):
    sites = tables.site_table([(-62.6, 5.4), (-62.55, 5.4)])
    numbers = np.full((2, 3, 16, 16), 900, dtype=np.uint16)
    write_patches(study / "patches", sites, numbers, bands="rgb", level="L2A", cut="point")
    assert run(["context", "measure", "--study", str(study)]) == 0
    context = open_context(study / "context")
    assert "× 16 pixels\n" in capsys.readouterr().out
    assert context.channels.sizes == {"site": 2, "layer": 3, "y": 16, "x": 16}
    dataset = PatchDataset.open(study / "patches")
    assert list(context.table.index) == list(dataset.sites.index)
    road = context.channels["presence"].sel(site="s0", layer="highway").values
    assert road[7:9].max(axis=0).sum() == 16  # cut="point": the road runs through the very middle
    assert road[7:9].sum() == road.sum()


@pytest.mark.parametrize(
    ("more", "code", "says"),
    [
        (["--layers", "canal"], 3, "canal"),
        (["--radius-m", "0.5"], 3, "radii_m"),
        (["--features", "nowhere.parquet"], 4, "nowhere.parquet"),
    ],
)
def test_what_is_wrong_is_named_and_decides_the_exit_code(study, capsys, more, code, says):
    assert run(["context", "measure", "--study", str(study), *more]) == code
    assert says in capsys.readouterr().err


def test_within_the_map_no_site_is_said_to_lie_outside(study, capsys):
    sites = tables.site_table([(-62.6, 5.4)]).assign(label=[1], source="made")
    write_sites(sites, study / "sites.parquet", overwrite=True)
    assert run(["context", "measure", "--study", str(study), "--no-channels"]) == 0
    assert "outside of the map" not in capsys.readouterr().out


def test_what_a_foreign_file_holds_that_is_no_feature_is_said(study, capsys):
    parts = [[[-62.61, 5.4], [-62.6, 5.4]], [[-62.59, 5.4], [-62.58, 5.4]]]
    shapes = [
        {"type": "MultiLineString", "coordinates": parts},
        {"type": "MultiPoint", "coordinates": [[-62.6, 5.4], [-62.6, 5.41]]},
    ]
    rows = [
        {"type": "Feature", "id": f"way/{n}", "properties": {"highway": "track"}, "geometry": one}
        for n, one in enumerate(shapes)
    ]
    foreign = study / "osmnx.geojson"
    foreign.write_text(json.dumps({"type": "FeatureCollection", "features": rows}))
    arguments = ["context", "measure", str(study / "sites.parquet"), "--out", str(study / "other")]
    assert run([*arguments, "--features", str(foreign)]) == 0
    out = capsys.readouterr().out
    assert "Features dropped: 1; repaired: 1: it " in out
    assert "it is a MultiPoint, which no node, way or area is (1)" in out
    table = open_context(study / "other").table
    assert table["highway_nearest_m"].iloc[0] == pytest.approx(0.0, abs=1e-3)
    assert table["highway_10000m_count"].iloc[0] == 1
    assert 2_200.0 < table["highway_10000m_length_m"].iloc[0] < 2_230.0


def test_another_context_is_another_exit_code(study, capsys):
    arguments = ["context", "measure", "--study", str(study), "--no-channels"]
    assert run(arguments) == 0
    assert run(arguments) == 0
    assert run([*arguments, "--radius-m", "700"]) == 6
    assert run([*arguments, "--radius-m", "700", "--overwrite"]) == 0
