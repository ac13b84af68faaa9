"""Breaking a text into lines by the columns that it takes up, of which a Chinese character takes two."""

from __future__ import annotations

import re
import unicodedata

# What is not broken: a run of ASCII, any other character; with the closing marks behind it.
_UNBREAKABLE = re.compile(r"(?:[!-~]+|.)[，。、；：？！”’）》」』…]* ?")


def text_width(text: str) -> int:
    """Columns that a text takes up: 2 for each Chinese character."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def wrap(text: str, width: int) -> str:
    """Break a text into lines of about `width` columns."""
    lines = [""]
    for part in _UNBREAKABLE.findall(text):
        if lines[-1] and text_width(lines[-1] + part.rstrip()) > width:
            lines.append("")
        lines[-1] += part
    return "\n".join(line.rstrip() for line in lines)


def shorten(text: str, width: int, most: int) -> str:
    """Break a text into at most so many lines; what does not fit is replaced by an ellipsis."""
    lines = wrap(text, width).split("\n")
    if len(lines) > most:
        while text_width(lines[most - 1]) > width - 2:
            lines[most - 1] = lines[most - 1][:-1]
        lines[most - 1] += "…"
    return "\n".join(lines[:most])
