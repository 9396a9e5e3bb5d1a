"""The commands of sites."""

import warnings
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from minewatch.cli import _common

if TYPE_CHECKING:
    from minewatch.sites import SitesCheck

app = typer.Typer(no_args_is_help=True, help="Check labelled places, and draw background ones.")


class Allocation(StrEnum):
    """How many sites a stratum gets."""

    area = "area"
    equal = "equal"


_Files: TypeAlias = list[Path] | None
Files: TypeAlias = Annotated[
    _Files,
    typer.Argument(metavar="[FILE]...", help="Files of sites; else the study's sites.parquet."),
]
Mining: TypeAlias = Annotated[
    _Files, typer.Option("--mining", metavar="FILE", help="A file of mining sites.")
]
NoMining: TypeAlias = Annotated[
    _Files, typer.Option("--no-mining", metavar="FILE", help="A file of sites without mining.")
]
Label: TypeAlias = Annotated[
    str | None,
    typer.Option("--label", metavar="COLUMN", help="The column of labels, if not 'label'."),
]
MiningLabel: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--mining-label", metavar="WORD", help="A word of yours for mining."),
]
NoMiningLabel: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--no-mining-label", metavar="WORD", help="A word of yours for no mining."),
]
Crs: TypeAlias = Annotated[
    str | None, typer.Option("--crs", help="The CRS of files that carry none: EPSG:4326.")
]
Longitude: TypeAlias = Annotated[
    str | None, typer.Option("--longitude", metavar="COLUMN", help="The column of longitude.")
]
Latitude: TypeAlias = Annotated[
    str | None, typer.Option("--latitude", metavar="COLUMN", help="The column of latitude.")
]
SiteId: TypeAlias = Annotated[
    str | None, typer.Option("--site-id", metavar="COLUMN", help="The column of ids.")
]
Layer: TypeAlias = Annotated[
    str | None, typer.Option("--layer", help="The layer of files that have several.")
]
SizePx: TypeAlias = Annotated[
    int, typer.Option("--size-px", min=1, max=4096, help="Side of a patch, pixels of 10 m.")
]
Allow: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--allow", metavar="FAULT", help="A fault to accept: 'duplicate point'."),
]
Region: TypeAlias = Annotated[Path, typer.Argument(help="A file of polygons.")]
NSites: TypeAlias = Annotated[int, typer.Option("--n", min=1, help="How many sites to draw.")]
MinDistance: TypeAlias = Annotated[
    float,
    typer.Option("--min-distance-m", min=0, help="Least distance to every known site, metres."),
]
SampleOut: TypeAlias = Annotated[
    Path,
    typer.Option("--out", metavar="FILE", help="Where to: .geojson, .gpkg, .parquet or .csv."),
]
AwayFrom: TypeAlias = Annotated[
    _Files, typer.Option("--away-from", metavar="FILE", help="Known sites to keep away from.")
]
Apart: TypeAlias = Annotated[
    float | None,
    typer.Option(
        "--apart-m", min=0, help="Least distance between drawn sites; else --min-distance-m."
    ),
]
Strata: TypeAlias = Annotated[
    Path | None, typer.Option("--strata", metavar="FILE", help="A layer of polygons.")
]
By: TypeAlias = Annotated[
    str | None,
    typer.Option("--by", metavar="COLUMN", help="The column of --strata to draw for."),
]
AllocationOption: TypeAlias = Annotated[
    Allocation, typer.Option("--allocation", help="Sites per stratum: by area, or equal.")
]
Seed: TypeAlias = Annotated[int, typer.Option("--seed", min=0, help="Same seed, same sites.")]


@app.callback()
def _group() -> None:
    pass


@app.command()
def check(
    *,
    files: Files = None,
    mining: Mining = None,
    no_mining: NoMining = None,
    label: Label = None,
    mining_label: MiningLabel = None,
    no_mining_label: NoMiningLabel = None,
    crs: Crs = None,
    longitude: Longitude = None,
    latitude: Latitude = None,
    site_id: SiteId = None,
    layer: Layer = None,
    size_px: SizePx = 48,
    allow: Allow = None,
    study: _common.StudyOption = Path(),
    overwrite: _common.OverwriteOption = False,
    json_: _common.JsonOption = False,
) -> None:
    """Check files of sites: counts, distances, overlaps, conflicts, clusters.

    The tables go to the study's folder sites. Sites without faults become
    its sites.parquet; faults are named, and the exit code is then 3.
    """
    from minewatch import sites
    from minewatch.errors import SitesError
    from minewatch.grid import PatchGrid

    table_file, folder = study / "sites.parquet", study / "sites"
    sources = _sources(files or [], mining or [], no_mining or [], table_file)
    table = sites.read_sites(
        sources,
        label=label,
        labels=_words(mining_label or [], no_mining_label or []),
        crs=crs,
        longitude=longitude,
        latitude=latitude,
        site_id=site_id,
        layer=layer,
    )
    found = sites.check_sites(table, grid=PatchGrid(size_px=size_px))
    saved = {"tables": str(found.save(folder, inputs=_flat(sources), overwrite=True))}
    left: str | None = None
    try:
        found.raise_faults(allow=allow or ())
        if sources != [table_file]:
            saved["sites"] = str(sites.write_sites(table, table_file, overwrite=overwrite))
    except SitesError:
        if sources != [table_file] and table_file.exists():
            left = str(table_file)
        raise
    finally:
        _common.print_result(
            {**found.to_dict(), "saved": saved, "left_as_it_was": left},
            as_json=json_,
            describe=lambda: _describe(found, saved, left),
        )


@app.command()
def sample(
    region: Region,
    *,
    n_sites: NSites,
    min_distance_m: MinDistance,
    out: SampleOut,
    away_from: AwayFrom = None,
    apart_m: Apart = None,
    strata: Strata = None,
    by: By = None,
    allocation: AllocationOption = Allocation.area,
    seed: Seed = 0,
    overwrite: _common.OverwriteOption = False,
    json_: _common.JsonOption = False,
) -> None:
    """Draw background sites in a region, away from known sites and each other.

    They are spread evenly over the ground and labelled 0, no mining;
    nobody has looked at them. How they were drawn is written beside them.
    """
    from minewatch import __version__, sites
    from minewatch._store import digest_files, refuse_existing, write_json
    from minewatch.errors import UnlabelledWarning

    if (strata is None) != (by is None):
        raise typer.BadParameter("--strata and --by belong together")
    refuse_existing(out, overwrite=overwrite)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnlabelledWarning)  # their places alone are wanted
        known = sites.read_sites(away_from) if away_from else None
    drawn = sites.sample_background(
        region,
        n_sites,
        min_distance_m=min_distance_m,
        away_from=known,
        apart_m=apart_m,
        stratify=None if strata is None or by is None else (strata, by),
        allocation=allocation.value,
        random_state=seed,
    )
    sites.write_sites(drawn, out, overwrite=overwrite)
    inputs = [region, *(away_from or []), *([strata] if strata else [])]
    result: dict[str, Any] = {
        "minewatch": __version__, "n_sites": len(drawn),
        "n_known": 0 if known is None else len(known), "min_distance_m": min_distance_m,
        "apart_m": min_distance_m if apart_m is None else apart_m,
        "strata": None if by is None else drawn[by].astype(str).value_counts().to_dict(),
        "allocation": None if by is None else allocation.value, "seed": seed,
        "inputs": digest_files(inputs), "file": str(out),
    }  # fmt: skip
    write_json(out.with_name(f"{out.stem}.sample.json"), result)
    _common.print_result(result, as_json=json_, describe=lambda: _describe_sample(result))


def _words(mining: list[str], no_mining: list[str]) -> dict[str, int]:
    both = sorted(set(mining) & set(no_mining))
    if both:
        raise typer.BadParameter(f"{both[0]!r} is given for mining and for no mining")
    return {**dict.fromkeys(mining, 1), **dict.fromkeys(no_mining, 0)}


def _sources(
    files: list[Path], mining: list[Path], no_mining: list[Path], table_file: Path
) -> "list[Path] | dict[str | int, list[Path]]":
    if files and (mining or no_mining):
        raise typer.BadParameter("give either FILE, or --mining and --no-mining, not both")
    if mining or no_mining:
        return {name: paths for name, paths in ((1, mining), (0, no_mining)) if paths}
    return files or [table_file]


def _flat(sources: "list[Path] | dict[str | int, list[Path]]") -> list[Path]:
    return (
        sources if isinstance(sources, list) else [one for own in sources.values() for one in own]
    )


def _describe(found: "SitesCheck", saved: dict[str, str], left: str | None) -> str:
    parts = [str(found), "Saved: " + ", ".join(saved.values())]
    if left is not None:
        parts.append(
            f"{left} is from an earlier check and was not changed: these sites have faults"
        )
    return "\n\n".join(parts)


def _describe_sample(result: dict[str, Any]) -> str:
    drawn = f"{result['n_sites']:,} background sites drawn, seed {result['seed']}"
    apart = f"  {result['apart_m']:g} m or more from each other"
    away = f"  {result['min_distance_m']:g} m or more from {result['n_known']:,} known sites"
    strata = [f"  {name}: {count:,}" for name, count in (result["strata"] or {}).items()]
    return "\n".join([drawn, apart, away, *strata, "", f"Saved: {result['file']}"])
