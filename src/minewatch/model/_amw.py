"""The Keras detectors of Amazon Mining Watch, by generation, turned into saved detectors."""

import importlib.metadata
import re
from typing import Final

from pydantic import Field

from minewatch import _store
from minewatch.bands import PRESETS
from minewatch.errors import InputError
from minewatch.model._amw_graph import Network, convert_network
from minewatch.model._amw_read import KerasFile, read_keras
from minewatch.model._card import (
    Card,
    Clip,
    MissingPixels,
    Preparation,
    SourceFile,
    Standardise,
)
from minewatch.model._onnx import OnnxDetector, RunOptions
from minewatch.model._registry import Published, published_detectors
from minewatch.types import Level, Settings, StrPath

# The makers' constants, in digital numbers, in the order in which they asked Descartes Labs for
# bands: "nir" (B08) stands before "red-edge-4" (B8A).
_DESCARTES: Final = (
    "B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12",
)  # fmt: skip
_MEAN_DN: Final = (
    1405.8951, 1175.9235, 1172.4902, 1091.9574, 1321.1304, 2181.5363,
    2670.2361, 2491.2354, 2948.3846, 420.1552, 2028.0025, 1076.2417,
)  # fmt: skip
_DEVIATION_DN: Final = (
    291.9438, 398.5558, 504.557, 748.6153, 651.8549, 730.9811,
    913.6062, 893.9428, 1055.297, 225.2153, 970.1915, 752.8637,
)  # fmt: skip
_DN_PER_REFLECTANCE: Final = 10_000.0
_FILLED: Final = MissingPixels(method="fill", fill=0.0, when="before", most_share=0.5)
_UNIT: Final = Preparation(missing=_FILLED, steps=(Clip(low=0.0, high=1.0),))
_OWN: Final = "own"


class Generation(Settings):
    """What detectors of one generation have in common; a Keras file says none of it."""

    name: str = _OWN
    """What it is called here."""
    bands: tuple[str, ...]
    """ESA's names, in the order in which the network takes them."""
    level: Level
    """Processing level of the imagery that it was trained on."""
    preparation: Preparation
    """What was done to reflectance before training."""
    size_px: tuple[int, ...] = ()
    """Sides of the patches it takes; empty if any."""
    limits: tuple[str, ...] = Field(default=())
    """What to know before using it."""


def standardised(bands: tuple[str, ...]) -> Preparation:
    """Give the makers' standardisation of 2021 for some bands.

    Examples
    --------
    >>> step = standardised(("B04",)).steps[0]
    >>> round(step.mean[0], 8), round(step.deviation[0], 8)
    (0.10919574, 0.07486153)
    """
    places = [_DESCARTES.index(name) for name in bands]
    step = Standardise(
        mean=tuple(_MEAN_DN[place] / _DN_PER_REFLECTANCE for place in places),
        deviation=tuple(_DEVIATION_DN[place] / _DN_PER_REFLECTANCE for place in places),
    )
    return Preparation(missing=_FILLED, steps=(step,))


def own_generation(bands: tuple[str, ...], level: Level, preparation: str) -> Generation:
    """Describe a detector of no published generation.

    Parameters
    ----------
    bands
        ESA's names, in the order in which the network takes them.
    level
        Level it was trained on.
    preparation
        ``reflectance``: nothing was done; ``unit``: reflectance was cut to 0–1; ``standardised``:
        the makers' standardisation of 2021.
    """
    if preparation == "standardised" and not set(bands) <= set(_DESCARTES):
        raise InputError(
            f"the makers' standardisation has numbers for {', '.join(_DESCARTES)} alone; the bands "
            f"are {', '.join(bands)}"
        )
    rules = {
        "reflectance": lambda: Preparation(missing=_FILLED),
        "unit": lambda: _UNIT,
        "standardised": lambda: standardised(bands),
    }
    if preparation not in rules:
        raise InputError(f"{preparation!r} is no preparation; expected {', '.join(rules)}")
    return Generation(bands=bands, level=level, preparation=rules[preparation]())


_ORDER_UNSURE: Final = (
    "The order of B08 and B8A is that of the makers' code of 2021 for Descartes Labs; their later "
    "code for Earth Engine has B8A first with the same constants."
)
GENERATIONS: Final = {
    generation.name: generation
    for generation in (
        Generation(
            name="48px-13", bands=PRESETS["legacy-13"], level="L1C", preparation=_UNIT,
            size_px=(48,),
        ),
        Generation(
            name="48px-12", bands=PRESETS["legacy-12"], level="L1C", preparation=_UNIT,
            size_px=(48,),
        ),
        Generation(
            name="44px-12", bands=_DESCARTES, level="L1C", preparation=standardised(_DESCARTES),
            size_px=(44,), limits=(_ORDER_UNSURE,),
        ),
        Generation(
            name="44px-rgb", bands=PRESETS["rgb"], level="L1C",
            preparation=standardised(PRESETS["rgb"]), size_px=(44,),
        ),
        Generation(
            name="28px-12", bands=_DESCARTES, level="L1C", preparation=standardised(_DESCARTES),
            size_px=(28,), limits=(_ORDER_UNSURE,),
        ),
    )
}  # fmt: skip
"""The published generations, by name."""
_MAKERS_NAMES: Final = {
    "48px-12": re.compile(r"48px_v3\."),
    "48px-13": re.compile(r"48px_v4\."),
    "44px-12": re.compile(r"44px_v2\.\d+_\d{4}-"),
    "44px-rgb": re.compile(r"44px_v2\.\d+_rgb_\d{4}-"),
    "28px-12": re.compile(r"28_px_v\d+$"),
}
_OTHER_PLACES: Final = (
    "Trained on tropical America; elsewhere it is untested, but for a trial in Ghana."
)
_OTHER_LEVEL: Final = "Trained on cloud-free medians of L1C; it means nothing on L2A."
_NO_INTERVALS: Final = (
    "The makers' figures come without intervals; how their test patches were kept apart from those "
    "that it learned from is not said."
)
_LICENCE: Final = "MIT"
_ATTRIBUTION: Final = "Amazon Mining Watch: Earthrise Media / Earth Genome (mining-detector)"


def convert_keras(
    path: StrPath,
    *,
    generation: str | Generation | None = None,
    name: str | None = None,
    licence: str | None = None,
    options: RunOptions | None = None,
) -> OnnxDetector:
    """Turn a Keras ``.h5`` detector into one that runs without TensorFlow.

    A Keras file says neither its bands, nor their order, nor their level, nor what was done to the
    pixels. They are known of the published detectors, which are told by their digest or the makers'
    way of naming files; of others they must be said. Nothing is ever guessed from shapes.

    Parameters
    ----------
    path
        The file.
    generation
        A name of `GENERATIONS`, or what else the file does not say; None to tell it from the file.
    name
        The detector's name; None for the published one, else the file's.
    licence
        Its licence; None for the makers', if it is a published detector, else ``not known``.
    options
        How it is run.

    Returns
    -------
    OnnxDetector
        Its scores equal TensorFlow's to about 1e-6. It is in memory: `save_detector` keeps it.

    Raises
    ------
    InputError
        If the file is garbled; has layers, settings or an end that are not known; is not of the
        generation said; or its generation cannot be told.
    UnsafeError
        If it refers to other files.
    MissingExtraError
        If h5py is not installed.

    Examples
    --------
    >>> convert_keras("nothing.h5")
    Traceback (most recent call last):
    minewatch.errors.NotThereError: nothing.h5 does not exist; expected a Keras model saved as .h5
    """
    file = read_keras(path)
    published = next((one for one in published_detectors() if one.sha256 == file.sha256), None)
    return convert_read(
        file, published, generation=generation, name=name, licence=licence, options=options
    )


def convert_read(
    file: KerasFile,
    published: Published | None,
    *,
    generation: str | Generation | None = None,
    name: str | None = None,
    licence: str | None = None,
    options: RunOptions | None = None,
) -> OnnxDetector:
    """Turn a Keras file that was read into a detector, with what is published of it."""
    if generation is None and published is not None:
        generation = published.generation
    chosen = _choose(generation, file)
    network = convert_network(file)
    _check_shape(chosen, network, file)
    card = _card(file, network, chosen, published)
    changes = {"name": name, "licence": licence}
    said = {key: value for key, value in changes.items() if value is not None}
    return OnnxDetector(card.model_copy(update=said), network.content, options)


def _choose(generation: str | Generation | None, file: KerasFile) -> Generation:
    if isinstance(generation, Generation):
        return generation
    if generation is None:
        stem = file.path.stem
        generation = next((key for key, rule in _MAKERS_NAMES.items() if rule.match(stem)), None)
    if generation is None:
        raise InputError(
            f"{file.path} does not say its bands, level and preparation, and its name is not one "
            f"of the makers'; name its generation ({', '.join(GENERATIONS)}), or say all three"
        )
    if generation not in GENERATIONS:
        raise InputError(f"{generation!r} is no generation; there are {', '.join(GENERATIONS)}")
    return GENERATIONS[generation]


def _check_shape(generation: Generation, network: Network, file: KerasFile) -> None:
    sizes = generation.size_px or (network.size_px,)
    if network.n_bands != len(generation.bands) or network.size_px not in sizes:
        raise InputError(
            f"{file.path} takes {network.n_bands} bands of {network.size_px} px, and the "
            f"generation {generation.name} has {len(generation.bands)} bands of "
            f"{' or '.join(map(str, sizes))} px; say which bands it takes"
        )


def _card(
    file: KerasFile, network: Network, generation: Generation, published: Published | None
) -> Card:
    ours = generation.name in GENERATIONS
    facts = {} if published is None else published.card_facts()
    reported = (_NO_INTERVALS,) if facts.get("metrics") else ()
    known = (_OTHER_LEVEL, _OTHER_PLACES, *reported) if ours else ()
    values = {
        "name": file.path.stem,
        "kind": "cnn",
        "bands": generation.bands,
        "level": generation.level,
        "size_px": network.size_px,
        "preparation": generation.preparation,
        "output": network.output,
        "settings": {"generation": generation.name},
        "limits": (*generation.limits, *known),
        "licence": _LICENCE if ours else "not known",
        "attribution": _ATTRIBUTION if ours else "",
        "sources": (SourceFile(url=file.path.name, sha256=file.sha256),),
        "versions": _versions(file),
        "digest": _store.digest_bytes(network.content),
    }
    return Card.model_validate({**values, **facts})


def _versions(file: KerasFile) -> dict[str, str]:
    ours = {name: importlib.metadata.version(name) for name in ("onnx", "h5py")}
    return {**ours, "keras": file.keras_version or "not said"}
