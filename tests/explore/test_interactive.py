"""Dots that can be pointed at say their sentence and its sense, and load nothing from elsewhere."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from elmo.errors import InputError
from elmo.explore.lines import text_width
from elmo.explore.polysemy.senses import SenseSentence, read_senses

pytest.importorskip("plotly", reason="plots to point at need the extra `book`")

from elmo.explore.interactive import plot_hover, sense_texts, step_through
from elmo.explore.plots import PALETTE

PLACES = np.arange(8.0).reshape(4, 2)
LABELS = ["fruit", "company", "fruit", "fruit"]
TEXTS = ["我买了1斤[苹果]。", "我新买了1个[苹果]X。", "a < b & c", "</script>"]


@pytest.fixture(scope="module")
def bundle():
    return plot_hover(PLACES, LABELS, TEXTS, alt='Four "dots"', glosses={"fruit": "水果 fruit"})._repr_mimebundle_()


def drawing(bundle):
    return json.loads(re.search(r'<script type="application/json">(.*?)</script>', bundle["text/html"], re.S).group(1))


def test_each_dot_keeps_its_place_and_its_text(bundle):
    fruit, company = drawing(bundle)["data"]
    assert (fruit["x"], fruit["y"]) == ([0.0, 4.0, 6.0], [1.0, 5.0, 7.0])
    assert fruit["text"][0] == "我买了1斤[苹果]。" and company["text"] == ["我新买了1个[苹果]X。"]


def test_texts_cannot_end_the_script_or_become_markup(bundle):
    texts = drawing(bundle)["data"][0]["text"]
    assert texts[1:] == ["a &lt; b &amp; c", "&lt;/script&gt;"]
    assert bundle["text/html"].count("</script>") == 1


def test_senses_have_the_colours_of_the_still_picture_and_their_glosses(bundle):
    fruit, company = drawing(bundle)["data"]
    assert (fruit["marker"]["color"], company["marker"]["color"]) == PALETTE[:2]
    assert fruit["marker"]["symbol"] != company["marker"]["symbol"]
    assert (fruit["name"], company["name"]) == ("水果 fruit", "company")


def test_the_alt_text_is_there_and_nothing_is_loaded_from_elsewhere(bundle):
    assert 'aria-label="Four &quot;dots&quot;"' in bundle["text/html"]
    assert "http" not in json.dumps(bundle)


def test_every_text_asks_for_the_books_chinese_font(bundle):
    layout = drawing(bundle)["layout"]
    assert layout["font"]["family"] == layout["hoverlabel"]["font"]["family"] == '"Book Chinese", sans-serif'


def test_notebooks_elsewhere_get_the_same_drawing(bundle):
    assert bundle["application/vnd.plotly.v1+json"] == drawing(bundle)


def test_every_marked_sentence_fits_beside_a_dot_on_a_telephone(data):
    items = read_senses(data / "senses.tsv")
    places = np.zeros((len(items), 2))
    plot = plot_hover(places, ["all"] * len(items), sense_texts(items), alt="All marked sentences")
    lines = [line for text in plot.figure.data[0].text for line in text.split("<br>")]
    assert max(map(text_width, lines)) <= 30  # 26, and closing marks that stay with their word


def test_the_word_stands_in_brackets_where_it_was_marked():
    item = SenseSentence("苹果", "fruit", "水果 the fruit", "苹果树上有苹果。", 5)
    assert sense_texts([item]) == ["苹果树上有[苹果]。\n水果 the fruit"]


@pytest.mark.parametrize(
    ("places", "labels", "alt", "message"),
    [
        (PLACES[:3], LABELS, "dots", r"shape \[3, 2\] for 4 labels"),
        (np.zeros((4, 3)), LABELS, "dots", r"give \[n, 2\]"),
        (PLACES * np.nan, LABELS, "dots", "not finite"),
        (PLACES, LABELS, " ", "no alt text"),
    ],
)
def test_what_cannot_be_drawn_is_refused(places, labels, alt, message):
    with pytest.raises(InputError, match=message):
        plot_hover(places, labels, TEXTS, alt=alt)


def test_one_frame_is_shown_and_each_button_has_its_own() -> None:
    shown = step_through("word", ["树", "<S>"], ["<p>one</p>", "<p>two</p>"], chosen=1).data
    assert re.findall(r'<input type="radio" name="word" id="word-(\d)"( checked)?>', shown) == [
        ("1", ""),
        ("2", " checked"),
    ]
    assert '<label for="word-2">&lt;S&gt;</label>' in shown  # what readers type is text, never markup
    for number in (1, 2):
        assert f"input:nth-of-type({number}):checked~div:nth-of-type({number})" in shown
    assert shown.count("<div><p>") == 2
