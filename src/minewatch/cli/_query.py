"""The options by which commands ask for imagery, and the query and the source made from them."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

if TYPE_CHECKING:
    from minewatch.imagery import SceneQuery


class MethodName(StrEnum):
    """How views become one composite."""

    median = "median"
    least_cloudy = "least_cloudy"


class ResamplingName(StrEnum):
    """How 20 m and 60 m bands come to 10 m."""

    nearest = "nearest"
    bilinear = "bilinear"


class LevelName(StrEnum):
    """Processing levels."""

    L1C = "L1C"
    L2A = "L2A"


class BrokenScenesName(StrEnum):
    """What becomes of places whose scenes are broken."""

    fail = "fail"
    leave_out = "leave_out"


Catalog: TypeAlias = Annotated[
    str,
    typer.Option(
        "--catalog",
        "--source",
        metavar="NAME|URL|FOLDER",
        help="earth-search, planetary-computer, earth-engine, a STAC API, or a folder of items.",
    ),
]
Collection: TypeAlias = Annotated[
    str | None, typer.Option("--collection", help="The collection, if not the catalogue's first.")
]
LevelOption: TypeAlias = Annotated[
    LevelName | None,
    typer.Option("--level", help="Processing level, where the collection does not say it."),
]
Project: TypeAlias = Annotated[
    str | None, typer.Option("--project", help="Google Cloud project, for earth-engine.")
]
Year: TypeAlias = Annotated[
    int | None, typer.Option("--year", help="All of a year, instead of --start and --end.")
]
Start: TypeAlias = Annotated[
    str | None, typer.Option("--start", metavar="YYYY-MM-DD", help="First day, UTC.")
]
End: TypeAlias = Annotated[
    str | None, typer.Option("--end", metavar="YYYY-MM-DD", help="Last day, UTC; it counts.")
]
Bands: TypeAlias = Annotated[
    str | None, typer.Option("--bands", help="Bands: l2a-12 (the default), rgb, … or B02,B03,…")
]
ClearThreshold: TypeAlias = Annotated[
    float | None,
    typer.Option("--clear-threshold", help="A pixel is clear from this clear score on; 0.75."),
]
MaxCloudPercent: TypeAlias = Annotated[
    float | None,
    typer.Option("--max-cloud-percent", help="Scenes cloudier than this are not read; 100."),
]
Method: TypeAlias = Annotated[
    MethodName | None, typer.Option("--method", help="How views become one composite; median.")
]
Resampling: TypeAlias = Annotated[
    ResamplingName | None,
    typer.Option("--resampling", help="How 20 m and 60 m bands come to 10 m; nearest."),
]
ClearDilationPx: TypeAlias = Annotated[
    int | None,
    typer.Option("--clear-dilation-px", help="Pixels of 20 m by which unclear areas grow; 0."),
]
BrokenScenes: TypeAlias = Annotated[
    BrokenScenesName | None,
    typer.Option(
        "--broken-scenes",
        help="Scenes of which a file is gone or damaged for good: fail, or leave_out; fail.",
    ),
]


def make_query(**chosen: Any) -> "SceneQuery":
    """Make a query from the options that were given; None stands for the default."""
    from minewatch.errors import InputError
    from minewatch.imagery import SceneQuery

    year, period = chosen.pop("year", None), (chosen.get("start"), chosen.get("end"))
    if (year is None and None in period) or (year is not None and period != (None, None)):
        raise InputError("the period is not clear; give either --year, or --start and --end")
    if year is not None:
        chosen |= {"start": f"{year:04d}-01-01", "end": f"{year:04d}-12-31"}
    return SceneQuery(**{key: value for key, value in chosen.items() if value is not None})
