"""Pictures of pages that have no code: drawn as SVG, letters as outlines, so that they look the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from elmo.explore.plots import PALETTE, use_chinese_font

WORDS = ("我们", "冬天", "去", "哈尔滨", "看", "冰灯")  # In winter we go to Harbin to see the ice lanterns.
_CHARACTERS = [(character, number) for number, word in enumerate(WORDS) for character in word]
_SEEN, _GUESSED, _UNSEEN = PALETTE[0], PALETTE[1], "#BBBBBB"
_HEIGHT, _GAP = 0.62, 0.08


def draw_three_views(path: Path) -> Path:
    """Write the picture of what word2vec, ELMo, BERT and ERNIE each see when they guess; the same bytes each time."""
    import matplotlib.pyplot as plt

    use_chinese_font()
    target = WORDS.index("哈尔滨")
    harbin = {place for place, (_, word) in enumerate(_CHARACTERS) if word == target}
    rows: list[tuple[str, bool, set[int], set[int], str]] = [
        ("word2vec: 邻近的词 nearby words, in no order", True, {target}, {1, 2, 4, 5}, ""),
        ("ELMo: 从左往右 from the left", True, {target}, {0, 1, 2}, "→"),
        ("ELMo: 从右往左 from the right", True, {target}, {4, 5}, "←"),
        ("BERT: 掩码的字 masked characters", False, {3, 7}, set(range(11)) - {3, 7}, ""),
        ("ERNIE: 掩码的词 a masked word", False, harbin, set(range(11)) - harbin, ""),
    ]
    with plt.rc_context({"svg.hashsalt": "three views", "svg.fonttype": "path"}):
        figure, axes = plt.subplots(figsize=(6, 5.6), layout="constrained")
        for number, (title, whole_words, guessed, seen, arrow) in enumerate(rows):
            top = -1.55 * number
            axes.text(0, top + 0.12, title, fontsize=14, va="bottom")
            _draw_row(axes, top - _HEIGHT, whole_words, guessed, seen, arrow)
        axes.set(xlim=(-0.05, 11.05), ylim=(-1.55 * (len(rows) - 1) - _HEIGHT - 0.1, 0.75))
        axes.axis("off")
        figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})
        plt.close(figure)
    return path


def _draw_row(axes: Any, bottom: float, whole_words: bool, guessed: set[int], seen: set[int], arrow: str) -> None:
    units = [(word, len(word)) for word in WORDS] if whole_words else [(text, 1) for text, _ in _CHARACTERS]
    left = 0.0
    for place, (text, width) in enumerate(units):
        colour = _GUESSED if place in guessed else _SEEN if place in seen else _UNSEEN
        hidden = place in guessed
        axes.add_patch(_box(left, bottom, width, colour, hidden, place in seen))
        shade = "black" if place in seen or hidden else "#767676"
        middle = (left + width / 2, bottom + _HEIGHT / 2)
        axes.text(*middle, "?" if hidden else text, fontsize=15, ha="center", va="center", color=shade)
        if arrow and place in seen:
            side = left + width if arrow == "→" else left
            axes.text(side, bottom - 0.02, arrow, fontsize=13, ha="center", va="top", color=_SEEN)
        left += width


def _box(left: float, bottom: float, width: float, colour: str, hidden: bool, seen: bool) -> Any:
    from matplotlib.patches import Rectangle

    face = {True: "#FFFFFF", False: colour + "33" if seen else "#F4F4F4"}[hidden]
    return Rectangle(
        (left + _GAP / 2, bottom),
        width - _GAP,
        _HEIGHT,
        facecolor=face,
        edgecolor=colour,
        linewidth=2.4 if hidden else 1.2,
    )
