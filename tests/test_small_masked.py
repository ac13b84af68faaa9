"""The released BERT and ERNIE are what the book says: one network, one budget; what was measured is what they give."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from elmo.encoding.bert import Bert
from elmo.explore.cloze import candidates_of, read_questions
from elmo.explore.cloze_scores import masked_scores
from elmo.models import read_header
from elmo.runtime import paddle
from elmo.text.masking import MaskedSequences
from elmo.text.units import UnitText
from elmo.training.masked import MASKINGS

NAMES = {"bert": "bert-zh-small", "ernie": "ernie-zh-small"}
READ_MORE = {"bert": "bert-zh", "ernie": "ernie-zh"}  # which go on from bert-zh-small, the second from the first's text
READ_ON = ("words", "entities")  # what ernie-zh hid after the characters that it shares with bert-zh


@pytest.fixture(scope="module")
def models() -> dict[str, Bert]:
    return {name: Bert.from_pretrained(path) for name, path in NAMES.items()}


@pytest.fixture(scope="module")
def results(data: Path) -> dict[str, Any]:
    return {
        name: json.loads((data / f"results/{name}.json").read_text(encoding="utf-8"))
        for name in ("masked_small", "tasks")
    }


def test_both_are_one_network_and_one_vocabulary(models: dict[str, Bert]) -> None:
    bert, ernie = models.values()
    assert bert.model.config == ernie.model.config and bert.vocabulary.tokens == ernie.vocabulary.tokens
    assert [p.shape for p in bert.model.parameters()] == [p.shape for p in ernie.model.parameters()]


@pytest.mark.parametrize(("names", "ernie"), [(NAMES, MASKINGS["ernie"]), (READ_MORE, READ_ON)], ids=["small", "more"])
def test_they_differ_in_what_was_hidden_and_in_nothing_else(
    data: Path, names: dict[str, str], ernie: tuple[str, ...]
) -> None:
    runs = [json.loads(read_header(data / "models" / path)["provenance"])["runs"][-1] for path in names.values()]
    settings = [dict(run["settings"]) for run in runs]
    assert [tuple(each.pop("stages")) for each in settings] == [MASKINGS["bert"], ernie]
    assert settings[0] == settings[1] and runs[0]["tokens_read"] == runs[1]["tokens_read"]


@pytest.mark.parametrize("name", READ_MORE)
def test_those_that_read_more_are_the_same_network_and_went_on_from_the_small_one(
    models: dict[str, Bert], data: Path, name: str
) -> None:
    more = Bert.from_pretrained(READ_MORE[name])
    assert more.model.config == models["bert"].model.config
    assert more.vocabulary.tokens == models["bert"].vocabulary.tokens
    *before, last = more.provenance["runs"]
    assert before == Bert.from_pretrained("bert-zh").provenance["runs"][:-1]
    assert before[0] == models["bert"].provenance["runs"][-1] and len(before) == 2
    files = (data / f"results/{file}.json" for file in ("masked", "masked_on"))
    curves = [json.loads(file.read_text(encoding="utf-8"))["models"] for file in files]
    assert curves[0]["bert"]["characters_read"] == before[1]["tokens_read"]
    assert curves[1][name]["characters_read"] == last["tokens_read"]
    assert sum(run["tokens_read"] for run in more.provenance["runs"]) > 60e6


def test_all_three_have_the_same_budget(results: dict[str, Any]) -> None:
    curves = [results["masked_small"]["models"][name] for name in ("elmo", "bert", "ernie")]
    for key, most in (("parameters", 1.1), ("characters_read", 1.02)):
        values = [curve[key] for curve in curves]
        assert max(values) <= most * min(values), key
    assert all(curve["seconds"] > 0 for curve in curves)


def test_two_thirds_of_both_runs_are_the_same(results: dict[str, Any]) -> None:
    bert, ernie = (dict(results["masked_small"]["models"][name]["loss"]) for name in NAMES)
    (_, _), (_, words), _ = results["masked_small"]["models"]["ernie"]["stages"]
    assert all(bert[step] == ernie[step] for step in bert if step <= words)
    assert sum(bert[step] != ernie[step] for step in bert if step > words) > 10


@pytest.mark.parametrize("name", NAMES)
def test_they_predict_better_than_frequencies(models: dict[str, Bert], data: Path, name: str) -> None:
    model = models[name]
    text, counted = (
        UnitText(data / part / "sentence_file_*", model.vocabulary, lower_case=True) for part in ("dev", "train")
    )
    sequences = MaskedSequences(text, model.model.config.max_length)
    batch = sequences.batch(range(min(len(sequences), 16)), "characters", (0, 0))
    with paddle.no_grad():
        nats = model.model.losses(*map(paddle.to_tensor, (batch.token_ids, batch.places, batch.targets))).numpy()
    counts = counted.count_tokens() + 1.0
    assert nats.mean() < -np.log((counts / counts.sum())[batch.targets]).mean() - 0.3


@pytest.mark.parametrize("file, name", [("cloze", name) for name in NAMES.values()] + [("cloze_on", "bert-zh")])
def test_the_probe_gives_what_the_results_file_holds(data: Path, file: str, name: str) -> None:
    results = json.loads((data / f"results/{file}.json").read_text(encoding="utf-8"))
    questions = read_questions(data / "cloze.tsv")
    candidates = candidates_of(questions)
    chosen = [number for number, question in enumerate(questions) if question.kind in ("province", "festival")]
    scores = masked_scores(Bert.from_pretrained(name), [questions[n] for n in chosen], [candidates[n] for n in chosen])
    right = [
        names[int(np.argmax(found))] == questions[number].answer
        for number, names, found in zip(chosen, (candidates[n] for n in chosen), scores, strict=True)
    ]
    recorded = results["models"][name]["at_once"]
    sizes = results["questions"]["kinds"]
    expected = sum(recorded[kind]["accuracy"]["value"] * sizes[kind] for kind in ("province", "festival"))
    assert sum(right) == pytest.approx(expected, abs=1.01)  # one may turn with the rounding of another machine


def test_the_question_of_the_paper_is_among_those_asked(data: Path) -> None:
    asked = [(question.text, question.answer) for question in read_questions(data / "cloze.tsv")]
    assert ("____是黑龙江的省会。", "哈尔滨") in asked and len(asked) >= 200


def test_every_encoder_was_tuned_and_scored_alike(results: dict[str, Any]) -> None:
    tasks = results["tasks"]
    frozen = {(row["set"], row["encoder"]): row for row in tasks["rows"] if row["mode"] == "frozen"}
    names = {"none", "word2vec", "elmo", "bert", "ernie"}
    assert {name for _, name in frozen} >= names and {each for each, _ in frozen} == set(tasks["sets"])
    for row in frozen.values():
        assert len(row["values"]) == tasks["settings"]["seeds"] and None not in row["tuning"]
        assert len(row["tuning"]) == len(tasks["settings"]["grid"]) and "interval" in row
    tuned = {(row["set"], row["encoder"]) for row in tasks["rows"] if row["mode"] == "fine_tuned"}
    assert tuned >= {(each, name) for each in tasks["sets"] for name in ("elmo", "bert", "ernie")}
