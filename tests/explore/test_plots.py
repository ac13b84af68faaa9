"""Plots: Chinese is shown, and nothing is cut or overlaps."""

from __future__ import annotations

import warnings
from itertools import combinations

import numpy as np
import pytest

from elmo.errors import InputError
from elmo.explore.polysemy.senses import SenseSentence, read_senses

pytest.importorskip("matplotlib", reason="plots need the extra `book`")
pytest.importorskip("sklearn", reason="t-SNE needs the extra `book`")

import matplotlib as mpl
from matplotlib import font_manager
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.text import Text

from elmo.explore import plots
from elmo.explore.plots import plot_cosine_matrix, plot_tsne, plot_two_dots, use_chinese_font
from tests.commands import run_python

GLOSSES = {"fruit": "一种水果 the fruit", "company": "一家美国科技公司及其产品 the company Apple and its products"}


@pytest.fixture(autouse=True)
def restored_settings():
    with mpl.rc_context():
        yield


@pytest.fixture(scope="module")
def apples(data) -> list[SenseSentence]:
    return [item for item in read_senses(data / "senses.tsv") if item.word == "苹果"]


@pytest.fixture(scope="module")
def vectors(apples) -> np.ndarray:
    points = np.random.default_rng(0).normal(size=(len(apples), 32))
    points[[item.sense == "fruit" for item in apples], :4] += 2
    return points


def visible_texts(figure: Figure) -> list[Text]:
    """The texts that are seen, after checking that the font has every character of them."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # "Glyph ... missing from font", "constrained_layout not applied"
        figure.draw_without_rendering()
    beyond = set()  # labels of ticks that lie outside the axes are there, but not drawn
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        low, high = sorted(axis.get_view_interval())
        beyond |= {tick.label1 for tick in axis.get_major_ticks() if not low <= tick.get_loc() <= high}
    texts = figure.findobj(Text)
    return [text for text in texts if text.get_text().strip() and text.get_visible() and text not in beyond]


def assert_readable(figure: Figure) -> None:
    """No text is cut by the figure's edge, covers another, or is smaller than 10 points."""
    texts = visible_texts(figure)
    boxes = [(text.get_text(), text.get_window_extent()) for text in texts]
    width, height = figure.get_size_inches() * figure.dpi
    for content, box in boxes:
        # a pixel: extents are rounded outwards
        assert box.x0 > -1 and box.y0 > -1 and box.x1 < width + 1 and box.y1 < height + 1, f"{content!r} is cut"
    for (first, box), (second, other) in combinations(boxes, 2):
        shared = plots._overlap(box, other)
        assert shared <= 0.02 * min(box.width * box.height, other.width * other.height), f"{first!r} on {second!r}"
    assert min(text.get_fontsize() for text in texts) >= 10


@pytest.fixture(scope="module")
def figures(apples, vectors) -> dict[str, Figure]:
    senses = [item.sense for item in apples]
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = units @ units.T
    few = slice(6, 18)
    with mpl.rc_context():
        return {
            "two dots": plot_two_dots(vectors, apples, (0, 20)),
            "two dots in a corner": plot_two_dots(np.arange(48.0).reshape(24, 2) ** 2, apples, (22, 23)),
            "t-SNE": plot_tsne(vectors, senses, glosses=GLOSSES, title="第二层 layer 2"),
            "t-SNE of few": plot_tsne(
                vectors[few], senses[few], glosses=GLOSSES, texts=[item.sentence[:8] for item in apples[few]]
            ),
            **{
                f"{size} cosines": plot_cosine_matrix(cosines[:size, :size], [item.sentence for item in apples[:size]])
                for size in (1, 2, 7, 10, 24)
            },
            "words": plot_cosine_matrix(cosines[:4, :4], ["苹果", "梨", "手机", "电脑"], title="余弦 cosines"),
        }


def test_every_figure_is_readable(figures):
    for name, figure in figures.items():
        try:
            assert_readable(figure)
        except AssertionError as error:
            raise AssertionError(f"{name}: {error}") from error


def test_figures_fit_a_page_and_are_not_left_open(figures):
    for figure in figures.values():
        width, height = figure.get_size_inches()
        assert width == 7
        assert height <= 4.5
    assert plt.get_fignums() == []


def test_legends_gloss_senses_in_both_languages(figures):
    texts = [text.get_text() for text in figures["t-SNE"].legends[0].get_texts()]
    assert texts == ["一种水果 the fruit", "一家美国科技公司及其产品\nthe company Apple and its products"]


def test_senses_differ_in_colour_and_in_marker(figures):
    lines = figures["t-SNE"].axes[0].lines
    assert len({line.get_color() for line in lines}) == len({line.get_marker() for line in lines}) == 2
    looks = [tuple(plots._look(number).values()) for number in range(64)]
    assert len(set(looks)) == 64


def test_word2vec_has_one_dot_and_elmo_two_large_ones(figures):
    left, right = figures["two dots"].axes
    assert len(left.lines) == 1
    large = [line for line in right.lines if line.get_markersize() > 10]
    assert len(large) == 2
    assert len(right.lines) == 24
    assert not np.allclose(large[0].get_xydata(), large[1].get_xydata())


def test_points_in_two_dimensions_are_drawn_as_they_are(apples):
    points = np.random.default_rng(1).normal(size=(len(apples), 2))
    drawn = plot_two_dots(points, apples, (0, 20)).axes[1].lines
    np.testing.assert_array_equal(np.concatenate([line.get_xydata() for line in drawn]), points)


def test_tsne_repeats_with_its_seed_and_chooses_a_perplexity_for_few_points(vectors):
    labels = ["a"] * 12
    first, again, other = (plot_tsne(vectors[:12], labels, seed=seed) for seed in (1, 1, 2))
    places = [figure.axes[0].lines[0].get_xydata() for figure in (first, again, other)]
    np.testing.assert_array_equal(places[0], places[1])
    assert not np.array_equal(places[0], places[2])
    assert "perplexity 4," in first.axes[0].get_xlabel()
    plot_tsne(vectors[:4], labels[:4])


# The font


def test_the_font_has_chinese_and_a_minus_sign():
    use_chinese_font()
    path = font_manager.findfont(font_manager.FontProperties(), fallback_to_default=False)
    glyphs = font_manager.get_font(path).get_charmap()
    assert {ord(character) for character in "苹果①−"} <= set(glyphs)
    assert mpl.rcParams["axes.unicode_minus"] is True


def test_zhplot_is_not_imported_nor_matplotlib_with_the_package():
    code = (
        "import sys, elmo, elmo.explore.polysemy.senses, elmo.explore.neighbours, elmo.encoding.vectors_file\n"
        "assert not {'matplotlib', 'sklearn', 'paddle'} & set(sys.modules)\n"
        "from elmo.explore.plots import use_chinese_font\n"
        "print(use_chinese_font(), 'zhplot' in sys.modules)\n"
    )
    assert run_python(code).stdout.split() == ["Noto", "Sans", "SC", "False"]


def test_an_installed_font_stands_in_for_zhplot(monkeypatch):
    noto = use_chinese_font()
    path = next(entry.fname for entry in font_manager.fontManager.ttflist if entry.name == noto)
    monkeypatch.setattr(plots.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(font_manager.fontManager, "ttflist", [font_manager.FontEntry(fname=path, name="SimHei")])
    assert use_chinese_font() == "SimHei"


def test_without_any_chinese_font_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setattr(plots.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(font_manager.fontManager, "ttflist", [])
    with pytest.raises(InputError, match="pip install zhplot"):
        plot_cosine_matrix(np.eye(2), ["苹果", "梨"])


# Bad calls


def test_data_that_cannot_be_drawn_are_errors(apples, vectors):
    ones = np.ones((12, 3))
    for call, message in [
        (lambda: plot_tsne(vectors[:3], list("abc")), "t-SNE of 3 points shows nothing"),
        (lambda: plot_tsne(ones, ["a"] * 12), "all points are the same"),
        (lambda: plot_tsne(vectors[:12], ["a"] * 12, perplexity=12), "perplexity is 12 for 12 points"),
        (lambda: plot_tsne(vectors[:12], ["a"]), r"shape \[12, 32\] for 1 labels"),
        (lambda: plot_tsne(vectors[:12], ["a"] * 12, texts=["a"]), "1 texts for 12 points"),
        (lambda: plot_tsne(np.full((12, 3), np.nan), ["a"] * 12), "not finite"),
        (lambda: plot_cosine_matrix(ones, ["a"] * 12), r"shape \[12, 3\] for 12 labels"),
        (lambda: plot_cosine_matrix(np.ones((25, 25)), ["a"] * 25), "25 labels cannot be read"),
        (lambda: plot_two_dots(vectors, apples, (1, 1)), r"the pair is \(1, 1\)"),
        (lambda: plot_two_dots(vectors, apples, (0, 24)), "from 0 to 23"),
    ]:
        with pytest.raises(InputError, match=message):
            call()
