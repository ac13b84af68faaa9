"""The corpus that comes with the project: its size, its variety, its marked senses, and that its parts agree."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from elmo.explore.polysemy.senses import SenseSentence, read_senses, target_index
from elmo.text.preprocess import preprocess
from elmo.text.segment import get_segmenter
from elmo.text.shards import read_sentences
from elmo.text.vocabulary import Vocabulary, count_words

HAN = re.compile(r"[一-鿿]")


@pytest.fixture(scope="module")
def senses(data: Path) -> list[SenseSentence]:
    return read_senses(data / "senses.tsv")


def documents(data: Path) -> list[Path]:
    return sorted((data / "documents").rglob("*.txt"))


def grams(text: str, size: int = 4) -> set[str]:
    han = "".join(HAN.findall(text))
    return {han[i : i + size] for i in range(len(han) - size + 1)}


def test_the_corpus_has_at_least_35_000_words(data: Path) -> None:
    shards = [*(data / "train").glob("sentence_file_*"), *(data / "dev").glob("sentence_file_*")]
    words = sum(count for word, count in count_words(shards).items() if re.search(r"\w", word))
    assert words >= 35_000


@pytest.mark.parametrize("part", ["train", "dev"])
def test_shards_are_what_the_command_makes_of_the_documents(data: Path, tmp_path: Path, part: str) -> None:
    preprocess([data / "documents" / part], tmp_path / part, workers=1, progress=False)
    committed = {path.name: path.read_bytes() for path in (data / part).iterdir()}
    made = {path.name: path.read_bytes() for path in (tmp_path / part).iterdir()}
    assert json.loads(made.pop(".sentence_file_text.json")) == {"segmenter": {"name": "jieba"}, "normalise": []}
    assert made == committed


def test_the_vocabulary_is_what_the_command_makes_of_the_shards(data: Path, tmp_path: Path) -> None:
    counts = count_words(sorted((data / "train").glob("sentence_file_*")))
    Vocabulary.from_counts(counts, min_count=2).save(tmp_path / "vocabulary.txt")
    assert (tmp_path / "vocabulary.txt").read_bytes() == (data / "vocabulary_min5k.txt").read_bytes()


def test_no_sentence_is_both_trained_on_and_held_out(data: Path) -> None:
    train = {" ".join(words) for words in read_sentences((data / "train").glob("sentence_file_*")) if len(words) > 5}
    dev = {" ".join(words) for words in read_sentences((data / "dev").glob("sentence_file_*")) if len(words) > 5}
    assert not train & dev


def test_at_least_30_words_have_two_senses_with_eight_sentences_each(senses: list[SenseSentence]) -> None:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for item in senses:
        counts[item.word][item.sense] += 1
    rich = [word for word, by_sense in counts.items() if len(by_sense) >= 2 and min(by_sense.values()) >= 8]
    assert len(rich) >= 30
    assert set("打花行") | {"苹果", "小米", "包袱", "水分", "窗口", "病毒", "意思", "东西", "运动"} <= set(rich)


def test_marked_sentences_stand_in_the_corpus(data: Path, senses: list[SenseSentence]) -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in documents(data))
    assert [item.sentence for item in senses if item.sentence not in text] == []


def test_marked_words_are_words_of_their_own_for_the_segmenter(senses: list[SenseSentence]) -> None:
    segmenter = get_segmenter("jieba")
    assert [i.sentence for i in senses if target_index(segmenter.cut(i.sentence), i.offset, i.word) is None] == []


def test_a_sense_has_one_gloss(senses: list[SenseSentence]) -> None:
    glosses: dict[tuple[str, str], set[str]] = defaultdict(set)
    for item in senses:
        glosses[item.word, item.sense].add(item.gloss)
    assert {key: value for key, value in glosses.items() if len(value) > 1} == {}


def test_no_two_marked_sentences_of_a_word_share_most_of_their_characters(senses: list[SenseSentence]) -> None:
    by_word: dict[str, list[tuple[str, set[str]]]] = defaultdict(list)
    for item in senses:
        by_word[item.word].append((item.sentence, grams(item.sentence)))
    alike = []
    for sentences in by_word.values():
        for place, (first, first_grams) in enumerate(sentences):
            for second, second_grams in sentences[:place]:
                smaller = min(len(first_grams), len(second_grams))
                if smaller and len(first_grams & second_grams) / smaller > 0.3:
                    alike.append((first, second))
    assert alike == []


def test_no_sentence_of_the_corpus_is_another_with_a_word_exchanged(data: Path) -> None:
    shards = [*(data / "train").glob("sentence_file_*"), *(data / "dev").glob("sentence_file_*")]
    sentences = [tuple(words) for words in read_sentences(shards) if len(words) >= 6]
    frames: dict[tuple[str, ...], set[tuple[str, ...]]] = defaultdict(set)
    for words in set(sentences):
        for place in range(len(words)):
            frames[(*words[:place], "*", *words[place + 1 :])].add(words)
    assert [variants for variants in frames.values() if len(variants) > 1] == []


def test_word_4_grams_of_the_corpus_are_hardly_ever_repeated(data: Path) -> None:
    grams_seen: Counter[tuple[str, ...]] = Counter()
    for words in read_sentences([*(data / "train").glob("sentence_file_*"), *(data / "dev").glob("sentence_file_*")]):
        grams_seen.update(tuple(words[i : i + 4]) for i in range(len(words) - 3))
    assert len(grams_seen) / sum(grams_seen.values()) > 0.97  # text made from templates falls far below
