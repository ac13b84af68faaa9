"""Plots whose dots say in which sentence they stand when they are pointed at; the only module that imports plotly.

Beside each such plot a still picture of `elmo.explore.plots` says the same, for paper and for readers without scripts.
"""

from __future__ import annotations

import html
import json
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from elmo.checks import optional_module
from elmo.errors import InputError
from elmo.explore.lines import wrap
from elmo.explore.plots import MARKERS, PALETTE
from elmo.explore.polysemy.senses import SenseSentence
from elmo.system.types import Vectors

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


_SYMBOLS = {  # plotly's names of matplotlib's markers
    **{"o": "circle", "^": "triangle-up", "s": "square", "D": "diamond"},
    **{"v": "triangle-down", "P": "cross", "X": "x", "p": "pentagon"},
}
_COLUMNS = 26  # of a hover text: beside a dot in the middle of a telephone there is room for no more
_HEIGHT = 420  # pixels
_FONT = {"family": '"Book Chinese", sans-serif', "size": 13, "color": "#222222"}  # the web font of the book's pages
_CONFIG = {
    "displaylogo": False,
    "modeBarButtons": [["zoomIn2d", "zoomOut2d", "pan2d", "resetScale2d"]],
    "responsive": True,
    "scrollZoom": False,
}
_INSTEAD = "This plot answers when it is pointed at, on the book's page, or here with .figure.show()."


class HoverPlot:
    """A plot to point at, as the last line of a cell. In the book its page draws it, with the book's own plotly.js."""

    def __init__(self, figure: Figure, alt: str) -> None:
        self.figure = figure
        self.alt = alt

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        if "google.colab" in sys.modules:  # draws HTML only, in a frame of its own
            return {"text/html": self.figure.to_html(include_plotlyjs="cdn", full_html=False, config=_CONFIG)}
        drawing = {**json.loads(self.figure.to_json()), "config": _CONFIG}
        data = json.dumps(drawing, ensure_ascii=False, sort_keys=True).replace("</", "<\\/")
        page = (
            f'<div class="hover-plot" role="img" aria-label="{html.escape(self.alt)}" style="min-height: {_HEIGHT}px">'
            f'<script type="application/json">{data}</script><p>{html.escape(_INSTEAD)}</p></div>'
        )
        return {"application/vnd.plotly.v1+json": drawing, "text/html": page, "text/plain": self.alt}


def plot_hover(
    places: Vectors,
    labels: Sequence[str],
    texts: Sequence[str],
    *,
    alt: str,
    glosses: Mapping[str, str] | None = None,
    note: str = "",
) -> HoverPlot:
    """Draw dots that show their texts when they are pointed at, in the colours and shapes of `plots.plot_tsne`.

    Args:
        places: [n, 2], such as those of `places.tsne_places`.
        labels: n of them, such as senses; in the legend in the order in which they first come.
        texts: n of them, such as those of `sense_texts`; a new line begins where they have one, or a line is full.
        alt: what the plot shows, for readers who don't see it.
        glosses: what the legend says of a label.
        note: what stands below, such as how the places were found.

    Raises:
        InputError: shapes that do not fit, places that are not finite, or no alt.
    """
    from plotly.graph_objects import Figure, Scatter

    points = np.asarray(places, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 2 or not len(points) == len(labels) == len(texts):
        raise InputError(
            f"places have shape {list(points.shape)} for {len(labels)} labels and {len(texts)} texts: give [n, 2], n, n"
        )
    if not np.isfinite(points).all():
        raise InputError("a place holds numbers that are not finite: lay the vectors out again")
    if not alt.strip():
        raise InputError("the plot has no alt text: say in a sentence what it shows")
    figure = Figure(layout=_layout(note))
    for number, label in enumerate(dict.fromkeys(labels)):
        rows = [row for row, other in enumerate(labels) if other == label]
        figure.add_trace(
            Scatter(
                x=[round(float(x), 2) for x in points[rows, 0]],
                y=[round(float(y), 2) for y in points[rows, 1]],
                text=[_lines(texts[row]) for row in rows],
                name=_lines((glosses or {}).get(label, label), 40),
                mode="markers",
                hovertemplate="%{text}<extra></extra>",
                marker={
                    "color": PALETTE[number % len(PALETTE)],
                    "symbol": _SYMBOLS[MARKERS[(number + number // len(PALETTE)) % len(MARKERS)]],
                    "size": 11,
                    "line": {"color": "white", "width": 1},
                },
            )
        )
    return HoverPlot(figure, alt)


_STEPS_STYLE = """.steps input{position:absolute;opacity:0}.steps label{display:inline-block;padding:.15em .45em;
margin:.1em;border:1px solid #76767688;border-radius:.3em;cursor:pointer}.steps div{display:none;margin-top:.6em}
.steps table{font-size:.85em;border-collapse:collapse}.steps td,.steps th{padding:.25em .45em;text-align:left;
font-weight:inherit}.steps .numbers td{text-align:right;font-variant-numeric:tabular-nums}
.steps .numbers th{max-width:6.5em}.steps input:checked+label{background:#0072B2;color:#fff}
.steps input:focus-visible+label{outline:2px solid #D55E00}"""


def step_through(name: str, choices: Sequence[str], frames: Sequence[str], chosen: int) -> Any:
    """Show one of several frames, by buttons that need no script: as HTML that a notebook shows.

    Args:
        name: of the buttons, one for each of its kind on a page.
        choices: what stands on the buttons.
        frames: HTML for each, such as a table; of class "numbers" if its columns are to be lined up.
        chosen: which one is shown at first, from 0.
    """
    display = optional_module("IPython.display", "step_through")
    buttons, rules = "", ""
    for number, choice in enumerate(choices, 1):
        checked = " checked" if number == chosen + 1 else ""
        label = f'<label for="{name}-{number}">{html.escape(choice)}</label>'
        buttons += f'<input type="radio" name="{name}" id="{name}-{number}"{checked}>{label}'
        rules += f".steps input:nth-of-type({number}):checked~div:nth-of-type({number}){{display:block}}"
    shown = "".join(f"<div>{frame}</div>" for frame in frames)
    return display.HTML(f'<style>{_STEPS_STYLE}{rules}</style><div class="steps">{buttons}{shown}</div>')


def sense_texts(items: Sequence[SenseSentence]) -> list[str]:
    """What to show of marked sentences: the sentence with its word in brackets, and what the word means in it."""
    return [
        f"{item.sentence[: item.position]}[{item.word}]{item.sentence[item.position + len(item.word) :]}\n{item.gloss}"
        for item in items
    ]


def _lines(text: str, columns: int = _COLUMNS) -> str:
    """A text as plotly's HTML, broken so that a telephone shows it whole."""
    return "<br>".join(
        html.escape(line, quote=False) for part in text.split("\n") for line in wrap(part, columns).split("\n")
    )


def _layout(note: str) -> dict[str, Any]:
    axis = {"showticklabels": False, "zeroline": False, "showgrid": False, "showline": True, "linecolor": "#BBBBBB"}
    return {
        "template": None,
        "height": _HEIGHT,
        "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
        "paper_bgcolor": "white",
        "plot_bgcolor": "white",
        "font": _FONT,
        "dragmode": False,  # a finger on the plot scrolls the page
        "hovermode": "closest",
        "hoverlabel": {"align": "left", "bgcolor": "white", "font": _FONT},
        "legend": {"orientation": "h", "yanchor": "top", "y": -0.1, "x": 0},
        "xaxis": {**axis, "mirror": True, "title": {"text": html.escape(note), "font": {"size": 12}}},
        "yaxis": {**axis, "mirror": True},
    }
