"""The commands of patches: look at them, export them; import is in a file of its own."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from minewatch.cli import _common, _patches_build, _patches_import
from minewatch.cli._patches_import import print_dataset

app = typer.Typer(
    no_args_is_help=True, help="Build or import patches of imagery, look at them, export them."
)
app.add_typer(_patches_import.app, name="import")
app.command()(_patches_build.build)


class FormatName(StrEnum):
    """What an export writes."""

    legacy = "legacy"
    npz = "npz"
    geotiff = "geotiff"


class ValuesName(StrEnum):
    """What the numbers of an export mean."""

    source = "source"
    dn = "dn"
    reflectance = "reflectance"


@app.command()
def export(
    *,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The folder to write.")],
    dataset: Annotated[
        Path | None,
        typer.Option("--dataset", metavar="DIR", help="The dataset; else the study's patches."),
    ] = None,
    format_: Annotated[FormatName, typer.Option("--format", help="What to write.")],
    values: Annotated[
        ValuesName, typer.Option("--values", help="What the numbers mean.")
    ] = ValuesName.source,
    study: _common.StudyOption = Path(),
    overwrite: _common.OverwriteOption = False,
    json_: _common.JsonOption = False,
) -> None:
    """Export patches as legacy pickles, npz or GeoTIFFs."""
    from minewatch.patches import PatchDataset, export_patches

    patches = PatchDataset.open(study / "patches" if dataset is None else dataset)
    with _common.progress_bars() as progress:
        folder = export_patches(
            patches,
            out,
            format=format_.value,
            values=values.value,
            overwrite=overwrite,
            progress=progress,
        )
    files = sorted(file.name for file in folder.iterdir())
    _common.print_result(
        {"out": str(folder), "patches": len(patches), "files": files},
        as_json=json_,
        describe=lambda: f"{len(patches)} patches exported to {len(files)} files in {folder}",
    )


@app.command()
def info(
    *,
    dataset: Annotated[
        Path | None,
        typer.Argument(metavar="[DATASET]", help="The dataset; else the study's folder patches."),
    ] = None,
    study: _common.StudyOption = Path(),
    json_: _common.JsonOption = False,
) -> None:
    """Say what a dataset holds; no pixel is read."""
    from minewatch.patches import PatchDataset

    print_dataset(
        PatchDataset.open(study / "patches" if dataset is None else dataset), as_json=json_
    )
