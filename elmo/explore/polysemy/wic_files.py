"""Pairs of sentences that share a word, and whether it means the same in both, as MCL-WiC's files have them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from elmo.checks import is_count
from elmo.corpora.tables import read_text
from elmo.errors import InputError
from elmo.system.types import PathLike

_SAME = {"T": True, "F": False}


@dataclass(frozen=True)
class Mention:
    """A word at its place in a sentence."""

    sentence: str
    start: int  # characters of the sentence before the word
    end: int  # ... up to its end

    @property
    def word(self) -> str:
        """The word as it stands there."""
        return self.sentence[self.start : self.end]


@dataclass(frozen=True)
class WicPair:
    """Two mentions of a word, and whether it means the same in both."""

    name: str  # its id in the file
    word: str
    first: Mention
    second: Mention
    same: bool


def read_mcl_wic(data_path: PathLike, gold_path: PathLike) -> list[WicPair]:
    """Read a monolingual part of MCL-WiC (Martelli et al. 2021, SemEval task 2): a .data and a .gold file, both JSON.

    Raises:
        InputError: a file is missing or malformed, the two don't have the same ids, or sentences are not Chinese; names
            the file and the item.
    """
    answers: dict[str, bool] = {}
    for place, item in _json_items(gold_path):
        name, tag = (_text(item, key, place) for key in ("id", "tag"))
        if tag not in _SAME:
            raise InputError(f"{place}: tag {tag!r} is neither T nor F; correct it")
        if name in answers:
            raise InputError(f"{place}: the id {name!r} occurs twice; keep one of the two")
        answers[name] = _SAME[tag]
    pairs: dict[str, WicPair] = {}
    for place, item in _json_items(data_path):
        name, word = (_text(item, key, place) for key in ("id", "lemma"))
        if name in pairs:
            raise InputError(f"{place}: the id {name!r} occurs twice; keep one of the two")
        if name not in answers:
            raise InputError(f"{place}: {gold_path} has no answer for {name!r}; give the .gold file of these pairs")
        first, second = (_mention(item, number, place) for number in "12")
        pairs[name] = WicPair(name, word, first, second, answers[name])
    missing = next((name for name in answers if name not in pairs), None)
    if missing is not None:
        raise InputError(f"{gold_path}: answers {missing!r}, which {data_path} lacks; give the files of one set")
    _require_chinese(list(pairs.values()), data_path)
    return list(pairs.values())


def _require_chinese(pairs: Sequence[WicPair], path: PathLike) -> None:
    """Refuse pairs of another language, for whose words a Chinese model has no vectors: more Latin words than hanzi."""
    others = [
        (pair.name, mention.word)
        for pair in pairs
        for mention in (pair.first, pair.second)
        if len(re.findall(r"[\u3400-\u9fff]", mention.sentence)) < len(re.findall(r"[A-Za-z]+", mention.sentence))
    ]
    if others:
        (name, word), count = others[0], len({name for name, _ in others})
        raise InputError(
            f"{path}: in {count} of {len(pairs)} pairs a sentence is not Chinese ({name}: that of {word!r}), and a "
            "Chinese model has no vectors for it; give pairs of Chinese sentences, such as MCL-WiC zh-zh"
        )


def _mention(item: Mapping[str, Any], number: str, place: str) -> Mention:
    """The mention that an MCL-WiC item calls sentence1, start1, end1, or 2."""
    sentence, start, end = (_text(item, key + number, place) for key in ("sentence", "start", "end"))
    for name, value in (("start", start), ("end", end)):
        if not is_count(value):
            raise InputError(f"{place}: {name}{number} {value[:40]!r} is not a whole number; count characters from 0")
    if not (int(start) < int(end) <= len(sentence) and sentence[int(start) : int(end)].strip()):
        raise InputError(
            f"{place}: characters {start} to {end} of sentence{number}, which has {len(sentence)}, hold no word; "
            "correct the offsets"
        )
    return Mention(sentence, int(start), int(end))


def _text(item: Mapping[str, Any], key: str, place: str) -> str:
    value = item.get(key)
    value = str(value) if type(value) is int else value
    if not isinstance(value, str) or not value:
        raise InputError(f"{place}: {key} is {value!r}; give a text")
    return value


def _json_items(path: PathLike) -> Iterator[tuple[str, dict[str, Any]]]:
    """Objects of a JSON list, each with the file and its number from 1."""
    text = read_text(path)
    try:
        items = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not JSON ({error}); give a JSON list of objects") from None
    if not isinstance(items, list):
        raise InputError(f"{path}: holds no list; give a JSON list of objects")
    for number, item in enumerate(items, start=1):
        place = f"{path}, item {number}"
        if not isinstance(item, dict):
            raise InputError(f"{place}: {item!r} is not an object; give a JSON list of objects")
        yield place, item
