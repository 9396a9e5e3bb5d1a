"""The commands of patches import: one for each kind of source."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from minewatch.cli import _common

if TYPE_CHECKING:
    from minewatch.patches import ImportSettings, PatchDataset

app = typer.Typer(no_args_is_help=True, help="Make a dataset of patches that others cut.")


_CHANGES = {
    "no_data": "are no data",
    "not_a_number": "were NaN or infinite",
    "below_one": "were too low, stored as 0.0001",
    "above_range": "were too high, stored as 6.5535",
    "rounded": "were rounded",
}


class LevelName(StrEnum):
    """Processing levels."""

    L1C = "L1C"
    L2A = "L2A"


class CutName(StrEnum):
    """How patches lie around their points."""

    point = "point"
    grid = "grid"


Level: TypeAlias = Annotated[
    LevelName, typer.Option("--level", help="Processing level; it is never guessed.")
]
Bands: TypeAlias = Annotated[
    str, typer.Option("--bands", help="Band order: legacy-12, rgb, … or B02,B03,… in any spelling.")
]
Scale: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--scale",
        help="What numbers stand for: dn (the default), dn-offset-1000, reflectance, true-color-8, "
        "or the reflectance of one unit.",
    ),
]
Offset: TypeAlias = Annotated[
    float | None, typer.Option("--offset", help="Reflectance to add after a --scale in numbers.")
]
NoData: TypeAlias = Annotated[
    float | None, typer.Option("--no-data", help="Number that means no data, if it is not 0.")
]
SaturationDn: TypeAlias = Annotated[
    int | None, typer.Option("--saturation-dn", help="DN at which the source was clipped.")
]
ResolutionM: TypeAlias = Annotated[
    float | None, typer.Option("--resolution-m", help="Ground size of a pixel, metres; 10.")
]
Cut: TypeAlias = Annotated[
    CutName, typer.Option("--cut", help="Patches are centred on their points, or on the grid.")
]
Source: TypeAlias = Annotated[
    str | None, typer.Option("--source", help="Where the pixels come from, in words.")
]
Period: TypeAlias = Annotated[
    tuple[str, str] | None,
    typer.Option("--period", metavar="START END", help="First and last day of all imagery."),
]
SiteIdColumn: TypeAlias = Annotated[
    str | None, typer.Option("--site-id", metavar="COLUMN", help="The table's column of ids.")
]
LabelColumn: TypeAlias = Annotated[
    str | None, typer.Option("--label", metavar="COLUMN", help="The table's column of labels.")
]
PeriodColumns: TypeAlias = Annotated[
    tuple[str, str] | None,
    typer.Option(
        "--period-columns", metavar="START END", help="The table's columns of each site's period."
    ),
]
Key: TypeAlias = Annotated[
    str | None, typer.Option("--key", help="The array in an .npz that holds several.")
]
RowColumn: TypeAlias = Annotated[
    str | None,
    typer.Option("--row-column", metavar="COLUMN", help="Each site's row, counted from 0."),
]
Out: TypeAlias = Annotated[
    Path | None,
    typer.Option("--out", metavar="DIR", help="The new dataset; else the study's folder patches."),
]
Sites: TypeAlias = Annotated[
    Path | None, typer.Option("--sites", metavar="FILE", help="Table of sites, of any kind.")
]


@app.command()
def legacy(
    *,
    files: Annotated[
        list[Path], typer.Argument(metavar="PATH...", help="Folder or *_patch_arrays.pkl files.")
    ],
    bands: Bands,
    level: Level,
    points: Annotated[
        list[Path] | None,
        typer.Option("--points", metavar="FILE", help="A pickle's point file; one for each."),
    ] = None,
    order: Annotated[
        list[Path] | None,
        typer.Option("--order", metavar="FILE", help="A pickle's ids or tiles in row order."),
    ] = None,
    rows_follow_points: Annotated[
        bool,
        typer.Option("--rows-follow-points", help="State: row i belongs to point i of its file."),
    ] = False,
    scale: Scale = None,
    offset: Offset = None,
    no_data: NoData = None,
    saturation_dn: SaturationDn = None,
    resolution_m: ResolutionM = None,
    cut: Cut = CutName.point,
    source: Source = None,
    period: Period = None,
    site_id: SiteIdColumn = None,
    label: LabelColumn = None,
    out: Out = None,
    study: _common.StudyOption = Path(),
    overwrite: _common.OverwriteOption = False,
    json_: _common.JsonOption = False,
) -> None:
    """Import pickles of pixels and of labels; they are opened safely.

    The pickles carry no ids. Without --order or --rows-follow-points their
    patches are imported without coordinates.
    """
    from minewatch.patches import import_legacy

    settings = _settings(
        bands=bands,
        level=level,
        scaling=_scaling(scale, offset, no_data, saturation_dn),
        resolution_m=resolution_m,
        cut=cut,
        source=source,
        period=period,
        **_columns(site_id, label),
    )
    with _common.progress_bars() as progress:
        dataset = import_legacy(
            files,
            out or study / "patches",
            settings,
            points=points,
            order=order,
            rows_follow_points=rows_follow_points,
            overwrite=overwrite,
            progress=progress,
        )
    print_dataset(dataset, as_json=json_)


@app.command()
def arrays(
    *,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A .npy or .npz file.")],
    bands: Bands,
    level: Level,
    sites: Sites = None,
    key: Key = None,
    row_column: RowColumn = None,
    rows_follow_sites: Annotated[
        bool,
        typer.Option("--rows-follow-sites", help="State: row i belongs to row i of the table."),
    ] = False,
    bands_first: Annotated[
        bool, typer.Option("--bands-first", help="The array is (site, band, y, x).")
    ] = False,
    scale: Scale = None,
    offset: Offset = None,
    no_data: NoData = None,
    saturation_dn: SaturationDn = None,
    resolution_m: ResolutionM = None,
    cut: Cut = CutName.point,
    source: Source = None,
    period: Period = None,
    site_id: SiteIdColumn = None,
    label: LabelColumn = None,
    period_columns: PeriodColumns = None,
    out: Out = None,
    study: _common.StudyOption = Path(),
    overwrite: _common.OverwriteOption = False,
    json_: _common.JsonOption = False,
) -> None:
    """Import an array (site, y, x, band) and a table of sites.

    Say how rows and sites belong together: --row-column or
    --rows-follow-sites.
    """
    from minewatch.patches import import_arrays

    settings = _settings(
        bands=bands,
        level=level,
        scaling=_scaling(scale, offset, no_data, saturation_dn),
        band_axis="first" if bands_first else None,
        resolution_m=resolution_m,
        cut=cut,
        source=source,
        period=period,
        **_columns(site_id, label, period_columns),
        row_column=row_column,
    )
    with _common.progress_bars() as progress:
        dataset = import_arrays(
            file,
            out or study / "patches",
            settings,
            sites=sites,
            key=key,
            rows_follow_sites=rows_follow_sites,
            overwrite=overwrite,
            progress=progress,
        )
    print_dataset(dataset, as_json=json_)


@app.command()
def geotiff(
    *,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder of .tif files.")],
    level: Level,
    bands: Annotated[
        str | None, typer.Option("--bands", help="Band order, unless the files describe it.")
    ] = None,
    sites: Sites = None,
    classes: Annotated[
        list[str] | None,
        typer.Option("--class", metavar="FOLDER=LABEL", help="Label by folder: mines=1."),
    ] = None,
    scale: Scale = None,
    offset: Offset = None,
    no_data: NoData = None,
    saturation_dn: SaturationDn = None,
    source: Source = None,
    period: Period = None,
    site_id: SiteIdColumn = None,
    label: LabelColumn = None,
    period_columns: PeriodColumns = None,
    out: Out = None,
    study: _common.StudyOption = Path(),
    overwrite: _common.OverwriteOption = False,
    json_: _common.JsonOption = False,
) -> None:
    """Import GeoTIFFs, one file a patch; names are ids, transforms are places."""
    from minewatch.patches import import_geotiffs

    settings = _settings(
        bands=bands,
        level=level,
        scaling=_scaling(scale, offset, no_data, saturation_dn),
        source=source,
        period=period,
        **_columns(site_id, label, period_columns),
    )
    with _common.progress_bars() as progress:
        dataset = import_geotiffs(
            folder,
            out or study / "patches",
            settings,
            sites=sites,
            classes=_classes(classes),
            overwrite=overwrite,
            progress=progress,
        )
    print_dataset(dataset, as_json=json_)


def print_dataset(dataset: "PatchDataset", *, as_json: bool) -> None:
    """Print what a dataset holds."""
    summary = dataset.summary()
    _common.print_result(summary, as_json=as_json, describe=lambda: _describe(summary))


def _describe(summary: dict[str, Any]) -> str:
    lines = []
    for key, value in summary.items():
        if key == "changed_values":
            lines += _describe_changes(value)
            continue
        if isinstance(value, dict):
            text = ", ".join(f"{name} {_number(inner)}" for name, inner in value.items()) or "none"
        elif isinstance(value, list):
            text = ", ".join(map(str, value))
        else:
            text = "not known" if value is None else str(value)
        lines.append(f"{key.replace('_', ' '):16} {text}")
    return "\n".join(lines)


def _number(value: object) -> str:
    """Spell a count with its thousands apart; anything else as it is."""
    return f"{value:,}" if type(value) is int else str(value)


def _describe_changes(changes: dict[str, float]) -> list[str]:
    """Say how many values of the source were not kept as they were, a line for each reason."""
    lines = []
    for key, words in _CHANGES.items():
        if changes.get(key):
            most = changes.get("max_rounding_dn") if key == "rounded" else None
            at_most = "" if most is None else f" (at most {most:.2g} DN)"
            lines.append(f"values that {words}: {changes[key]:,.0f}{at_most}")
    return lines or ["values changed   none"]


def _settings(**chosen: Any) -> "ImportSettings":
    from minewatch.patches import ImportSettings

    return ImportSettings(**{key: value for key, value in chosen.items() if value is not None})


def _columns(
    site_id: str | None, label: str | None, period: tuple[str, str] | None = None
) -> dict[str, str | None]:
    """Give the settings that name columns of the table."""
    start, end = period or (None, None)
    names = ("site_id_column", "label_column", "start_column", "end_column")
    return dict(zip(names, (site_id, label, start, end), strict=True))


def _scaling(
    scale: str | None, offset: float | None, no_data: float | None, saturation_dn: int | None
) -> Any:
    """Give the fields of a scaling that were said: a name's, then those said beside it."""
    from minewatch.errors import SettingsError
    from minewatch.patches import Scaling

    said = {"offset": offset, "no_data": no_data, "saturation_dn": saturation_dn}
    fields = {key: value for key, value in said.items() if value is not None}
    if scale is None:
        return fields or None
    try:
        return {"scale": float(scale), **fields}
    except ValueError:
        if offset is not None:
            raise SettingsError(
                f"--scale {scale} has an offset of its own; give --offset with a --scale in numbers"
            ) from None
    return {**Scaling.named(scale).model_dump(), **fields}


def _classes(texts: list[str] | None) -> dict[str, int] | None:
    from minewatch.errors import SettingsError

    if not texts:
        return None
    parts = [text.rpartition("=") for text in texts]
    wrong = [
        text
        for text, (folder, _, label) in zip(texts, parts, strict=True)
        if not folder or label not in ("0", "1")
    ]
    if wrong:
        raise SettingsError(f"--class {wrong[0]} is not FOLDER=1 (mining) or FOLDER=0 (no mining)")
    return {folder: int(label) for folder, _, label in parts}
