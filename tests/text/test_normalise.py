"""Spellings made alike: what is no text is dropped always, the rest where it is wanted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elmo.errors import InputError
from elmo.text.normalise import STEPS, Normaliser, parse_steps
from elmo.text.sentences import split_sentences


def test_without_steps_only_what_is_no_text_is_dropped() -> None:
    assert Normaliser()("\ufeff好\0的\x1b\ufeff１é ") == "好的１é "


@given(st.text())
def test_what_is_dropped_is_what_preprocess_drops(text: str) -> None:
    dropped = "".join(split_sentences(text.replace("\r", "\n")))
    assert "".join(Normaliser()(text).split()) == "".join(dropped.split())


@pytest.mark.parametrize(
    ("step", "text", "normal"),
    [
        ("nfc", "cafe\u0301", "café"),
        ("width", "１２３ＡＢＣ　ｘ％", "123ABC　x%"),
        ("width", "，！？：；（）“”【】、。", "，！？：；（）“”【】、。"),  # Chinese punctuation is full-width by right
        ("nfc", "👨\u200d👩\u200d👧", "👨\u200d👩\u200d👧"),
    ],
)
def test_a_step_makes_spellings_alike(step: str, text: str, normal: str) -> None:
    assert Normaliser([step])(text) == normal


def test_words_are_normalised_one_by_one_and_none_is_lost() -> None:
    assert Normaliser().words(["我", "买"]) == ["我", "买"]
    assert Normaliser().words(["\ufeff我", "\0"]) == ["我", "\0"]
    assert Normaliser(["width"]).words(["１２", "个"]) == ["12", "个"]


def test_traditional_characters_become_simplified_ones() -> None:
    pytest.importorskip("opencc")
    assert Normaliser(["simplified"])("舊手機換成了新蘋果，頭髮發財") == "旧手机换成了新苹果，头发发财"


def test_without_opencc_the_step_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    from elmo.text import normalise

    monkeypatch.setitem(__import__("sys").modules, "opencc", None)
    normalise._simplifier.cache_clear()
    with pytest.raises(InputError, match=r"the step simplified needs OpenCC .*pip install 'elmo\[simplified\]'"):
        Normaliser(["simplified"])
    normalise._simplifier.cache_clear()


def test_steps_are_read_from_a_list_in_their_order() -> None:
    assert parse_steps("none") == () and parse_steps("width,nfc") == ("nfc", "width")
    assert STEPS == ("nfc", "width", "simplified")
    with pytest.raises(InputError, match="normalise has no step 'lower'"):
        parse_steps("nfc,lower")
