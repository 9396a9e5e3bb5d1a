"""Turn the citations of docstrings, which are numpydoc's, into Markdown, for the reference."""

import re

import griffe

CITED = re.compile(r"\s*\[(\d+)\]_")
CITATION = re.compile(r"^( *)\.\. \[(\d+)\] ", re.MULTILINE)


class Citations(griffe.Extension):
    """Raise ``[1]_`` to a superscript, and list ``.. [1] Author, …`` by its number."""

    def on_object(self, *, obj: griffe.Object, **_: object) -> None:
        """Rewrite an object's docstring before anything is made of it."""
        if obj.docstring is not None:
            cited = CITED.sub(r"<sup>\1</sup>", obj.docstring.value)
            obj.docstring.value = CITATION.sub(r"\1\2. ", cited)
