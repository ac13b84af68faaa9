"""Drawings of what reads a whole sequence at once: attention, and a Transformer block."""

from __future__ import annotations

import math
from collections.abc import Sequence

from book.tools.diagrams.kit import SMALL, Box, Drawing, Point

TOKENS = ("苹", "果", "熟", "了")  # The apples are ripe.
_INPUTS = ((0.9, 0.2, 0.6, 0.3), (0.3, 0.8, 0.5, 0.7), (0.5, 0.4, 0.9, 0.1), (0.2, 0.6, 0.1, 0.8))
_PARTS = (  # what the three matrices make of a row: three numbers each
    (0.2, 0.7, 0.3, 0.8, 0.1, 0.9, 0.3, 0.9, 0.2),
    (0.8, 0.2, 0.9, 0.2, 0.9, 0.4, 0.7, 0.2, 0.8),
    (0.4, 0.9, 0.1, 0.9, 0.2, 0.8, 0.1, 0.5, 0.4),
    (0.6, 0.1, 0.7, 0.5, 0.6, 0.1, 0.9, 0.3, 0.3),
)
_CELL = 18.0


def attention() -> Drawing:
    """Scaled dot products of queries and keys, softmax, and the values mixed by it, as matrices with their shapes."""
    drawing = Drawing(
        "Attention",
        "Matrices with a row for each of the four characters 苹果熟了. Three products of the input X give queries Q, "
        "keys K and values V. Each query is multiplied by each key and divided by the square root of d: a square of "
        "scores, a row for each character that looks and a column for each that is looked at. A softmax makes each "
        "row's weights add up to 1. The weights times V are the output Y, with a row for each character again. The "
        "row of the second character, 果, is followed through by a thicker outline.",
        height=500,
    )
    inputs = drawing.grid(174, 34, _CELL, _INPUTS)
    _token_names(drawing, inputs)
    drawing.text(210, 20, "$X$  [T, D]")
    queries, keys, values = ([row[start : start + 3] for row in _PARTS] for start in (0, 3, 6))
    asks = _part(drawing, 42, "Q", "asks", queries, (inputs.left - 24, inputs.middle[1]))
    _part(drawing, 183, "K", "offers", keys, inputs.south)
    _part(drawing, 324, "V", "says", values, inputs.east)

    products = [[dot(query, key) for key in keys] for query in queries]
    shares = [softmax([3 * product for product in row]) for row in products]
    mixed = [[dot(row, column) for column in zip(*values, strict=True)] for row in shares]
    scores = drawing.grid(66, 330, _CELL, [[product / 2 for product in row] for row in products])
    weights = drawing.grid(206, 330, _CELL, shares)
    outputs = drawing.grid(342, 330, _CELL, mixed, tone="green")
    _token_names(drawing, scores)
    drawing.arrow((69, 276), (69, 294), (84, 294), (84, scores.top))
    drawing.arrow((210, 276), (210, 294), (120, 294), (120, scores.top))
    drawing.arrow(scores.east, weights.west)
    drawing.arrow(weights.east, outputs.west)
    drawing.arrow((351, 276), (351, 304), (310, 304), (310, weights.middle[1]))
    for box, text, remark in (
        (scores, "$Q K^T$ / √$d$", "scores [T, T]"),
        (weights, "softmax of rows", "weights [T, T]"),
        (outputs, "weights · $V$", "$Y$ [T, $d$]"),
    ):
        drawing.text(box.middle[0], box.bottom + 16, text)
        drawing.text(box.middle[0], box.bottom + 35, remark, size=SMALL, tone="muted")
    for box in (inputs, asks, scores, weights, outputs):
        drawing.outline(Box(box.left, box.top + _CELL, box.width, _CELL), "orange")
    drawing.lines(
        210, 466, "The row of 果 asks, every row answers with its value,", "and the weights say how much of each.",
        anchor="middle", tone="muted",
    )  # fmt: skip
    return drawing


def _part(drawing: Drawing, left: float, name: str, what: str, rows: list[tuple[float, ...]], start: Point) -> Box:
    """Queries, keys or values: the matrix that makes them of the input, and what comes out."""
    part = drawing.grid(left, 176, _CELL, rows, tone="green" if name == "V" else "blue")
    box = drawing.box(part.middle[0] - 27, 128, 54, 26, f"$W_{name.lower()}$", tone="green")
    bend = [] if name == "K" else [(box.middle[0], start[1])]
    drawing.arrow(start, *bend, box.north)
    drawing.arrow(box.south, part.north)
    drawing.text(part.middle[0], part.bottom + 14, f"${name}$  [T, $d$]", size=SMALL)
    drawing.text(left - 6, 212, what, size=SMALL, anchor="end", tone="muted")
    return part


def dot(first: Sequence[float], second: Sequence[float]) -> float:
    """The product of two vectors."""
    return sum(one * other for one, other in zip(first, second, strict=True))


def softmax(scores: Sequence[float]) -> list[float]:
    """Shares that add up to 1."""
    powers = [math.exp(score) for score in scores]
    return [power / sum(powers) for power in powers]


def _token_names(drawing: Drawing, grid: Box) -> None:
    for number, token in enumerate(TOKENS):
        drawing.text(grid.left - 12, grid.top + (number + 0.5) * _CELL, token)


def transformer_block() -> Drawing:
    """A block as in BERT, upwards: attention and feed-forward network, each with a residual and a norm behind it."""
    drawing = Drawing(
        "A Transformer block",
        "Upwards: the input is the sum of three vectors, of token, position and segment, normalised. In a block, "
        "attention with several heads is computed from it and added to it, and the sum is normalised. The result "
        "goes through a feed-forward network, a first matrix, gelu and a second matrix, and is added to that "
        "network's output; this sum is normalised, too. All rows have the shape tokens by D, inside the feed-forward "
        "network tokens by four D. The block is repeated L times.",
        height=560,
    )
    x = 190.0
    sums = [
        drawing.box(left, 504, 92, 40, name, remark)
        for left, name, remark in ((44, "token", "苹"), (144, "position", "number 3"), (244, "segment", "A"))
    ]
    plus = drawing.circle(x, 474, 10, "+")
    drawing.arrow(sums[0].north, (sums[0].middle[0], 474), plus.west)
    drawing.arrow(sums[1].north, plus.south)
    drawing.arrow(sums[2].north, (sums[2].middle[0], 474), plus.east)
    norm_in = drawing.box(x - 46, 424, 92, 26, "layer norm", tone="muted")
    drawing.arrow(plus.north, norm_in.south)
    drawing.frame(24, 48, 340, 354)
    drawing.text(392, 230, "× L", bold=True)

    attend = drawing.box(x - 90, 328, 180, 44, "self-attention", "several heads, mixes rows", tone="blue")
    first_add = drawing.circle(x, 292, 10, "+")
    first_norm = drawing.box(x - 46, 244, 92, 26, "layer norm", tone="muted")
    drawing.arrow(norm_in.north, attend.south)
    drawing.arrow(attend.north, first_add.south)
    drawing.arrow(first_add.north, first_norm.south)
    drawing.arrow((x, 388), (50, 388), (50, 292), first_add.west, tone="orange")
    drawing.frame(x - 90, 138, 180, 88)
    wide = drawing.box(x - 62, 192, 124, 26, "$W_1$, gelu", tone="green")
    back = drawing.box(x - 62, 146, 124, 26, "$W_2$", tone="green")
    drawing.arrow(first_norm.north, wide.south)
    drawing.arrow(wide.north, back.south)
    drawing.text(x + 10, 182, "[T, 4D]", size=SMALL, anchor="start", tone="muted")
    second_add = drawing.circle(x, 112, 10, "+")
    second_norm = drawing.box(x - 46, 62, 92, 26, "layer norm", tone="muted")
    drawing.arrow(back.north, second_add.south)
    drawing.arrow(second_add.north, second_norm.south)
    drawing.arrow((x, 236), (50, 236), (50, 112), second_add.west, tone="orange")
    drawing.arrow(second_norm.north, (x, 29))
    drawing.text(x, 18, "to the next block, or the head")
    for y in (38, 412):
        drawing.text(x + 10, y, "[T, D]", size=SMALL, anchor="start", tone="muted")
    drawing.text(x + 10, 311, "[T, D]", size=SMALL, anchor="start", tone="muted")
    for y in (126, 306):
        drawing.text(56, y, "residual", size=SMALL, anchor="start", tone="orange")
    drawing.lines(x + 98, 174, "feed-", "forward", tone="muted")
    return drawing
