"""Files of places become one table of sites, or an error that says what to do."""

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

from minewatch.errors import (
    InputError,
    NotThereError,
    RenamedWarning,
    SitesError,
    UnlabelledWarning,
)
from minewatch.sites import read_sites, validate_sites
from minewatch.sites._schema import LABEL_WORDS

PLACES = [(-62.6, 5.4), (-62.5, 5.5), (-61.9, 6.0)]


def as_layer(crs: str | None = "EPSG:4326", **columns: object) -> gpd.GeoDataFrame:
    points = gpd.points_from_xy(*zip(*PLACES, strict=True))
    layer = gpd.GeoDataFrame(columns, geometry=points, crs="EPSG:4326")
    return layer.set_crs(None, allow_override=True) if crs is None else layer.to_crs(crs)


def write_table(file: Path, text: str) -> Path:
    file.write_text(text, encoding="utf-8")
    return file


def coordinates(sites: gpd.GeoDataFrame) -> np.ndarray:
    return shapely.get_coordinates(sites.geometry.to_numpy())


@pytest.mark.parametrize("name", ["a.geojson", "a.gpkg", "a.shp", "a.fgb", "a.parquet", "a.csv"])
def test_every_format_gives_the_same_sites(tmp_path: Path, name: str) -> None:
    layer = as_layer(found=["yes", "no", None], note=["x", "y", "z"])
    if name.endswith("parquet"):
        layer.to_parquet(tmp_path / name)
    elif name.endswith("csv"):
        table = pd.DataFrame(layer.drop(columns="geometry")).assign(
            Longitude=layer.geometry.x, LAT=layer.geometry.y
        )
        table.to_csv(tmp_path / name, index=False)
    elif name.endswith("fgb"):
        layer.to_file(tmp_path / name, SPATIAL_INDEX="NO")
    else:
        layer.to_file(tmp_path / name)
    sites = read_sites(tmp_path / name, label="found")
    assert list(sites.columns) == ["label", "source", "geometry", "note"]
    assert sites.index.name == "site_id"
    assert sites["label"].dtype == "Int8"
    assert sites["label"].to_numpy(float, na_value=-1).tolist() == [1, 0, -1]
    assert set(sites["source"]) == {"a"}
    assert sites.crs.to_epsg() == 4326
    assert sites["note"].tolist() == ["x", "y", "z"]
    np.testing.assert_allclose(coordinates(sites), PLACES, atol=1e-7)


def test_a_plain_parquet_file_is_read_by_its_columns(tmp_path: Path) -> None:
    pd.DataFrame(PLACES, columns=["lon", "lat"]).to_parquet(tmp_path / "a.parquet")
    np.testing.assert_array_equal(coordinates(read_sites(tmp_path / "a.parquet")), PLACES)


@pytest.mark.parametrize("crs", ["EPSG:32620", "EPSG:3857", "EPSG:4674", "EPSG:2201"])
def test_any_crs_becomes_degrees_with_longitude_first(tmp_path: Path, crs: str) -> None:
    as_layer(crs).to_file(tmp_path / "a.gpkg")
    sites = read_sites(tmp_path / "a.gpkg")
    assert sites.crs.to_epsg() == 4326
    np.testing.assert_allclose(coordinates(sites), PLACES, atol=0.01)


def test_a_layer_without_crs_is_refused_unless_it_is_named(tmp_path: Path) -> None:
    as_layer().to_file(tmp_path / "a.shp")
    (tmp_path / "a.prj").unlink()
    with pytest.raises(SitesError, match=r"a\.shp does not say its coordinate reference system"):
        read_sites(tmp_path / "a.shp")
    np.testing.assert_allclose(coordinates(read_sites(tmp_path / "a.shp", crs=4326)), PLACES)


def test_a_crs_that_contradicts_the_file_is_refused(tmp_path: Path) -> None:
    as_layer("EPSG:32620").to_file(tmp_path / "a.gpkg")
    with pytest.raises(SitesError, match="EPSG:32620, you say EPSG:32621"):
        read_sites(tmp_path / "a.gpkg", crs="EPSG:32621")
    with pytest.raises(InputError, match="crs is 'nonsense'"):
        read_sites(tmp_path / "a.gpkg", crs="nonsense")


def test_eastings_and_northings_need_their_crs(tmp_path: Path) -> None:
    file = write_table(tmp_path / "a.csv", "x,y\n541000,602000\n")
    with pytest.raises(SitesError, match=r"has x, y.*name the CRS of its eastings"):
        read_sites(file)
    longitude, latitude = coordinates(read_sites(file, crs="EPSG:32620"))[0]
    assert longitude == pytest.approx(-62.63, abs=0.01)
    assert latitude == pytest.approx(5.446, abs=0.01)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("lon,longitude,lat", "several columns of coordinates: lon, longitude, lat"),
        ("name,lat,found", "no columns of longitude and latitude; it has name, lat, found"),
        ("lon,lon,lat", "several columns called lon"),
    ],
)
def test_columns_that_leave_doubt_are_named(tmp_path: Path, header: str, message: str) -> None:
    file = write_table(tmp_path / "a.csv", f"{header}\n1,2,3\n")
    with pytest.raises(SitesError, match=message):
        read_sites(file)


def test_named_columns_settle_the_doubt(tmp_path: Path) -> None:
    file = write_table(tmp_path / "a.csv", "lon,lon_old,lat\n-62.6,0,5.4\n")
    old = read_sites(file, longitude="lon_old", latitude="lat")
    assert coordinates(old).tolist() == [[0.0, 5.4]]
    assert list(old.columns) == ["label", "source", "geometry", "lon"]
    with pytest.raises(SitesError, match="no column breadth"):
        read_sites(file, longitude="lon", latitude="breadth")
    with pytest.raises(SitesError, match="only one"):
        read_sites(file, longitude="lon")


def test_semicolons_tabs_and_byte_order_marks_are_read(tmp_path: Path) -> None:
    for name, text in {
        "a.csv": "\ufefflon;lat\n-62.6;5.4\n",
        "b.tsv": "lon\tlat\n-62.6\t5.4\n",
    }.items():
        assert coordinates(read_sites(write_table(tmp_path / name, text))).tolist() == [
            [-62.6, 5.4]
        ]


def test_a_coordinate_that_is_no_number_is_named_with_its_row(tmp_path: Path) -> None:
    file = write_table(tmp_path / "a.csv", "lon;lat\n-62.6;5.4\n-62,7;5.4\n")
    with pytest.raises(SitesError, match=r"'lon' is not a number in row 2 \('-62,7'\)"):
        read_sites(file)


def test_a_row_without_coordinates_has_no_geometry(tmp_path: Path) -> None:
    file = write_table(tmp_path / "a.csv", "lon,lat\n-62.6,5.4\n,\n-62.6,\n")
    assert read_sites(file).geometry.isna().tolist() == [False, True, True]


@pytest.mark.parametrize(("word", "label"), LABEL_WORDS.items())
def test_every_known_word_is_its_label_in_any_spelling(
    tmp_path: Path, word: str, label: int
) -> None:
    spellings = [word, word.upper(), word.replace(" ", "_"), word.replace(" ", "-"), f" {word} "]
    rows = "".join(f"-62.6,5.4,{spelling}\n" for spelling in spellings)
    file = write_table(tmp_path / "a.csv", "lon,lat,label\n" + rows)
    assert read_sites(file)["label"].tolist() == [label] * len(spellings)


def test_numbers_with_gaps_and_truth_values_are_labels(tmp_path: Path) -> None:
    for name, values in {"a": [1.0, None, 0.0], "b": [True, None, False]}.items():
        as_layer(label=values).to_file(tmp_path / f"{name}.gpkg")
        labels = read_sites(tmp_path / f"{name}.gpkg")["label"]
        assert labels.to_numpy(float, na_value=-1).tolist() == [1, -1, 0]


def test_unknown_labels_are_named_all_at_once_with_their_rows(tmp_path: Path) -> None:
    one = write_table(tmp_path / "one.csv", "lon,lat,label\n1,2,maybe\n1,3,1\n1,4,maybe\n1,5,2\n")
    two = write_table(tmp_path / "two.csv", "lon,lat,label\n1,2,river\n")
    with pytest.raises(SitesError) as caught:
        read_sites([one, two])
    assert caught.value.faults == (
        "one.csv: label 'maybe' is not known, in row 1, 3",
        "one.csv: label '2' is not known, in row 4",
        "two.csv: label 'river' is not known, in row 1",
    )


def test_files_by_class_get_their_class(tmp_path: Path) -> None:
    for name in ("mines", "river", "town"):
        as_layer().to_file(tmp_path / f"{name}.geojson")
    sites = read_sites(
        {
            "mining": tmp_path / "mines.geojson",
            "no mining": [tmp_path / "river.geojson", tmp_path / "town.geojson"],
        }
    )
    counts = sites.groupby("source")["label"].agg(["min", "max", "size"])
    assert counts.loc["mines"].tolist() == [1, 1, 3]
    assert counts.loc["river"].tolist() == counts.loc["town"].tolist() == [0, 0, 3]
    assert sites.index[[0, 3, 8]].tolist() == ["mines-0001", "river-0001", "town-0003"]
    assert read_sites(tmp_path / "mines.geojson", label=1)["label"].eq(1).all()


def test_a_file_that_contradicts_its_class_is_refused(tmp_path: Path) -> None:
    as_layer(label=[1, 1, 0]).to_file(tmp_path / "mines.geojson")
    with pytest.raises(SitesError, match="you say 1, its column 'label' says 0, in row 3"):
        read_sites({1: tmp_path / "mines.geojson"})
    as_layer(label=[1, 1, 1]).to_file(tmp_path / "mines.geojson")
    assert "label_in_file" in read_sites({1: tmp_path / "mines.geojson"})


def test_a_call_that_contradicts_itself_is_refused(tmp_path: Path) -> None:
    as_layer(found=[1, 1, 0]).to_file(tmp_path / "a.geojson")
    file = tmp_path / "a.geojson"
    with pytest.raises(InputError, match="by class"):
        read_sites({1: file}, label="found")
    with pytest.raises(InputError, match="'river' is no class"):
        read_sites({"river": file})
    with pytest.raises(InputError, match="2 is no class"):
        read_sites(file, label=2)
    with pytest.raises(SitesError, match="no column 'mined' of labels; it has found"):
        read_sites(file, label="mined")
    with pytest.raises(InputError, match="no file of sites"):
        read_sites([])


def test_without_labels_sites_are_unlabelled(tmp_path: Path) -> None:
    as_layer().to_file(tmp_path / "a.geojson")
    assert read_sites(tmp_path / "a.geojson")["label"].isna().all()


def test_given_ids_are_kept_as_text(tmp_path: Path) -> None:
    file = write_table(tmp_path / "a.csv", "lon,lat,site_id\n1,2,007\n1,3,08\n")
    assert read_sites(file).index.tolist() == ["007", "08"]
    as_layer(id=[7, 5, 6]).to_file(tmp_path / "b.geojson")
    assert read_sites(tmp_path / "b.geojson").index.tolist() == ["7", "5", "6"]
    file = write_table(tmp_path / "c.csv", "lon,lat,plot\n1,2,p1\n1,3,p2\n")
    assert read_sites(file, site_id="plot").index.tolist() == ["p1", "p2"]


@pytest.mark.filterwarnings("ignore::minewatch.errors.RenamedWarning")
@pytest.mark.parametrize("ids", [[None, None, None], ["a", "a", "b"], ["a", None, "b"]])
def test_ids_that_do_not_tell_rows_apart_are_made(tmp_path: Path, ids: list[str | None]) -> None:
    as_layer(id=ids).to_file(tmp_path / "a.geojson")
    sites = read_sites(tmp_path / "a.geojson")
    assert sites.index.tolist() == ["a-0001", "a-0002", "a-0003"]
    assert ("id" in sites) == any(ids)


def test_who_gave_most_rows_an_id_is_told_that_it_is_not_used(tmp_path: Path) -> None:
    file = write_table(tmp_path / "a.csv", "lon,lat,id\n1,2,vaduz\n1,3,schaan\n1,4,vaduz\n")
    with pytest.warns(RenamedWarning, match=r"holds vaduz more than once.*a-0001"):
        sites = read_sites(file)
    assert sites.index.tolist() == ["a-0001", "a-0002", "a-0003"]
    assert sites["id"].tolist() == ["vaduz", "schaan", "vaduz"]
    file = write_table(tmp_path / "b.csv", "lon,lat,id\n1,2,vaduz\n1,3,schaan\n1,4,\n")
    with pytest.warns(RenamedWarning, match=r"holds no id for 1 of the rows"):
        read_sites(file)


def test_ids_that_clash_between_files_are_made(tmp_path: Path) -> None:
    for name in ("a", "b"):
        as_layer(id=[1, 2, 3]).to_file(tmp_path / f"{name}.geojson")
    sites = read_sites([tmp_path / "a.geojson", tmp_path / "b.geojson"])
    assert sites.index.tolist()[2:4] == ["a-0003", "b-0001"]


def test_a_duplicate_in_site_id_is_not_papered_over(tmp_path: Path) -> None:
    file = write_table(tmp_path / "a.csv", "lon,lat,site_id\n1,2,p\n1,3,p\n")
    with pytest.raises(SitesError, match=r"row 2 \(p\): duplicate id: row 1 bears it too"):
        validate_sites(read_sites(file))


def test_made_ids_do_not_depend_on_the_other_files(tmp_path: Path) -> None:
    for name in ("a", "b"):
        as_layer().to_file(tmp_path / f"{name}.geojson")
    both = read_sites([tmp_path / "a.geojson", tmp_path / "b.geojson"])
    assert set(read_sites(tmp_path / "b.geojson").index) < set(both.index)


def test_files_of_one_name_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    for folder in ("north", "south"):
        (tmp_path / folder).mkdir()
        as_layer().to_file(tmp_path / folder / "points.geojson")
    files = [tmp_path / "north" / "points.geojson", tmp_path / "south" / "points.geojson"]
    assert list(read_sites(files)["source"].unique()) == ["north_points", "south_points"]
    with pytest.raises(InputError, match="cannot be told apart"):
        read_sites([files[0], files[0]])


def test_points_with_heights_and_multipoints_of_one_become_points(tmp_path: Path) -> None:
    odd = [
        shapely.Point(1, 2, 300),
        shapely.MultiPoint([(3, 4)]),
        shapely.MultiPoint([(5, 6), (7, 8)]),
    ]
    gpd.GeoDataFrame(geometry=odd, crs=4326).to_file(tmp_path / "a.gpkg")
    sites = read_sites(tmp_path / "a.gpkg")
    assert sites.geometry.iloc[0].equals(shapely.Point(1, 2))
    assert not sites.geometry.iloc[0].has_z
    assert sites.geom_type.tolist() == ["Point", "Point", "MultiPoint"]


def test_a_file_of_several_layers_asks_which(tmp_path: Path) -> None:
    for layer in ("mines", "towns"):
        as_layer(name=[layer] * 3).to_file(tmp_path / "a.gpkg", layer=layer)
    with pytest.raises(InputError, match="layers mines, towns; name one"):
        read_sites(tmp_path / "a.gpkg")
    assert set(read_sites(tmp_path / "a.gpkg", layer="towns")["name"]) == {"towns"}
    with pytest.raises(InputError, match="no layer 'river'"):
        read_sites(tmp_path / "a.gpkg", layer="river")


def test_files_that_cannot_be_read_say_so(tmp_path: Path) -> None:
    with pytest.raises(NotThereError, match=r"no file .*nowhere\.csv"):
        read_sites(tmp_path / "nowhere.csv")
    with pytest.raises(InputError, match=r"ends in '\.xlsx'; expected one of \.geojson"):
        read_sites(write_table(tmp_path / "a.xlsx", ""))
    for name in ("b.geojson", "b.gpkg", "b.parquet"):
        with pytest.raises(InputError, match="cannot be read"):
            read_sites(write_table(tmp_path / name, "not that at all"))
    (tmp_path / "c.csv").write_bytes(b"lon,lat,name\n1,2,r\xedo\n")
    with pytest.raises(InputError, match="not a table in UTF-8"):
        read_sites(tmp_path / "c.csv")
    with pytest.raises(InputError, match="not a table in UTF-8"):
        read_sites(write_table(tmp_path / "d.csv", ""))


def test_files_with_different_columns_are_joined(tmp_path: Path) -> None:
    as_layer(id=[None] * 3, river=["Caroni"] * 3).to_file(tmp_path / "a.geojson")
    as_layer(year=[2020] * 3).to_file(tmp_path / "b.geojson")
    sites = read_sites([tmp_path / "a.geojson", tmp_path / "b.geojson"])
    assert list(sites.columns) == ["label", "source", "geometry", "river", "year"]
    assert sites["river"].isna().sum() == 3
    assert len(sites) == 6


def test_a_source_in_the_file_is_kept_as_text(tmp_path: Path) -> None:
    file = write_table(tmp_path / "a.csv", "lon,lat,source\n1,2,2020\n1,3,2021\n")
    assert read_sites(file)["source"].tolist() == ["2020", "2021"]
    file = write_table(tmp_path / "b.csv", "lon,lat,source\n1,2,2020\n1,3,\n")
    assert read_sites(file)["source"].tolist() == ["b", "b"]


def test_words_of_the_callers_own_stand_for_labels(tmp_path):
    file = tmp_path / "sitios.csv"
    file.write_text("lon,lat,clase\n-62.6,5.4,Mina\n-62.5,5.5,bosque_seco\n-62.4,5.5,yes\n")
    sites = read_sites(file, label="clase", labels={"mina": 1, "Bosque-seco": 0})
    assert sites["label"].tolist() == [1, 0, 1]
    with pytest.raises(SitesError, match=r"'Mina' is not known.*\n.*--mining-label WORD") as caught:
        read_sites(file, label="clase", labels={"bosque seco": 0})
    assert len(caught.value.faults) == 1


@pytest.mark.parametrize("labels", [{"mina": 2}, {"": 1}, {"mina": 1, "MINA": 0}])
def test_a_word_that_stands_for_no_class_is_refused(tmp_path, labels):
    file = tmp_path / "sitios.csv"
    file.write_text("lon,lat,label\n-62.6,5.4,mina\n")
    with pytest.raises(InputError, match="means 1 or 0"):
        read_sites(file, labels=labels)


def test_a_column_that_looks_like_labels_is_named_when_none_was(tmp_path):
    file = tmp_path / "points.csv"
    file.write_text("lon,lat,seen,mined\n-62.6,5.4,1,yes\n-62.5,5.5,2,no\n-62.4,5.5,1,\n")
    with pytest.warns(UnlabelledWarning, match="column 'mined' looks like one.*--label mined"):
        assert read_sites(file)["label"].isna().all()
