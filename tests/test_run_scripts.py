"""The scripts in runs/ go their whole way on the text in data/, and go on where they stopped."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer

import elmo
from elmo import cli
from elmo.models import read_header
from elmo.word_vectors import WordVectors

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]  # dozens of commands, each of which starts Python

SCRIPTS = ("characters_zh.sh", "elmo_zh.sh", "masked_zh.sh", "weigh_sources.sh")
TAKEN_APART = ("sample", "characters")  # folders: the sample of words, and its characters


def run_script(repository: Path, name: str, work: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name not in ("CORPORA", "ELMO_DATA_HOME")}
    environment |= {"PYTHON": sys.executable, "WORK": str(work), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    command = ["bash", str(repository / "runs" / name)]
    return subprocess.run(
        command, env=environment | variables, capture_output=True, text=True, timeout=800, check=False, cwd="/"
    )


def run_functions(repository: Path, code: str) -> subprocess.CompletedProcess[str]:
    """Run some lines of bash with the functions of runs/text.sh."""
    lines = f"set -euo pipefail; source {repository}/runs/text.sh; {code}"
    return subprocess.run(["bash", "-c", lines, "test"], capture_output=True, text=True, timeout=60, check=False)


def made(work: Path) -> dict[str, int]:
    """All files and when they were written; links, which are made anew each time, aside."""
    files = (path for path in work.rglob("*") if path.is_file() and not path.is_symlink())
    return {str(path.relative_to(work)): path.stat().st_mtime_ns for path in files}


def last_perplexity(log: Path, run: int) -> float:
    """The held-out perplexity at the end of a run of the log."""
    epochs = re.findall(r"epoch (\d+): .*? perplexity ([\d.]+)", log.read_text(encoding="utf-8"))
    ends = [
        float(value) for (_, value), (after, _) in zip(epochs, [*epochs[1:], ("1", "")], strict=True) if after == "1"
    ]
    return ends[run - 1]


@pytest.fixture(scope="module")
def work(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "work"
    done = run_script(repository, "elmo_zh.sh", folder, TOY="1")
    assert done.returncode == 0, done.stderr
    return folder


def test_the_whole_way_ends_in_models_and_scores(work: Path) -> None:
    encoder, vectors = elmo.load_pretrained(work / "elmo-zh"), WordVectors.load(work / "word2vec-zh")
    assert encoder.encode([["我", "买了", "苹果"]])[0].shape == (3, 3, 32)
    assert vectors.vectors.shape[1] == 128
    results = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in (work / "results").iterdir()}
    perplexities, words = {"perplexity_dev_raw", "perplexity_dev_pool"}, {"words", "words_averages"}
    assert results.keys() == perplexities | words | {"senses", "senses_vectors"}
    assert results["perplexity_dev_raw"]["perplexity"] < last_perplexity(work / "pretrain.log", run=1)
    assert 1 < results["perplexity_dev_pool"]["perplexity"] < 2000  # a vocabulary of 2,000: it has learnt something
    assert results["senses"]["systems"].keys() == {"elmo", "word2vec"}
    assert "wordsim-240" in results["words"]["sets"]


def test_no_held_out_text_and_no_marked_sentence_is_trained_on(work: Path, data: Path) -> None:
    read = "".join(path.read_text(encoding="utf-8") for path in (work / "mix").iterdir())
    held_out = "".join(path.read_text(encoding="utf-8") for path in (work / "dev").rglob("sentence_file_*"))
    trained = set(read.splitlines())
    assert len(trained) > 300 and len(held_out.splitlines()) > 30
    assert max(len(line.split()) for line in trained.intersection(held_out.splitlines()) | {"none"}) < 6
    marked = {line.split("\t")[3] for line in (data / "senses.tsv").read_text(encoding="utf-8").splitlines()[1:]}
    assert marked.isdisjoint("".join(line.split()) for line in trained)


def test_a_second_run_makes_only_what_is_missing(repository: Path, work: Path) -> None:
    before = made(work)
    weights, scores = (work / name for name in ("checkpoints/epoch_002/model.safetensors", "results/senses.json"))
    content = weights.read_bytes(), json.loads(scores.read_text(encoding="utf-8"))
    shutil.rmtree(weights.parent)  # as if training had been stopped before its end
    scores.unlink()
    done = run_script(repository, "elmo_zh.sh", work, TOY="1")
    assert done.returncode == 0, done.stderr
    assert (weights.read_bytes()[-1000:], json.loads(scores.read_text(encoding="utf-8"))) == (
        content[0][-1000:],
        content[1],
    )
    assert "step 20:" not in done.stderr and "epoch 2:" in done.stderr  # it did not begin again
    changed = {name for name, time in made(work).items() if before.get(name) != time}
    expected = {"results/senses.json", "pretrain.log"}
    assert expected <= changed and all(name.startswith("checkpoints/") for name in changed - expected)


def test_an_elmo_reads_on(repository: Path, work: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    shutil.copytree(work, again, symlinks=True, ignore=shutil.ignore_patterns("checkpoints", "end", "elmo-zh", "*.log"))
    (again / "vocabulary.txt").unlink()
    done = run_script(repository, "elmo_zh.sh", again, TOY="1", MAX_EPOCH="1", FROM=str(work / "elmo-zh"))
    assert done.returncode == 0, done.stderr
    assert (again / "vocabulary.txt").read_bytes() == (work / "elmo-zh/vocabulary.txt").read_bytes()
    assert last_perplexity(again / "pretrain.log", run=2) < last_perplexity(work / "pretrain.log", run=2)
    first, both = (json.loads(read_header(folder / "elmo-zh")["provenance"])["runs"] for folder in (work, again))
    assert len(first) == 2 and both[:2] == first and len(both) == 4


def test_sources_are_weighed_on_the_same_number_of_words(repository: Path, work: Path) -> None:
    done = run_script(repository, "weigh_sources.sh", work, TOY="1")
    assert done.returncode == 0, done.stderr
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in done.stdout.splitlines()]
    assert [row[0] for row in rows] == ["left out", "---", "nothing", "stories"]
    assert all(1 < float(cell) < 2000 for cell in [*rows[2][2:], *rows[3][1:]])
    for name in ("everything", "without_stories"):
        shards = list((work / "weighing/text" / name).iterdir())
        assert any(path.name.startswith("stories_") for path in shards) == (name == "everything")
        assert 8000 <= sum(len(path.read_text(encoding="utf-8").split()) for path in shards) < 8000 + 5000
    held_out = {path.name.split("_sentence")[0] for path in (work / "weighing/dev/stories").iterdir()}
    assert held_out == {"dialogue", "letters_diary", "technology"}


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    for source, count in (("laws", 5), ("news", 2)):
        (tmp_path / "shards" / source).mkdir(parents=True)
        for number in range(count):
            shard = tmp_path / "shards" / source / f"sentence_file_{number:05d}"
            shard.write_text(f"{source} {number} 三 四\n", encoding="utf-8")
    return tmp_path / "shards"


@pytest.mark.parametrize(
    ("rules", "expected"), [("", [0, 1, 2, 3, 4]), ("laws=2", [0, 2, 4]), ("laws=3 news=1", [0, 3]), ("laws=0", [])]
)
def test_a_mix_has_every_nth_shard(repository: Path, shards: Path, rules: str, expected: list[int]) -> None:
    target = shards.parent / "mix"
    for _ in range(2):  # the second replaces the first
        done = run_functions(repository, f"mix {shards} {target} {rules}")
        assert done.returncode == 0, done.stderr
    names = [f"laws_sentence_file_{number:05d}" for number in expected]
    assert sorted(path.name for path in target.iterdir()) == names + [f"news_sentence_file_0000{n}" for n in (0, 1)]
    assert (target / "news_sentence_file_00001").read_text(encoding="utf-8").startswith("news 1")


def test_a_sample_has_so_many_words_and_leaves_out_what_it_is_told(repository: Path, shards: Path) -> None:
    for left_out, words in (("", 12), ("laws", 8), ("news", 20)):
        target = shards.parent / "sample"
        assert run_functions(repository, f"sample {shards} {target} {words} {left_out}").returncode == 0
        assert len(list(target.iterdir())) == words // 4
        assert not any(path.name.startswith(f"{left_out}_") for path in target.iterdir())
    done = run_functions(repository, f"sample {shards} {target} 9 laws")
    assert done.returncode == 2 and "8 words" in done.stderr


def test_a_source_that_is_not_there_is_named(repository: Path, shards: Path) -> None:
    done = run_functions(repository, f"mix {shards} {shards.parent / 'mix'} law=2")
    assert done.returncode == 2 and "there is no source law" in done.stderr
    assert not (shards.parent / "mix").exists()


@pytest.mark.parametrize("script", SCRIPTS)
def test_without_corpora_it_is_said_in_one_line(repository: Path, tmp_path: Path, script: str) -> None:
    done = run_script(repository, script, tmp_path / "work")
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "set CORPORA" in done.stderr
    (tmp_path / "empty").mkdir()
    done = run_script(repository, script, tmp_path / "work", CORPORA=str(tmp_path / "empty"))
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "has no raw/" in done.stderr
    assert not (tmp_path / "work").exists()


@pytest.mark.parametrize("script", (*SCRIPTS, "text.sh"))
def test_commands_and_flags_exist(repository: Path, script: str) -> None:
    text = (repository / "runs" / script).read_text(encoding="utf-8").replace("\\\n", " ")
    commands = typer.main.get_command(cli.app).commands  # type: ignore[attr-defined]
    calls = re.findall(r"(?:^|\|\| |&& )\s*elmo (\w+)(.*)$", text, re.M)
    assert calls
    for name, rest in calls:
        command = commands[name]
        if subcommands := getattr(command, "commands", None):
            command, rest = subcommands[rest.split()[0]], rest.partition(rest.split()[0])[2]
        known = {flag for parameter in command.params for flag in parameter.opts}
        assert set(re.findall(r" (--\w+|-\w)\b", re.sub(r"2> .*", "", rest))) <= known, name


def test_bert_ernie_and_an_elmo_read_the_same_text_and_more_seeds_go_on_from_a_model(
    repository: Path, tmp_path: Path
) -> None:
    work = tmp_path / "work"
    done = run_script(repository, "masked_zh.sh", work, TOY="1", SEEDS="1")
    assert done.returncode == 0, done.stderr
    read_on = {"bert-zh", "ernie-zh"}
    assert {path.stem for path in (work / "results").iterdir()} == {"bert-zh-1", "ernie-zh-1", *read_on, "cloze"}
    words = {path.name: "".join(path.read_text(encoding="utf-8").split()) for path in (work / "sample").iterdir()}
    tags = "".join(path.read_text(encoding="utf-8") for path in (work / "tagged").iterdir())
    again = "".join(word.rpartition("/")[0] for word in tags.split())
    assert sorted(again) == sorted("".join(words.values()))  # the tagged text is the segmented one, cut anew
    shards = [{path.name for path in (work / name).iterdir()} for name in ("sample", "sample_on", "tagged_on")]
    assert shards[1] and shards[1] == shards[2] and not shards[0] & shards[1]  # what is read on was not read before
    before = made(work)
    (work / "results/cloze.json").unlink()
    done = run_script(repository, "masked_zh.sh", work, TOY="1", SEEDS="1 2", START=str(work / "bert-zh-1"))
    assert done.returncode == 0, done.stderr
    results = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in (work / "results").iterdir()}
    assert results.keys() == {"bert-zh-1", "bert-zh-2", "ernie-zh-1", "ernie-zh-2", *read_on, "cloze"}
    first, second = ({results[f"{name}-zh-{seed}"]["characters_read"] for name in ("bert", "ernie")} for seed in (1, 2))
    assert len(first) == 1 and min(first) > 1000
    assert second == {2 * characters for characters in first}  # its own and those of the model that it began from
    assert {name for name, when in made(work).items() if before.get(name, when) != when} == {
        "results/cloze.json",
        "pieces.txt",  # those of the model that is started from, which are the same
    }
    names = ("bert-zh-1", "ernie-zh-1", "ernie-zh-2", "ernie-zh")
    runs = {name: json.loads(read_header(work / name)["provenance"])["runs"] for name in names}
    assert [len(each) for each in runs.values()] == [1, 1, 2, 2]
    assert runs["ernie-zh"][:1] == runs["bert-zh-1"]  # it goes on from BERT, whose characters are its first stage
    assert runs["ernie-zh"][-1]["settings"]["stages"] == ["words", "entities"]


def test_an_elmo_over_characters_reads_the_words_taken_apart(repository: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    done = run_script(repository, "characters_zh.sh", work, TOY="1")
    assert done.returncode == 0, done.stderr
    texts = {
        name: [path.read_text(encoding="utf-8") for path in sorted((work / name).iterdir())] for name in TAKEN_APART
    }
    for words, characters in zip(texts["sample"], texts["characters"], strict=True):
        assert all(len(token) == 1 for token in characters.split())
        assert ["".join(line.split()) for line in characters.splitlines()] == [
            "".join(line.split()) for line in words.splitlines()
        ]
    encoder = elmo.load_pretrained(work / "elmo-zh-characters")
    assert encoder.encode([["苹", "果"]])[0].shape == (3, 2, 32)
    scores = json.loads((work / "results/perplexity_characters.json").read_text(encoding="utf-8"))
    assert 1 < scores["perplexity"] < len(encoder.vocabulary)
    before = made(work)
    (work / "results/perplexity_characters.json").unlink()
    assert run_script(repository, "characters_zh.sh", work, TOY="1").returncode == 0
    changed = {name for name, when in made(work).items() if before.get(name) != when}
    assert changed == {"results/perplexity_characters.json"}
