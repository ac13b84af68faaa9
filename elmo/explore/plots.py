"""The book's figures, for readers of Chinese and of English, and with colours that colour-blind readers tell apart.

The only module that imports matplotlib.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
from matplotlib import font_manager
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Annotation
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import Bbox, BboxBase

from elmo.errors import InputError
from elmo.explore.lines import shorten, text_width, wrap
from elmo.explore.places import principal_components, tsne_places
from elmo.explore.polysemy.senses import SenseSentence
from elmo.system.types import Vectors

# Okabe and Ito 2008, "Color Universal Design", those first that differ most on white.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
MARKERS = ("o", "^", "s", "D", "v", "P", "X", "p")
GREY = "#767676"
_MAX_ROWS = 24

_ZHPLOT_FONT = "NotoSansSC-Regular.ttf"
_INSTALLED_FONTS = (  # simplified forms first
    *("Noto Sans SC", "Noto Sans CJK SC", "Source Han Sans SC", "Source Han Sans CN", "PingFang SC", "Microsoft YaHei"),
    *("Hiragino Sans GB", "Heiti SC", "STHeiti", "SimHei", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei"),
    *("Noto Sans CJK JP", "Arial Unicode MS", "Droid Sans Fallback"),
)
_STYLE = {
    "figure.figsize": (7.0, 4.5),  # inches: on a telephone's 3 inches, 11 points are still 5
    "figure.dpi": 110.0,
    "savefig.dpi": 160.0,
    "font.size": 11.0,
    "axes.titlesize": 12.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "legend.fontsize": 10.0,
    "xtick.labelsize": 10.0,
    "ytick.labelsize": 10.0,
    "figure.constrained_layout.w_pad": 0.08,
    "svg.hashsalt": "elmo",  # else the ids in an SVG are random
}


def use_chinese_font() -> str:
    """Make matplotlib show Chinese, in the sizes of the book, and return the font's name. Every plot here calls it.

    The font is Noto Sans SC out of the package zhplot, which is not imported, since importing it changes settings; or
    else an installed Chinese font.

    Raises:
        InputError: there is neither.
    """
    name, path = _find_font()
    glyphs = font_manager.get_font(path).get_charmap()
    settings: Any = {
        **_STYLE,
        "font.family": [name, "DejaVu Sans"],
        "axes.unicode_minus": ord("\N{MINUS SIGN}") in glyphs,
    }
    mpl.rcParams.update(settings)
    return name


def _find_font() -> tuple[str, str]:
    """Name and file of a font with Chinese characters, registered with matplotlib."""
    package = importlib.util.find_spec("zhplot")
    for folder in (package.submodule_search_locations or []) if package else []:
        path = Path(folder) / "fonts" / _ZHPLOT_FONT
        if path.is_file():
            if not any(entry.fname == str(path) for entry in font_manager.fontManager.ttflist):
                font_manager.fontManager.addfont(path)
            return font_manager.FontProperties(fname=path).get_name(), str(path)
    files = {entry.name: entry.fname for entry in font_manager.fontManager.ttflist}
    for name in _INSTALLED_FONTS:
        if name in files:
            return name, files[name]
    raise InputError("no font has Chinese characters: `pip install zhplot`, or install the font Noto Sans SC")


def plot_tsne(
    points: Vectors,
    labels: Sequence[str],
    *,
    glosses: Mapping[str, str] | None = None,
    texts: Sequence[str] | None = None,
    title: str = "",
    seed: int = 0,
    perplexity: float | None = None,
) -> Figure:
    """Draw vectors in two dimensions by t-SNE on their cosines, coloured by label. An illustration, not evidence.

    van der Maaten and Hinton 2008, "Visualizing data using t-SNE".

    Args:
        points: [n, dim].
        labels: n of them, such as senses; in the legend in the order in which they first come.
        glosses: what the legend says of a label, such as the Chinese and English gloss of a sense.
        texts: what is written beside each point; for few points.
        perplexity: how many neighbours a point has, roughly; by default 30, or a third of fewer than 90 points.

    Raises:
        InputError: fewer than 4 points, all points equal, shapes that do not fit, or a perplexity of n or more.
    """
    size = len(_checked(points, labels))
    places, perplexity = tsne_places(points, seed=seed, perplexity=perplexity)
    figure, axes = _new_figure()
    _scatter(axes, places, labels, glosses or {})
    axes.set_title(title)
    _frame(axes)
    axes.set_xlabel(f"t-SNE (n = {size}, perplexity {perplexity:.3g}, seed {seed})", color=GREY, fontsize=10)
    _legend_below(figure, axes)
    if texts is not None:
        _write_beside(figure, axes, places, texts, places)
    return figure


def plot_cosine_matrix(matrix: Vectors, labels: Sequence[str], *, title: str = "") -> Figure:
    """Draw the cosines of n vectors as coloured squares, with their values where these fit.

    The diagonal, which is 1 whatever the vectors are, is grey and leaves the colours to the others.

    Args:
        matrix: [n, n].
        labels: n of them, such as sentences; long ones are numbered, and their numbers stand below.

    Raises:
        InputError: the matrix is not [n, n].
    """
    values = np.asarray(matrix, dtype=np.float64)
    size = len(labels)
    if values.shape != (size, size) or not size:
        raise InputError(f"the matrix has shape {list(values.shape)} for {size} labels: give [{size}, {size}]")
    if size > _MAX_ROWS:
        raise InputError(f"{size} labels cannot be read at this size: choose {_MAX_ROWS} or fewer vectors")
    rows, columns = list(labels), list(labels)
    if max(text_width(label) for label in labels) > 6:
        lines = max(1, 23 // size)  # that fit beside a row
        rows = [shorten(f"{number}  {label}", 28, lines) for number, label in enumerate(labels, start=1)]
        columns = [str(number) for number in range(1, size + 1)]
    figure, axes = _new_figure(height=4.5 if size > 3 else 3.2, layout="compressed")
    is_other = ~np.eye(size, dtype=bool)
    others = values[is_other] if size > 1 else np.zeros(1)
    low, high = min(0.0, float(others.min())), max(float(others.max()), 0.1)
    image = axes.imshow(np.ma.masked_array(values, ~is_other), cmap="cividis", vmin=low, vmax=high)
    axes.set_facecolor("#bbbbbb")
    step = 1 if size <= _MAX_ROWS // 2 else 2
    axes.set_xticks(range(0, size, step), columns[::step])
    widest = max(text_width(line) for row in rows for line in row.split("\n"))
    axes.set_yticks(range(size), rows, ha="left")
    axes.tick_params(axis="y", pad=5.2 * widest + 3)  # half of 10 points, and a little, for each column
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_title(title)
    if size <= 10:
        for row, column in product(range(size), repeat=2):
            value = round(float(values[row, column]), 2) + 0.0  # no -0.00
            is_light = row == column or (value - low) / (high - low) > 0.55
            colour = "black" if is_light else "white"
            axes.text(column, row, f"{value:.2f}", ha="center", va="center", color=colour, fontsize=10)
    ticks = MaxNLocator(6, prune="both")  # at the ends they would leave the figure
    figure.colorbar(image, ax=axes, shrink=0.8, label="余弦 cosine", ticks=ticks)
    return figure


def plot_two_dots(
    points: Vectors,
    items: Sequence[SenseSentence],
    pair: tuple[int, int],
    *,
    names: tuple[str, str] = ("word2vec", "ELMo"),
    expected: Sequence[Sequence[str]] = (),
) -> Figure:
    """Draw one word in two sentences: the one dot of its word vector, and its two dots among contextual vectors.

    Args:
        points: contextual vectors of the word in several sentences [n, dim], drawn by PCA; [n, 2] as they are.
        items: the n sentences.
        pair: rows of the two sentences.
        names: what made the vectors of the left panel and of the right one.
        expected: for each of the two, words that the model expects in the word's place.

    Raises:
        InputError: shapes do not fit, or there are no such rows.
    """
    vectors = _checked(points, items)
    if len(set(pair)) != 2 or not all(0 <= row < len(items) for row in pair):
        raise InputError(f"the pair is {pair}: give two different rows from 0 to {len(items) - 1}")
    places = vectors if vectors.shape[1] == 2 else principal_components(vectors)
    senses = [item.sense for item in items]
    order = list(dict.fromkeys([senses[row] for row in pair] + senses))
    looks = [_look(order.index(sense)) for sense in senses]
    use_chinese_font()
    figure, (left, right) = plt.subplots(1, 2, figsize=(7, 4.5), sharex=True, sharey=True, layout="constrained")
    plt.close(figure)
    for axes, name, count in ((left, names[0], "一个向量 one vector"), (right, names[1], "两个向量 two vectors")):
        axes.set_title(f"{name}: {count}")
        _frame(axes)
        axes.margins(0.15)
    centre = places.mean(axis=0, keepdims=True)
    left.plot(*centre.T, "o", color="black", markersize=14)
    for row, (place, look) in enumerate(zip(places, looks, strict=True)):
        is_large = row in pair
        size, edge = (14, "black") if is_large else (6, "none")
        alpha = 1 if is_large else 0.4
        right.plot(*place, **look, markersize=size, markeredgecolor=edge, alpha=alpha, zorder=2 + is_large)
    handles = [Line2D([], [], **looks[row], markersize=9, markeredgecolor="black", linestyle="none") for row in pair]
    texts = [wrap(f"{mark} {items[row].sentence} ({senses[row]})", 82) for mark, row in zip("①②", pair, strict=True)]
    for number, words in enumerate(expected):
        texts[number] += "\n" + wrap(f"    期待 expects: {' '.join(words)}", 82)
    legend = figure.legend(handles, texts, loc="outside lower left", fontsize=11, handletextpad=0.2)
    for text, row in zip(legend.get_texts(), pair, strict=True):
        text.set_color(looks[row]["color"])
    word = items[pair[0]].word
    _write_beside(figure, left, centre, [f"①② {word}"], centre)
    _write_beside(figure, right, places[list(pair)], [f"{mark} {word}" for mark in "①②"], places)
    return figure


def _new_figure(
    height: float = 4.5, layout: Literal["constrained", "compressed"] = "constrained"
) -> tuple[Figure, Axes]:
    """A figure that its caller shows; left open in pyplot, a notebook would show it a second time."""
    use_chinese_font()
    figure, axes = plt.subplots(figsize=(7, height), layout=layout)
    plt.close(figure)
    return figure, axes


def _checked(points: Vectors, labels: Sequence[object]) -> Vectors:
    points = np.asarray(points)
    if points.ndim != 2 or len(points) != len(labels) or points.shape[1] < 2:
        raise InputError(f"points have shape {list(points.shape)} for {len(labels)} labels: give [{len(labels)}, dim]")
    if not np.isfinite(points).all():
        raise InputError("a point holds numbers that are not finite: encode the sentences again")
    return points


def _look(number: int) -> dict[str, Any]:
    """Colour and marker of a group; beyond 8 groups, the same colours with other markers."""
    size = len(PALETTE)
    return {"color": PALETTE[number % size], "marker": MARKERS[(number + number // size) % size]}


def _scatter(axes: Axes, places: Vectors, labels: Sequence[str], glosses: Mapping[str, str]) -> None:
    for number, label in enumerate(dict.fromkeys(labels)):
        chosen = places[[other == label for other in labels]]
        axes.plot(
            *chosen.T,
            **_look(number),
            linestyle="none",
            markersize=8 if len(places) <= 100 else 5,
            markeredgecolor="white",
            markeredgewidth=0.5,
            label=_two_lines(glosses.get(label, label)),
        )


def _frame(axes: Axes) -> None:
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set(visible=True, color="#BBBBBB")


def _legend_below(figure: Figure, axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    widest = max(text_width(line) for label in labels for line in label.split("\n"))
    columns = max(1, min(len(labels), 4, 80 // (widest + 6)))
    figure.legend(handles, labels, loc="outside lower center", ncols=columns)


def _write_beside(figure: Figure, axes: Axes, places: Vectors, texts: Sequence[str], dots: Vectors) -> None:
    """Write texts beside places, where they cover no dot and no other text, and stay within the frame."""
    if len(texts) != len(places):
        raise InputError(f"there are {len(texts)} texts for {len(places)} points: give one for each")
    figure.draw_without_rendering()  # lays the axes out, so that places are known in pixels
    pixels_per_point = figure.dpi / 72
    frame = axes.get_window_extent()
    taken: list[BboxBase] = [
        Bbox.from_bounds(x - size / 2, y - size / 2, size, size)
        for x, y in axes.transData.transform(dots)
        for size in [9 * pixels_per_point]
    ]
    for place, text in zip(places, texts, strict=True):
        note = axes.annotate(text, place, xytext=(0, 0), textcoords="offset points", zorder=5)
        note.set_in_layout(False)
        costs = []
        for distance, (right, up) in _OFFSETS:
            box = _move(note, distance, right, up)
            outside = box.width * box.height - _overlap(box, frame)
            costs.append(2 * outside + sum(_overlap(box, other) for other in taken))
        distance, (right, up) = _OFFSETS[int(np.argmin(costs))]  # the first of the best is the nearest
        taken.append(_move(note, distance, right, up))
        if distance > _OFFSETS[8][0]:
            line = axes.annotate(
                "",
                place,
                xytext=(right * distance, up * distance),
                textcoords="offset points",
                arrowprops={"arrowstyle": "-", "color": GREY, "linewidth": 0.7, "shrinkA": 0, "shrinkB": 4},
            )
            line.set_in_layout(False)


_DIRECTIONS = ((1, 0), (0, 1), (-1, 0), (0, -1), (0.7, 0.7), (-0.7, 0.7), (0.7, -0.7), (-0.7, -0.7))
_OFFSETS = tuple(product((11, 15, 24, 36, 50, 66), _DIRECTIONS))  # points from the dot, and where to


def _move(note: Annotation, distance: float, right: float, up: float) -> BboxBase:
    """Put a text so far from its dot in this direction, and return the box of pixels that it covers."""
    note.set_horizontalalignment("left" if right > 0 else "right" if right < 0 else "center")
    note.set_verticalalignment("bottom" if up > 0 else "top" if up < 0 else "center")
    note.set_position((right * distance, up * distance))
    return note.get_window_extent()


def _overlap(first: BboxBase, second: BboxBase) -> float:
    """Area that two boxes share."""
    shared = BboxBase.intersection(first, second)
    return 0.0 if shared is None else float(shared.width * shared.height)


def _two_lines(gloss: str) -> str:
    """A gloss that is too long for a line, with the English below the Chinese."""
    if text_width(gloss) > 24:
        gloss = re.sub(r"(?<=[^\x00-\x7f]) (?=[!-~])", "\n", gloss, count=1)
    return "\n".join(wrap(line, 40) for line in gloss.split("\n"))
