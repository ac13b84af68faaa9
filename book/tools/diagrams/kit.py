"""A small drawing kit: boxes, arrows, labels and grids in one look, written as SVG whose colours are the page's theme.

A drawing is 420 units wide and is shown 342 pixels wide on a telephone, so that the smallest text, 11.2 units, has more
than 9 pixels there. Text between dollar signs is a formula: $W_p$, $h_{t-1}$. Sizes of texts are estimates on the safe
side, since each reader has fonts of their own.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal
from xml.etree import ElementTree

WIDTH = 420.0  # units of every drawing
TEXT, SMALL = 14.0, 12.0  # units of a label, and of a remark
LEAST_TEXT = 11.2  # units of a subscript; nothing is smaller
_HEAD = 7.0  # length of an arrow's head
_INDEX = 0.8  # size of a subscript, as a share of its text's

Tone = Literal["plain", "blue", "orange", "green", "purple", "muted"]
Anchor = Literal["start", "middle", "end"]
Point = tuple[float, float]

_FIRST_WIDE = 0x2E80  # Chinese characters and punctuation: as wide as they are high
_NARROW, _BROAD = frozenset("iljtfr.,:;|!'()[] "), frozenset("mwMW…→←↔≈")
_PART = re.compile(r"([_^])(?:\{([^}]*)\}|(.))|([A-Za-z]+)|([^_^A-Za-z]+)")


@dataclass(frozen=True)
class Box:
    """A rectangle, and the points at which arrows begin and end."""

    left: float
    top: float
    width: float
    height: float

    @property
    def right(self) -> float:
        """Of its right edge."""
        return self.left + self.width

    @property
    def bottom(self) -> float:
        """Of its lower edge."""
        return self.top + self.height

    @property
    def middle(self) -> Point:
        """Its centre."""
        return self.left + self.width / 2, self.top + self.height / 2

    @property
    def north(self) -> Point:
        """Middle of the upper edge."""
        return self.middle[0], self.top

    @property
    def south(self) -> Point:
        """Middle of the lower edge."""
        return self.middle[0], self.bottom

    @property
    def west(self) -> Point:
        """Middle of the left edge."""
        return self.left, self.middle[1]

    @property
    def east(self) -> Point:
        """Middle of the right edge."""
        return self.right, self.middle[1]


@dataclass(frozen=True)
class Label:
    """A line of text, the rectangle that it needs, and the size of its smallest letters."""

    text: str
    place: Box
    least: float


@dataclass
class Drawing:
    """An SVG that grows by what is drawn; later things lie on earlier ones.

    Args:
        title: its name in a few words.
        alt: what it shows, for readers who don't see it.
        height: in units; it is WIDTH wide.
    """

    title: str
    alt: str
    height: float
    labels: list[Label] = field(default_factory=list)
    segments: list[tuple[Point, Point]] = field(default_factory=list)  # of all arrows and lines
    _parts: list[ElementTree.Element] = field(default_factory=list)

    def box(
        self,
        left: float,
        top: float,
        width: float,
        height: float,
        *lines: str,
        tone: Tone = "plain",
        size: float = TEXT,
        corner: float = 5,
        dashed: bool = False,
        bold: bool = False,
    ) -> Box:
        """Draw a rectangle with lines of text in its middle; a second line and what follows are remarks."""
        box = Box(left, top, width, height)
        classes = f"face {tone}" + (" dashed" if dashed else "")
        self._add("rect", classes, x=left, y=top, width=width, height=height, rx=corner)
        self._stack(box.middle, lines, size, bold)
        return box

    def circle(self, x: float, y: float, radius: float, text: str = "", tone: Tone = "plain") -> Box:
        """Draw a circle with a text in its middle, such as an operator."""
        self._add("circle", f"face {tone}", cx=x, cy=y, r=radius)
        if text:
            self.text(x, y, text)
        return Box(x - radius, y - radius, 2 * radius, 2 * radius)

    def frame(self, left: float, top: float, width: float, height: float, tone: Tone = "muted") -> Box:
        """Draw a dashed outline around things that belong together."""
        self._add("rect", f"frame {tone}", x=left, y=top, width=width, height=height, rx=8)
        return Box(left, top, width, height)

    def outline(self, box: Box, tone: Tone) -> None:
        """Draw a thick outline around something, such as a row of a grid."""
        self._add("rect", f"outline {tone}", x=box.left, y=box.top, width=box.width, height=box.height)

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: float = TEXT,
        anchor: Anchor = "middle",
        tone: Tone = "plain",
        bold: bool = False,
    ) -> Box:
        """Write a line; y is the middle of its height."""
        width = text_width(text, size) * (1.05 if bold else 1)
        left = {"start": x, "middle": x - width / 2, "end": x - width}[anchor]
        place = Box(left, y - size * 0.6, width, size * 1.2)
        least = size * _INDEX if any(shift for _, shift, _ in _runs(text)) else size
        self.labels.append(Label(text, place, least))
        classes = f"ink {tone}" + (" bold" if bold else "")
        element = self._add("text", classes, x=x, y=y + size * 0.35)
        element.set("text-anchor", anchor)
        element.set("font-size", _number(size))
        _write_runs(element, text, size)
        return place

    def lines(
        self, x: float, y: float, *texts: str, size: float = SMALL, anchor: Anchor = "start", tone: Tone = "plain"
    ) -> None:
        """Write lines below one another; y is the middle of the first."""
        for number, text in enumerate(texts):
            self.text(x, y + 1.35 * size * number, text, size=size, anchor=anchor, tone=tone)

    def arrow(self, *points: Point, tone: Tone = "plain", dashed: bool = False, strong: bool = False) -> None:
        """Draw an arrow through points, its head at the last."""
        (from_x, from_y), (to_x, to_y) = points[-2], points[-1]
        length = math.dist(points[-2], points[-1]) or 1
        unit_x, unit_y = (to_x - from_x) / length, (to_y - from_y) / length
        neck = (to_x - _HEAD * unit_x, to_y - _HEAD * unit_y)
        self.line(*points[:-1], neck, tone=tone, dashed=dashed, strong=strong)
        half = 0.5 * _HEAD + (1 if strong else 0)
        corners = [
            (to_x, to_y),
            (neck[0] - half * unit_y, neck[1] + half * unit_x),
            (neck[0] + half * unit_y, neck[1] - half * unit_x),
        ]
        self._add("polygon", f"head {tone}", points=" ".join(f"{_number(x)},{_number(y)}" for x, y in corners))

    def line(self, *points: Point, tone: Tone = "plain", dashed: bool = False, strong: bool = False) -> None:
        """Draw a line through points."""
        self.segments += pairwise(points)
        classes = f"line {tone}" + (" dashed" if dashed else "") + (" strong" if strong else "")
        self._add("polyline", classes, points=" ".join(f"{_number(x)},{_number(y)}" for x, y in points))

    def dot(self, x: float, y: float, radius: float = 3, tone: Tone = "plain") -> None:
        """Draw a full dot."""
        self._add("circle", f"head {tone}", cx=x, cy=y, r=radius)

    def bar(self, left: float, top: float, width: float, height: float, tone: Tone = "blue") -> None:
        """Draw a full rectangle without a text, such as a bar of a chart."""
        self._add("rect", f"head {tone}", x=left, y=top, width=width, height=height)

    def hollow(self, left: float, top: float, width: float, height: float) -> None:
        """Draw the outline of a bar."""
        self._add("rect", "cell plain", x=left, y=top, width=width, height=height)

    def grid(
        self,
        left: float,
        top: float,
        cell: float,
        rows: Sequence[Sequence[float]],
        tone: Tone = "blue",
        texts: bool = False,
    ) -> Box:
        """Draw a grid of square cells: the larger a number between 0 and 1, the fuller its cell."""
        for row, numbers in enumerate(rows):
            for column, number in enumerate(numbers):
                x, y = left + column * cell, top + row * cell
                self._add("rect", "cell plain", x=x, y=y, width=cell, height=cell)
                if number > 0:
                    full = self._add("rect", f"fill {tone}", x=x, y=y, width=cell, height=cell)
                    full.set("opacity", _number(0.75 * number))
                if texts:
                    self.text(x + cell / 2, y + cell / 2, f"{number:.2f}".removeprefix("0"), size=SMALL)
        return Box(left, top, cell * len(rows[0]), cell * len(rows))

    def svg(self, name: str) -> ElementTree.Element:
        """The drawing as an element that a page can hold; the name makes its identifiers its own."""
        root = ElementTree.Element("svg", {"class": "diagram", "role": "img", "xmlns": "http://www.w3.org/2000/svg"})
        root.set("viewBox", f"0 0 {_number(WIDTH)} {_number(self.height)}")
        root.set("aria-labelledby", f"{name}-title {name}-desc")
        ElementTree.SubElement(root, "title", id=f"{name}-title").text = self.title
        ElementTree.SubElement(root, "desc", id=f"{name}-desc").text = self.alt
        root.extend(self._parts)
        return root

    def markup(self, name: str) -> str:
        """The element as text."""
        return ElementTree.tostring(self.svg(name), encoding="unicode")

    def _stack(self, middle: Point, lines: Sequence[str], size: float, bold: bool) -> None:
        sizes = [size if number == 0 else min(size, SMALL) for number in range(len(lines))]
        total = sum(1.3 * each for each in sizes)
        y = middle[1] - total / 2
        for number, (text, each) in enumerate(zip(lines, sizes, strict=True)):
            self.text(middle[0], y + 0.65 * each, text, size=each, bold=bold and number == 0)
            y += 1.3 * each

    def _add(self, tag: str, classes: str, **attributes: float | str) -> ElementTree.Element:
        values = {name: value if isinstance(value, str) else _number(value) for name, value in attributes.items()}
        element = ElementTree.Element(tag, {"class": classes, **values})
        self._parts.append(element)
        return element


def text_width(text: str, size: float) -> float:
    """Units that a line needs, rather more than less."""
    return size * sum(
        sum(map(_character_width, run)) * (_INDEX if shift else 1) * (1.08 if formula else 1)
        for run, shift, formula in _runs(text)
    )


def _character_width(character: str) -> float:
    if ord(character) >= _FIRST_WIDE:
        return 1.0
    if character in _NARROW:
        return 0.34
    if character in _BROAD:
        return 0.9
    return 0.7 if character.isupper() else 0.58


def _runs(text: str) -> list[tuple[str, int, bool]]:
    """A label's pieces: letters, -1 below the line, 0 on it or 1 above it, and whether they are a formula's."""
    runs: list[tuple[str, int, bool]] = []
    for number, part in enumerate(text.split("$")):
        if number % 2 == 0:
            runs += [(part, 0, False)] if part else []
            continue
        for mark, braced, single, letters, others in _PART.findall(part):
            shift = {"_": -1, "^": 1, "": 0}[mark]
            runs.append((braced or single or letters or others, shift, bool(letters) or bool(mark)))
    return runs


def _write_runs(element: ElementTree.Element, text: str, size: float) -> None:
    last_shift = 0
    for run, shift, formula in _runs(text):
        span = ElementTree.SubElement(element, "tspan")
        span.text = run
        if formula:
            span.set("class", "formula")
        if shift:
            span.set("font-size", _number(size * _INDEX))
        if shift != last_shift:
            span.set("dy", _number((last_shift - shift) * size * 0.28))
        last_shift = shift


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
