"""Drawings of what reads word by word: an LSTMP cell, and the two directions of a biLM."""

from __future__ import annotations

from book.tools.diagrams.kit import SMALL, Drawing, Tone


def lstmp_cell() -> Drawing:
    """One step of an LSTM with projection, in the names of the chapter's formulas."""
    drawing = Drawing(
        "One step of an LSTMP",
        "One step of an LSTM with projection. The old cell c goes from left to right along the top: it is multiplied "
        "by the forget gate, the product of input gate and candidate is added, a clip keeps it within plus and minus "
        "3, and it leaves as the new cell c'. All four blocks, forget gate f, input gate i, candidate a and output "
        "gate o, come from one product of the word x and the old output h. The tanh of the new cell times the output "
        "gate is multiplied by the projection matrix, clipped, and leaves as the new output h'.",
        height=424,
    )
    memory, mixed = 50.0, 130.0
    keep, write, candidate, show, side = 60.0, 150.0, 220.0, 300.0, 372.0
    drawing.text(22, memory, "$c$")
    drawing.text(24, memory - 22, "[B, H]", size=SMALL, tone="muted")
    times_keep = drawing.circle(keep, memory, 11, "×", "blue")
    plus = drawing.circle((write + candidate) / 2, memory, 11, "+", "blue")
    clip = drawing.box(235, memory - 14, 44, 28, "clip", tone="muted")
    drawing.arrow((34, memory), times_keep.west, tone="blue")
    drawing.arrow(times_keep.east, plus.west, tone="blue")
    drawing.arrow(plus.east, clip.west, tone="blue")
    drawing.arrow(clip.east, (384, memory), tone="blue")
    drawing.text(397, memory, "$c$′")
    drawing.text(396, memory - 22, "[B, H]", size=SMALL, tone="muted")

    times_write = drawing.circle((write + candidate) / 2, mixed, 11, "×")
    drawing.arrow(times_write.north, plus.south)
    bend = drawing.box(show - 22, 83, 44, 26, "tanh", tone="muted")
    drawing.dot(show, memory, tone="blue")
    drawing.arrow((show, memory), bend.north, tone="blue")
    times_show = drawing.circle(show, 152, 11, "×")
    drawing.arrow(bend.south, times_show.north)

    product = drawing.box(16, 282, 318, 34, "$x W_x + h W_h + b$", tone="green")
    drawing.text(175, 328, "[B, 4H]", size=SMALL, tone="muted")
    ends = {
        keep: [times_keep.south],
        write: [(write, mixed), times_write.west],
        candidate: [(candidate, mixed), times_write.east],
        show: [times_show.south],
    }
    for x, text in ((keep, "σ($z_f$)"), (write, "σ($z_i$)"), (candidate, "tanh($z_a$)"), (show, "σ($z_o$)")):
        gate = drawing.box(x - 32, 196, 64, 28, text, tone="orange")
        drawing.arrow((x, product.top), gate.south)
        drawing.arrow(gate.north, *ends[x])
    for x, name in ((keep, "$f$ keep"), (write, "$i$ write"), (candidate, "$a$ new"), (show, "$o$ show")):
        drawing.text(x + 5, 183, name, size=SMALL, anchor="start", tone="muted")

    project = drawing.box(side - 26, 138, 52, 28, "$W_p$", tone="green")
    drawing.arrow(times_show.east, project.west)
    shorter = drawing.box(side - 26, 196, 52, 28, "clip", tone="muted")
    drawing.arrow(project.south, shorter.north)
    drawing.arrow(shorter.south, (side, 286))
    drawing.text(side, 300, "$h$′")
    drawing.text(side, 322, "[B, P]", size=SMALL, tone="muted")

    for x, name, shape in ((90, "$x$", "[B, E] the word"), (240, "$h$", "[B, P] last output")):
        drawing.arrow((x, 358), (x, product.bottom))
        drawing.text(x, 370, name)
        drawing.text(x, 390, shape, size=SMALL, tone="muted")
    drawing.text(210, 412, "B sentences, E of a word, H cells, P of an output", size=SMALL, tone="muted")
    return drawing


SENTENCE = (("树上", "on tree"), ("的", "’s"), ("苹果", "apples"), ("熟", "ripe"), ("了", "now"))
_COLUMNS = tuple(104.0 + 67 * number for number in range(len(SENTENCE)))


def bilm() -> Drawing:
    """Two stacks over one row of word vectors: one up, which reads from the left, and one down, from the right."""
    drawing = Drawing(
        "A bidirectional language model",
        "The five words of the sentence 树上的苹果熟了, the apples on the tree are ripe, in the middle, each with "
        "its vector. Above, two LSTMP layers read from left to right, and a softmax predicts the next word at every "
        "position. Below, two other LSTMP layers read from right to left and predict the word before. In both, what "
        "the second layer reads is added to what it puts out. The softmax has the same weights in both directions.",
        height=556,
    )
    middle = 278.0
    for x, (word, gloss) in zip(_COLUMNS, SENTENCE, strict=True):
        drawing.box(x - 29, middle - 22, 58, 44, word, gloss)
    drawing.lines(4, middle - 8, "vectors", "[B, T, E]", tone="muted")
    words = [word for word, _ in SENTENCE]
    _reader(drawing, middle, -1, [*words[1:], "</S>"])
    _reader(drawing, middle, 1, ["<S>", *words[:-1]])
    return drawing


def _reader(drawing: Drawing, middle: float, down: int, predicted: list[str]) -> None:
    """One direction's layers, away from the words: up (-1) reads from the left, down (1) from the right."""
    tone: Tone = "blue" if down < 0 else "orange"
    first, second, add, softmax, target = (middle + down * step for step in (66, 126, 166, 208, 254))
    for number, (x, word) in enumerate(zip(_COLUMNS, predicted, strict=True)):
        drawing.arrow((x, middle + 22 * down), (x, first - 14 * down))
        drawing.arrow((x, first + 14 * down), (x, second - 14 * down))
        drawing.line((x, first + 25 * down), (x - 31, first + 25 * down), tone="muted")
        drawing.line((x - 31, first + 25 * down), (x - 31, add), tone="muted")
        drawing.arrow((x - 31, add), (x - 9, add), tone="muted")
        drawing.line((x, second + 14 * down), (x, add - 9 * down))
        drawing.circle(x, add, 9, "+")
        drawing.arrow((x, add + 9 * down), (x, softmax - 15 * down))
        drawing.arrow((x, softmax + 15 * down), (x, target - 10 * down))
        drawing.text(x, target, word)
        for y in (first, second):
            drawing.box(x - 19, y - 14, 38, 28, "→" if down < 0 else "←", tone=tone)
            if number:
                ends = ((_COLUMNS[number - 1] + 19, y), (x - 19, y))
                drawing.arrow(*(ends if down < 0 else ends[::-1]), tone=tone)
    drawing.box(_COLUMNS[0] - 29, softmax - 15, _COLUMNS[-1] - _COLUMNS[0] + 58, 30, "softmax  [B, T, V]", tone="green")
    for y, name in ((first, "LSTMP 1"), (second, "LSTMP 2")):
        drawing.lines(4, y - 8, name, "[B, T, P]", tone=tone)
    drawing.text(4, add, "+ its input", size=SMALL, anchor="start", tone="muted")
    drawing.lines(4, softmax - 8, "shared", "weights", tone="muted")
    drawing.text(4, target, "next word" if down < 0 else "word before", size=SMALL, anchor="start", tone=tone)
