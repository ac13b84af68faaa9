"""Drawings of what is masked, in the sentence of the chapter on ERNIE."""

from __future__ import annotations

from collections.abc import Mapping

from book.tools.diagrams.kit import SMALL, Drawing, Tone

FIRST_LINE = ("周宁", "从", "哈尔滨", "来", "，", "那里", "是", "黑龙江", "的", "省会", "，")
SECOND_LINE = ("一月", "的", "早上", "零下", "三十", "度", "，", "她", "一点", "也", "不", "觉得", "冷", "。")
ENTITIES = ("周宁", "哈尔滨", "黑龙江")
SENTENCE = "".join((*FIRST_LINE, *SECOND_LINE))
HIDDEN = {  # characters that are chosen in each stage: six of 38, which is 15%
    "characters": (1, 4, 12, 20, 27, 35),
    "words": (15, 16, 21, 22, 30, 31),
    "entities": (3, 4, 5, 23, 24, 29),
}
_TITLES = {
    "characters": ("1  字 characters", "as in BERT: each is drawn alone"),
    "words": ("2  词 words", "a word is masked whole: 省会 早上 一点"),
    "entities": ("3  实体 entities", "names first, up to half: 哈尔滨"),
}
_CELL = 20.0

Shown = Mapping[int, tuple[str, Tone]]  # what stands in the place of a character


def masks() -> Drawing:
    """What BERT hides, and ERNIE's three stages, in one sentence."""
    drawing = Drawing(
        "What is masked",
        f"One sentence of 38 characters three times: {SENTENCE} Six characters are masked each time. As in BERT and in "
        "ERNIE's first stage: six single characters, among them the middle one of 哈尔滨. In the second stage: three "
        "words, 省会, 早上 and 一点, whole. In the third: the name 哈尔滨 whole, and 零下 and 她. "
        "Below: of the chosen characters 80 percent become [MASK], 10 percent another character, and 10 percent stay.",
        height=416,
    )
    for number, (stage, (name, remark)) in enumerate(_TITLES.items()):
        top = 14 + 118.0 * number
        title = drawing.text(10, top, name, anchor="start", bold=True)
        drawing.text(title.right + 12, top, remark, size=SMALL, anchor="start", tone="muted")
        draw_sentence(drawing, top + 16, {place: ("?", "blue") for place in HIDDEN[stage]})
    fates(drawing, 378)
    return drawing


def fates(drawing: Drawing, y: float) -> None:
    """The key: what becomes of a chosen character, and what is underlined."""
    drawing.text(10, y, "Of the chosen:", anchor="start", bold=True)
    drawing.line((10, y + 24), (32, y + 24), tone="orange", strong=True)
    drawing.text(38, y + 24, "a name", size=SMALL, anchor="start", tone="muted")
    kinds: tuple[tuple[str, str, str, Tone], ...] = (
        ("80%", "?", "[MASK]", "blue"),
        ("10%", "再", "another", "orange"),
        ("10%", "尔", "as it was", "green"),
    )
    for number, (share, text, name, tone) in enumerate(kinds):
        left = 126 + 100.0 * number
        drawing.box(left, y - 11, 22, 22, text, tone=tone, corner=3)
        drawing.text(left + 28, y, share, anchor="start")
        drawing.text(left, y + 24, name, size=SMALL, anchor="start", tone="muted")


def draw_sentence(drawing: Drawing, top: float, shown: Shown) -> None:
    """The sentence in two lines of cells, a word's close together and names underlined; 66 units high."""
    place = 0
    for words, line in ((FIRST_LINE, top), (SECOND_LINE, top + 36)):
        left = 10.0
        for word in words:
            for index, character in enumerate(word):
                text, tone = shown.get(place + index, (character, "plain"))
                start = left + _CELL * index + (0.5 if index else 1.5)
                end = left + _CELL * (index + 1) - (0.5 if index < len(word) - 1 else 1.5)
                drawing.box(start, line, end - start, 26, text, tone=tone, corner=1)
            if word in ENTITIES:
                ends = ((left + 2, line + 30), (left + _CELL * len(word) - 2, line + 30))
                drawing.line(*ends, tone="orange", strong=True)
            place += len(word)
            left += _CELL * len(word)
