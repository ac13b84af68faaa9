"""Sets of the five tasks: what is read of each file, what is refused, and that parts share nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from elmo.corpora.own_tasks import OWN_SETS, read_own
from elmo.corpora.tagged import Tagged
from elmo.corpora.tasks import (
    LARGEST_GROUP,
    PUBLIC_SETS,
    Labelled,
    Paragraph,
    SetSizes,
    divide,
    read_cmrc,
    read_msra,
    read_ocnli,
    read_pairs,
    read_public,
    read_waimai,
)
from elmo.errors import InputError
from tests.refusals import refusal

Write = Callable[[str, str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a file and return its path."""

    def make(name: str, text: str) -> Path:
        (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path / name

    return make


def test_pairs_whose_annotators_disagreed_are_left_out(write: Write) -> None:
    lines = [
        {"sentence1": "他在跑步", "sentence2": "他在动", "label": "entailment"},
        {"sentence1": "他在跑步", "sentence2": "他很高", "label": "-"},
    ]
    path = write("nli.json", "\n".join(map(json.dumps, lines)))
    assert list(read_ocnli(path)) == [(Labelled(("他在跑步", "他在动"), "entailment"), "他在跑步")]


def test_pairs_that_share_a_question_are_one_group(write: Write) -> None:
    path = write("pairs.tsv", "怎么走\t如何走\t1\n如何走\t几点走\t0\n谁来了\t来了谁\t1\n")
    groups = [group for _, group in read_pairs(path, None, "\t")]
    assert groups[0] == groups[1] != groups[2]


def test_msra_joins_the_characters_of_a_name_and_of_nothing_else(write: Write) -> None:
    path = write("ner.txt", "王\tB-PER\n明\tI-PER\n李\tB-PER\n去\tO\n了\tO\n\n\n海\tB-LOC\n口\tI-LOC\n")
    first, second = (example for example, _ in read_msra(path))
    assert (first.words, first.tags) == (["王明", "李", "去", "了"], ["PER", "PER", "O", "O"])  # type: ignore[union-attr]
    assert (second.words, second.tags) == (["海口"], ["LOC"])  # type: ignore[union-attr]


def test_cmrc_asks_for_the_sentence_where_the_answer_stands(write: Write) -> None:
    context = "山上 有一座塔。塔高十米。塔是木头的。"
    answers = [("十米", 9), ("塔", 13), ("高十米。塔是", 8)]
    asked = [
        {"question": f"问题{i}", "answers": [{"text": text, "answer_start": start}]}
        for i, (text, start) in enumerate(answers)
    ]
    single = {"context": "只有一句。", "qas": asked}
    path = write("qa.json", json.dumps({"data": [{"paragraphs": [{"context": context, "qas": asked}, single]}]}))
    ((paragraph, _),) = read_cmrc(path)
    assert isinstance(paragraph, Paragraph)
    assert paragraph.sentences == ("山上有一座塔。", "塔高十米。", "塔是木头的。")
    # 塔 is in every sentence, and meant is the last one; what reaches beyond a sentence is no question
    assert paragraph.questions == (("问题0", (1,)), ("问题1", (2,)))


def test_a_review_with_a_comma_is_read_whole(write: Write) -> None:
    path = write("reviews.csv", 'label,review\n1,"好吃, 量大"\n0,凉了\n')
    assert [example for example, _ in read_waimai(path)] == [Labelled(("好吃, 量大",), "1"), Labelled(("凉了",), "0")]


def test_parts_share_no_group_and_no_group_is_large() -> None:
    generator = np.random.default_rng(3)
    examples = [(Labelled((f"文{i}",), "1"), f"组{generator.integers(30)}") for i in range(600)]
    group_of = {example: group for example, group in examples}
    parts = divide(examples, SetSizes(train=60, dev=20, test=40))
    groups = [[group_of[example] for example in part] for part in parts]  # type: ignore[index]
    assert [len(part) for part in parts] == [60, 20, 40]
    for first, second in ((0, 1), (0, 2), (1, 2)):
        assert not set(groups[first]) & set(groups[second])
    assert max(part.count(group) for part in groups for group in part) <= LARGEST_GROUP


def test_the_test_part_stays_when_there_is_more_to_train_on() -> None:
    examples = [(Labelled((f"文{i}",), "1"), str(i)) for i in range(200)]
    small, large = (divide(examples, SetSizes(train=train, dev=20, test=40)) for train in (20, 100))
    assert small[2] == large[2]
    assert small[0] == large[0][:20]


def test_too_few_examples_are_shared_out() -> None:
    examples = [(Labelled((f"文{i}",), "1"), str(i)) for i in range(35)]
    train, dev, test = divide(examples, SetSizes())
    assert (len(train), len(dev), len(test)) == (20, 5, 10)


OWN = {
    "inference": "part\tpremise\thypothesis\tlabel\ntrain\t下雨了\t地湿了\tentailment\n",
    "similarity": "part\tfirst\tsecond\tlabel\ntrain\t几点\t什么时候\t1\n",
    "sentiment": "part\ttext\tlabel\ntrain\t好吃\t1\n",
    "entities": "part\ttagged\ntrain\t我/O 在/O 哈尔滨/LOC\n",
    "matching": "part\tquestion_id\tquestion\tcandidate\tlabel\n"
    "train\tq1\t几米高\t塔高十米。\t1\ntrain\tq1\t几米高\t塔在山上。\t0\n",
}


@pytest.mark.parametrize(
    ("name", "line", "place", "said"),
    [
        ("inference", "train\t下雨了\t地湿了\tperhaps", ":3", "entailment, neutral, contradiction"),
        ("inference", "train\t下雨了\tentailment", ":3", "3 columns, expected 4"),
        ("similarity", "train\t几点\t\t1", ":3", "the column second is empty"),
        ("sentiment", "later\t好吃\t1", "", "the part is 'later'"),
        ("entities", "train\t我/O 哈尔滨", ":3", "'哈尔滨'"),
        ("entities", "train\t我/O 去年/TIME", ":3", "'TIME'"),
        ("matching", "train\tq2\t谁\t他。\t1\ntrain\tq1\t几米高\t塔。\t0", ":5", "stand together"),
        ("matching", "train\tq1\t几层\t塔。\t0", ":4", "another text or part"),
        ("matching", "train\tq2\t谁\t他。\t1", "", "one with 0"),
    ],
)
def test_a_wrong_line_is_named(write: Write, name: str, line: str, place: str, said: str) -> None:
    path = write(f"{name}.tsv", OWN[name] + line + "\n")
    message = refusal(read_own, path.parent, name)
    assert f"{path}{place}" in message
    assert said in message


@pytest.mark.parametrize("name", OWN_SETS)
def test_wrong_columns_a_missing_file_and_too_few_examples_are_named(write: Write, name: str) -> None:
    path = write(f"{name}.tsv", OWN[name])
    with pytest.raises(InputError, match="two or more"):
        read_own(path.parent, name)
    path.write_text("text\tlabel\n", encoding="utf-8")
    with pytest.raises(InputError, match=r":1: .* is not the header; write part, "):
        read_own(path.parent, name)
    path.unlink()
    with pytest.raises(InputError, match="can't be read"):
        read_own(path.parent, name)


CMRC_ANSWER = (
    '{"data": [{"paragraphs": [{"context": "我买了苹果。他说了。", "qas": [{"question": "谁?", "answers": '
    '[{"text": "我", "answer_start": %s}]}]}]}]}'
)


@pytest.mark.parametrize(
    ("read", "text", "said"),
    [
        (read_ocnli, "{}", ":1: no JSON object"),
        (read_msra, "王\tB-TIME", ":1"),
        (read_ocnli, "[" * 100_000, ":1: no JSON object"),
        (read_cmrc, "{}", "not the JSON of CMRC"),
        (read_cmrc, "[" * 100_000, "not the JSON of CMRC"),
        (read_cmrc, CMRC_ANSWER % "1e999", "not the JSON of CMRC"),
        (read_cmrc, CMRC_ANSWER % "-Infinity", "not the JSON of CMRC"),
        (read_waimai, "review\n好吃", ":1: 'review' is not the header; write label, review, separated by commas"),
        (lambda path: read_pairs(path, None, "\t"), "几点\t什么时候", ":1: 2 fields"),
    ],
)
def test_a_public_file_of_another_kind_is_refused(write: Write, read: Callable, text: str, said: str) -> None:  # type: ignore[type-arg]
    path = write("file", text)
    with pytest.raises(InputError, match=said):
        list(read(path))


@pytest.mark.parametrize("name", OWN_SETS)
def test_our_own_sets_are_whole(data: Path, name: str) -> None:
    found = read_own(data / "tasks", name)
    assert min(len(found.train), len(found.dev), len(found.test)) >= 5
    if name not in ("entities", "matching"):
        labels = [{example.label for example in part} for part in (found.train, found.test)]  # type: ignore[union-attr]
        assert labels == [set(found.labels)] * 2
    if name == "entities":
        assert all(isinstance(example, Tagged) for example in found.train)


@pytest.mark.parametrize("name", [name for name in PUBLIC_SETS if name != "msra"])  # whose reading takes long
def test_public_sets_are_read_and_their_parts_share_no_text(shared: Path, name: str) -> None:
    found = read_public(shared / "corpora", name, SetSizes(200, 50, 100))

    def texts(part: list) -> set[object]:  # type: ignore[type-arg]
        return {e.sentences if isinstance(e, Paragraph) else e.texts[0] for e in part}

    for other in (found.dev, found.test):
        shared_texts = texts(found.train) & texts(other)
        assert len(shared_texts) == 0, f"{len(shared_texts)} texts are in two parts"
    assert len(found.fingerprint) == 64
