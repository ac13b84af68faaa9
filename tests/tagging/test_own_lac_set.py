"""Our own sentences in LAC's tags: their number, their balance, and that no part is a copy of another."""

from __future__ import annotations

import json
import re
from collections import Counter
from itertools import combinations, pairwise
from pathlib import Path

import pytest

from elmo.corpora.lark_tsv import TokenTags, read_tag_dic, read_tsv

PARTS = ("train", "dev", "test")
NAMES = ("PER", "LOC", "ORG", "TIME")
TAGS = "a ad an c d f m n nw nz p q r s u v vd vn w xc PER LOC ORG TIME".split()
PUNCTUATION = re.compile(r"[\W_]+")
GRAM = 4  # characters


@pytest.fixture(scope="module")
def sentences(data: Path) -> dict[str, list[TokenTags]]:
    known = read_tag_dic(data / "lac" / "tag.dic")
    return {part: read_tsv(data / "lac" / f"{part}.tsv", known) for part in PARTS}


@pytest.fixture(scope="module")
def texts(sentences: dict[str, list[TokenTags]]) -> dict[str, list[str]]:
    return {part: ["".join(sentence.tokens) for sentence in sentences[part]] for part in PARTS}


def everything(texts: dict[str, list[str]]) -> list[str]:
    return [text for part in PARTS for text in texts[part]]


def grams(text: str) -> set[str]:
    characters = PUNCTUATION.sub("", text)
    return {characters[i : i + GRAM] for i in range(len(characters) - GRAM + 1)}


def name_counts(part: list[TokenTags]) -> Counter[str]:
    return Counter(tag for sentence in part for _, tag in sentence.chunks() if tag in NAMES)


def test_there_are_at_least_440_sentences(texts: dict[str, list[str]]) -> None:
    assert len(everything(texts)) >= 440
    assert len(texts["train"]) >= 320
    assert min(len(texts["dev"]), len(texts["test"])) >= 60


def test_each_kind_of_name_occurs_at_least_120_times(sentences: dict[str, list[TokenTags]]) -> None:
    counts = sum((name_counts(sentences[part]) for part in PARTS), Counter[str]())
    assert min(counts[name] for name in NAMES) >= 120


@pytest.mark.parametrize("part", ["dev", "test"])
def test_each_kind_of_name_can_be_measured_on_held_out_sentences(
    sentences: dict[str, list[TokenTags]], part: str
) -> None:
    counts = name_counts(sentences[part])
    assert min(counts[name] for name in NAMES) >= 20


def test_half_of_the_held_out_names_are_not_among_the_names_learnt_from(
    sentences: dict[str, list[TokenTags]],
) -> None:
    def names(part: str) -> set[str]:
        return {"".join(word) for s in sentences[part] for word, tag in s.chunks() if tag in ("PER", "LOC", "ORG")}

    held_out = names("dev") | names("test")
    assert len(held_out - names("train")) / len(held_out) > 0.5


def test_all_24_tags_of_lac_are_in_the_dictionary_and_used(data: Path, sentences: dict[str, list[TokenTags]]) -> None:
    known = read_tag_dic(data / "lac" / "tag.dic")
    assert known == [tag + ending for tag in TAGS for ending in ("", "-B", "-I")]
    used = {tag for part in PARTS for sentence in sentences[part] for _, tag in sentence.chunks()}
    assert used == set(TAGS)


def test_every_token_is_a_whole_word_with_a_bare_tag(data: Path) -> None:
    for part in PARTS:
        for line in (data / "lac" / f"{part}.tsv").read_text(encoding="utf-8").splitlines():
            tokens, tags = line.split("\t")
            assert set(tags.split(" ")) <= set(TAGS), line
            assert all(token and not re.search(r"\s", token) for token in tokens.split(" ")), line


def test_punctuation_and_nothing_else_is_tagged_w(sentences: dict[str, list[TokenTags]]) -> None:
    words = [(word[0], tag) for part in PARTS for sentence in sentences[part] for word, tag in sentence.chunks()]
    assert [pair for pair in words if (pair[1] == "w") != (not re.search(r"\w", pair[0]))] == []


def test_titles_in_angle_brackets_are_one_word_of_tag_nw(sentences: dict[str, list[TokenTags]]) -> None:
    for part in PARTS:
        for sentence in sentences[part]:
            chunks = list(sentence.chunks())
            for index, (word, _) in enumerate(chunks):
                if word == ["《"]:
                    assert chunks[index + 1][1] == "nw", sentence.place
                    assert chunks[index + 2][0] == ["》"], sentence.place


def test_le_at_the_end_of_a_clause_is_a_particle_of_mood(sentences: dict[str, list[TokenTags]]) -> None:
    for part in PARTS:
        for sentence in sentences[part]:
            chunks = [*sentence.chunks(), (["。"], "w")]
            for (word, tag), (following, kind) in pairwise(chunks):
                if word == ["了"] and tag in ("u", "xc"):
                    ends = kind == "w" and following not in (["“"], ["《"])
                    assert (tag == "xc") == ends, sentence.place


def test_lengths_are_those_of_ordinary_sentences(texts: dict[str, list[str]]) -> None:
    lengths = [len(text) for text in everything(texts)]
    assert min(lengths) >= 6 and max(lengths) <= 45
    assert sum(length <= 40 for length in lengths) / len(lengths) > 0.95


def test_no_sentence_occurs_twice(texts: dict[str, list[str]]) -> None:
    every = everything(texts)
    assert len(set(every)) == len(every)


def test_no_sentence_is_a_near_copy_of_another(texts: dict[str, list[str]]) -> None:
    every = [(text, grams(text)) for text in everything(texts)]
    alike = [
        (text, other)
        for (text, mine), (other, others) in combinations(every, 2)
        if len(mine & others) > 0.25 * min(len(mine), len(others))
    ]
    assert alike == []


def test_sentences_of_held_out_documents_are_not_learnt_from(data: Path, texts: dict[str, list[str]]) -> None:
    held_out = "".join(path.read_text(encoding="utf-8") for path in sorted((data / "documents/dev").rglob("*.txt")))
    trained = "".join(path.read_text(encoding="utf-8") for path in sorted((data / "documents/train").rglob("*.txt")))
    assert [text for text in texts["train"] if text in held_out] == []
    assert [text for part in ("dev", "test") for text in texts[part] if text in trained] == []


def test_at_least_180_sentences_were_written_for_this_set(data: Path, texts: dict[str, list[str]]) -> None:
    documents = "".join(path.read_text(encoding="utf-8") for path in sorted((data / "documents").rglob("*.txt")))
    assert sum(text not in documents for text in everything(texts)) >= 180


@pytest.mark.slow
def test_no_sentence_stands_in_the_public_corpora(shared: Path, texts: dict[str, list[str]]) -> None:
    corpora = shared / "corpora"
    for path in [*sorted((corpora / "raw").glob("*.txt")), *sorted((corpora / "lac").iterdir())]:
        public = path.read_text(encoding="utf-8")
        if path.suffix == ".conll":
            public = "".join(line.split("\t")[1] if "\t" in line else "\n" for line in public.splitlines())
        elif path.name.startswith("peoples_daily"):
            public = re.sub(r"/[A-Za-z]+|\][A-Za-z]+|[\[ ]", "", public)
        clauses = set(PUNCTUATION.split(public))  # a whole sentence stands there only if all its clauses do
        assert [text for text in everything(texts) if clauses.issuperset(PUNCTUATION.split(text))] == [], path.name


def test_the_measured_correction_is_of_this_set(data: Path, sentences: dict[str, list[TokenTags]]) -> None:
    found = json.loads((data / "results" / "lac_own_set.json").read_text(encoding="utf-8"))["parts"]
    for part in PARTS:
        assert found[part]["sentences"] == len(sentences[part])
        assert found[part]["words"] == sum(len(sentence.tokens) for sentence in sentences[part])
        for name in NAMES:
            assert found[part]["by_name"][name]["gold"] == name_counts(sentences[part])[name]


def test_the_readme_gives_the_measured_figures(data: Path) -> None:
    readme = (data / "lac" / "README.md").read_text(encoding="utf-8")
    found = json.loads((data / "results" / "lac_own_set.json").read_text(encoding="utf-8"))["parts"]
    for part, of in found.items():
        counts = [of[name] for name in ("sentences", "sentences_corrected", "words", "words_corrected")]
        scores = [of["words_and_tags"][name] for name in ("precision", "recall", "f1")]
        row = [part, *(f"{count:,}" for count in counts), *(f"{score:.2f}" for score in scores)]
        row += [f"{of[kind]['f1']:.2f}" for kind in ("words_alone", "names")]
        assert f"| {' | '.join(row)} |" in readme
