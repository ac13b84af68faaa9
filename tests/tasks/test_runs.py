"""The five tasks with every kind of encoder: what is trained, what stays, what is done once, what comes out."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from elmo.cli import app
from elmo.corpora.own_tasks import OWN_SETS, read_own
from elmo.corpora.tasks import SetSizes
from elmo.encoding.text_encoders import TextEncoder, load_text_encoder, parameters_of
from elmo.errors import InputError, RunError
from elmo.masked_lm import MaskedLM, MaskedLMConfig
from elmo.models import write_model
from elmo.runtime import paddle, seed_everything
from elmo.system.run_folder import RunFolder
from elmo.tagging.score import reciprocal_rank
from elmo.tasks import match
from elmo.tasks import plan as module
from elmo.tasks.fit import batches, fit, outcomes
from elmo.tasks.material import Material
from elmo.tasks.network import Texts, character_vocabulary, cut_text
from elmo.tasks.plan import ExperimentSettings, Group, parse_encoders
from elmo.tasks.results import summarise
from elmo.tasks.runs import TasksExperiment
from elmo.text.pieces import PieceVocabulary
from elmo.training.early_stopping import FitSettings
from tests.parameters import files_of

TINY = ExperimentSettings(
    sizes=SetSizes(12, 6, 8),
    seeds=2,
    max_epoch=1,
    fine_tuned_seeds=1,
    fine_tuned_train=8,
    fine_tuned_epochs=1,
    fine_tuned_dev=4,
    fine_tuned_batch_size=4,
)
PLACES = ["山上", "河边", "海口", "城里"]


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an untrained masked language model that reads at most 14 pieces."""
    words = dict.fromkeys(["山", "上", "河", "边", "海", "口", "城", "里", "有", "塔", "几", "在", "。", "iphone"], 1)
    vocabulary = PieceVocabulary.from_words(words)
    paddle.seed(6)
    sizes = {"hidden_size": 8, "num_layers": 2, "num_heads": 2, "intermediate_size": 12, "max_length": 16}
    config = MaskedLMConfig(len(vocabulary), dropout=0.0, attention_dropout=0.0, **sizes)
    return write_model(tmp_path_factory.mktemp("bert") / "tiny-bert", files_of(MaskedLM(config), vocabulary))


@pytest.fixture(scope="session")
def own_sets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small sets of each task in the form of data/tasks."""
    rows: dict[str, list[list[str]]] = {
        "inference": [["part", "premise", "hypothesis", "label"]],
        "similarity": [["part", "first", "second", "label"]],
        "sentiment": [["part", "text", "label"]],
        "entities": [["part", "tagged"]],
        "matching": [["part", "question_id", "question", "candidate", "label"]],
    }
    labels = ["entailment", "neutral", "contradiction"]
    for number in range(24):
        part, place = "train" if number % 3 else "test", PLACES[number % 4]
        text, one = f"{place}有{number}座塔。", str(number % 2)
        rows["inference"].append([part, text, f"{place}有塔", labels[number % 3 if number % 5 else 0]])
        rows["similarity"].append([part, text, f"几座塔在{place}", one])
        rows["sentiment"].append([part, f"{text} 好" * (1 + number % 2), one])
        rows["entities"].append([part, f"我/O 在/O {place}/LOC 见/O 王/PER"])
        for candidate in range(2 + number % 2):
            rows["matching"].append(
                [part, f"q{number}", f"{place}有几座塔", f"{text}{candidate}", str(int(candidate == 0))]
            )
    folder = tmp_path_factory.mktemp("own_sets")
    for name, lines in rows.items():
        (folder / f"{name}.tsv").write_text("".join("\t".join(line) + "\n" for line in lines), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def encoders(tiny_elmo: Path, tiny_word2vec: Path, tiny_bert: Path) -> dict[str, Path]:
    """One of each kind."""
    return {"word2vec": tiny_word2vec, "elmo": tiny_elmo, "bert": tiny_bert}


@pytest.fixture
def small_grid(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two settings of one kind and one of the other, to save time."""
    monkeypatch.setattr(module, "GRID", module.GRID[:2])
    monkeypatch.setattr(module, "FINE_TUNING_GRID", module.FINE_TUNING_GRID[:1])


@pytest.mark.parametrize(
    ("scores", "right", "expected"),
    [
        ([0.9, 0.1, 0.5], [0], 1.0),
        ([0.9, 0.1, 0.5], [2], 1 / 2),
        ([0.9, 0.1, 0.5], [1], 1 / 3),
        ([0.9, 0.1, 0.5], [1, 2], 1 / 2),  # the better one of two
        ([0.5, 0.5, 0.5], [1], 1 / 3),  # ties don't help
    ],
)
def test_reciprocal_rank_by_hand(scores: list[float], right: list[int], expected: float) -> None:
    assert reciprocal_rank(scores, right) == pytest.approx(expected)


@pytest.mark.parametrize("right", [[], [3], [-1]])
def test_a_right_candidate_must_be_one(right: list[int]) -> None:
    with pytest.raises(InputError, match="right candidates"):
        reciprocal_rank([0.1, 0.2, 0.3], right)


def test_mean_reciprocal_rank_and_accuracy_at_1() -> None:
    found = match.score(np.array([[1.0], [0.5], [0.25], [1.0]]))
    assert found == {"mrr": pytest.approx(2.75 / 4), "accuracy_at_1": pytest.approx(0.5)}


def test_a_text_is_cut_by_the_characters_that_are_seen() -> None:
    assert cut_text("山 上有塔", 2) == "山 上"
    assert cut_text("山 上", 2) == "山 上"
    assert cut_text("山上有塔", 3) == "山上有"


def test_each_character_has_the_vectors_of_its_own_piece(tiny_bert: Path) -> None:
    encoder = load_text_encoder(tiny_bert)
    text = "山 iPhone塔\u200b。"  # the zero-width space is dropped by the tokenizer
    units, owners = encoder.read(text, [], np.arange(0))
    assert len(units) == 6  # [CLS], 山, iphone, 塔, 。, [SEP]
    assert owners.tolist() == [1, *[2] * 6, 3, 0, 4]


def test_what_a_model_has_no_room_for_is_read_as_its_last_token(tiny_bert: Path) -> None:
    encoder = load_text_encoder(tiny_bert)
    units, owners = encoder.read("塔" * 20, [], np.arange(0))
    assert len(units) == 16
    assert owners.tolist() == [*range(1, 15), *[15] * 6]


@pytest.mark.parametrize("kind", ["elmo", "bert"])
def test_vectors_inside_a_network_are_those_computed_before(encoders: dict[str, Path], kind: str) -> None:
    encoder = load_text_encoder(encoders[kind])
    strings = ["山上有塔。", "塔", "河边在海口"]
    texts = Texts(character_vocabulary(strings), encoder)
    texts.add(strings)
    texts.freeze()
    assert texts.vectors is not None
    chosen = [texts[string] for string in strings]
    frozen, frozen_begins = texts.vectors.rows(chosen)
    with paddle.no_grad():
        inside, begins = encoder.run([text.units for text in chosen])
    for layer, other, scale in zip(frozen.numpy(), inside, texts.vectors.scales, strict=True):
        for text, begin, other_begin in zip(chosen, frozen_begins, begins, strict=True):
            count = len(text.units)
            expected = other.numpy()[other_begin : other_begin + count] * scale
            # half precision has 11 bits
            np.testing.assert_allclose(layer[begin : begin + count], expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("kind", ["elmo", "bert"])
def test_a_network_gives_the_same_with_the_encoder_inside(encoders: dict[str, Path], own_sets: Path, kind: str) -> None:
    encoder = load_text_encoder(encoders[kind])
    material = Material.read(read_own(own_sets, "similarity"), encoder)
    material.texts.freeze()
    frozen, inside = (material.network(0.0, material.texts.vectors, part) for part in (None, encoder))
    for network in (frozen, inside):
        network.eval()
        for name, parameter in network.named_parameters():
            if not name.startswith("encoder"):
                parameter.set_value(np.random.default_rng(len(name)).normal(0, 0.2, parameter.shape).astype("float32"))
    expected = frozen(material.test[:5]).numpy()
    np.testing.assert_allclose(inside(material.test[:5]).numpy(), expected, atol=2e-3)  # half precision has 11 bits


@pytest.mark.parametrize("kind", ["elmo", "bert"])
@pytest.mark.parametrize("name", OWN_SETS)
def test_only_fine_tuning_changes_an_encoder(encoders: dict[str, Path], own_sets: Path, kind: str, name: str) -> None:
    encoder = load_text_encoder(encoders[kind])
    material = Material.read(read_own(own_sets, name), encoder)
    material.texts.freeze()
    before = parameters_of(encoder.trainable)
    settings = FitSettings(max_epoch=1, batch_size=4)
    seed_everything(1)
    network = material.network(0.1, material.texts.vectors)
    own = parameters_of(network)
    fit(network, material.train[:4], material.dev[:2], settings, material.score)
    assert all((value == before[key]).all() for key, value in parameters_of(encoder.trainable).items())
    # Of tables some rows stay, maybe all that matter; a softmax does not feel what is added to all scores alike.
    unused = {"embedding.weight", "place_embedding.weight", *(["head.output.bias"] if name == "matching" else [])}
    still = [key for key, value in parameters_of(network).items() if (value == own[key]).all()]
    assert not set(still) - unused

    network = material.network(0.1, material.texts.vectors, encoder)
    fit(network, material.train[:4], material.dev[:2], settings, material.score)
    after = parameters_of(encoder.trainable)
    moved = {key for key, value in after.items() if (value != before[key]).any()}
    assert moved == set(before) - {key for key in before if "softmax" in key}


@pytest.mark.parametrize("name", OWN_SETS)
def test_the_loss_falls_and_the_best_epoch_is_kept(own_sets: Path, name: str) -> None:
    material = Material.read(read_own(own_sets, name), None)
    seed_everything(2)
    network = material.network(0.0, None)
    settings = FitSettings(learning_rate=1e-2, max_epoch=4, patience=4, batch_size=4)
    history = fit(network, material.train, material.dev, settings, material.score)
    assert history[-1]["loss"] < history[0]["loss"]
    assert material.score(outcomes(network, material.dev)) == pytest.approx(max(epoch["dev"] for epoch in history))


def test_a_run_depends_on_its_seed_alone(own_sets: Path) -> None:
    def train(seed: int) -> list[float]:
        material = Material.read(read_own(own_sets, "sentiment"), None)
        seed_everything(seed)
        network = material.network(0.3, None)
        fit(network, material.train, material.dev, FitSettings(max_epoch=2, random_seed=seed), material.score)
        return [float(value.sum()) for value in parameters_of(network).values()]

    assert train(1) == train(1) != train(2)


def test_every_example_is_in_one_batch(own_sets: Path) -> None:
    material = Material.read(read_own(own_sets, "inference"), None)
    found = [id(example) for batch in batches(material.train, 5, np.random.default_rng(0)) for example in batch]
    assert sorted(found) == sorted(map(id, material.train))


def test_a_loss_that_is_not_finite_is_a_failed_run(own_sets: Path) -> None:
    material = Material.read(read_own(own_sets, "sentiment"), None)
    network = material.network(0.0, None)
    network.head.weight.set_value(network.head.weight * float("nan"))
    with pytest.raises(RunError, match="lower learning_rate"):
        fit(network, material.train, material.dev, FitSettings(max_epoch=1), material.score)


def test_word_vectors_can_t_be_fine_tuned(encoders: dict[str, Path], own_sets: Path) -> None:
    encoder: TextEncoder = load_text_encoder(encoders["word2vec"])
    material = Material.read(read_own(own_sets, "sentiment"), encoder)
    material.texts.freeze()
    with pytest.raises(InputError, match="use it frozen"):
        material.network(0.1, material.texts.vectors, encoder)


@pytest.mark.slow
def test_all_tasks_with_all_encoders(
    encoders: dict[str, Path], own_sets: Path, tmp_path: Path, small_grid: None
) -> None:
    experiment = TasksExperiment(encoders, tmp_path / "work", TINY, data=own_sets)
    experiment.run()
    found = summarise(experiment)
    systems = {(row["set"], row["encoder"], row["mode"]) for row in found["rows"]}
    frozen = {(name, encoder, "frozen") for name in OWN_SETS for encoder in ("none", *encoders)}
    assert systems == frozen | {(name, encoder, "fine_tuned") for name in OWN_SETS for encoder in ("elmo", "bert")}
    assert all(0 <= value <= 100 for row in found["rows"] for value in row["values"])
    against = [
        d for d in found["differences"] if (d["set"], d["encoder"], d["against"]) == ("matching", "bert", "none")
    ]
    assert {d["mode"] for d in against} == {"frozen", "fine_tuned"}
    assert len(found["means"]) == 6
    json.dumps(found)

    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "work").glob("*.json")}
    TasksExperiment(encoders, tmp_path / "work", TINY, data=own_sets).run()
    assert times == {path: path.stat().st_mtime_ns for path in (tmp_path / "work").glob("*.json")}


def test_only_what_is_missing_is_done_again_and_comes_out_the_same(
    encoders: dict[str, Path], own_sets: Path, tmp_path: Path, small_grid: None
) -> None:
    def run() -> None:
        TasksExperiment({"bert": encoders["bert"]}, tmp_path, TINY, data=own_sets, sets=["sentiment"]).run()

    run()
    group = Group("sentiment", "bert", "fine_tuned")
    records = {path.name: path.read_text() for path in tmp_path.glob("*.json")}
    (tmp_path / f"{group.run(0)}.json").unlink()
    kept = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("*.json")}
    run()
    assert {name: (tmp_path / name).stat().st_mtime_ns for name in kept} == kept
    old, new = (
        json.loads(text) for text in (records[f"{group.run(0)}.json"], (tmp_path / f"{group.run(0)}.json").read_text())
    )
    assert (new["scores"], new["gamma"]) == (old["scores"], old["gamma"])


def test_what_can_not_be_opened_is_told_before_anything_is_trained(
    encoders: dict[str, Path], own_sets: Path, tmp_path: Path, small_grid: None
) -> None:
    shutil.copytree(encoders["bert"], tmp_path / "damaged")
    weights = tmp_path / "damaged" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-8])
    with pytest.raises(InputError, match=r"damaged/model\.safetensors"):
        TasksExperiment({"bert": tmp_path / "damaged"}, tmp_path / "work", TINY, data=own_sets).run()
    shutil.copytree(own_sets, tmp_path / "sets")
    (tmp_path / "sets" / "matching.tsv").write_text("nothing", encoding="utf-8")
    with pytest.raises(InputError, match=r"matching\.tsv"):
        TasksExperiment({}, tmp_path / "work", TINY, data=tmp_path / "sets").run()
    assert not list((tmp_path / "work").glob("*.json"))


def test_runs_of_another_experiment_are_refused(own_sets: Path, tmp_path: Path, small_grid: None) -> None:
    TasksExperiment({}, tmp_path, TINY, data=own_sets, sets=["sentiment"]).run()
    other = ExperimentSettings(sizes=SetSizes(10, 6, 8), seeds=2, fine_tuned_seeds=0)
    with pytest.raises(InputError, match="another --work"):
        TasksExperiment({}, tmp_path, other, data=own_sets, sets=["sentiment"]).run()


def test_a_folder_of_before_is_gone_on_with(own_sets: Path, tmp_path: Path, small_grid: None) -> None:
    runs = RunFolder(tmp_path)
    identity = {
        "data": read_own(own_sets, "sentiment", TINY.sizes).fingerprint,
        "encoder": None,
        "grid": [{"learning_rate": 1e-3, "dropout": 0.2}, {"learning_rate": 3e-3, "dropout": 0.2}],
        "sizes": {"train": 12, "dev": 6, "test": 8},
        "max_epoch": 1,
        "patience": 2,
        "batch_size": 32,
    }
    for name, dev in (("grid0", 0.25), ("grid1", 0.5), ("seed0", 0.5)):
        runs.write(f"sentiment-none-frozen-{name}", {"dev": dev, "identity": identity})
    before = {path.name: path.read_bytes() for path in tmp_path.glob("*.json")}
    lines: list[str] = []
    TasksExperiment({}, tmp_path, TINY, data=own_sets, sets=["sentiment"], report=lines.append).run()
    after = {path.name: path.read_bytes() for path in tmp_path.glob("*.json")}
    new = "sentiment-none-frozen-seed1"
    assert after.keys() - before.keys() == {f"{new}.json"}
    assert {name: after[name] for name in before} == before
    record = runs.read(new) or {}
    assert record["setting"] == identity["grid"][1]  # the better one
    assert record["identity"] == identity
    assert ",".join(record) == (
        "data,task,encoder,mode,seed,setting,dev,history,scores,seconds,cpu_seconds,identity"  # and in this order
    )
    assert runs.arrays(new).keys() == {"outcomes"}
    assert re.fullmatch(r"sentiment-none-frozen: texts read in \S+ s of CPU", lines[0])
    assert re.fullmatch(rf"{new}: dev \S+, test \S+, \S+ s of CPU", lines[-1])


def _claim_and_wait(folder: Path, ready: str) -> None:
    with RunFolder(folder).claim("group") as mine:
        Path(ready).write_text(str(mine))
        signal.pause()


def test_a_claim_is_exclusive_and_ends_with_its_process(tmp_path: Path) -> None:
    runs = RunFolder(tmp_path)
    ready = tmp_path / "ready"
    process = multiprocessing.get_context("fork").Process(target=_claim_and_wait, args=(tmp_path, str(ready)))
    process.start()
    try:
        while not ready.exists() or not ready.read_text():
            assert process.is_alive()
        with runs.claim("group") as mine:
            assert not mine
        with runs.claim("other") as mine:
            assert mine
    finally:
        os.kill(process.pid or 0, signal.SIGKILL)
        process.join()
    with runs.claim("group") as mine:
        assert mine


def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(InputError, match=r"run\.json: is no record"):
        RunFolder(tmp_path).read("run")
    with pytest.raises(InputError, match=r"run\.npz: is missing"):
        RunFolder(tmp_path).arrays("run")


@pytest.mark.parametrize("end", [0, 1, 40, -1, -30])
def test_cut_arrays_of_a_run_are_named(tmp_path: Path, end: int) -> None:
    runs = RunFolder(tmp_path)
    runs.write("run", {}, {"answers": np.arange(100)})
    whole = (tmp_path / "run.npz").read_bytes()
    (tmp_path / "run.npz").write_bytes(whole[:end])
    with pytest.raises(InputError, match=r"run.npz: is missing or damaged; remove run.json beside it"):
        runs.arrays("run")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda folder: ["--encoder", "elmo-zh-small"], "give name=path"),
        (lambda folder: ["--encoder", "a=x", "--encoder", "a=y"], "given twice"),
        (lambda folder: ["--encoder", "none=x"], "named 'none'"),
        (lambda folder: ["--encoder", "gone=no-such-model"], "no such model"),
        (lambda folder: ["--set", "poems"], "the set 'poems' is unknown"),
        (lambda folder: ["--train", "0"], "train is 0"),
        (lambda folder: ["--seeds", "2"], "give no more of them"),
        (lambda folder: ["--data", str(folder / "nowhere")], "can't be read"),
        (lambda folder: ["--corpora", str(folder / "nowhere")], "can't be read"),
    ],
)
def test_a_bad_call_is_told_in_one_line(tmp_path: Path, change: Callable[[Path], list[str]], said: str) -> None:
    arguments = ["eval", "tasks", "--work", str(tmp_path / "w"), "--results", str(tmp_path / "r.json")]
    result = CliRunner().invoke(app, [*arguments, *change(tmp_path)])
    assert isinstance(result.exception, InputError)
    assert result.exception.exit_code == 2
    assert said in str(result.exception)
    assert "\n" not in str(result.exception)
    assert not (tmp_path / "r.json").exists()


@pytest.mark.slow
def test_the_command_writes_results_from_our_own_sets(
    data: Path, tiny_bert: Path, tmp_path: Path, small_grid: None
) -> None:
    arguments = ["eval", "tasks", "--data", str(data / "tasks"), "--work", str(tmp_path / "w")]
    arguments += ["--encoder", f"bert={tiny_bert}", "--train", "12", "--dev", "6", "--test", "10", "--seeds", "2"]
    arguments += ["--fine_tuned_seeds", "1", "--max_epoch", "1", "--results", str(tmp_path / "tasks.json")]
    result = CliRunner().invoke(app, arguments)
    assert result.exception is None, result.output
    found = json.loads((tmp_path / "tasks.json").read_text())
    assert set(found["sets"]) == set(OWN_SETS)
    assert len(found["rows"]) == 3 * len(OWN_SETS)
    first = (tmp_path / "tasks.json").read_text()
    assert CliRunner().invoke(app, [*arguments, "--summary"]).exception is None
    assert (tmp_path / "tasks.json").read_text() == first


def test_names_and_paths_of_encoders() -> None:
    assert parse_encoders(["a=x", "b=y=z"]) == {"a": "x", "b": "y=z"}
