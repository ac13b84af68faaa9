"""The book's diagrams, drawn by code as SVG.

`{diagram} NAME` puts one into a page, and `python -m book.tools.diagrams FOLDER` writes all of them as files.
"""

from __future__ import annotations

from collections.abc import Callable

from book.tools.diagrams import recurrent
from book.tools.diagrams.kit import Drawing

DIAGRAMS: dict[str, Callable[[], Drawing]] = {
    "lstmp-cell": recurrent.lstmp_cell,
}
