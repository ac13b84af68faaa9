"""Questions with a gap: scores as by hand, chance where nothing is known, and bad lines named."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import re
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest

from elmo.bilm import BiLM
from elmo.bilm_config import BiLMConfig
from elmo.encoding.bert import Bert
from elmo.encoding.encoder import Encoder
from elmo.errors import InputError
from elmo.explore.choices import QuestionScores, Resamples, chance, credit, less_prior, score_questions
from elmo.explore.cloze import candidates_of, evaluate_cloze, labels, lines_of, read_questions
from elmo.explore.cloze_scores import GAP, Question, masked_scores, sentence_scores
from elmo.masked_lm import MaskedLM, MaskedLMConfig
from elmo.models import write_model
from elmo.runtime import paddle
from elmo.text.pieces import PieceVocabulary
from elmo.text.vocabulary import Vocabulary
from tests.commands import elmo as run
from tests.parameters import files_of, shake
from tests.refusals import refusal

HEADER = "kind\ttext\tanswer\n"
PIECES = PieceVocabulary([*PieceVocabulary.special_tokens, *"天地人山水火木金是的。"])
CONFIG = MaskedLMConfig(
    len(PIECES), hidden_size=16, num_layers=2, num_heads=2, intermediate_size=24, max_length=12, dropout=0.0
)
QUESTIONS = [
    Question("two", f"人是{GAP}的。", "山水"),
    Question("two", f"{GAP}是天地。", "水火"),
    Question("two", f"火是{GAP}。", "山木"),
    Question("one", f"天{GAP}", "地"),
    Question("one", f"山{GAP}是的", "水"),
]


@pytest.fixture(scope="module")
def bert() -> Bert:
    paddle.seed(3)
    model = MaskedLM(CONFIG)
    shake(model)
    model.eval()
    return Bert(model, PIECES)


class Characters:
    """Cuts into characters."""

    name = "characters"

    def cut(self, sentence: str) -> list[str]:
        return list(sentence)


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    paddle.seed(4)
    words = ("<S>", "</S>", "<UNK>", "山水", "水火", "山", "木", "人", "是", "的", "天", "。", "火")
    model = BiLM(BiLMConfig(len(words), embed_size=6, hidden_size=8, dropout=0.0))
    shake(model)
    model.eval()
    return Encoder(model, Vocabulary(words), Characters())


# The questions that come with the project


@pytest.fixture(scope="module")
def own(data: Path) -> list[Question]:
    return read_questions(data / "cloze.tsv")


def test_there_are_hundreds_of_questions_of_many_kinds(own):
    kinds = Counter(question.kind for question in own)
    assert len(own) >= 240 and len(kinds) >= 8 and min(kinds.values()) >= 12
    assert Question("city", f"{GAP}是黑龙江的省会。", "哈尔滨") in own


def test_the_27_capitals_of_provinces_and_regions_are_asked(own):
    capitals = set(
        "广州 杭州 南京 济南 沈阳 长春 太原 郑州 武汉 长沙 南昌 合肥 福州 海口 贵阳 昆明 成都 西安 兰州 西宁 银川 "
        "南宁 拉萨 石家庄 哈尔滨 呼和浩特 乌鲁木齐".split()
    )
    assert len(capitals) == 27
    assert capitals <= {question.answer for question in own if question.kind == "city"}


def test_every_question_has_at_least_four_candidates_and_none_stands_in_its_text(own):
    for question, names in zip(own, candidates_of(own), strict=True):
        assert len(names) >= 4 and question.answer in names and len(set(names)) == len(names)
        assert not [name for name in names if name in question.text]


def test_no_answer_is_asked_for_in_nearly_the_same_words(own):
    by_answer = defaultdict(list)
    for question in own:
        by_answer[question.answer].append(set(itertools.pairwise(question.text)))
    for texts in by_answer.values():
        for one, other in itertools.combinations(texts, 2):
            assert len(one & other) / min(len(one), len(other)) < 0.7


# Reading


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("kind,text,answer\n", r"q\.tsv:1: 'kind,text,answer' is not the header; write kind, text, answer"),
        (HEADER, "holds no question"),
        (HEADER + f"a\t天{GAP}\n", r"q\.tsv:2: 2 columns, expected 3"),
        (HEADER + f"a\t天{GAP}\t\n", r"q\.tsv:2: the column answer is empty"),
        (HEADER + "a\t天下\t人\n", r"q\.tsv:2: '天下' has 0 gaps; write ____ once"),
        (HEADER + f"a\t{GAP}天{GAP}\t人\n", r"q\.tsv:2: .* has 2 gaps"),
        (HEADER + f"a\t天{GAP}\tsky\n", r"q\.tsv:2: answer 'sky' is not one to 4 Chinese characters"),
        (HEADER + f"a\t天{GAP}\t一二三四五\n", r"q\.tsv:2: answer '一二三四五' is not one to 4"),
        (HEADER + f"a\t天{GAP}\t地\na\t天地{GAP}\t天\n", r"q\.tsv:3: '天地____' gives its answer '天' away"),
        (HEADER + f"a\t天{GAP}\t地\n\na\t天{GAP}\t人\n", r"q\.tsv:4: '天____' is asked twice"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_file_is_said_with_its_line(tmp_path, lines, message):
    path = tmp_path / "q.tsv"
    path.write_text(lines, encoding="utf-8")
    assert re.search(message, refusal(read_questions, path))


def test_candidates_have_the_kind_and_length_of_the_answer_and_do_not_stand_in_the_text():
    assert candidates_of(QUESTIONS) == [
        ["山水", "水火", "山木"], ["山水", "水火", "山木"], ["山水", "水火", "山木"], ["地", "水"], ["地", "水"],
    ]  # fmt: skip
    with_own = [*QUESTIONS, Question("one", f"水和{GAP}", "火")]
    assert candidates_of(with_own)[-1] == ["地", "火"]
    with pytest.raises(InputError, match=r"no other answer of kind one has 1 characters to choose from"):
        candidates_of(QUESTIONS[:4])


# Scores of models


def by_hand(bert: Bert, tokens: list[str]) -> np.ndarray:
    """Log probabilities [time, vocabulary] at every place of one sequence."""
    ids = PIECES.encode(tokens)
    return bert.model.predictions(
        paddle.to_tensor([ids]), paddle.to_tensor([len(ids)]), paddle.arange(len(ids))
    ).numpy()  # fmt: skip


def test_at_once_every_character_is_predicted_without_the_others(bert):
    scores = masked_scores(bert, QUESTIONS, candidates_of(QUESTIONS))
    logs = by_hand(bert, ["[CLS]", *"人是", "[MASK]", "[MASK]", *"的。", "[SEP]"])
    for name, score in zip(["山水", "水火", "山木"], scores[0], strict=True):
        first, second = PIECES.encode(name)
        assert score == pytest.approx(logs[3, first] + logs[4, second], abs=1e-4)  # float32


def test_in_turn_a_character_is_predicted_with_those_before_it(bert):
    scores = masked_scores(bert, QUESTIONS, candidates_of(QUESTIONS), in_turn=True)
    masked = by_hand(bert, ["[CLS]", *"人是", "[MASK]", "[MASK]", *"的。", "[SEP]"])
    for name, score in zip(["山水", "水火", "山木"], scores[0], strict=True):
        first, second = PIECES.encode(name)
        filled = by_hand(bert, ["[CLS]", *"人是", name[0], "[MASK]", *"的。", "[SEP]"])
        assert score == pytest.approx(masked[3, first] + filled[4, second], abs=1e-4)


@pytest.mark.parametrize("in_turn", [False, True])
def test_the_probabilities_of_all_strings_add_up_to_one(bert, in_turn):
    question = Question("two", f"人{GAP}。", "山水")
    every = ["".join(pair) for pair in itertools.product(PIECES.tokens[5:], repeat=2)]
    (scores,) = masked_scores(bert, [question], [every], in_turn=in_turn)
    assert len(scores) == 121
    single = Question("one", f"人{GAP}。", "山")
    (one,) = masked_scores(bert, [single], [list(PIECES.tokens[5:])])
    specials = 1 - np.exp(by_hand(bert, ["[CLS]", "人", "[MASK]", "。", "[SEP]"])[2, 5:]).sum()
    assert np.exp(one).sum() + specials == pytest.approx(1, abs=1e-5)
    assert 0 < np.exp(scores).sum() < 1  # the rest are strings with special tokens


def test_scores_do_not_depend_on_the_batch(bert, encoder):
    names = candidates_of(QUESTIONS)
    for one, two in (
        (masked_scores(bert, QUESTIONS, names), masked_scores(bert, QUESTIONS, names, batch_size=1)),
        (sentence_scores(encoder, QUESTIONS, names), sentence_scores(encoder, QUESTIONS, names, batch_size=1)),
    ):
        for row, other in zip(one, two, strict=True):
            np.testing.assert_allclose(row, other, atol=1e-4)


def test_a_candidate_with_an_unknown_character_can_not_be_said(bert):
    for in_turn in (False, True):
        (scores,) = masked_scores(bert, QUESTIONS[:1], [["山水", "山羲"]], in_turn=in_turn)
        assert np.isfinite(scores[0]) and scores[1] == -math.inf


def test_a_question_that_is_too_long_is_named(bert):
    with pytest.raises(InputError, match=r"is too long for this model, which reads 12"):
        masked_scores(bert, [Question("two", f"人人人人人人人人人{GAP}", "山水")], [["山水", "水火"]])


def test_a_sentence_of_elmo_has_the_log_probability_of_both_directions(encoder):
    (scores,) = sentence_scores(encoder, QUESTIONS[:1], [["山水", "山木", "金木"]])
    assert scores[2] == -math.inf  # 金 is not in the vocabulary, nor is 金木
    for words, score in (
        (["人", "是", "山水", "的", "。"], scores[0]),
        (["人", "是", "山", "木", "的", "。"], scores[1]),
    ):
        ids = encoder.vocabulary.encode(words)
        forward, backward, _ = encoder.model(
            paddle.to_tensor([[0, *ids]]), paddle.to_tensor([[1, *ids[::-1]]])
        )  # fmt: skip
        losses = encoder.model.losses(forward[-1][0], paddle.to_tensor([*ids, 1])).sum()
        losses += encoder.model.losses(backward[-1][0], paddle.to_tensor([*ids[::-1], 0])).sum()
        assert score == pytest.approx(-float(losses), abs=1e-4)


# Ranks, chance, intervals


def test_credit_of_ranks_and_of_equal_scores():
    assert credit(np.array([3.0, 1, 2]), 0) == (1, 1)
    assert credit(np.array([3.0, 1, 2]), 1) == (0, pytest.approx(1 / 3))
    assert credit(np.array([2.0, 2, 1]), 1) == (0.5, 0.75)
    assert credit(np.array([1.0, -math.inf, -math.inf]), 2) == (0, pytest.approx((1 / 2 + 1 / 3) / 2))


def test_scores_that_know_nothing_are_at_chance():
    rng = np.random.default_rng(0)
    names = [[str(number) for number in range(size)] for size in rng.integers(2, 9, 3000)]
    answers = [row[rng.integers(len(row))] for row in names]
    found = score_questions(
        [rng.normal(size=len(row)) for row in names], names, answers, ["k"] * 3000, are_probabilities=True
    )
    level = chance(names)
    for name in ("accuracy", "reciprocal_rank"):
        # The deviation of a mean over 3000 is below 0.009.
        assert found.values[name].mean() == pytest.approx(level[name], abs=0.03)
    same = score_questions([np.zeros(len(row)) for row in names], names, answers, ["k"] * 3000, are_probabilities=True)
    assert same.values["accuracy"].mean() == pytest.approx(level["accuracy"])
    assert same.values["reciprocal_rank"].mean() == pytest.approx(level["reciprocal_rank"])


def test_less_prior_takes_away_what_a_candidate_always_gets():
    names, kinds = [["a", "b", "c"]] * 3, ["k"] * 3
    prior = np.array([0.0, 5.0, -3.0])
    scores = [prior + np.eye(3)[row] + 10 * row for row in range(3)]  # knows all, but always says b
    found = score_questions(scores, names, ["a", "b", "c"], kinds, are_probabilities=False)
    assert found.values["accuracy"].tolist() == [0, 1, 0]
    assert found.values["accuracy_less_prior"].tolist() == [1, 1, 1]
    silent = less_prior([np.array([1.0, -math.inf]), np.array([2.0, -math.inf])], [["a", "b"]] * 2, ["k"] * 2)
    assert [row.tolist() for row in silent] == [[0, -math.inf]] * 2


def test_intervals_hold_the_value_and_differences_are_paired():
    rng = np.random.default_rng(1)
    kinds, answers = ["a"] * 60 + ["b"] * 40, [str(number // 2) for number in range(100)]
    level = rng.normal(-8, 3, 100)
    first = QuestionScores({"log_probability": level, "accuracy": (level > -8).astype(float)}, np.full(100, 2.0))
    second = QuestionScores({"log_probability": level + 0.5 + rng.normal(0, 0.1, 100)}, np.full(100, 2.0))
    draws = Resamples.of(kinds, answers, 400, seed=0)
    whole = draws.estimates(first)["all"]
    assert whole["log_probability"]["low"] < level.mean() < whole["log_probability"]["high"]
    assert whole["perplexity"]["value"] == pytest.approx(math.exp(-level.sum() / 200))
    assert whole["accuracy"]["low"] < whole["accuracy"]["value"] < whole["accuracy"]["high"]
    gain = draws.differences(first, second)
    assert set(gain) == {"all", "a", "b"} and set(gain["all"]) == {"log_probability"}
    width = gain["all"]["log_probability"]["high"] - gain["all"]["log_probability"]["low"]
    # Unpaired it would be 2 * 1.96 * 3 / 10 * 2 ** 0.5 = 1.7; paired, 2 * 1.96 * 0.1 / 10 = 0.04.
    assert width < 0.08 and gain["all"]["log_probability"]["low"] > 0.4
    # In every resample all questions of an answer are drawn together.
    assert (draws.counts[:, 0] == draws.counts[:, 1]).all()
    assert draws.counts[:, :60].sum(axis=1).tolist() == pytest.approx([60] * 400, abs=40)


# All together


def test_all_models_are_scored_beside_chance_and_compared(bert, encoder):
    paddle.seed(5)
    other = Bert(MaskedLM(CONFIG), PIECES)
    other.model.eval()
    result = evaluate_cloze({"bert": bert, "other": other, "elmo": encoder}, QUESTIONS, resamples=50)
    json.dumps(result)
    assert result["questions"] == {"number": 5, "kinds": {"two": 3, "one": 2}}
    assert result["chance"]["two"]["accuracy"] == pytest.approx(1 / 3)
    assert result["chance"]["one"] == {"accuracy": 0.5, "reciprocal_rank": 0.75}
    assert set(result["models"]["bert"]) == {"unknown", "at_once", "in_turn"}
    assert "perplexity" not in result["models"]["elmo"]["sentence"]["all"]
    assert result["models"]["bert"]["unknown"] == {
        "answers": 0, "answers_by_kind": {"two": 0, "one": 0}, "tokens_of_texts": 0,
    }  # fmt: skip
    assert result["models"]["elmo"]["unknown"]["answers_by_kind"] == {"two": 0, "one": 2}
    assert [(row["first"], row["second"], row["scorings"]) for row in result["differences"]] == [
        ("bert", "other", ["at_once", "at_once"]),
        ("bert", "other", ["in_turn", "in_turn"]),
        ("bert", "elmo", ["at_once", "sentence"]),
        ("other", "elmo", ["at_once", "sentence"]),
    ]
    for way in ("at_once", "in_turn"):
        scores = masked_scores(bert, QUESTIONS, candidates_of(QUESTIONS), in_turn=way == "in_turn")
        answers = [
            row[names.index(q.answer)]
            for row, names, q in zip(scores, candidates_of(QUESTIONS), QUESTIONS, strict=True)
        ]
        found = result["models"]["bert"][way]["all"]
        assert found["log_probability"]["value"] == pytest.approx(np.mean(answers))
        assert found["perplexity"]["value"] == pytest.approx(math.exp(-np.sum(answers) / 8))
    example = result["examples"][0]
    assert example["answer"] == "山水" and set(example["models"]["bert"]["at_once"]["best"]) == {"山水", "水火", "山木"}
    assert lines_of(result)[0] == "chance: 40.0% of 5 questions"
    assert len(lines_of(result)) == 6


def test_an_unknown_answer_is_wrong_counted_and_left_out_of_every_models_perplexity(bert):
    paddle.seed(6)
    small = PieceVocabulary([token for token in PIECES if token != "木"])
    config = MaskedLMConfig(len(small), hidden_size=16, num_layers=1, num_heads=2, intermediate_size=24, max_length=12)
    poor = Bert(MaskedLM(config), small)
    poor.model.eval()
    result = evaluate_cloze({"bert": bert, "poor": poor}, QUESTIONS[:3], resamples=20)
    assert result["models"]["poor"]["unknown"]["answers"] == 1
    scores = masked_scores(bert, QUESTIONS[:3], candidates_of(QUESTIONS[:3]))
    both = [scores[0][0], scores[1][1]]
    assert result["models"]["bert"]["at_once"]["all"]["log_probability"]["value"] == pytest.approx(np.mean(both))
    assert result["examples"][0]["models"]["poor"]["at_once"]["rank"] in (1, 2)  # the unknown 山木 is last


def test_short_names_tell_models_apart():
    assert labels(["a/bert", "a/ernie/"]) == ["bert", "ernie"]
    assert labels(["bert/step_1", "ernie/step_1"]) == ["bert/step_1", "ernie/step_1"]
    with pytest.raises(InputError, match="bert: is given twice"):
        labels(["bert", "x/../bert"])


def test_the_command_writes_results_and_names_a_bad_line(tmp_path, bert, capsys):
    write_model(tmp_path / "bert", files_of(bert.model, PIECES))
    path, results = tmp_path / "q.tsv", tmp_path / "results/cloze.json"
    path.write_text(HEADER + "".join(f"{q.kind}\t{q.text}\t{q.answer}\n" for q in QUESTIONS), encoding="utf-8")
    call = ("eval", "cloze", tmp_path / "bert", "--questions", path, "-o", results, "--use_gpu", "False")
    assert run(*call) == 0
    assert set(json.loads(results.read_text(encoding="utf-8"))["models"]) == {"bert"}
    assert re.search(r"chance: 40\.0% of 5 questions", capsys.readouterr().err)
    path.write_text(HEADER + "two\t没有空\t山水\n", encoding="utf-8")
    results.unlink()
    assert run(*call) == 2
    assert re.fullmatch(r"elmo: .*q\.tsv:2: '没有空' has 0 gaps; write ____ once.*\n", capsys.readouterr().err)
    assert not results.exists()


def test_a_model_that_predicts_nothing_is_refused(tmp_path, bert):
    from elmo.explore.cloze import load_model

    headless = MaskedLM(dataclasses.replace(CONFIG, head=False))
    write_model(tmp_path / "headless", files_of(headless, PIECES))
    with pytest.raises(InputError, match="headless: came without the layer that predicts words"):
        load_model(tmp_path / "headless")
    with pytest.raises(InputError, match="a skipgram model predicts no missing words"):
        load_model("word2vec-zh-small")
