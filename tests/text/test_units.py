"""Shards become characters, and every character knows whether a word or an entity begins with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from elmo.errors import InputError
from elmo.text.pieces import PieceVocabulary
from elmo.text.units import ENTITY, ENTITY_UNIT, WORD, UnitText, count_shard_words

VOCABULARY = PieceVocabulary([*PieceVocabulary.special_tokens, *"张三在北京海淀看书。", "app", "##le"])
BEGIN = WORD | ENTITY_UNIT


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ELMO_CACHE", str(tmp_path / "cache"))


def shard(tmp_path: Path, text: str, name: str = "shard") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_words_begin_where_the_segmenter_says(tmp_path):
    text = UnitText(shard(tmp_path, "张三 在 apple\n\n看书 。\n"), VOCABULARY)
    ids, units = text.read(0, text.num_characters)
    assert VOCABULARY.decode(ids) == ["张", "三", "在", "app", "##le", "看", "书", "。"]
    assert units.tolist() == [BEGIN, 0, BEGIN, BEGIN, 0, BEGIN, 0, BEGIN]
    assert text.starts().tolist() == [0, 5, 8]


def test_neighbouring_words_of_one_entity_tag_are_one_unit(tmp_path):
    line = "张三/PER 在/p 北京/LOC 海淀/LOC 看书/v\n三/PER 看/v\n"
    text = UnitText(shard(tmp_path, line), VOCABULARY, tagged=True)
    _, units = text.read(0, text.num_characters)
    entity = [BEGIN | ENTITY, ENTITY]
    assert units.tolist() == [*entity, BEGIN, *entity, WORD | ENTITY, ENTITY, BEGIN, 0, BEGIN | ENTITY, BEGIN]


def test_tokens_are_counted_over_all_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr("elmo.text.units._COUNTED_IDS", 3)
    text = UnitText(shard(tmp_path, "张三 在 apple\n\n看书 。 张\n"), VOCABULARY)
    ids, _ = text.read(0, text.num_characters)
    assert text.count_tokens().tolist() == [ids.tolist().count(token) for token in range(len(VOCABULARY))]


def test_what_is_read_beyond_the_end_begins_again(tmp_path):
    text = UnitText(shard(tmp_path, "张三 在\n"), VOCABULARY)
    ids, _ = text.read(1, 9)
    assert VOCABULARY.decode(ids) == [*"三在张三在张三在"]


def test_several_shards_and_a_word_with_slashes_are_read_in_order(tmp_path):
    shard(tmp_path, "看/书/v 张三/PER\n", "part_0")
    shard(tmp_path, "\u200b/w 在/p\n", "part_1")  # a word of nothing but a dropped character is passed over
    text = UnitText(f"{tmp_path}/part_*", VOCABULARY, tagged=True)
    ids, _ = text.read(0, text.num_characters)
    assert VOCABULARY.decode(ids) == ["看", "[UNK]", "书", "张", "三", "在"]
    assert count_shard_words(text.paths, tagged=True) == {"看/书": 1, "张三": 1, "\u200b": 1, "在": 1}


def test_the_same_text_read_with_and_without_tags_is_encoded_twice(tmp_path):
    path = shard(tmp_path, "张三/PER 在/p\n")
    plain, tagged = (UnitText(path, VOCABULARY, tagged=tagged) for tagged in (False, True))
    assert plain.fingerprint != tagged.fingerprint
    assert tagged.fingerprint == UnitText(path, VOCABULARY, tagged=True).fingerprint
    assert np.array_equal(tagged.read(0, 3)[0], VOCABULARY.encode("张三在"))


def test_a_word_without_a_tag_is_named_with_its_line(tmp_path):
    path = shard(tmp_path, "张三/PER 在/p\n看书\n")
    with pytest.raises(InputError, match=r"shard:2: '看书' has no tag; give word/tag"):
        UnitText(path, VOCABULARY, tagged=True)
    assert not list(tmp_path.glob("cache/encoded/*/meta.json"))


def test_a_text_without_a_sentence_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no sentence"):
        UnitText(shard(tmp_path, "\n \n"), VOCABULARY)
