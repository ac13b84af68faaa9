"""Drawings of a CRF's lattice; its numbers are those of the smallest calculation in the chapter on transfer."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from book.tools.diagrams.kit import SMALL, Drawing, Point, Tone

LABELS = "BI"
EMISSIONS = ((0.5, 1.0), (1.0, 0.8), (0.2, 1.5))  # [token][label]
START, STOP = (0.0, -3.0), (0.0, 0.5)
TRANSITIONS = ((-1.0, 1.0), (0.0, 1.0))  # [from][to]
TOKENS = ("冰", "灯", "节")  # The festival of ice lanterns.
_XS, _YS = (118.0, 214.0, 310.0), (92.0, 216.0)
_BEGIN, _END, _RADIUS = (28.0, 154.0), (394.0, 154.0), 25.0


@dataclass(frozen=True)
class Viterbi:
    """The best score at each node [token][label], where it came from, the best path, and its score."""

    best: list[list[float]]
    origin: list[list[int]]
    path: list[int]
    score: float


def viterbi() -> Viterbi:
    """Find the best sequence of labels by keeping, for each node, only the best way to it."""
    best = [[START[label] + EMISSIONS[0][label] for label in range(2)]]
    origin = [[-1, -1]]
    for emissions in EMISSIONS[1:]:
        ways = [[best[-1][old] + TRANSITIONS[old][new] for old in range(2)] for new in range(2)]
        origin.append([way.index(max(way)) for way in ways])
        best.append([max(way) + emissions[label] for label, way in enumerate(ways)])
    ends = [best[-1][label] + STOP[label] for label in range(2)]
    path = [ends.index(max(ends))]
    for came_from in origin[:0:-1]:
        path.insert(0, came_from[path[0]])
    return Viterbi(best, origin, path, max(ends))


def crf_lattice() -> Drawing:
    """All sequences of labels as ways through a lattice, and the best of them."""
    drawing = Drawing(
        "A CRF's lattice",
        "Three tokens 冰灯节 from left to right, each with two nodes, the label B above and I below. Each node has "
        "its emission, each arrow between neighbouring nodes its transition, and the arrows from begin and to end "
        "have scores, too. A sequence of labels is a way from begin to end, and its score is the sum of all numbers "
        "on it. The best way is drawn thick: B, I, I, with the score 5.3.",
        height=318,
    )
    lattice(drawing, way=set(steps_of(viterbi().path)))
    drawing.lines(
        210, 284, "in a node: emission; on an arrow: transition", f"thick: the best way, {viterbi().score:.1f}",
        anchor="middle", tone="muted",
    )  # fmt: skip
    return drawing


Step = tuple[int, int, int]  # token that is reached (3: the end), label before (-1: the begin), label there


def steps_of(path: list[int]) -> list[Step]:
    """The arrows that a sequence of labels goes along, from begin to end."""
    return [(token, before, label) for token, (before, label) in enumerate(zip([-1, *path], [*path, -1], strict=True))]


def lattice(
    drawing: Drawing, way: Collection[Step] = (), kept: Collection[Step] = (), best: Sequence[Sequence[float]] = ()
) -> None:
    """Draw nodes and arrows.

    Args:
        drawing: what is drawn into.
        way: steps of the best sequence, thick and orange.
        kept: steps by which a node is reached best, thick and blue.
        best: of the first tokens, the scores that stand in the nodes in place of their emissions.
    """
    for token in range(4):
        for before in range(2) if token else [-1]:
            for label in range(2) if token < 3 else [-1]:
                step = (token, before, label)
                tone: Tone = "orange" if step in way else "blue" if step in kept else "plain"
                _edge(drawing, step, tone)
    for token, (x, text) in enumerate(zip(_XS, TOKENS, strict=True)):
        drawing.text(x, 24, text)
        for label, y in enumerate(_YS):
            is_known, is_on_way = token < len(best), any(step[0] == token and step[2] == label for step in way)
            value = best[token][label] if is_known else EMISSIONS[token][label]
            drawing.circle(x, y, _RADIUS, tone="orange" if is_on_way else "blue" if is_known else "plain")
            drawing.text(x, y - 8, LABELS[label], bold=True)
            drawing.text(x, y + 9, signed(value), size=SMALL)
    drawing.text(*_BEGIN, "begin", size=SMALL)
    drawing.text(*_END, "end", size=SMALL)


def signed(value: float) -> str:
    """A number with one digit behind the point, and a minus as wide as a plus."""
    return f"{value:.1f}".replace("-", "−")


def _edge(drawing: Drawing, step: Step, tone: Tone) -> None:
    token, before, label = step
    start: Point = _BEGIN if before < 0 else (_XS[token - 1], _YS[before])
    end: Point = _END if token == 3 else (_XS[token], _YS[label])
    length = math.dist(start, end)
    unit_x, unit_y = (end[0] - start[0]) / length, (end[1] - start[1]) / length
    away, near = (19.0 if name in (start, end) else _RADIUS + 1 for name in (_BEGIN, _END))
    from_point = (start[0] + away * unit_x, start[1] + away * unit_y)
    to_point = (end[0] - near * unit_x, end[1] - near * unit_y)
    drawing.arrow(from_point, to_point, tone=tone, strong=tone != "plain")
    value = START[label] if before < 0 else STOP[before] if token == 3 else TRANSITIONS[before][label]
    drawing.text(*_label_place(from_point, to_point, step), signed(value).removesuffix(".0"), size=SMALL)


def _label_place(start: Point, end: Point, step: Step) -> Point:
    """Beside an arrow, where no other passes."""
    token, before, label = step
    if 0 < token < 3 and before == label:
        return (start[0] + end[0]) / 2, start[1] + (-11 if label == 0 else 12)
    share = 0.24 if 0 < token < 3 else 0.5
    x, y = start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1])
    upwards = end[1] < start[1]
    if token == 0:
        return x - 9, y + (-8 if upwards else 8)
    if token == 3:
        return x + 9, y + (8 if upwards else -8)
    return x + 11, y + (6 if upwards else -6)
