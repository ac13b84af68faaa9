"""`elmo lac train`, `elmo lac eval` and `elmo lac tag` with a tagger of ours: files in, a model and its scores out."""

from __future__ import annotations

import dataclasses
import itertools
import json
import re
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from elmo.corpora.tagged import Tagged
from elmo.errors import InputError
from elmo.explore.describe import describe_model
from elmo.models import read_model, write_model
from elmo.tagging import from_files as tagger_command
from elmo.tagging.baidu import Lac
from elmo.tagging.files import find_tagger, load_tagger
from elmo.tagging.from_files import evaluate_file, read_gold
from elmo.tagging.network import TaggerNetwork
from elmo.tagging.projection import word_chunks
from elmo.tagging.score import count_chunks, oracle
from elmo.tagging.tagger import Tagger
from elmo.text.normalise import Normaliser
from tests.commands import elmo as call
from tests.refusals import refusal

SMALL = "--embedding_size 8 --hidden_size 6 --num_layers 1 --batch_size 6 --use_gpu False".split()
PARTS = ("train", "dev", "test")
ROWS = ["all", "segmentation", "words", "PER", "LOC", "ORG", "TIME", "coarse"]


@pytest.fixture(scope="module")
def files(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a few of our own tagged sentences: train.tsv, dev.tsv, test.tsv."""
    folder = tmp_path_factory.mktemp("files")
    for name, count in (("train", 18), ("dev", 6), ("test", 6)):
        lines = (data / "lac" / f"{name}.tsv").read_text(encoding="utf-8").splitlines(keepends=True)
        (folder / f"{name}.tsv").write_text("".join(lines[:count]), encoding="utf-8")
    return folder


def flags(files: Path, folder: Path, *more: object) -> list[object]:
    parts: list[object] = [word for part in PARTS for word in (f"--{part}", files / f"{part}.tsv")]
    return ["lac", "train", *parts, "--save_dir", folder, *SMALL, *more]


@pytest.fixture(scope="module")
def trained(files: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a training of two epochs."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    assert call(*flags(files, folder, "--max_epoch", 2)) == 0
    return folder


def numbers(table: str) -> dict[str, list[str]]:
    """Cells of a printed table, by their rows."""
    lines = [[cell.strip() for cell in line.split("│")[1:-1]] for line in table.splitlines() if line.startswith("│")]
    return {line[0]: line[1:] for line in lines}


def test_training_prints_each_epoch_and_a_table_and_leaves_a_model_and_scores(
    files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    assert call(*flags(files, folder, "--max_epoch", 2)) == 0
    out, err = capsys.readouterr()
    assert re.search(r"^18 training sentences, \d+ tokens; \d+ of them hold characters of several words$", err, re.M)
    assert re.findall(r"^epoch (\d): loss .*, dev F1 \d", err, re.M) == ["1", "2"]
    assert err.endswith(f"model and scores.json in {folder}\n")
    assert list(numbers(out)) == ROWS
    assert "test: test.tsv" in out
    assert sorted(path.name for path in folder.iterdir()) == ["epoch_001", "epoch_002", "model", "scores.json"]
    scores = json.loads((folder / "scores.json").read_text(encoding="utf-8"))
    assert [record["epoch"] for record in scores["epochs"]] == [1, 2]
    best = max(record["dev_f1"] for record in scores["epochs"])
    assert scores["dev"]["scores"]["all"]["f1"] == pytest.approx(best)  # what is kept, and the same count
    for name, cells in numbers(out).items():
        score = scores["test"]["scores"][name]
        assert cells[0] == str(score["gold"])
        if score["gold"]:
            assert cells[1:4] == [f"{100 * score[key]:.2f}" for key in ("precision", "recall", "f1")]
            assert cells[4] == f"{100 * scores['test']['best_possible'][name]['f1']:.2f}"


def test_scores_are_those_of_the_answers(files: Path, trained: Path) -> None:
    gold = read_gold(files / "test.tsv")
    tagger = Tagger.from_pretrained(trained / "model")
    found = evaluate_file(trained, files / "test.tsv")
    tagged = tagger.tag([sentence.text for sentence in gold])
    counts = count_chunks([word_chunks(s.words, s.tags) for s in gold], [word_chunks(*each) for each in tagged])
    assert found.scores["all"] == counts.tagged().score()
    assert found.scores["segmentation"] == counts.segmentation().score()
    names = ("PER", "LOC", "ORG", "TIME")
    groups = [found.scores[name] for name in ("words", *names)]
    assert sum(score.correct for score in groups) == found.scores["all"].correct
    assert found.scores["PER"] == counts.tagged({"PER"}).score()
    tokens = tagger.tokens([sentence.text for sentence in gold])
    best = oracle([s.words for s in gold], [s.tags for s in gold], tokens)
    assert found.best_possible["all"] == best.tagged().score()
    words = {tag for sentence in gold for tag in sentence.tags} - set(names)
    assert found.best_possible["words"] == best.tagged(words).score()
    assert 0 < found.straddling < found.tokens == sum(map(len, tokens))


def test_characters_allow_everything(files: Path, tmp_path: Path) -> None:
    assert call(*flags(files, tmp_path / "run", "--max_epoch", 1, "--tokens", "characters")) == 0
    scores = json.loads((tmp_path / "run/scores.json").read_text(encoding="utf-8"))["test"]
    assert scores["straddling"] == 0
    assert scores["best_possible"]["all"]["f1"] == 1
    assert scores["tokens"] == sum(len(sentence.text) for sentence in read_gold(files / "test.tsv"))


def test_eval_says_what_training_said(
    files: Path, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["-o", tmp_path / "scores.json", "--batch_size", 2]
    assert call("lac", "eval", trained / "model", files / "test.tsv", *flags) == 0
    out = capsys.readouterr().out
    assert list(numbers(out)) == ROWS
    written = json.loads((tmp_path / "scores.json").read_text(encoding="utf-8"))
    expected = json.loads((trained / "scores.json").read_text(encoding="utf-8"))["test"]
    assert {name: written[name] for name in expected} == expected
    assert (written["model"], written["file"]) == ("model", "test.tsv")


def test_without_files_our_own_set_is_taken(
    files: Path, tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert data / "lac" == tagger_command.project_data("lac")
    monkeypatch.setattr(tagger_command, "project_data", {"lac": files}.__getitem__)
    assert call("lac", "train", "--save_dir", tmp_path / "run", *SMALL, "--max_epoch", 1) == 0
    scores = json.loads((tmp_path / "run/scores.json").read_text(encoding="utf-8"))
    assert [scores[part]["sentences"] for part in ("dev", "test")] == [6, 6]


def test_without_dev_and_test_there_is_a_model_and_no_table(
    files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--train", files / "dev.tsv", "--save_dir", tmp_path / "run", *SMALL, "--max_epoch", 1]
    assert call("lac", "train", *arguments) == 0
    assert capsys.readouterr().out == ""
    assert Tagger.from_pretrained(tmp_path / "run/model").cut("好的")
    assert set(json.loads((tmp_path / "run/scores.json").read_text(encoding="utf-8"))) & {"dev", "test"} == set()


@pytest.mark.parametrize("more", [[], ["--layers", "0,2"], ["--fine_tune", "True"]])
def test_elmo_is_named_frozen_or_fine_tuned(files: Path, tiny_elmo: Path, tmp_path: Path, more: list[str]) -> None:
    run = tmp_path / "run"
    assert call(*flags(files, run, "--max_epoch", 1, "--elmo", tiny_elmo, *more)) == 0
    features = read_model(run / "model").config["features"]
    assert features["source"] == str(tiny_elmo)
    assert bool(features.get("fine_tuned")) == ("--fine_tune" in more)
    if "--layers" in more:
        assert features["layers"] == [0, 2]
    assert evaluate_file(run, files / "test.tsv").scores["all"].predicted > 0


def test_an_elmo_elsewhere_is_given_by_features(
    files: Path, tiny_elmo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(tiny_elmo, tmp_path / "here")
    assert call(*flags(files, tmp_path / "run", "--max_epoch", 1, "--elmo", tmp_path / "here")) == 0
    (tmp_path / "here").rename(tmp_path / "there")
    (tmp_path / "text.txt").write_text("果园\n", encoding="utf-8")
    capsys.readouterr()
    for command in (
        ["eval", tmp_path / "run/model", files / "test.tsv"],
        ["tag", tmp_path / "text.txt", "--model", tmp_path / "run/model"],
    ):
        assert call("lac", *command) == 2
        assert "here: no such model directory" in capsys.readouterr().err
        assert call("lac", *command, "--features", tmp_path / "there") == 0


def test_an_elmo_of_characters_is_read_by_characters(
    files: Path, tiny_character_elmo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ["--tokens", "characters", "--max_epoch", 1, "--elmo", tiny_character_elmo]
    assert call(*flags(files, tmp_path / "run", *more)) == 0
    assert read_model(tmp_path / "run/model").config["features"]["unit"] == "characters"
    capsys.readouterr()
    assert call("lac", "eval", tmp_path / "run/model", files / "test.tsv", "-o", tmp_path / "scores.json") == 0
    written = json.loads((tmp_path / "scores.json").read_text(encoding="utf-8"))
    expected = json.loads((tmp_path / "run/scores.json").read_text(encoding="utf-8"))["test"]
    assert written["scores"] == expected["scores"]


def test_word_vectors_may_take_elmos_place(files: Path, tiny_word2vec: Path, tmp_path: Path) -> None:
    assert call(*flags(files, tmp_path / "run", "--max_epoch", 1, "--word2vec", tiny_word2vec)) == 0
    assert read_model(tmp_path / "run/model").config["features"]["kind"] == "word2vec"


# Files


def test_pieces_of_a_chunk_are_one_word(tmp_path: Path) -> None:
    (tmp_path / "pieces.tsv").write_text("我 们 去 河 边 散步\tr-B r-I v LOC-B LOC-I v-B\n", encoding="utf-8")
    (found,) = read_gold(tmp_path / "pieces.tsv")
    assert (found.words, found.tags) == (["我们", "去", "河边", "散步"], ["r", "v", "LOC", "v"])
    assert found.place == f"{tmp_path / 'pieces.tsv'}:1"


def test_a_corpus_with_other_tags_has_its_own(tmp_path: Path) -> None:
    (tmp_path / "train.tsv").write_text("我 去\tPRON VERB\n他 去\tPRON VERB\n", encoding="utf-8")
    (tmp_path / "dev.tsv").write_text("雨 来\tNOUN VERB\n", encoding="utf-8")
    arguments = ["--train", tmp_path / "train.tsv", "--dev", tmp_path / "dev.tsv", "--max_epoch", 1]
    assert call("lac", "train", *arguments, "--save_dir", tmp_path / "run", *SMALL) == 0
    assert read_model(tmp_path / "run/model").config["tags"] == ["NOUN", "PRON", "VERB"]
    scores = json.loads((tmp_path / "run/scores.json").read_text(encoding="utf-8"))["dev"]["scores"]
    assert scores["words"]["gold"] == 2


def test_peoples_daily_is_divided_by_days_and_ud_read(tmp_path: Path) -> None:
    days = {"19980105": "我们/r", "19980122": "他们/r", "19980123": "你们/r"}
    lines = [f"{day}-01-001-001/m  {word}  去/v  河边/s\n" for day, word in days.items()]
    (tmp_path / "pd.txt").write_text("".join(lines), encoding="utf-8")
    found = [read_gold(tmp_path / "pd.txt", "peoples_daily", part)[0].words[0] for part in PARTS]
    assert found == ["我们", "他们", "你们"]
    columns = ["雨\t_\tNOUN\tNN", "来\t_\tVERB\tVV"]
    ud = "".join(f"{number}\t{column}\t_\t0\troot\t_\t_\n" for number, column in enumerate(columns, 1)) + "\n"
    (tmp_path / "ud.conll").write_text(ud, encoding="utf-8")
    assert read_gold(tmp_path / "ud.conll", "ud")[0].tags == ["n", "v"]
    for form, name in (("peoples_daily", "pd.txt"), ("ud", "ud.conll")):
        files = [word for part in PARTS for word in (f"--{part}", tmp_path / name)]
        run = tmp_path / form
        assert call("lac", "train", "--format", form, *files, "--save_dir", run, *SMALL, "--max_epoch", 1) == 0
        assert call("lac", "eval", run, tmp_path / name, "--format", form) == 0


# Baidu's model


def test_baidus_model_is_scored_by_its_own_tokens(
    files: Path, tiny_lac: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "我们 明天 去 河边\tr TIME v n\n好 散步\ta v\n"
    (tmp_path / "gold.tsv").write_text(text, encoding="utf-8")
    assert call("lac", "eval", tiny_lac, tmp_path / "gold.tsv", "-o", tmp_path / "scores.json") == 0
    assert list(numbers(capsys.readouterr().out)) == ROWS
    scores = json.loads((tmp_path / "scores.json").read_text(encoding="utf-8"))
    assert (scores["model"], scores["sentences"], scores["tokens"], scores["straddling"]) == ("lac_model", 2, 7, 0)
    gold = read_gold(tmp_path / "gold.tsv")
    tagged = Lac.from_pretrained(tiny_lac).tag([sentence.text for sentence in gold])
    counts = count_chunks([word_chunks(s.words, s.tags) for s in gold], [word_chunks(*each) for each in tagged])
    assert scores["scores"]["all"] == counts.tagged().score()._asdict()


def test_the_released_model_scores_on_our_set_as_was_published(released: Path, data: Path) -> None:
    score = evaluate_file(released, data / "lac/test.tsv").scores["all"]
    shown = f"{100 * score.precision:.2f} | {100 * score.recall:.2f} | {100 * score.f1:.2f}"
    assert f"| test | 66 | 50 | 861 | 132 | {shown} |" in (data / "lac/README.md").read_text(encoding="utf-8")


# Tagging


def test_tag_takes_a_model_of_ours_its_training_or_baidus(
    trained: Path, tiny_lac: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = ["今天果园里的品种", "", " 好 的\t👍🏽\0"]
    (tmp_path / "text.txt").write_text("\n".join(lines), encoding="utf-8")
    answers = []
    for model in (trained / "model", trained, tiny_lac):
        assert call("lac", "tag", tmp_path / "text.txt", "--model", model, "--json") == 0
        records = [json.loads(line) for line in capsys.readouterr().out.split("\n")[:-1]]
        assert ["".join(record["words"]) for record in records] == [line.replace("\0", "") for line in lines]
        answers.append([(record["words"], record["tags"]) for record in records])
    assert (
        answers[0]
        == answers[1]
        == Tagger.from_pretrained(trained / "model").tag([line.replace("\0", "") for line in lines])
    )
    assert answers[0] != answers[2]


def test_text_of_word_and_tag_is_read_as_it_was_written(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("我们/r 去/v\n\n1/2/m km/h/q\n", encoding="utf-8")
    read = read_gold(tmp_path / "text", "tagged")
    assert [(sentence.words, sentence.tags) for sentence in read] == [
        (["我们", "去"], ["r", "v"]),
        (["1/2", "km/h"], ["m", "q"]),
    ]
    assert [sentence.place.rpartition(":")[2] for sentence in read] == ["1", "3"]


@pytest.mark.parametrize(
    ("content", "form", "message"),
    [
        ("我们/r 去/v\n", "tsv", r"text:1: .*\(--format tsv is LARK's .*; this looks like --format tagged\)"),
        ("我们 去\tr v\n", "tagged", r"text:1: '我们' has no tag.*this looks like --format tsv\)"),
        ("我们/r 去/\n", "tagged", r"text:1: '去/' lacks its tag; give word/tag"),
        ("/r\n", "tagged", r"text:1: '/r' lacks its word"),
        ("我们 去\tr\n", "tsv", r"text:1: 2 tokens.*\(--format tsv is LARK's `token token<TAB>tag tag` a line\)"),
        ("\n", "tagged", r"text: has no sentence \(--format tagged is `word/tag word/tag` a line"),
        ("我们/r\n", "ud", r"\(--format ud is CoNLL-U of UD Chinese GSD; this looks like --format tagged\)"),
        ("我们/r\n", "conll", r"format is 'conll': give one of tsv, tagged, peoples_daily, ud"),
    ],
)
def test_a_file_of_another_format_is_refused_with_what_was_expected(
    tmp_path: Path, content: str, form: str, message: str
) -> None:
    (tmp_path / "text").write_text(content, encoding="utf-8")
    assert re.search(message, refusal(read_gold, tmp_path / "text", form))


def test_a_tagger_reads_text_as_that_of_its_training_was_normalised(
    files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wide = tmp_path / "wide.tsv"
    wide.write_text("外婆 １２ 个\tn m q\n" * 6, encoding="utf-8")
    options = ["--train", wide, "--save_dir", tmp_path / "run", *SMALL, "--max_epoch", 1]
    assert call("lac", "train", *options, "--normalise", "width") == 0
    model, text = tmp_path / "run/model", tmp_path / "text.txt"
    assert "12" in Tagger.from_pretrained(model).vocabulary
    text.write_text("外婆１２个\n", encoding="utf-8")
    capsys.readouterr()
    assert call("lac", "tag", text, "--model", model) == 0
    out, err = capsys.readouterr()
    assert "".join(re.sub("/[a-z]+", "", out).split()) == "外婆12个" and err == ""
    assert call("lac", "tag", text, "--model", model, "--normalise", "none") == 0
    assert "its text was normalised by width, not by none" in capsys.readouterr().err
    assert evaluate_file(model, wide).sentences == 6


def test_info_refuses_a_tagger_whose_configuration_no_one_could_load(trained: Path, tmp_path: Path) -> None:
    assert describe_model(trained / "model").kind == "tagger"
    files = read_model(trained / "model")
    wrong = dataclasses.replace(files, config={**files.config, "tokens": "bytes"})
    write_model(tmp_path / "wrong", wrong)
    with pytest.raises(InputError, match=r"tokens is 'bytes': give words or characters|tokens"):
        describe_model(tmp_path / "wrong")


def test_a_user_dictionary_works_with_a_model_of_ours(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "words.txt").write_text("果园里的/ACT\n", encoding="utf-8")
    (tmp_path / "text.txt").write_text("今天果园里的品种\n", encoding="utf-8")
    flags = ["--model", trained / "model", "--user_dictionary", tmp_path / "words.txt"]
    assert call("lac", "tag", tmp_path / "text.txt", *flags) == 0
    assert " 果园里的/ACT " in capsys.readouterr().out


def test_models_are_told_apart_by_their_folders(trained: Path, tiny_lac: Path, tmp_path: Path) -> None:
    assert isinstance(load_tagger(trained / "epoch_002"), Tagger)
    assert isinstance(load_tagger(tiny_lac), Lac)
    assert find_tagger(tmp_path / "none") is None
    damaged = Path(shutil.copytree(trained / "model", tmp_path / "damaged"))
    (damaged / "model.safetensors").unlink()
    with pytest.raises(InputError, match=r"model\.safetensors is missing"):  # not that it is no LAC
        load_tagger(damaged)
    with pytest.raises(InputError, match="reads no features: leave them out"):
        load_tagger(tiny_lac, features="x")


# Stopped and gone on


@pytest.fixture
def stop_in_epoch_two(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Sends this process SIGINT, as Ctrl-C does, in the fifth batch, of three an epoch; gives what ends that."""
    calls, loss = itertools.count(1), TaggerNetwork.loss

    def interrupted(self: TaggerNetwork, sentences: Any) -> Any:
        if next(calls) == 5:
            signal.raise_signal(signal.SIGINT)
        return loss(self, sentences)

    monkeypatch.setattr(TaggerNetwork, "loss", interrupted)
    return lambda: monkeypatch.setattr(TaggerNetwork, "loss", loss)


def test_ctrl_c_leaves_the_last_whole_epoch_and_resume_ends_as_if_nothing_had_been(
    files: Path,
    trained: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    stop_in_epoch_two: Callable[[], None],
) -> None:
    run = tmp_path / "run"
    assert call(*flags(files, run, "--max_epoch", 2)) == 130
    err = capsys.readouterr().err
    assert f"stopped: {run / 'epoch_001'} is saved; go on with --resume True\n" in err
    assert [path.name for path in run.iterdir()] == ["epoch_001"]
    stop_in_epoch_two()
    assert call(*flags(files, run, "--max_epoch", 2)) == 2
    assert "go on with --resume True" in capsys.readouterr().err
    assert call(*flags(files, run, "--max_epoch", 2, "--resume", "True")) == 0
    assert "going on after epoch 1" in capsys.readouterr().err
    ours, theirs = read_model(run / "model").arrays, read_model(trained / "model").arrays
    assert ours.keys() == theirs.keys()
    assert all((ours[name] == theirs[name]).all() for name in ours)
    assert sorted(path.name for path in run.iterdir()) == ["epoch_001", "epoch_002", "model", "scores.json"]


def test_a_training_that_is_there_is_overwritten_only_when_asked_for(
    files: Path, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Path(shutil.copytree(trained, tmp_path / "run"))
    assert call(*flags(files, run, "--max_epoch", 1)) == 2
    assert "run holds checkpoints of another run (epoch_002)" in capsys.readouterr().err
    for name in ("epoch_001", "epoch_002"):
        shutil.rmtree(run / name)
    assert call(*flags(files, run, "--max_epoch", 1)) == 2
    assert "run holds a model already" in capsys.readouterr().err
    assert call(*flags(files, run, "--max_epoch", 1, "--overwrite", "True", "--random_seed", 3)) == 0
    assert len(json.loads((run / "scores.json").read_text(encoding="utf-8"))["epochs"]) == 1


# Bad calls

TRAIN = ["lac", "train", "--save_dir", "{t}/run", *SMALL]
WITH_FILE = [*TRAIN, "--train", "{f}/dev.tsv", "--max_epoch", "1"]
BAD_CALLS = [
    ([*TRAIN, "--train", "{t}/none.tsv"], "{t}/none.tsv"),
    ([*WITH_FILE, "--test", "{t}/bad.tsv"], "{t}/bad.tsv:2: 2 tokens and 1 tags"),
    ([*WITH_FILE, "--dev", "{t}/empty.tsv"], "{t}/empty.tsv: has no line"),
    ([*WITH_FILE, "--dev", "{t}/odd.tsv"], "{t}/odd.tsv:1: a gold word has the tag 'O'"),
    ([*WITH_FILE, "--format", "csv"], "format is 'csv': give one of tsv, tagged, peoples_daily, ud"),
    ([*TRAIN, "--format", "ud"], "--format ud is given without a file: give --train too"),
    ([*WITH_FILE, "--tokens", "syllables"], "tokens is 'syllables'"),
    ([*WITH_FILE, "--tokens", "lac"], "tokens lac are for a tagger that starts from Baidu's LAC (--start)"),
    ([*WITH_FILE, "--elmo", "{t}/none"], "{t}/none: no such"),
    ([*WITH_FILE, "--elmo", "a", "--word2vec", "b"], "--elmo and --word2vec are both given: choose one"),
    ([*WITH_FILE, "--fine_tune", "True"], "--fine_tune is about ELMo: give --elmo too"),
    ([*WITH_FILE, "--layers", "1"], "--layers is about ELMo: give --elmo too"),
    ([*WITH_FILE, "--elmo", "{e}", "--fine_tune", "True", "--layers", "1"], "--fine_tune True takes all layers"),
    ([*WITH_FILE, "--elmo", "{e}", "--layers", "top"], "--layers is 'top': give all, or numbers such as 0,2"),
    ([*WITH_FILE, "--elmo", "{e}", "--layers", "9"], "layers [9]: give some of 0 to 2"),
    ([*WITH_FILE, "--elmo", "{c}"], "this ELMo reads characters, and the tagger words"),
    ([*WITH_FILE, "--learning_rate", "0"], "learning_rate is 0.0"),
    ([*WITH_FILE, "--hidden_size", "0"], "hidden_size is 0"),
    ([*WITH_FILE, "--dropout", "1"], "dropout is 1.0"),
    ([*WITH_FILE, "--save_dir", "{t}/bad.tsv"], "{t}/bad.tsv is a file"),
    (["lac", "eval", "{t}/none", "{f}/dev.tsv"], "{t}/none: there is no such folder"),
    (["lac", "eval", "{m}", "{t}/none.tsv"], "{t}/none.tsv"),
    (["lac", "eval", "{m}", "{t}/bad.tsv"], "{t}/bad.tsv:2"),
    (["lac", "eval", "{m}", "{t}/odd.tsv"], "{t}/odd.tsv:1: a gold word has the tag 'O'"),
    (["lac", "eval", "{m}", "{f}/dev.tsv", "--batch_size", "0"], "batch_size is 0"),
    (["lac", "eval", "{m}", "{f}/dev.tsv", "-o", "{t}/none/scores.json"], "{t}/none/scores.json: can't be written"),
    (["lac", "eval", "{e}", "{f}/dev.tsv"], "{e}/model.safetensors: holds a bilm model where a tagger model is needed"),
    (["lac", "tag", "{f}/dev.tsv", "--model", "{m}", "--features", "{e}"], "{m}: the tagger reads no features"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD_CALLS)
def test_bad_calls_print_one_line_exit_with_2_and_write_nothing(
    files: Path,
    trained: Path,
    tiny_elmo: Path,
    tiny_character_elmo: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    (tmp_path / "bad.tsv").write_text("好\ta\n好 的\ta\n", encoding="utf-8")
    (tmp_path / "odd.tsv").write_text("好 的\ta O\n", encoding="utf-8")
    (tmp_path / "empty.tsv").touch()
    before = sorted(tmp_path.rglob("*"))
    places = {"t": tmp_path, "f": files, "e": tiny_elmo, "c": tiny_character_elmo, "m": trained / "model"}
    code = call(*[argument.format(**places) for argument in arguments])
    out, err = capsys.readouterr()
    assert (code, out) == (2, "")
    assert err.startswith(f"elmo: {message.format(**places)}")
    assert err.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before


class NeverAsked(Tagger):
    def __init__(self) -> None:
        self.normalise = Normaliser()


def test_a_place_is_named_where_the_file_has_none() -> None:
    with pytest.raises(InputError, match=r"^'好的': a gold word has the tag 'O'"):
        tagger_command.evaluate_tagger(NeverAsked(), [["好", "的"]], [Tagged(["好", "的"], ["a", "O"])])
