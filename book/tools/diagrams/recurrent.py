"""Drawings of what reads word by word: an LSTMP cell, and the two directions of a biLM."""

from __future__ import annotations

from book.tools.diagrams.kit import SMALL, Drawing


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
    for x, text in ((keep, "σ($f$)"), (write, "σ($i$)"), (candidate, "tanh($a$)"), (show, "σ($o$)")):
        gate = drawing.box(x - 29, 196, 58, 28, text, tone="orange")
        drawing.arrow((x, product.top), gate.south)
        drawing.arrow(gate.north, *ends[x])
    for x, name in ((keep, "keep"), (write, "write"), (candidate, "candidate"), (show, "show")):
        drawing.text(x + 5, 242, name, size=SMALL, anchor="start", tone="muted")

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
