"""Sentences of this package's own, from cards and files, in the reader's language."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

from minewatch.maps._contents import MapContents
from minewatch.maps._page_html import page_file

Language = Literal["es", "pt"]
OTHERS: Final[tuple[Language, ...]] = ("es", "pt")
"""Languages that sentences are put into; they are written in English."""
NUMBER_MARKS: Final = ("\ue000", "\ue001")
"""What stands around numbers in `page_phrases`: characters that no text has."""
_LONGEST: Final = 1_000
"""Letters of the longest text that is looked at: what is longer is none of these sentences."""
_GAP: Final = re.compile(r"\{(\w+)(?::(\w+))?\}")
_NUMBER: Final = re.compile(r"[-−]?\d{1,3}(?:[,\u2009\u202f]\d{3})+(?:\.\d+)?|[-−]?\d+(?:\.\d+)?")
_PERIOD: Final = re.compile(r"\d{4}[\d/-]*")
_NO_DIGIT: Final = str.maketrans({"−": "-", ",": "", "\u2009": "", "\u202f": ""})


@dataclass(frozen=True)
class _Said:
    """A sentence that is known: which, and what stands in its gaps."""

    words: Mapping[str, str]
    """The sentence with named gaps, by language."""
    values: Mapping[str, tuple[str, str]]
    """Kind and text of what stands in each gap."""


def translate(text: str, language: Language, number: Callable[[str], str]) -> str | None:
    """Put a sentence of this package's own into a language; None if it is not known.

    Sentences are known by their words in English, with gaps for numbers, names and other sentences:
    those on cards and in files that were saved long ago are put into a language too. Names, and
    whatever else a user wrote, stay as they are.

    Parameters
    ----------
    text
        As a card, a header of detections, or `MapContents` has it.
    language
        The language.
    number
        Writes a number of a sentence, such as ``-63.72`` or ``1251``, in that language.

    Examples
    --------
    >>> translate("3 folds of blocks of 7.5 km, dead zone 700 m", "pt",
    ...           lambda one: one.replace(".", ","))
    '3 partes por blocos de 7,5 km, com uma faixa de 700 m sem uso'
    >>> translate("my own words", "es", str) is None
    True
    """
    said = _recognise(text)
    return None if said is None else _compose(said, language, number)


def own_sentences(contents: MapContents) -> list[str]:
    """List the sentences that a page or a sheet shows and that the page's own words do not hold.

    Returns
    -------
    list of str
        Each once: title, what hectares and what was not seen mean, where the threshold comes from,
        and what the card says: samples, how they were held apart, limits, licence.
    """
    said = [contents.title, contents.area_means, contents.seen_means, contents.threshold_from]
    card = contents.card
    if card is not None:
        said += [part for metric in card.metrics for part in (metric.on, metric.splitter)]
        said += [*card.limits, card.licence]
    return list(dict.fromkeys(text for text in said if text))


def page_phrases(contents: MapContents) -> dict[str, dict[str, str]]:
    """Give the sentences of a map in every other language, as far as they are known.

    Returns
    -------
    dict
        By language, then by the sentence as it was written. Numbers are plain, and stand between
        `NUMBER_MARKS`: the page writes them as in the reader's country.
    """
    before, after = NUMBER_MARKS

    def marked(plain: str) -> str:
        return f"{before}{plain}{after}"

    told = own_sentences(contents)
    return {
        language: {
            text: known for text in told if (known := translate(text, language, marked)) is not None
        }
        for language in OTHERS
    }


def phrase_words() -> tuple[Mapping[str, str], ...]:
    """Give all sentences that are known, with their gaps, by language."""
    return _phrases()


@lru_cache(maxsize=1)
def _phrases() -> tuple[Mapping[str, str], ...]:
    phrases: list[dict[str, str]] = json.loads(page_file("phrases.json"))
    return tuple(phrases)


@lru_cache(maxsize=1)
def _patterns() -> tuple[tuple[tuple[str, ...], Mapping[str, str]], ...]:
    """Give every sentence as pieces: words, name and kind of a gap, words, and so on."""
    return tuple((tuple(_GAP.split(phrase["en"])), phrase) for phrase in _phrases())


@lru_cache(maxsize=4_096)
def _recognise(text: str) -> _Said | None:
    if len(text) > _LONGEST:
        return None
    for pieces, words in _patterns():
        if text.startswith(pieces[0]) and text.endswith(pieces[-1]):
            for values in _fill(pieces, text):
                return _Said(words, values)
    return None


def _fill(pieces: tuple[str, ...], text: str) -> Iterator[dict[str, tuple[str, str]]]:
    """Find every way in which a text is these pieces with something in the gaps."""
    start, *rest = pieces
    if not text.startswith(start):
        return
    left = text[len(start) :]
    if not rest:
        if not left:
            yield {}
        return
    name, kind, following, *_ = rest
    is_last = len(rest) == 3
    at = len(left) - len(following) if is_last and following else left.find(following, 1)
    at = len(left) if not following else at
    while 0 < at <= len(left):
        if _suits(kind, left[:at]):
            for others in _fill(tuple(rest[2:]), left[at:]):
                yield {name: (kind, left[:at]), **others}
        at = -1 if is_last else left.find(following, at + 1)


def _suits(kind: str, text: str) -> bool:
    if kind == "number":
        return _NUMBER.fullmatch(text) is not None
    if kind == "period":
        return _PERIOD.fullmatch(text) is not None
    if kind == "code":
        return text.isalnum()
    return kind != "phrase" or _recognise(text) is not None


def _compose(said: _Said, language: Language, number: Callable[[str], str]) -> str:
    def write(gap: re.Match[str]) -> str:
        kind, text = said.values[gap[1]]
        if kind == "number":
            return number(text.translate(_NO_DIGIT))
        if kind in {"phrase", "any"}:
            return translate(text, language, number) or text
        return text

    return _GAP.sub(write, said.words[language])
