"""Texts are broken into lines as Chinese readers expect."""

from __future__ import annotations

import pytest

from elmo.explore.lines import shorten, wrap


@pytest.mark.parametrize(
    ("text", "wrapped"),
    [
        ("外婆把苹果切成薄片，铺好", "外婆把苹\n果切成薄\n片，铺好"),
        ("一二三四，五", "一二三\n四，五"),
        ("a word or two", "a word\nor two"),
        ("好 yes", "好 yes"),
        ("", ""),
    ],
)
def test_lines_break_between_characters_but_not_within_words_or_before_commas(text, wrapped):
    assert wrap(text, 8) == wrapped


def test_what_does_not_fit_is_shortened():
    assert shorten("一二三四五六七八九", 8, 2) == "一二三四\n五六七…"
    assert shorten("一二三四", 8, 2) == "一二三四"
