"""Text that is written in several ways brought to one: what is no text is dropped and, if wanted, spellings made alike.

What a model's text went through before training, its sentences have to go through in use; so the steps are kept in the
model (`elmo.text.preprocess.preprocess`, `elmo.encoding.encoder.load_pretrained`).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from functools import cache

from elmo.errors import InputError

STEPS = ("nfc", "width", "simplified")  # in the order in which they are taken
# Control characters that are not white space, NUL among them, and U+FEFF: dropped everywhere.
DROPPED = r"\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ufeff"

_DROPPED = re.compile(f"[{DROPPED}]")
# Letters, digits and signs. Chinese punctuation is full-width by right: ，！？：；（） and brackets stay.
_WIDE_SIGNS = "＃＄％＆＊＋－．／＜＝＞＠＼＾＿｀｜"
_WIDE = re.compile(f"[０-９Ａ-Ｚａ-ｚ{_WIDE_SIGNS}]+")
_HALF = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}

_PICTURE = "[\u00a9\u00ae\u2030-\u2bff\u3030\u303d\u3297\u3299\U0001f000-\U0001faff]"
_TONE = "[\ufe0f\U0001f3fb-\U0001f3ff]"
# Emoji of several characters: pictures that are joined or modified, flags, keycaps, flags of regions.
EMOJI = re.compile(
    f"(?:{_PICTURE}{_TONE}*(?:\u200d{_PICTURE}{_TONE}*)+|{_PICTURE}{_TONE}+|[\U0001f1e6-\U0001f1ff]{{2}}"
    "|[0-9#*]\ufe0f?\u20e3|\U0001f3f4[\U000e0020-\U000e007e]+\U000e007f)"
)


def parse_steps(text: str) -> tuple[str, ...]:
    """Steps of a comma-separated list, in their order; "none" has none, "all" has every one.

    Raises:
        InputError: a step is unknown.
    """
    if text in ("none", ""):
        return ()
    return Normaliser(STEPS if text == "all" else text.split(",")).steps


class Normaliser:
    """Drops what is no text, then takes the steps wanted.

    "nfc" composes characters: e and U+0301 become é. "width" turns full-width letters, digits and signs into half-width
    ones: １２３ＡＢＣ becomes 123ABC; Chinese punctuation stays. "simplified" turns Traditional characters into
    Simplified ones, by OpenCC's t2s, phrases first.

    Args:
        steps: some of STEPS, in any order.

    Raises:
        InputError: a step is unknown, or its library is not installed.
    """

    def __init__(self, steps: Iterable[str] = ()) -> None:
        wanted = list(steps)
        for step in wanted:
            if step not in STEPS:
                raise InputError(f"normalise has no step {step!r}: give some of {', '.join(STEPS)}, or none")
        self.steps = tuple(step for step in STEPS if step in wanted)
        self._functions: list[Callable[[str], str]] = [_function(step) for step in self.steps]

    def __call__(self, text: str) -> str:
        """Return a text as the model reads it."""
        text = _DROPPED.sub("", text)
        for function in self._functions:
            text = function(text)
        return text

    def words(self, words: list[str]) -> list[str]:
        """Return each word as the model reads it; one of which nothing would be left stays as it is."""
        if not self._functions and not _DROPPED.search("".join(words)):  # most text: a look for each word takes longer
            return words
        return [self(word) or word for word in words]


def _function(step: str) -> Callable[[str], str]:
    return _simplifier() if step == "simplified" else {"nfc": _compose, "width": _narrow}[step]


def _compose(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _narrow(text: str) -> str:
    return _WIDE.sub(lambda wide: wide[0].translate(_HALF), text)


@cache
def _simplifier() -> Callable[[str], str]:
    """OpenCC's conversion, which is loaded when it is wanted."""
    try:
        from opencc import OpenCC
    except ImportError as error:
        raise InputError(
            f"the step simplified needs OpenCC ({error}): pip install 'elmo[simplified]', or leave the step out"
        ) from None
    convert: Callable[[str], str] = OpenCC("t2s").convert
    return convert


def cut_around_emoji(text: str, cut: Callable[[str], Iterable[str]]) -> list[str]:
    """Words of a text, in which emoji of several characters are words of their own and `cut` does the rest."""
    words: list[str] = []
    end = 0
    for emoji in EMOJI.finditer(text):
        words += [*cut(text[end : emoji.start()]), emoji[0]]
        end = emoji.end()
    return [*words, *cut(text[end:])]


def join_emoji(text: str, tags: Sequence[str]) -> list[str]:
    """Tags of a text's characters, `tag-B` and `tag-I`, changed so that no word begins within an emoji."""
    joined = list(tags)
    for emoji in EMOJI.finditer(text):
        begin, end = emoji.span()
        if end < len(joined) and not joined[end].endswith("-B"):
            joined[end] = joined[end][:-2] + "-B"
        joined[begin] = joined[begin][:-2] + "-B"
        joined[begin + 1 : end] = [joined[begin][:-2] + "-I"] * (end - begin - 1)
    return joined
