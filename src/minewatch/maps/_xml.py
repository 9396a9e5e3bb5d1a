"""Text for XML: escaped, and without what XML cannot hold."""

import re
from typing import Final
from xml.sax.saxutils import escape

_CONTROL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
"""Characters that XML cannot hold, not even escaped."""


def escape_text(value: object) -> str:
    """Escape text that stands between tags.

    Examples
    --------
    >>> escape_text("Peña <&>")
    'Peña &lt;&amp;&gt;'
    """
    return escape(without_control(str(value)))


def without_control(text: str) -> str:
    """Put spaces for characters that XML cannot hold."""
    return _CONTROL.sub(" ", text)
