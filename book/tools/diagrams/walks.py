"""Drawings to step through: a row of choices, and for each a sentence and a drawing."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from xml.etree import ElementTree

from book.tools.diagrams import labels, masking
from book.tools.diagrams.kit import SMALL, Drawing, Tone
from book.tools.diagrams.recurrent import SENTENCE
from book.tools.diagrams.transformer import TOKENS, dot, softmax

MOST_FRAMES = 8  # for which the style sheet has rules


@dataclass(frozen=True)
class Frame:
    """A step: what is chosen, sentences about it (a line is a paragraph), and its drawing."""

    choice: str
    text: str
    drawing: Drawing


@dataclass(frozen=True)
class Walk:
    """Steps, and which of them is shown first (and on paper)."""

    title: str
    frames: tuple[Frame, ...]
    first: int = 0

    def markup(self, name: str) -> str:
        """Radio buttons, one for each frame, and the frames; a style sheet shows the chosen one, without a script."""
        root = ElementTree.Element("div", {"class": "walk", "role": "group", "aria-label": self.title})
        for number, frame in enumerate(self.frames):
            identifier = f"{name}-{number}"
            button = ElementTree.SubElement(root, "input", type="radio", name=name, id=identifier)
            if number == self.first:
                button.set("checked", "checked")
            ElementTree.SubElement(root, "label", {"for": identifier}).text = frame.choice
        frames = ElementTree.SubElement(root, "div", {"class": "frames"})
        for number, frame in enumerate(self.frames):
            part = ElementTree.SubElement(frames, "div")
            part.append(frame.drawing.svg(f"{name}-{number}"))
            for line in frame.text.split("\n"):
                ElementTree.SubElement(part, "p").text = line
        return ElementTree.tostring(root, encoding="unicode", method="html")


def bilm_readers() -> Walk:
    """What each of the biLM's two readers has read when it predicts a word."""
    words = [word for word, _ in SENTENCE]
    glosses = [gloss for _, gloss in SENTENCE]
    frames = []
    for target, word in enumerate(words):
        before, after = words[:target], words[target + 1 :]
        left = " ".join(["<S>", *before])
        right = " ".join(["</S>", *after[::-1]])
        text = (
            f"{word} is predicted twice. The forward reader has read {left}; the backward reader has read {right}, in "
            f"this order. Neither has read {word} itself."
        )
        drawing = Drawing(f"What is read before {word}", text, height=198)
        row = ["<S>", *words, "</S>"]
        for line, (y, name) in enumerate(((52.0, "forward"), (146.0, "backward"))):
            tone: Tone = "orange" if line else "blue"
            drawing.text(8, y - 34, name, anchor="start", tone=tone, bold=True)
            for place, text_there in enumerate(row):
                x = 32 + 59.0 * place
                is_read = place <= target if line == 0 else place > target + 1
                is_target = place == target + 1
                drawing.box(
                    x - 24, y - 16, 48, 32, "?" if is_target else text_there,
                    tone="green" if is_target else tone if is_read else "muted", dashed=not (is_read or is_target),
                )  # fmt: skip
                if is_read:
                    step = 24 if line == 0 else -24
                    drawing.arrow((x + step, y), (x + 59 * (1 - 2 * line) - step, y), tone=tone)
        for place, gloss in enumerate(["", *glosses, ""]):
            if gloss:
                drawing.text(32 + 59.0 * place, 184, gloss, size=SMALL, tone="muted")
        frames.append(Frame(word, text, drawing))
    return Walk("The two readers of a biLM: choose the word that is predicted", tuple(frames), first=2)


def viterbi() -> Walk:
    """Viterbi's algorithm in the lattice of the diagram crf-lattice, token by token, and the way back."""
    found = labels.viterbi()
    frames = []
    for token, name in enumerate(labels.TOKENS):
        kept = {(known, found.origin[known][label], label) for known in range(token + 1) for label in range(2)}
        text = "\n".join(_reached(found, token, label) for label in range(2))
        if token == 0:
            text = f"The first nodes can only be reached from the begin.\n{text}"
        drawing = Drawing(f"Viterbi at {name}", text, height=252)
        labels.lattice(drawing, kept=kept, best=found.best[: token + 1])
        frames.append(Frame(f"{token + 1} {name}", text, drawing))
    ends = [
        f"from {labels.LABELS[label]}, {_sum(found.best[-1][label], labels.STOP[label])} = "
        f"{labels.signed(found.best[-1][label] + labels.STOP[label])}"
        for label in range(2)
    ]
    path = " ".join(labels.LABELS[label] for label in found.path)
    text = (
        f"The end is reached {' or '.join(ends)}. The larger one wins.\nBack from there along the kept arrows: the "
        f"best sequence is {path}, with the score {labels.signed(found.score)}."
    )
    drawing = Drawing("Viterbi's way back", text, height=252)
    labels.lattice(drawing, way=labels.steps_of(found.path), best=found.best)
    frames.append(Frame("end, and back", text, drawing))
    return Walk("Viterbi's algorithm, token by token", tuple(frames))


def _reached(found: labels.Viterbi, token: int, label: int) -> str:
    """How a node is reached best, in numbers."""
    emission, name = labels.EMISSIONS[token][label], labels.LABELS[label]
    if token == 0:
        return f"{name}: {_sum(labels.START[label], emission)} = {labels.signed(found.best[0][label])}."
    ways = [
        f"from {labels.LABELS[old]}, {_sum(found.best[token - 1][old], labels.TRANSITIONS[old][label], emission)} = "
        f"{labels.signed(found.best[token - 1][old] + labels.TRANSITIONS[old][label] + emission)}"
        for old in range(2)
    ]
    return f"{name}: {'; '.join(ways)}. Keep the way from {labels.LABELS[found.origin[token][label]]}."


def _sum(first: float, *others: float) -> str:
    terms = (f" {'−' if other < 0 else '+'} {abs(other):.1f}" for other in others)
    return labels.signed(first) + "".join(terms)


QUERIES = ((0.0, 1.0), (2.0, 0.0), (1.0, 2.0), (1.0, 0.0))  # [token][2]
KEYS = ((2.0, 0.0), (0.0, 2.0), (1.0, 1.0), (-1.0, 0.0))
VALUES = ((1.0, 0.0), (0.0, 1.0), (1.0, 1.0), (-1.0, 0.0))


def attend(query: int) -> tuple[list[float], list[float], list[float]]:
    """Scores, weights and output of one token that looks at all."""
    scores = [dot(QUERIES[query], key) / math.sqrt(2) for key in KEYS]
    weights = softmax(scores)
    return scores, weights, [dot(weights, column) for column in zip(*VALUES, strict=True)]


def attention() -> Walk:
    """One query at a time: its scores, its weights, and the mixture of values."""
    frames = []
    for number, token in enumerate(TOKENS):
        scores, weights, output = attend(number)
        largest = TOKENS[weights.index(max(weights))]
        text = (
            f"{token} asks with its query {_vector(QUERIES[number])}. Its scores are the products with the keys, "
            f"divided by √2. The softmax makes weights of them; the largest, {max(weights):.2f}, is that of {largest}. "
            f"The output is the sum of the values, each times its weight: {_vector(output, 2)}."
        )
        drawing = Drawing(f"Attention of {token}", text, height=244)
        for x, head in ((28, ""), (96, "key"), (176, "score"), (262, "weight"), (366, "value")):
            drawing.text(x, 20, head, size=SMALL, tone="muted")
        for row, other in enumerate(TOKENS):
            y = 52 + 36.0 * row
            drawing.box(12, y - 14, 32, 28, other, tone="orange" if row == number else "plain")
            drawing.text(96, y, _vector(KEYS[row]))
            drawing.text(176, y, f"{scores[row]:.2f}".replace("-", "−"))
            drawing.bar(214, y - 10, max(1, 58 * weights[row]), 20, tone="blue")
            drawing.text(280, y, f"{weights[row]:.2f}", anchor="start")
            drawing.text(366, y, _vector(VALUES[row]))
        drawing.line((12, 190), (408, 190), tone="muted")
        drawing.text(12, 214, f"query of {token}: {_vector(QUERIES[number])}", anchor="start", tone="orange")
        drawing.text(408, 214, f"output: {_vector(output, 2)}", anchor="end", tone="blue")
        frames.append(Frame(token, text, drawing))
    return Walk("Attention: choose the character that looks", tuple(frames), first=1)


def _vector(numbers: tuple[float, ...] | list[float], digits: int = 0) -> str:
    return "(" + ", ".join(f"{number:.{digits}f}" for number in numbers).replace("-", "−") + ")"


def mask_stages() -> Walk:
    """From a sentence to what is predicted, and the three stages."""
    steps: list[tuple[str, str, masking.Shown]] = [
        (
            "1 budget",
            "The sentence has 38 characters. 15% of them are chosen: 0.15 · 38 = 5.7, so the budget is 6 characters.",
            {},
        )
    ]
    texts = {
        "characters": "Stage of characters, as in BERT: six characters are drawn, each alone. 宁, 尔 and 龙 are masked "
        "inside names, and their neighbours give them away.",
        "words": "Stage of words: words are drawn in random order and taken whole, as long as they fit into the "
        "budget. Here 省会, 早上 and 一点 fill it.",
        "entities": "Stage of entities: names come first, up to half of the budget, which is 3. 哈尔滨 fits. The rest "
        "is drawn from all units: 零下 and 她.",
    }
    names = {"characters": "2 字 characters", "words": "3 词 words", "entities": "4 实体 entities"}
    for stage, text in texts.items():
        steps.append((names[stage], text, {place: ("?", "purple") for place in masking.HIDDEN[stage]}))
    fate: dict[int, tuple[str, Tone]] = {place: ("?", "blue") for place in masking.HIDDEN["entities"]}
    fate[23], fate[29] = ("再", "orange"), ("她", "green")
    text = (
        "Each chosen character then becomes [MASK] in 80% of all cases, here written ?. In 10% it becomes another "
        "character: here 零 becomes 再. In 10% it stays: here 她."
    )
    steps.append(("5 replace", text, fate))
    text = (
        "The model reads this sequence and predicts the original at all six places, 哈尔滨零下她, "
        "also where no change can be seen. At the 32 other places nothing is predicted."
    )
    steps.append(("6 predict", text, {place: (masking.SENTENCE[place], "green") for place in fate}))
    frames = []
    for choice, sentence, shown in steps:
        drawing = Drawing(f"Masking: {choice}", f"{masking.SENTENCE} {sentence}", height=140)
        masking.draw_sentence(drawing, 8, shown)
        masking.fates(drawing, 100)
        frames.append(Frame(choice, sentence, drawing))
    return Walk("Masking, step by step", tuple(frames), first=3)


WALKS: dict[str, Callable[[], Walk]] = {
    "bilm-readers": bilm_readers,
    "viterbi": viterbi,
    "attention": attention,
    "masking": mask_stages,
}
