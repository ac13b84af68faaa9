"""What ELMo adds to LAC: the plan, runs that are done once and taken over, and the tables that are made of them."""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import lac_curve
from elmo.convert.lark import write_lark
from elmo.encoding.encoder import Encoder
from elmo.errors import InputError
from elmo.models import read_model
from elmo.system.run_folder import RunFolder
from elmo.tagging.experiment import plan, runs, summary
from elmo.tagging.experiment.plan import Run, planned, settings_of
from elmo.tagging.experiment.runs import Corpora, LacExperiment
from elmo.tagging.experiment.summary import Summary
from elmo.tagging.score import SentenceCounts
from elmo.text.vocabulary import Vocabulary
from elmo.training.bilm import pretrain
from elmo.training.settings import PretrainSettings
from tests.commands import elmo as call
from tests.refusals import refusal

TAGS = ("n", "v", "PER")
SENTENCES = [
    "我们/n 明天/n 去/v 河边/n",
    "李/nr 明/nr 散步/v",
    "河边/n 散步/v 好/v",
    "明天/n 我们/n 散步/v",
    "好/v 风/n",
]


@pytest.fixture
def corpora(tmp_path: Path) -> Path:
    """A folder of public corpora with a dozen sentences of our own."""
    folder = tmp_path / "corpora/lac"
    folder.mkdir(parents=True)
    lines = [
        f"199801{day}-01-001-{number:03}/m  {'  '.join(text.split())}\n"
        for day, texts in (("05", SENTENCES * 2), ("22", SENTENCES[:3]), ("23", SENTENCES[1:]))
        for number, text in enumerate(texts, 1)
    ]
    (folder / "peoples_daily_199801_01-24.txt").write_text("".join(lines), encoding="utf-8")
    words = [("河边", "NOUN", "NN"), ("散步", "VERB", "VV"), ("好", "VERB", "VV")]
    rows = [f"{at}\t{word}\t_\t{tag}\t{own}\t_\t0\troot\t_\t_\n" for at, (word, tag, own) in enumerate(words, 1)]
    (folder / "ud_gsdsimp_dev.conll").write_text("".join([*rows, "\n", *rows[:2], "\n"]), encoding="utf-8")
    return tmp_path / "corpora"


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """An experiment of an epoch, few sentences and seeds, a grid of two settings, and three tags."""
    for size, count in (("500", 4), ("2000", 6), ("8000", 8)):
        monkeypatch.setitem(plan.SIZES, size, count)
    for size in plan.SIZES:
        monkeypatch.setitem(plan.EPOCHS, size, 1)
        monkeypatch.setitem(plan.SEEDS, size, 2)
    for module in (plan, runs, summary):
        monkeypatch.setattr(module, "GRID", plan.GRID[-2:])
    for module in (runs, summary):
        monkeypatch.setattr(module, "TAGS", TAGS)
    monkeypatch.setattr(summary, "_RESAMPLES", 50)


def of(system: str, size: str = "500", seed: int = 0, tokens: str = "characters", grid: int | None = None) -> Run:
    return Run(system, size, seed, tokens, grid=grid)


def test_each_run_is_planned_once_the_grids_first() -> None:
    names = [run.name for run in planned()]
    assert len(set(names)) == len(names)
    assert names[0] == "baseline-characters-pd-2000-seed100-grid0"
    assert all("-grid" in name for name in names[:24]) and not any("-grid" in name for name in names[24:])
    kinds = Counter(re.sub(r"-seed\d+", "", name) for name in names[24:])
    assert [kinds[f"elmo-characters-pd-{size}"] for size in plan.SIZES] == [5, 5, 5, 3]
    assert kinds["elmo_lark-characters-pd-8000"] == kinds["baidu_elmo-words-pd-all"] == 3
    assert "elmo_characters-words-pd-500" not in kinds


def test_a_run_takes_the_settings_of_its_family_and_needs_its_models() -> None:
    families = {run.system: run.family for run in planned()}
    assert families["elmo_lark"] == families["elmo_layer2"] == families["elmo_fine_tuned"] == "elmo"
    assert families["elmo_characters"] == "elmo_characters"
    models = {run.system: run.models for run in planned()}
    assert (models["baseline"], models["elmo_reversed"], models["word2vec"]) == ((), ("elmo",), ("word2vec",))
    assert (models["baidu"], models["baidu_elmo"]) == (("baidu",), ("baidu", "elmo"))
    assert of("elmo_lark").grid_runs == [of("elmo", "2000", 100, grid=grid) for grid in range(6)]
    assert of("baidu").grid_runs == []


def test_only_one_kind_of_system_has_the_other_setting() -> None:
    setting = plan.GRID[-1]
    plain, sizes = settings_of(of("baseline"), setting, reads_vectors=False)
    assert (plain.unknown, sizes) == (0.2, {"dropout": 0.5})
    beside, sizes = settings_of(of("elmo"), setting, reads_vectors=True)
    assert (beside.unknown, sizes) == (0.5, {"dropout": 0.5, "feature_dropout": 0.2})
    assert settings_of(of("baidu", "all"), plan.BAIDU_SETTING, reads_vectors=False)[0].embedding_rate == 1.0


def test_a_seed_draws_the_sentences(corpora: Path, small: None) -> None:
    read = Corpora(corpora)
    samples = [["".join(s.words) for s in read.sample(of("elmo", seed=seed))[0]] for seed in (0, 0, 1)]
    assert samples[0] == samples[1] != samples[2]
    assert [len(each) for each in samples] == [4, 4, 4]
    assert len(read.sample(of("elmo", "all"))[0]) == 10


@pytest.fixture
def models(tiny_elmo: Path, tiny_character_elmo: Path, tiny_word2vec: Path, tiny_lac: Path) -> dict[str, Any]:
    return {"elmo": tiny_elmo, "elmo_characters": tiny_character_elmo, "word2vec": tiny_word2vec, "baidu": tiny_lac}


ONLY = ["-grid", "characters-pd-500-seed", "baidu"]


def test_runs_are_done_once_and_summed_up(
    corpora: Path, models: dict[str, Any], small: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []
    experiment = LacExperiment(corpora, tmp_path / "work", models, ONLY, lines.append)
    experiment.run()
    wanted = experiment.jobs()
    assert len(wanted) == 8 + 4 * 2 + 3 * 10 + 3 * 2  # grids, the main table, ablations, Baidu's
    assert all(experiment.record(run) for run in wanted)
    assert lines[0] == f"baseline-characters-pd-2000-seed100-grid0 (0 of {len(wanted)} runs are done)"
    assert any(re.match(r"elmo-characters-pd-500-seed0: F1 dev \S+, pd/test \S+, ud/test \S+; \d+ s", x) for x in lines)

    def never(self: LacExperiment, run: Run) -> None:
        raise AssertionError(run.name)

    monkeypatch.setattr(LacExperiment, "do", never)
    LacExperiment(corpora, tmp_path / "work", models, ONLY).run()

    tables = Summary(experiment).tables()
    transfer = {(r["system"], r["scored_on"], r["score"]): r for r in tables["lac_transfer"]["rows"]}
    assert len(transfer) == len(tables["lac_transfer"]["rows"]) == 4 * 4
    assert set(tables["lac_transfer"]["models"]) == {"elmo", "elmo_characters"}
    network = Encoder.from_pretrained(models["elmo"]).model
    about = tables["lac_transfer"]["models"]["elmo"]
    assert about["parameters"] == sum(parameter.size for parameter in network.parameters())
    assert about["hidden_size"] == network.config.hidden_size
    row = transfer["elmo_characters", "pd/test", "tagged"]
    assert (row["seeds"], row["against"], list(row["compared"])) == (2, "baseline", ["word2vec", "elmo"])
    assert "against" not in transfer["baseline", "pd/test", "tagged"]
    base = transfer["baseline", "pd/test", "tagged"]
    assert row["differences"] == pytest.approx(np.subtract(row["f1"], base["f1"]).tolist())
    for found in (row, row["compared"]["elmo"]):
        for name in ("bootstrap", "bootstrap_seeds"):
            assert found[name]["low"] <= found[name]["high"]
            assert 0 < found[name]["p_value"] <= 1
    assert len(transfer["elmo", "pd/test", "tagged"]["layer_weights"]) == 3
    ablations = {row["system"]: row for row in tables["lac_ablations"]["rows"]}
    assert set(ablations) == {"baseline", "elmo", "word2vec", *plan.ABLATIONS}
    assert {row["against"] for name, row in ablations.items() if name != "elmo"} == {"elmo"}
    assert {row["tokens"] for row in ablations.values()} == {"characters"}
    baidu = tables["lac_baidu"]
    assert {(row["system"], row["size"]) for row in baidu["rows"]} == {("baidu", "all"), ("baidu_elmo", "all")}
    assert 0 <= baidu["untrained"]["tagged"]["f1"] <= 1
    assert tables["lac_transfer"]["sentences"] == {"500": 4, "2000": 6, "8000": 8, "all": 10}
    assert [entry["system"] for entry in baidu["tuning"]] == [name for name in plan.FAMILIES for _ in range(2)]


def test_a_record_says_what_it_was_made_with_and_another_model_is_refused(
    corpora: Path, models: dict[str, Any], small: None, tmp_path: Path
) -> None:
    only = ["word2vec-characters-pd-2000-seed100-grid0"]
    experiment = LacExperiment(corpora, tmp_path / "work", {"word2vec": models["word2vec"]}, only)
    experiment.run()
    record = RunFolder(tmp_path / "work").read(only[0])
    assert record is not None
    assert record["models"].keys() == {"word2vec"}
    assert (record["system"], record["tokens"], record["grid"]) == ("word2vec", "characters", 0)
    assert record["amp"] in ("none", "bf16")
    experiment.fingerprints["word2vec"] = "another"
    with pytest.raises(InputError, match="was computed with another word2vec: give the same, or another work folder"):
        experiment.run()


def score(f1: float) -> dict[str, Any]:
    return {name: {"f1": f1} for name in plan.SCORES}


def test_records_of_before_are_taken_over(corpora: Path, small: None, tmp_path: Path) -> None:
    work = RunFolder(tmp_path / "work")
    fields = {"corpus": "pd", "tokens": "characters", "settings": {}, "epochs": 1, "seconds": 1.0}
    for grid, dev in enumerate((0.1, 0.3)):
        run = of("baseline", "2000", 100, grid=grid)
        work.write(run.name, {**fields, "system": "baseline", "size": "2000", "seed": 100, "grid": grid, "dev_f1": dev})
    run, counts = of("baseline"), np.ones([3, 2], np.int64)
    record = {**fields, "system": "baseline", "size": "500", "seed": 0, "grid": None, "dev_f1": 0.5}
    parts = {"pd/test": score(0.4), "ud/test": score(0.3)}
    work.write(run.name, {**record, **parts}, {"pd/test/tagged": counts})
    experiment = LacExperiment(corpora, tmp_path / "work", {}, ["baseline-characters-pd-500-seed0", "baseline-char"])
    assert experiment.record(run) is not None
    assert experiment.setting(of("baseline", seed=1)) == plan.GRID[1]  # the better one
    assert isinstance(experiment.counts(run)["pd/test/tagged"], SentenceCounts)
    rows = Summary(experiment).tables()["lac_transfer"]["rows"]
    assert [row["mean"] for row in rows] == [40.0, 40.0, 30.0, 30.0]
    work.write(run.name, record)  # as of a run that was scored on less
    assert experiment.record(run) is None


@pytest.mark.parametrize(
    "change",
    [{"dev_f1": "high"}, {"seed": 1}, {"pd/test": {"tagged": 1}}, {"models": ["elmo"]}, {"pd/test": 3}],
)
def test_a_damaged_record_is_one_line(corpora: Path, tmp_path: Path, change: dict[str, Any]) -> None:
    run = of("baseline")
    whole = {"system": "baseline", "size": "500", "seed": 0, "tokens": "characters", "corpus": "pd", "grid": None}
    scores = {"dev_f1": 0.5, "pd/test": score(0.4), "ud/test": score(0.3)}
    RunFolder(tmp_path / "work").write(run.name, {**whole, **scores, **change})
    assert "seed0.json: is no record of this run; remove it" in refusal(
        LacExperiment(corpora, tmp_path / "work", {}).record, run
    )


def test_runs_without_tuned_settings_are_left_out_unless_another_process_tunes(
    corpora: Path, small: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []
    LacExperiment(corpora, tmp_path / "work", {}, ["baseline-characters-pd-500-seed0"], lines.append).run()
    assert lines == [
        "baseline-characters-pd-500-seed0 is left out: the settings of baseline are not tuned, nor will be",
        "0 of 1 runs are done",
    ]
    waited: list[float] = []

    def tune(seconds: float) -> None:  # as the other process does meanwhile
        waited.append(seconds)
        for held in claims:
            held.__exit__(None, None, None)
        claims.clear()
        LacExperiment(corpora, tmp_path / "work", {}, ["baseline-characters-pd-2000-seed100"]).run()

    claims = [RunFolder(tmp_path / "work").claim(run.name) for run in of("baseline").grid_runs]
    for held in claims:
        held.__enter__()
    monkeypatch.setattr(runs.time, "sleep", tune)
    experiment = LacExperiment(corpora, tmp_path / "work", {}, ["baseline-characters-pd-500-seed0"])
    experiment.run()
    assert len(waited) == 1
    assert experiment.record(of("baseline")) is not None


def test_the_command_leaves_out_what_has_no_model_and_writes_the_tables(
    corpora: Path, small: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [
        "lac",
        "experiment",
        "--corpora",
        corpora,
        "--work",
        tmp_path / "work",
        "--only",
        "characters-pd-2000-seed1",
    ]
    assert call(*given, "--results", tmp_path / "results") == 0
    err = capsys.readouterr().err
    for name in ("elmo", "word2vec", "elmo_characters"):
        assert f"no model is given as {name}: its runs are left out\n" in err
    assert err.endswith("lac_baidu.json: 0 rows\n")
    assert "lac_transfer.json: 4 rows\n" in err
    found = json.loads((tmp_path / "results/lac_transfer.json").read_text(encoding="utf-8"))
    assert {"elmo", "sentences", "tokenisation", "tuning", "rows", "versions"} <= found.keys()
    assert [entry["system"] for entry in found["tuning"]] == ["baseline"] * 2
    assert call(*given, "--results", tmp_path / "again", "--summary") == 0
    assert json.loads((tmp_path / "again/lac_transfer.json").read_text(encoding="utf-8")) == found


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--summary"], "--summary writes results files: say in which folder with --results"),
        (
            ["--only", "seed77"],
            "no run's name holds 'seed77': names are such as baseline-characters-pd-2000-seed100-grid0",
        ),
        (["--elmo", "none-such"], "none-such: no such model directory"),
        (["--results", "{t}/corpora", "--corpora", "{t}/gone", "--summary"], "{t}/gone/lac/peoples_daily"),
    ],
)
def test_a_bad_call_is_one_line(
    corpora: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], message: str
) -> None:
    arguments = ["lac", "experiment", "--corpora", corpora, "--work", tmp_path / "work"]
    assert call(*arguments, *[part.format(t=tmp_path) for part in more]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message.format(t=tmp_path) in err
    assert err.count("\n") == 1


def test_an_elmo_of_another_system_is_described_too(tiny_elmo: Path, tmp_path: Path) -> None:
    files = read_model(tiny_elmo)
    write_lark(files, tmp_path / "lark")
    ours, theirs = summary._about(tiny_elmo), summary._about(tmp_path / "lark")
    assert (theirs["hidden_size"], theirs["vocab_size"]) == (ours["hidden_size"], ours["vocab_size"])
    assert theirs["tokens_read"] is None


def pretrained(folder: Path, epochs: int) -> Path:
    """The last checkpoint of a run of some epochs, with a held-out perplexity."""
    folder.mkdir()
    text, vocabulary = folder / "shard", folder / "vocabulary.txt"
    text.write_text("我们 明天 去 河边 散步 好 风\n" * 40, encoding="utf-8")
    Vocabulary.from_counts(dict.fromkeys("我们 明天 去 河边 散步 好".split(), 2)).save(vocabulary)
    settings = PretrainSettings(max_epoch=epochs, batch_size=2, num_steps=5, n_negative_samples_batch=4)
    sizes = {"embed_size": 4, "hidden_size": 6, "num_layers": 1}
    run = str(folder / "run")
    pretrain(str(text), str(vocabulary), test_path=str(text), para_save_dir=run, sizes=sizes, settings=settings)
    return Path(run) / f"epoch_{epochs:03}"


def test_the_gain_of_elmos_that_have_read_more_is_set_beside_their_perplexity(
    corpora: Path, tiny_word2vec: Path, small: None, tmp_path: Path
) -> None:
    less, own, more = (pretrained(tmp_path / f"pretrained{epochs}", epochs) for epochs in (1, 2, 3))
    work, models = tmp_path / "work", {"elmo": own, "word2vec": tiny_word2vec}
    arguments = argparse.Namespace(
        models=[str(less)],
        elmo=str(own),
        more=[str(more)],
        word2vec=str(tiny_word2vec),
        test_path=str(tmp_path / "pretrained1/shard"),
        corpora=corpora,
        work=work,
        runs=tmp_path / "curve",
        seeds=2,
    )
    with pytest.raises(SystemExit, match="the settings of elmo are not tuned"):
        lac_curve.measure(arguments)
    LacExperiment(corpora, work, models, ["-grid"]).run()
    with pytest.raises(SystemExit, match="baseline-characters-pd-500-seed0 is not done: run `elmo lac experiment`"):
        lac_curve.measure(arguments)
    names = [of(system, size).name[:-1] for system in lac_curve.SYSTEMS for size in lac_curve.SIZES]
    LacExperiment(corpora, work, models, names).run()
    before = {path: path.read_bytes() for path in work.iterdir()}
    found = lac_curve.measure(arguments)
    assert {path: path.read_bytes() for path in work.iterdir()} == before
    first, second, third = found["points"]
    assert first["perplexity"] > second["perplexity"] > third["perplexity"] > 1
    assert [2 * first["tokens_read"], 3 * first["tokens_read"]] == [second["tokens_read"], third["tokens_read"]]
    released = LacExperiment(corpora, work, models)
    for place, (size, part, score) in enumerate(lac_curve.SCORES):
        rows = [point["rows"][place] for point in found["points"]]
        assert [(row["system"], row["size"], row["seeds"], row["against"]) for row in rows] == 3 * [
            ("elmo", size, 2, "baseline")
        ]
        assert rows[1] == Summary(released).row("elmo", size, "characters", part, score, ["baseline"])
        assert (found["word2vec"][place]["system"], found["word2vec"][place]["size"]) == ("word2vec", size)
        gains, line = [row["difference"] for row in rows], found["fits"][place]
        middle = np.mean(np.log([point["perplexity"] for point in found["points"]]))
        assert line["offset"] + line["slope"] * middle == pytest.approx(np.mean(gains))
        assert (line["size"], line["scored_on"], line["score"]) == (size, part, score)
        assert line["each_halving"]["value"] == pytest.approx(-line["slope"] * np.log(2))


def test_the_line_of_the_gain_meets_the_goal() -> None:
    def at(perplexity: float, *gains: float) -> dict[str, object]:
        return {"perplexity": perplexity, "rows": [{"differences": gains}]}

    line = lac_curve.fit([at(400, 0.8, 1.2), at(200, 1.4, 1.6), at(100, 1.9, 2.1)], 0, 2.5)
    assert (
        line["each_halving"]["value"]
        == pytest.approx(0.5)
        == (line["each_halving"]["low"] + line["each_halving"]["high"]) / 2
    )
    assert line["perplexity_at_goal"] == pytest.approx(50)
    assert line["each_halving"]["low"] < 0.45, "the slopes of the two seeds differ"
    assert lac_curve.fit([at(400, 1, 1), at(100, 0.5, 0.9)], 0, 2)["perplexity_at_goal"] is None, "it falls"
