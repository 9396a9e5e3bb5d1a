"""The commands of model: use detectors. Others stand in files of their own, ``_model_*.py``."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from minewatch.cli import _common, _model_evaluate, _model_train, _query
from minewatch.cli import _model_options as options
from minewatch.cli._model_card import print_card

if TYPE_CHECKING:
    from minewatch.model._amw import Generation

app = typer.Typer(
    no_args_is_help=True,
    help="Detectors: use published ones, score patches, see what is known of them.",
)
app.command()(_model_evaluate.evaluate)
app.command()(_model_train.train)
app.command()(_model_train.explain)
app.command()(_model_train.report)


class PreparationName(StrEnum):
    """What was done to reflectance before training."""

    reflectance = "reflectance"
    unit = "unit"
    standardised = "standardised"


Out = Annotated[
    Path | None,
    typer.Option(
        "--out", metavar="DIR", help="The detector's folder; else models/NAME of a study."
    ),
]
Name = Annotated[
    str | None, typer.Option("--name", help="The detector's name; if not given, the file's.")
]


@app.command()
def convert(
    *,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A Keras model saved as .h5.")],
    out: Out = None,
    generation: Annotated[
        str | None,
        typer.Option("--generation", help="48px-13, 48px-12, 44px-12, 44px-rgb or 28px-12."),
    ] = None,
    bands: Annotated[
        str | None, typer.Option("--bands", help="Band order, if it is of no generation.")
    ] = None,
    level: Annotated[
        _query.LevelName | None, typer.Option("--level", help="Level it was trained on, likewise.")
    ] = None,
    preparation: Annotated[
        PreparationName | None,
        typer.Option(
            "--preparation",
            help="What it was trained on, likewise: reflectance, reflectance cut to 0–1 (unit), or "
            "the makers' standardisation.",
        ),
    ] = None,
    name: Name = None,
    licence: Annotated[str | None, typer.Option("--licence", help="Its licence.")] = None,
    study: _common.StudyOption = Path(),
    overwrite: _common.OverwriteOption = False,
    json_: _common.JsonOption = False,
) -> None:
    """Convert a Keras detector to one that runs without TensorFlow.

    Published ones are known by their digest or name; of any other say
    --bands, --level and --preparation.
    """
    from minewatch.model import convert_keras, save_detector

    own = _own_generation(bands, level, preparation, generation)
    detector = convert_keras(file, generation=own or generation, name=name, licence=licence)
    folder = save_detector(detector, out or _folder(study, detector.card.name), overwrite=overwrite)
    print_card(detector.card, folder, as_json=json_)


@app.command()
def fetch(
    *,
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="A published detector; none lists them.")
    ] = None,
    out: Out = None,
    sha256: Annotated[
        str | None, typer.Option("--sha256", help="Digest of the file, where none is known here.")
    ] = None,
    url: Annotated[str | None, typer.Option("--url", help="Where else the file lies.")] = None,
    study: _common.StudyOption = Path(),
    overwrite: _common.OverwriteOption = False,
    json_: _common.JsonOption = False,
) -> None:
    """Fetch a published detector, check it and convert it."""
    from minewatch.model import fetch_detector, load_detector

    if name is None:
        _print_published(as_json=json_)
        return
    with _common.progress_bars() as progress:
        folder = fetch_detector(
            name,
            out or _folder(study, name),
            sha256=sha256,
            url=url,
            overwrite=overwrite,
            progress=progress,
        )
    print_card(load_detector(folder).card, folder, as_json=json_)


@app.command()
def info(
    *,
    detector: Annotated[Path, typer.Argument(metavar="DETECTOR", help="A detector's folder.")],
    json_: _common.JsonOption = False,
) -> None:
    """Print a detector's card: what it takes, what it learned from, how good it is."""
    from minewatch.model import load_detector

    print_card(load_detector(detector).card, detector, as_json=json_)


@app.command()
def predict(
    *,
    dataset: Annotated[Path, typer.Argument(metavar="DATASET", help="A patch dataset.")],
    detector: Annotated[Path, typer.Argument(metavar="DETECTOR", help="A detector's folder.")],
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", help="The scores: .parquet or .csv.")
    ],
    context: options.ContextPath = None,
    before: options.Before = None,
    channels: options.Channels = None,
    centre_crop: options.CentreCrop = False,
    threads: Annotated[
        int | None, typer.Option("--threads", min=1, help="Threads; one for each core.")
    ] = None,
    overwrite: _common.OverwriteOption = False,
    json_: _common.JsonOption = False,
) -> None:
    """Score patches, labelled or not: a table by site_id."""
    from minewatch.model import load_detector
    from minewatch.model import predict as predict_patches
    from minewatch.model._context_table import read_context_table
    from minewatch.model._onnx import RunOptions
    from minewatch.model._predict import check_out, describe_run, write_scores
    from minewatch.model._stacked import open_stacked

    check_out(out, overwrite=overwrite)
    options = RunOptions(threads=threads, centre_crop=centre_crop)
    loaded = load_detector(detector, options=options)
    patches = open_stacked(dataset, before=before, channels=channels, drawn="all")
    around = None if context is None else read_context_table(context)
    with _common.progress_bars() as progress:
        table = predict_patches(patches, loaded, context=around, progress=progress)
    made = describe_run(patches, loaded, table)
    write_scores(table, out, made, overwrite=overwrite)
    result = {**made, "out": str(out)}
    _common.print_result(result, as_json=json_, describe=lambda: _describe_scores(result))


def _folder(study: Path, name: str) -> Path:
    from minewatch._store import file_name

    return study / "models" / file_name(name)


def _own_generation(
    bands: str | None,
    level: _query.LevelName | None,
    preparation: PreparationName | None,
    generation: str | None,
) -> "Generation | None":
    from minewatch.bands import band_names
    from minewatch.errors import SettingsError
    from minewatch.model._amw import own_generation

    said = (bands, level, preparation)
    if all(value is None for value in said):
        return None
    if bands is None or level is None or preparation is None or generation is not None:
        raise SettingsError("give --bands, --level and --preparation together, or --generation")
    return own_generation(band_names(bands), level.value, preparation.value)


def _print_published(*, as_json: bool) -> None:
    from minewatch.model._registry import published_detectors

    known = published_detectors()
    lines = []
    for one in known:
        needs = "" if one.sha256 else ", needs --sha256"
        lines += [f"{one.name}  {one.generation}{needs}", f"  {one.description}"]
    _common.print_result(
        {"published": [one.model_dump(mode="json") for one in known]},
        as_json=as_json,
        describe=lambda: "\n".join(lines),
    )


def _describe_area(result: dict[str, Any]) -> list[str]:
    if result["applicable"] is None:
        return []
    beyond = result["scored"] - result["applicable"]
    limit = result["dissimilarity_threshold"]
    if not beyond:
        return [f"all scored are like what it learned from (dissimilarity up to {limit:.2f})"]
    words = f"unlike what it learned from (dissimilarity above {limit:.2f})"
    are, them = ("is", "it") if beyond == 1 else ("are", "them")
    nothing = f"the figures on its card say nothing of {them} (is_applicable in the table)"
    return [f"mind: {beyond:,} of those scored {are} {words}: {nothing}"]


def _describe_scores(result: dict[str, Any]) -> str:
    cut = (
        f"the middle {result['size_px']} × {result['size_px']} px of "
        if (result["centre_crop"])
        else ""
    )
    first = (
        f"{result['scored']:,} of {result['patches']:,} patches scored by {result['detector']} on "
        f"{cut}patches of {result['patch_px']} × {result['patch_px']} px, {result['level']}"
    )
    lines = [first]
    if result["saturation_dn"] is not None:
        clipped = f"the patches were clipped at DN {result['saturation_dn']:,} by their source, and"
        lines.append(f"mind: {clipped} bright ground looks darker to the detector than it is")
    if result["learned_from_these"]:
        n = result["learned_from_these"]
        lines.append(
            f"mind: it learned from {n:,} of these sites, or from sites of the same ids; their "
            "scores do not say how good it is"
        )
    lines += [f"no score for {n:,}: {reason}" for reason, n in result["not_scored"].items()]
    lines += _describe_area(result)
    lines += [
        f"{n:,} score {result['thresholds'][name]:.3g} or more ({name})"
        for name, n in result["at_or_above"].items()
    ]
    return "\n".join([*lines, f"Scores: {result['out']}"])
