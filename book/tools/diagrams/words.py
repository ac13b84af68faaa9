"""Drawings of how words are read by their characters, and of what the softmax computes."""

from __future__ import annotations

from book.tools.diagrams.kit import SMALL, Drawing, Tone

SYMBOLS = ("‹", "E8", "8B", "B9", "E6", "9E", "9C", "›")  # 苹果 in UTF-8, between the marks of begin and end
_LEFT, _STEP = 68.0, 42.0


def char_cnn() -> Drawing:
    """A word's vector from its characters: windows, maximum, highway, projection."""
    drawing = Drawing(
        "A word read by its characters",
        "From top to bottom: the word 苹果 as eight symbols, a mark for its begin, six bytes of UTF-8, and a mark "
        "for its end. Each symbol has a vector. Filters of width 1, 2 and 3 and more slide over these vectors; of "
        "each filter only the largest value is kept. The maxima of all filters stand side by side, pass a highway "
        "layer, which mixes what it makes of them with what they were, and a matrix projects them to the size of a "
        "word vector.",
        height=530,
    )
    drawing.text(210, 18, "苹果", size=17, bold=True)
    drawing.text(238, 18, "one word", size=SMALL, anchor="start", tone="muted")
    shades = (0.3, 0.8, 0.5, 0.9, 0.6, 0.2, 0.7, 0.4, 0.1)
    for number, symbol in enumerate(SYMBOLS):
        x = _LEFT + _STEP * number
        drawing.box(x - 18, 42, 36, 26, symbol, tone="muted" if symbol in "‹›" else "plain")
        drawing.arrow((x, 68), (x, 88))
        drawing.grid(x - 8, 90, 16, [[shades[(2 * number + 3 * row) % 9]] for row in range(3)])
    drawing.lines(4, 55, "bytes", tone="muted")
    drawing.lines(4, 106, "vectors", "[M, 16]", tone="muted")

    columns = ((110.0, 1, 1), (215.0, 2, 3), (320.0, 3, 5))
    for x, width, first in columns:
        left = _LEFT + _STEP * first - 14
        right = _LEFT + _STEP * (first + width - 1) + 14
        drawing.line((left, 146), (left, 152), (right, 152), (right, 146), tone="orange")
        box = drawing.box(x - 42, 178, 84, 40, f"width {width}", "filters", tone="orange")
        drawing.arrow((x, 152), box.north, tone="orange")
        values = [shades[(width * 2 + place * 5) % 9] for place in range(len(SYMBOLS) - width + 1)]
        for place, value in enumerate(values):
            is_largest = value == max(values)
            height = 34 * value
            drawing.bar(x - 36 + 9 * place, 266 - height, 7, height, tone="orange" if is_largest else "muted")
        drawing.arrow((x, 218), (x, 230))
        drawing.arrow((x, 270), (x, 296))
    drawing.lines(4, 250, "at each", "place", tone="muted")
    drawing.text(390, 198, "… 6", anchor="middle", tone="muted")
    joined = drawing.box(58, 298, 306, 30, "largest of each filter, side by side  [304]")
    highway = drawing.box(110, 356, 200, 44, "highway", "$g$ · new + (1 − $g$) · old", tone="green")
    project = drawing.box(150, 428, 120, 30, "projection", tone="green")
    drawing.arrow((210, joined.bottom), highway.north)
    drawing.arrow(highway.south, project.north)
    drawing.arrow(project.south, (210, 490))
    drawing.text(210, 504, "word vector  [E]")
    drawing.lines(4, 313, "max", tone="muted")
    return drawing


_RANKS = 34
_DRAWN, _RIGHT = (0, 1, 3, 4, 8, 15, 26), 12


def sampled_softmax() -> Drawing:
    """The whole vocabulary above, of which the sampled softmax below takes the right word and a few candidates."""
    drawing = Drawing(
        "Full and sampled softmax",
        "Two ways from a hidden state h to a loss. Above, the full softmax: a row of bars, one for each word of the "
        "vocabulary from frequent to rare; the state is multiplied by all V word vectors. Below, the sampled "
        "softmax: from the same row the right word is taken and some candidates, many from the frequent end and few "
        "from the rare one. The state is multiplied by these n plus 1 vectors alone, the logarithm of how often each "
        "is expected to be drawn is subtracted, and the softmax is over them.",
        height=480,
    )
    drawing.text(14, 18, "full", bold=True, anchor="start")
    drawing.text(52, 18, "all V words, in evaluation", size=SMALL, anchor="start", tone="muted")
    _vocabulary(drawing, 86, set(range(_RANKS)))
    full = drawing.box(110, 120, 200, 30, "softmax over V scores", tone="green")
    for x in (90, 150, 210, 270, 330):
        drawing.line((x, 90), (x, 106))
    drawing.line((90, 106), (330, 106))
    drawing.arrow((210, 106), full.north)
    drawing.arrow(full.east, (340, 135))
    drawing.text(346, 135, "−ln $p$", anchor="start")

    drawing.text(14, 190, "sampled", bold=True, anchor="start")
    drawing.text(82, 190, "n candidates and the right word, in training", size=SMALL, anchor="start", tone="muted")
    _vocabulary(drawing, 258, {*_DRAWN, _RIGHT})
    drawing.text(14, 102, "frequent", size=SMALL, anchor="start", tone="muted")
    drawing.text(406, 102, "rare", size=SMALL, anchor="end", tone="muted")
    chosen = sorted({*_DRAWN, _RIGHT})
    boxes = []
    for number, rank in enumerate(chosen):
        tone: Tone = "orange" if rank == _RIGHT else "blue"
        box = drawing.box(42 + 44 * number, 330, 34, 28, "$v_w$" if rank == _RIGHT else "$v$", tone=tone)
        drawing.arrow((_rank_x(rank), 262), (_rank_x(rank), 290), (box.middle[0], 312), box.north, tone=tone)
        boxes.append(box)
    drawing.text(14, 344, "$h$ ·", anchor="start")
    repaired = drawing.box(60, 386, 300, 30, "minus ln $Q$ ($Q$: how often it is drawn)")
    last = drawing.box(110, 440, 200, 30, "softmax over n + 1 scores", tone="green")
    for box in boxes:
        drawing.line(box.south, (box.middle[0], 370))
    drawing.line((boxes[0].middle[0], 370), (boxes[-1].middle[0], 370))
    drawing.arrow((210, 370), repaired.north)
    drawing.arrow(repaired.south, last.north)
    drawing.arrow(last.east, (340, 455))
    drawing.text(346, 455, "−ln $p$", anchor="start")
    return drawing


def _rank_x(rank: int) -> float:
    return 19 + 11.5 * rank


def _vocabulary(drawing: Drawing, bottom: float, taken: set[int]) -> None:
    """A bar for each word, from frequent to rare; orange is the right one, blue is what is computed."""
    for rank in range(_RANKS):
        height = 10 + 44 / (1 + 0.35 * rank)
        if rank in taken:
            drawing.bar(_rank_x(rank) - 4, bottom - height, 8, height, "orange" if rank == _RIGHT else "blue")
        else:
            drawing.hollow(_rank_x(rank) - 4, bottom - height, 8, height)
