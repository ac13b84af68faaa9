"""Drawings of transfer: the scalar mix, the three ways to train a task with ELMo, and training on several cards."""

from __future__ import annotations

from book.tools.diagrams.kit import SMALL, Box, Drawing, Tone

_SHARES = (0.2, 0.5, 0.3)


def scalar_mix() -> Drawing:
    """Layers, their weights, the sum, and gamma."""
    drawing = Drawing(
        "The scalar mix",
        "From left to right: three layers of the biLM, the word vectors h0 below, the first LSTM layer h1 and the "
        "second layer h2 above, each of the shape batch, time, size. Each is multiplied by its weight, s0, s1 or s2, "
        "which a softmax makes of three learnt numbers w, so that they add up to 1. The products are added, the sum "
        "is multiplied by gamma, and the mix goes into the task's network.",
        height=330,
    )
    plus = drawing.circle(280, 130, 13, "+")
    for number, (y, name) in enumerate(((210, "word vectors"), (130, "layer 1"), (50, "layer 2"))):
        layer = drawing.box(14, y - 24, 122, 48, f"$h_{number}$  {name}", "[B, T, 2P]", tone="blue")
        times = drawing.box(176, y - 17, 62, 34, f"× $s_{number}$", tone="orange")
        drawing.arrow(layer.east, times.west)
        end = {0: plus.south, 1: plus.west, 2: plus.north}[number]
        drawing.arrow(times.east, *([] if number == 1 else [(plus.middle[0], y)]), end)
    frame = drawing.frame(166, 18, 82, 222)
    gamma = drawing.box(316, 113, 40, 34, "× $γ$", tone="orange")
    drawing.arrow(plus.east, gamma.west)
    drawing.arrow(gamma.east, (376, 130))
    drawing.text(398, 130, "mix")
    drawing.text(398, 150, "to the", size=SMALL, tone="muted")
    drawing.text(398, 166, "task", size=SMALL, tone="muted")
    soft = drawing.box(148, 270, 118, 30, "$s$ = softmax($w$)", tone="green")
    drawing.arrow((206, soft.top), (206, frame.bottom), tone="orange")
    drawing.text(60, 279, "learnt: $w$ and $γ$,", size=SMALL)
    drawing.text(60, 297, "four numbers", size=SMALL, tone="muted")
    drawing.arrow((118, 285), soft.west, tone="orange")
    drawing.arrow(soft.east, (294, 285), tone="orange")
    for number, share in enumerate(_SHARES):
        drawing.bar(304 + 36 * number, 306 - 60 * share, 22, 60 * share, tone="orange")
        drawing.text(315 + 36 * number, 318, f"$s_{number}$")
    return drawing


def transfer_steps() -> Drawing:
    """Frozen, mixed, fine-tuned: what of the pretrained model learns with the task."""
    drawing = Drawing(
        "Three steps of transfer",
        "Three rows, each from left to right: the pretrained biLM, the scalar mix of its layers, the task's own "
        "network, and the labels. Dashed boxes are frozen, full ones learn from the task. Row 1, frozen: only the "
        "task's network learns; it reads the last layer. Row 2, mixed: the scalar mix learns, too. Row 3, "
        "fine-tuned: all of it learns, the biLM with a small learning rate.",
        height=420,
    )
    rows = (
        ("1  frozen", "the task reads one layer as it is", 1),
        ("2  mixed", "the mix of the layers is learnt, too", 2),
        ("3  fine-tuned", "the biLM learns, too, in small steps", 3),
    )
    for number, (name, remark, learning) in enumerate(rows):
        top = 18 + 122.0 * number
        title = drawing.text(12, top, name, anchor="start", bold=True)
        drawing.text(title.right + 10, top, remark, size=SMALL, anchor="start", tone="muted")
        middle = "top layer" if learning == 1 else "mix"
        parts = [
            _part(drawing, 12, top + 18, 110, "biLM", "pretrained", learning > 2),
            _part(drawing, 150, top + 18, 92, middle, "" if learning == 1 else "$w$, $γ$", learning > 1),
            _part(drawing, 270, top + 18, 92, "network", "of the task", True),
        ]
        for left, right in ((0, 1), (1, 2)):
            drawing.arrow(parts[left].east, parts[right].west)
        drawing.arrow(parts[-1].east, (386, parts[-1].middle[1]))
        drawing.text(402, parts[-1].middle[1], "loss", size=SMALL)
        until = parts[3 - learning]
        drawing.arrow((402, top + 54), (402, top + 86), (until.middle[0], top + 86), (until.middle[0], until.bottom),
                      tone="orange")  # fmt: skip
    drawing.box(12, 386, 26, 18, tone="muted", dashed=True)
    drawing.text(46, 395, "frozen", size=SMALL, anchor="start")
    drawing.box(112, 386, 26, 18, tone="orange")
    drawing.text(146, 395, "learns", size=SMALL, anchor="start")
    drawing.arrow((212, 395), (242, 395), tone="orange")
    drawing.text(250, 395, "how far the gradient goes", size=SMALL, anchor="start")
    return drawing


def _part(drawing: Drawing, left: float, top: float, width: float, name: str, remark: str, learns: bool) -> Box:
    tone: Tone = "orange" if learns else "muted"
    lines = [name, remark] if remark else [name]
    return drawing.box(left, top, width, 48, *lines, tone=tone, dashed=not learns)


def data_parallel() -> Drawing:
    """Ranks with the same model and streams of their own; their gradients' mean is everybody's step."""
    drawing = Drawing(
        "Data parallel training",
        "Three columns, one for each rank or card. From top to bottom: each rank has streams of its own from the "
        "text, a copy of the same model, and computes a gradient of its own. All gradients meet in one wide box, "
        "which takes their mean. Every rank gets the mean, makes the same step, and so the copies stay equal.",
        height=452,
    )
    text = drawing.box(20, 14, 380, 32, "text: streams of sentences")
    mean = drawing.box(20, 262, 380, 38, "mean of the gradients", tone="green")
    for x, rank, streams in ((82, 0, "streams 1–16"), (210, 1, "streams 17–32"), (338, 2, "streams 33–48")):
        first = drawing.box(x - 56, 74, 112, 30, streams, tone="blue")
        model = drawing.box(x - 56, 132, 112, 44, "model", f"copy on rank {rank}")
        gradient = drawing.box(x - 56, 204, 112, 30, f"gradient $g_{rank}$", tone="orange")
        step = drawing.box(x - 56, 330, 112, 30, "same step", tone="orange")
        after = drawing.box(x - 56, 388, 112, 30, "equal copy")
        drawing.arrow((x, text.bottom), first.north)
        drawing.arrow(first.south, model.north)
        drawing.arrow(model.south, gradient.north)
        drawing.arrow(gradient.south, (x, mean.top), tone="orange")
        drawing.arrow((x, mean.bottom), step.north, tone="orange")
        drawing.arrow(step.south, after.north)
    drawing.text(210, 438, "one process with 48 streams would make this very step", size=SMALL, tone="muted")
    return drawing
