"""A vector file is opened as what its suffix says, and makes GDAL open nothing else."""

import shutil
from pathlib import Path

import geopandas as gpd
import pytest
import shapely

from minewatch.errors import InputError, UnsafeError
from minewatch.sites import read_sites, sample_background

ORDER = (
    '<OGRVRTDataSource><OGRVRTLayer name="secret"><SrcDataSource>{}</SrcDataSource></OGRVRTLayer>'
    "</OGRVRTDataSource>"
)
DISGUISES = {
    "bare.geojson": "{}",
    "quoted.geojson": '{{"type": "FeatureCollection", "features": [], "note": "{}"}}',
    "lines.geojsonl": '{{"type": "Feature"}}\n{}',
    "bare.json": "{}",
    "bare.shp": "{}",
    "bare.gpkg": "{}",
    "marked.fgb": "fgb\x03fgb\x01{}",
    "bare.kml": "{}",
    "declared.kml": '<?xml version="1.0"?>\n{}',
    "commented.gml": "<!-- {} --><gml/>",
}


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    file = tmp_path / "secret.gpkg"
    places = [shapely.box(-62.7, 5.3, -62.5, 5.5)]
    gpd.GeoDataFrame({"word": ["swordfish"]}, geometry=places, crs="EPSG:4326").to_file(file)
    return file


@pytest.mark.parametrize("name", DISGUISES)
def test_an_order_to_read_another_file_is_not_followed(
    tmp_path: Path, secret: Path, name: str
) -> None:
    file = tmp_path / name
    file.write_text(DISGUISES[name].format(ORDER.format(secret)))
    with pytest.raises((UnsafeError, InputError), match=r"is not opened|cannot be read as"):
        read_sites(file)
    with pytest.raises((UnsafeError, InputError), match=r"is not opened|cannot be read as"):
        sample_background(file, 1, min_distance_m=0)


@pytest.mark.parametrize(
    ("name", "text", "named"),
    [
        ("a.geojson", '{"type": "gdal_streamed_alg", "command_line": "gdal"}', "gdal_streamed_alg"),
        ("a.kml", '<!DOCTYPE kml [<!ENTITY x SYSTEM "/etc/passwd">]><kml/>', "<!DOCTYPE"),
        ("a.gml", "<OGRWFSDataSource><URL>http://127.0.0.1</URL></OGRWFSDataSource>", "OGRWFS"),
    ],
)
def test_orders_to_run_or_to_ask_are_named(
    tmp_path: Path, name: str, text: str, named: str
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(UnsafeError, match=named):
        read_sites(tmp_path / name)


def test_an_order_far_into_a_file_is_found(tmp_path: Path) -> None:
    for place in (1 << 20, (1 << 20) - 7):
        (tmp_path / "a.geojson").write_text("{" + " " * place + ORDER.format("x"))
        with pytest.raises(UnsafeError, match="OGRVRTDataSource"):
            read_sites(tmp_path / "a.geojson")


def test_a_file_under_the_suffix_of_another_format_is_not_opened(
    tmp_path: Path, secret: Path
) -> None:
    for suffix in (".geojson", ".shp", ".fgb", ".kml"):
        shutil.copy(secret, tmp_path / f"copy{suffix}")
        with pytest.raises(InputError, match="does not begin like that"):
            read_sites(tmp_path / f"copy{suffix}")


def test_a_name_that_is_an_address_to_gdal_is_a_file(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    points = gpd.points_from_xy([-62.6], [5.4], crs="EPSG:4326")
    gpd.GeoDataFrame(geometry=points).to_file(tmp_path / "a.geojson")
    shutil.copy("a.geojson", "OAPIF:a.geojson")
    assert len(read_sites("OAPIF:a.geojson")) == 1


@pytest.mark.parametrize(
    "suffix", [".geojson", ".geojsonl", ".gpkg", ".shp", ".fgb", ".kml", ".gml"]
)
def test_honest_files_of_every_format_are_read(tmp_path: Path, suffix: str) -> None:
    points = gpd.points_from_xy([-62.6, -62.5], [5.4, 5.5], crs="EPSG:4326")
    file = tmp_path / f"places{suffix}"
    driver = {".geojsonl": "GeoJSONSeq", ".gml": "GML", ".kml": "KML"}.get(suffix)
    gpd.GeoDataFrame({"Name": ["a", "b"]}, geometry=points).to_file(
        file, **({"driver": driver} if driver else {})
    )
    assert len(read_sites(file)) == 2


def test_a_region_of_an_unknown_suffix_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.vrt").write_text(ORDER.format("x"))
    with pytest.raises(InputError, match=r"ends in '\.vrt'; expected one of \.geojson"):
        sample_background(tmp_path / "a.vrt", 1, min_distance_m=0)
