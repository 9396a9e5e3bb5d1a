"""The page's file: template, styles, scripts, and data that are unpacked in the browser."""

import base64
import gzip
import hashlib
import json
import re
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

import jinja2

from minewatch import __version__
from minewatch.maps._contents import MapContents

if TYPE_CHECKING:
    from minewatch.maps._page import PageSettings

SCRIPTS: Final = (
    "dom", "text", "unpack", "table", "coordinates", "sure", "list", "thumbnails", "cardfacts",
    "card", "style", "mapdata", "mapstyle", "grid", "map", "swipe", "filters", "legend", "layers",
    "page", "about", "paper", "search", "stage", "main",
)  # fmt: skip
"""Modules of the page's script, each after those that it imports."""
LANGUAGES: Final = ("en", "es", "pt")
_IMPORT: Final = re.compile(r"^import [^;]*;\n", re.MULTILINE)
_EXPORT: Final = re.compile(r"^export (?=(async )?function|const|let|class)", re.MULTILINE)


def build_page(payload: dict[str, Any], contents: MapContents, settings: "PageSettings") -> str:
    """Put the page's file together.

    Nothing in it is taken from elsewhere, and its content security policy names the one script and
    the one style by their digests: words from outside (names of places, titles) cannot become
    either. They reach the page as packed data, and the script shows them as text.
    """
    script, style = bundle(), page_file("page.css")
    language = settings.language or "en"
    title = payload["phrases"].get(language, {}).get(contents.title, contents.title)
    return (
        environment()
        .get_template("page.html.j2")
        .render(
            language=language,
            title=title,
            version=__version__,
            policy=security_policy(
                script, style, tuple(dict.fromkeys(one.origin for one in settings.basemaps))
            ),
            style=style,
            script=script,
            strings=strings()[language],
            contents=contents,
            total_ha=round(float(contents.detections["area_ha"].sum()), 1),
            packed={
                "payload": pack(json.dumps(payload, ensure_ascii=False, allow_nan=False)),
                "strings": pack(json.dumps(strings(), ensure_ascii=False)),
                "library": _packed_file("vendor/maplibre-gl.mjs"),
                "library-worker": _packed_file("vendor/maplibre-gl-worker.mjs"),
                "library-style": _packed_file("vendor/maplibre-gl.css"),
            },
            licence=page_file("vendor/LICENSE.txt"),
        )
    )


def security_policy(script: str, style: str, origins: tuple[str, ...]) -> str:
    """Say what the page may load: its own script and style, data, and tiles of these places.

    Examples
    --------
    >>> security_policy("", "", ("https://tile.openstreetmap.org",)).split("; ")[5]
    'connect-src data: blob: https://tile.openstreetmap.org'
    """
    tiles = "".join(f" {origin}" for origin in origins)
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src 'sha256-{_digest(script)}' blob:",
            f"style-src 'sha256-{_digest(style)}'",
            "worker-src blob: data:",  # a file has no origin: there, a worker is started from data:
            f"img-src data: blob:{tiles}",
            f"connect-src data: blob:{tiles}",
            "base-uri 'none'; form-action 'none'",
        ]
    )


def sheet_policy(style: str) -> str:
    """Say what a sheet may load: its own style and its images, and nothing else."""
    return f"default-src 'none'; style-src 'sha256-{_digest(style)}'; img-src data:"


def bundle() -> str:
    """Join the modules of the page's script into one, in order, without imports and exports."""
    return "\n" + "\n".join(
        _EXPORT.sub("", _IMPORT.sub("", page_file(f"js/{name}.js"))) for name in SCRIPTS
    )


def strings() -> dict[str, dict[str, str]]:
    """Give the words of the page by language and key."""
    by_key: dict[str, dict[str, str]] = json.loads(page_file("strings.json"))
    return {
        language: {key: words[language] for key, words in by_key.items()} for language in LANGUAGES
    }


def pack(text: str) -> str:
    """Compress text so that a page can hold it, whatever is in it; the same text, the same bytes.

    Examples
    --------
    >>> gzip.decompress(base64.b64decode(pack("</script>"))).decode()
    '</script>'
    """
    packed = gzip.compress(text.encode("utf-8"), compresslevel=6, mtime=0)
    return base64.b64encode(packed).decode("ascii")


def environment() -> jinja2.Environment:
    """Give what renders the templates: everything is escaped that is not said to be safe."""
    return jinja2.Environment(
        loader=jinja2.FunctionLoader(page_file),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )


@lru_cache(maxsize=64)
def page_file(name: str) -> str:
    """Read a file of the page's folder."""
    return files("minewatch.maps").joinpath("page", *name.split("/")).read_text(encoding="utf-8")


@lru_cache(maxsize=8)
def _packed_file(name: str) -> str:
    return pack(page_file(name))


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
