"""The formats that a map can be written in, and the languages of what people read of it."""

from typing import Final, Literal, TypeAlias, get_args

Format: TypeAlias = Literal[
    "parquet", "geojson", "gpkg", "kml", "gpx", "csv", "cog", "pmtiles", "html", "sheets"
]
FORMATS: Final[tuple[Format, ...]] = get_args(Format)
Language: TypeAlias = Literal["en", "es", "pt"]
