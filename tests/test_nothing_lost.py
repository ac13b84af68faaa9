"""Nothing is lost that is not ours: which directories and files a command may replace, and two runs in one folder."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import socket
from pathlib import Path

import numpy as np
import pytest

from elmo import cli
from elmo.convert import convert
from elmo.convert.lark import write_lark
from elmo.encoding.vectors_file import write_vectors
from elmo.errors import InputError
from elmo.models import ModelFiles, export_model, read_model, write_model
from elmo.system.files import check_replaceable, first_foreign, replace_directory, replacing, whole_file, writable_file
from elmo.system.locks import RUN_LOCK, locked, one_run
from elmo.text.preprocess import preprocess
from elmo.text.vocabulary import SPECIAL_TOKENS, Vocabulary
from elmo.training.bilm import pretrain
from elmo.training.checkpoint import (
    checkpoints,
    newest_checkpoint,
    prune,
    read_training_state,
    tidy,
    write_checkpoint,
)
from elmo.training.checkpoint.record import LaterVersionError, TrainingState, seal
from elmo.training.settings import PretrainSettings
from tests.commands import COMMAND, elmo, run_python

SENTENCES = "河水 涨 了 。\n我 买 苹果 。\n他 走 了 。\n"
SETTINGS = PretrainSettings(max_epoch=1, n_negative_samples_batch=4)
SIZES = {"embed_size": 4, "hidden_size": 6, "num_layers": 1}
FILES = ModelFiles("skipgram", {}, Vocabulary(SPECIAL_TOKENS), {"vectors": np.ones((3, 2), np.float32)})


def tree(folder: Path) -> dict[str, bytes | None]:
    """Everything below a folder, without following links."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() and not path.is_symlink() else None
        for path in sorted(folder.rglob("*"))
    }


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with shards, a vocabulary, a model, and a small run in `ck`."""
    (tmp_path / "shards").mkdir()
    (tmp_path / "shards/sentence_file_00000").write_text(SENTENCES, encoding="utf-8")
    Vocabulary.from_counts(dict.fromkeys(SENTENCES.split(), 2)).save(tmp_path / "vocab.txt")
    write_model(tmp_path / "model", FILES)
    train(tmp_path)
    return tmp_path


def train(place: Path, **options: object) -> None:
    """One epoch of pretraining into `ck`."""
    given: dict = {"para_save_dir": str(place / "ck"), "sizes": SIZES, "settings": SETTINGS, **options}
    pretrain(str(place / "shards/*"), str(place / "vocab.txt"), **given)


def test_a_directory_with_a_thesis_in_it_is_not_overwritten(place, capsys):
    thesis = shutil.copytree(place / "model", place / "p")
    (thesis / "thesis.txt").write_text("four years")
    before = tree(place)
    for call in (
        ["convert", place / "model", thesis, "--overwrite", "True"],
        ["convert", place / "ck/epoch_001", thesis, "--to", "lark", "--overwrite", "True"],
        ["word2vec", place / "shards/*", "--output", thesis, "--min_count", 1, "--overwrite", "True"],
    ):
        assert elmo(*call) == 2
        assert "is not a file that such a directory of ours has: move it" in capsys.readouterr().err
        assert tree(place) == before
    assert elmo(*["convert", place / "model", thesis, "--overwrite", "True"]) == 2
    assert "p/thesis.txt is not a file" in capsys.readouterr().err


@pytest.mark.parametrize("make", ["folder", "link", "vocabulary alone", "weights of others", "hidden"])
def test_what_only_looks_like_a_model_stays(place, make):
    target = shutil.copytree(place / "model", place / "p")
    if make == "folder":
        (target / "drafts").mkdir()
    elif make == "link":
        (target / "vocabulary.txt").unlink()
        (target / "vocabulary.txt").symlink_to(place / "vocab.txt")
    elif make == "vocabulary alone":
        (target / "model.safetensors").unlink()
    elif make == "hidden":
        (target / ".git").mkdir()
    else:
        from safetensors.numpy import save_file

        save_file({"weight": np.ones(2, np.float32)}, str(target / "model.safetensors"))
    before = tree(place)
    with pytest.raises(InputError, match=r"/p/.* is not a file that such a directory of ours has"):
        write_model(target, FILES, overwrite=True)
    assert tree(place) == before


@pytest.mark.parametrize("path", ["model/../model", "model/.", "model/../model/.", "link/../model", "./model//"])
def test_a_path_through_the_directory_that_is_replaced_leads_there_still(place, monkeypatch, path):
    (place / "link").symlink_to(place / "shards")
    monkeypatch.chdir(place)
    before = set(tree(place))
    write_model(path, dataclasses.replace(FILES, provenance={"note": "new"}), overwrite=True)
    assert read_model(place / "model").provenance == {"note": "new"} and set(tree(place)) == before
    lark = place / "lark"
    write_lark(read_model(place / "ck/epoch_001"), lark)
    write_lark(read_model(place / "ck/epoch_001"), path.replace("model", "lark"), overwrite=True)
    assert sorted(os.listdir(place)) == ["ck", "lark", "link", "model", "shards", "vocab.txt"]


def test_a_source_that_is_mounted_in_a_second_place_is_known(place, monkeypatch):
    (place / "mounted").symlink_to(place / "ck")
    monkeypatch.setattr(os.path, "realpath", os.path.abspath)  # no link any more, as far as names go
    before = tree(place)
    for target in ("mounted", "mounted/epoch_001"):
        with pytest.raises(InputError, match=r"is or holds|is a symbolic link"):
            convert(place / "ck/epoch_001", place / target, overwrite=True)
    with pytest.raises(InputError, match=r"is or holds .*epoch_001, which is read for it"):
        check_replaceable(place / "ck", lambda _: None, sources=[place / "mounted/epoch_001"])
    assert tree(place) == before


def test_a_model_of_another_kind_is_not_replaced(place, capsys):
    shutil.copytree(place / "ck/epoch_001", place / "bilm", ignore=shutil.ignore_patterns("[!mv]*"))
    before = tree(place)
    for call in (
        ["word2vec", place / "shards/*", "--output", place / "bilm", "--min_count", 1, "--overwrite", "True"],
        ["convert", place / "model", place / "bilm", "--overwrite", "True"],
    ):
        assert elmo(*call) == 2
        assert "bilm holds a bilm model, not one of kind skipgram: choose another place" in capsys.readouterr().err
        assert tree(place) == before


def test_our_own_models_and_empty_directories_are_replaced(place):
    (place / "empty").mkdir()
    for name in ("model", "empty"):
        write_model(place / name, dataclasses.replace(FILES, provenance={"note": "new"}), overwrite=True)
        assert read_model(place / name).provenance == {"note": "new"}


def test_a_source_is_never_replaced_nor_what_holds_it(place):
    before = tree(place)
    for source, target in (("ck/epoch_001", "ck"), ("model", "model"), ("model", "model/."), ("ck/epoch_001", ".")):
        with pytest.raises(InputError, match=r"is or holds .*, which is read for it"):
            convert(place / source, place / target, overwrite=True)
    with pytest.raises(InputError, match="is or holds"):
        convert(place / "ck/epoch_001", place / "ck", to="lark", overwrite=True)
    shutil.copy(place / "vocab.txt", place / "model/vocabulary.txt")
    with pytest.raises(InputError, match="is or holds"):
        convert(place / "ck/epoch_001", place / "model", vocab_path=place / "model/vocabulary.txt", overwrite=True)
    assert {name for name in tree(place) if name.startswith("ck")} == {name for name in before if name.startswith("ck")}


def test_the_working_directory_and_its_parents_and_links_stay(place, monkeypatch):
    inner = place / "outer/inner"
    inner.mkdir(parents=True)
    monkeypatch.chdir(inner)
    for target in (".", "..", inner, place / "outer", "../../outer"):
        with pytest.raises(InputError, match="is or holds the working directory"):
            write_model(target, FILES, overwrite=True)
    (place / "link").symlink_to(place / "model")
    (place / "nowhere").symlink_to(place / "none")
    for name in ("link", "nowhere"):
        with pytest.raises(InputError, match="is a symbolic link, which is not replaced"):
            write_model(place / name, FILES, overwrite=True)
        with pytest.raises(InputError, match="exists already"):
            write_model(place / name, FILES)
        with pytest.raises(InputError):
            export_model(place / "model", place / name)
    assert (place / "link").is_symlink() and (place / "model/model.safetensors").exists()


def test_word2vec_refuses_before_it_trains(place, monkeypatch, capsys):
    (place / "p").mkdir()
    (place / "p/thesis.txt").touch()
    monkeypatch.setattr("elmo.skipgram.train_skipgram", lambda *_, **__: pytest.fail("it trained"))
    assert elmo("word2vec", place / "shards/*", "--output", place / "p", "--overwrite", "True") == 2
    assert "p/thesis.txt is not" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["epoch_007", "step_0000012", "best"])
def test_pretraining_takes_no_folder_of_another_kind(place, name):
    foreign = place / "ck" / name
    shutil.rmtree(foreign, ignore_errors=True)
    foreign.mkdir()
    (foreign / "notes.txt").write_text("mine")
    before = tree(place)
    with pytest.raises(InputError, match=f"{name}/notes.txt is not a file that such a directory of ours has"):
        train(place, overwrite=True)
    assert tree(place) == before


def test_a_training_takes_no_checkpoints_of_another_kind(place, capsys):
    (place / "tagged.tsv").write_text("我 买 苹果\tr-B v-B n-B\n", encoding="utf-8")
    before = tree(place)
    lac = ["lac", "train", "--train", place / "tagged.tsv", "--save_dir", place / "ck", "--hidden_size", 4]
    assert elmo(*lac, "--max_epoch", 1, "--overwrite", "True") == 2
    assert "epoch_001 holds a bilm model, not one of kind tagger: choose another place" in capsys.readouterr().err
    assert tree(place) == before
    write_checkpoint(place / "ck/step_0000009", FILES, TrainingState(1, 9, {}))
    before = tree(place)
    with pytest.raises(InputError, match="step_0000009 holds a skipgram model, not one of kind bilm"):
        train(place, overwrite=True)
    assert tree(place) == before


@pytest.mark.parametrize("make", [os.mkdir, lambda path: os.symlink("x", path), os.mkfifo])
def test_what_is_in_the_place_of_a_runs_lock_is_named(tmp_path, make):
    make(tmp_path / RUN_LOCK)
    with pytest.raises(InputError, match=r"/\.run\.lock: is no lock file of ours; remove it"), one_run(tmp_path):
        pass


def test_names_that_are_not_quite_those_of_checkpoints_are_left_alone(place):
    for name in ("epoch_7", "step_12", "epoch_0001x"):
        (place / "ck" / name).mkdir()
        (place / "ck" / name / "notes.txt").write_text("mine")
    (place / "ck/step_3").mkdir()
    train(place, overwrite=True)
    assert {"epoch_7", "step_12", "epoch_0001x", "step_3", "epoch_001"} <= set(os.listdir(place / "ck"))
    assert (place / "ck/epoch_7/notes.txt").read_text() == "mine"


def test_pruning_and_tidying_leave_what_is_not_ours(tmp_path):
    state = TrainingState(0, 1, {})
    for step in range(1, 5):
        write_checkpoint(tmp_path / f"step_{step:07d}", FILES, dataclasses.replace(state, step=step))
    (tmp_path / "step_0000001/notes.txt").write_text("mine")
    prune(tmp_path / "step_0000004", 1)
    assert sorted(os.listdir(tmp_path)) == ["step_0000001", "step_0000004"]
    ended = int(run_python("import os; print(os.getpid())").stdout)
    left = tmp_path / f".step_0000002.gone.{ended}"
    left.mkdir()
    (left / "notes.txt").write_text("mine")
    tidy(tmp_path)
    assert (left / "notes.txt").exists()
    (left / "notes.txt").unlink()
    (left / ".vocabulary.txt.0123456789abcdef").touch()
    tidy(tmp_path)
    assert not left.exists()


def test_lac_train_takes_only_what_it_has_written(place, capsys):
    for name, file in (("model", "notes.txt"), ("epoch_003", "notes.txt"), ("best", "x")):
        folder = place / f"run {name}" / name
        folder.mkdir(parents=True)
        (folder / file).write_text("mine")
        before = tree(place)
        call = ["lac", "train", "--save_dir", folder.parent, "--max_epoch", 1, "--overwrite", "True"]
        assert elmo(*call) == 2
        assert f"{name}/{file} is not a file" in capsys.readouterr().err
        assert tree(place) == before


def test_preprocess_replaces_shards_only(place, capsys):
    (place / "document.txt").write_text("我们去河边。", encoding="utf-8")
    for name in ("sentence_file_7", "sentence_file_notes"):
        (place / "shards" / name).write_text("mine")
        with pytest.raises(InputError, match=f"{name}: would be read with the shards but is none"):
            preprocess([place / "document.txt"], place / "shards", segmenter="whitespace", overwrite=True)
        (place / "shards" / name).unlink()
    (place / "mine").write_text("mine")
    (place / "shards/sentence_file_00001").symlink_to(place / "mine")
    with pytest.raises(InputError, match="sentence_file_00001: would be read"):
        preprocess([place / "document.txt"], place / "shards", segmenter="whitespace", overwrite=True)
    assert (place / "mine").read_text() == "mine"


# Files


@pytest.mark.parametrize("options", [[], ["--pieces", "True"]])
@pytest.mark.parametrize("kind", ["itself", "link", "hard link"])
def test_a_vocabulary_takes_no_shards_place(tmp_path, capsys, kind, options):
    shard, output = tmp_path / "shard", tmp_path / "output"
    shard.write_text("今天 天气 好\n", encoding="utf-8")
    if kind == "itself":
        output = shard
    elif kind == "link":
        output.symlink_to(shard)
    else:
        output.hardlink_to(shard)
    assert elmo("vocab", shard, "--output", output, *options) == 2
    assert "it is read for it" in capsys.readouterr().err
    assert shard.read_text(encoding="utf-8") == "今天 天气 好\n"


@pytest.mark.parametrize("command", [["encode", "elmo-zh-small"], ["lac", "tag"]])
def test_the_text_that_is_read_is_not_written_over(tmp_path, capsys, command):
    text = tmp_path / "text.npz"
    text.write_text("今天 天气 好\n", encoding="utf-8")
    overwrite = ["--overwrite", "True"] if "encode" in command else []
    assert elmo(*command, text, "--output", text, *overwrite) == 2
    assert "it is read for it" in capsys.readouterr().err
    assert text.read_text(encoding="utf-8") == "今天 天气 好\n"


def test_the_model_that_is_read_is_not_written_over(place, capsys):
    (place / "text").write_text(SENTENCES, encoding="utf-8")
    (place / "vectors.npz").symlink_to(place / "ck/epoch_001/model.safetensors")
    before = tree(place)
    for model in (place / "ck/epoch_001", place / "ck/../ck/epoch_001"):
        call = ["encode", model, place / "text", "--output", place / "vectors.npz", "--segmenter", "whitespace"]
        assert elmo(*call, "--overwrite", "True") == 2
        assert "it is read for it" in capsys.readouterr().err
    assert tree(place) == before


@pytest.mark.parametrize("source", ["load_pretraining_params", "vocab_path"])
def test_a_run_does_not_remove_the_checkpoint_that_it_starts_from(place, capsys, source):
    before = tree(place)
    given = {"vocab_path": place / "vocab.txt", source: place / "ck/epoch_001"}
    if source == "vocab_path":
        given[source] /= "vocabulary.txt"
    options = [part for name, value in given.items() for part in (f"--{name}", value)]
    call = ["pretrain", "--train_path", place / "shards/*", "--para_save_dir", place / "ck", *options]
    assert elmo(*call, "--overwrite", "True", "--max_epoch", 1) == 2
    assert "which is read for it: choose another place" in capsys.readouterr().err
    assert tree(place) == before


def test_lac_train_replaces_scores_only_when_it_is_told_to_and_never_its_own_text(place, capsys, data):
    (place / "run").mkdir()
    text = place / "train.tsv"
    shutil.copyfile(data / "lac/dev.tsv", text)
    scores = place / "run/scores.json"
    call = ["lac", "train", "--train", text, "--save_dir", place / "run", "--max_epoch", 1]
    for make in (lambda: scores.write_text("mine"), lambda: scores.symlink_to(text)):
        make()
        before = tree(place)
        assert elmo(*call) == 2
        assert "holds scores.json already" in capsys.readouterr().err
        if scores.is_symlink():
            assert elmo(*call, "--overwrite", "True") == 2
            assert "it is read for it" in capsys.readouterr().err
        assert tree(place) == before
        scores.unlink()


def test_what_has_the_name_of_a_directory_put_aside_stays(tmp_path):
    new, target, foreign = tmp_path / "new", tmp_path / "model", tmp_path / f".model.old.{os.getpid()}"
    for folder in (new, target, foreign):
        folder.mkdir()
    (foreign / "thesis.txt").write_text("a year's work")
    replace_directory(new, target, lambda _: None)
    assert tree(tmp_path) == {"model": None, foreign.name: None, f"{foreign.name}/thesis.txt": b"a year's work"}


def special(folder: Path, kind: str) -> Path:
    path = folder / kind
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "socket":
        here = os.getcwd()
        os.chdir(folder)  # a socket's path may have only some 100 bytes
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(kind)
        os.chdir(here)
    elif kind == "device":
        path.symlink_to(os.devnull)
    elif kind == "circle":
        path.symlink_to(path)
    else:
        path.mkdir()
    return path


KINDS = {
    "fifo": "it is a named pipe",
    "socket": "it is a socket",
    "device": "it is a device",
    "circle": "symbolic links",
    "folder": "Is a directory",
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_regular_file_is_never_replaced(tmp_path, kind):
    target = special(tmp_path, kind)
    before = target.lstat()
    for write in (lambda: whole_file(target).__enter__(), lambda: Vocabulary(SPECIAL_TOKENS).save(target)):
        with pytest.raises(InputError, match=rf"{kind}: can't be written \(.*{KINDS[kind]}"):
            write()
    assert os.path.samestat(before, target.lstat()) and os.listdir(tmp_path) == [kind]


@pytest.mark.parametrize(
    "call",
    [
        ["vocab", "{p}/shards/*", "--output", "{t}"],
        ["encode", "elmo-zh-small", "{p}/shards/sentence_file_00000", "--output", "{t}.npz", "--overwrite", "True"],
        ["encode", "elmo-zh-small", "{p}/shards/sentence_file_00000", "--output", "{t}.h5", "--overwrite", "True"],
        ["eval", "perplexity", "{p}/ck/epoch_001", "--test_path", "{p}/shards/*", "--output", "{t}"],
        ["lac", "eval", "elmo-zh-small", "{p}/shards/sentence_file_00000", "--output", "{t}"],
    ],
)
def test_commands_leave_pipes_alone(place, call, capsys):
    for name in ("pipe", "pipe.npz", "pipe.h5"):
        os.mkfifo(place / name)
    before = tree(place)
    assert elmo(*[part.format(p=place, t=place / "pipe") for part in call]) == 2
    capsys.readouterr()
    assert tree(place) == before


def test_a_link_is_followed_to_its_target(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real/file").write_text("old")
    (tmp_path / "real/file").chmod(0o640)
    (tmp_path / "link").symlink_to("real/file")
    with whole_file(tmp_path / "link") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "real/file").read_text() == "new"
    assert (tmp_path / "real/file").stat().st_mode & 0o777 == 0o640
    (tmp_path / "dangling").symlink_to("real/later")
    Vocabulary(SPECIAL_TOKENS).save(tmp_path / "dangling")
    assert sorted(os.listdir(tmp_path / "real")) == ["file", "later"] and (tmp_path / "dangling").is_symlink()
    (tmp_path / "v.npz").symlink_to("real/v.npz")
    with pytest.raises(InputError, match="exists already"):
        write_vectors(tmp_path / "v.npz", [])
    write_vectors(tmp_path / "v.npz", [], overwrite=True)
    assert (tmp_path / "real/v.npz").is_file()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a link that is another user's")
def test_a_link_that_another_user_has_put_there_is_not_followed(tmp_path):
    (tmp_path / "victim").write_text("mine")
    (tmp_path / "link").symlink_to("victim")
    os.lchown(tmp_path / "link", 12345, 12345)
    with pytest.raises(InputError, match="it is a symbolic link of the user 12345"), whole_file(tmp_path / "link"):
        pass
    assert (tmp_path / "victim").read_text() == "mine"


def test_nobody_can_foresee_the_name_that_is_written_at(tmp_path):
    (tmp_path / "victim").write_text("mine")
    for name in (f".file.{os.getpid()}", f".model.{os.getpid()}"):
        (tmp_path / name).symlink_to("victim")
    with replacing(tmp_path / "file") as temporary:
        first = temporary.name
        temporary.write_text("new")
    with replacing(tmp_path / "file") as temporary:
        assert temporary.name != first
    write_model(tmp_path / "model", FILES)
    assert (tmp_path / "victim").read_text() == "mine" and (tmp_path / "file").read_text() == ""


def test_a_long_name_can_be_written(tmp_path):
    name = "苹" * 80 + ".txt"
    Vocabulary(SPECIAL_TOKENS).save(tmp_path / name)
    assert os.listdir(tmp_path) == [name]


def test_lark_files_are_replaced_and_nothing_else(place):
    files = read_model(place / "ck/epoch_001")
    write_lark(files, place / "lark")
    write_lark(files, place / "lark", overwrite=True)
    (place / "lark/thesis.txt").touch()
    before = tree(place)
    with pytest.raises(InputError, match=r"lark/thesis.txt is not a file"):
        write_lark(files, place / "lark", overwrite=True)
    assert tree(place) == before


def test_a_directory_that_can_not_be_looked_into_stays(tmp_path):
    def unreadable(path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    with pytest.raises(InputError, match=r"can't be read \(Permission denied\)"):
        check_replaceable(tmp_path, unreadable)
    assert first_foreign(tmp_path, ()) is None and writable_file(tmp_path / "new") == tmp_path / "new"


# Runs


def test_two_runs_into_one_folder_do_not_mix(place, capsys):
    with one_run(place / "ck"):
        call = ["pretrain", "--train_path", place / "shards/*", "--vocab_path", place / "vocab.txt"]
        call += ["--para_save_dir", place / "ck", "--embed_size", 4, "--hidden_size", 6, "--use_gpu", "False"]
        done = run_python(COMMAND, *call, "--resume", "True", check=False)
        assert done.returncode == 2
        message = done.stderr.splitlines()[-1]
        assert f"process {os.getpid()} on {socket.gethostname()}, since 20" in message and "pytest" in message
        with pytest.raises(InputError, match="another run writes there"):
            train(place, overwrite=True)
        with pytest.raises(InputError, match="another run writes there"), one_run(place / "ck"):
            pass
        assert elmo("lac", "train", "--save_dir", place / "ck", "--max_epoch", 1, "--overwrite", "True") == 2
        assert "another run writes there" in capsys.readouterr().err
    assert sorted(os.listdir(place / "ck")) == ["epoch_001"]
    train(place, overwrite=True)


def test_the_lock_goes_with_its_process_and_a_stale_file_harms_nobody(tmp_path):
    (tmp_path / RUN_LOCK).write_text("[" * 5000)
    with one_run(tmp_path):
        pass
    with one_run(tmp_path / "new/folder"):
        assert (tmp_path / "new/folder").is_dir()
    assert os.listdir(tmp_path) == []


def test_who_waited_for_a_lock_that_was_removed_does_not_have_it(tmp_path, monkeypatch):
    path, taken = tmp_path / "lock", []
    real = os.path.samestat

    def first_time_removed(first, second):
        taken.append(1)
        return len(taken) > 1 and real(first, second)

    monkeypatch.setattr(os.path, "samestat", first_time_removed)
    with locked(path) as descriptor:
        assert descriptor is not None and os.fstat(descriptor).st_ino == path.stat().st_ino
    assert len(taken) == 2


@pytest.mark.parametrize("kind", ["link", "dangling", "fifo", "hard link"])
def test_a_planted_lock_file_is_not_written_to(tmp_path, kind):
    (tmp_path / "run").mkdir()
    (tmp_path / "victim").write_text("mine")
    lock = tmp_path / "run" / RUN_LOCK
    if kind == "fifo":
        os.mkfifo(lock)
    elif kind == "hard link":
        os.link(tmp_path / "victim", lock)
    else:
        lock.symlink_to(tmp_path / ("victim" if kind == "link" else "none"))
    with pytest.raises(InputError), one_run(tmp_path / "run"):
        pass
    assert (tmp_path / "victim").read_text() == "mine" and not (tmp_path / "none").exists()


def test_a_save_folder_that_can_be_none_is_refused_before_the_first_step(place, monkeypatch):
    monkeypatch.setattr("elmo.training.bilm.BiLM", lambda _: pytest.fail("a model was built"))
    (place / "file").write_text("mine")
    for name in ("file", "file/ck", "vocab.txt/x/y"):
        with pytest.raises(InputError, match=r"is a file: give a folder|can't be a folder"):
            train(place, para_save_dir=str(place / name))
    assert (place / "file").read_text() == "mine"


@pytest.mark.parametrize("make", ["a file", "a link", "a thesis"])
@pytest.mark.parametrize("command", ["pretrain", "lac train"])
def test_a_run_that_could_not_save_is_refused_before_it_goes_on(place, capsys, command, make):
    if command == "pretrain":
        call = [command, "--train_path", place / "shards/*", "--vocab_path", place / "vocab.txt"]
        call += ["--embed_size", 4, "--hidden_size", 6, "--num_layers", 1, "--n_negative_samples_batch", 4]
        call += ["--para_save_dir", place / "ck", "--resume", "True", "--max_epoch"]
    else:
        (place / "gold.tsv").write_text("\n".join(["text_a\tlabel", "我\x02买\tr-B\x02v-B"]) + "\n", encoding="utf-8")
        call = ["lac", "train", "--train", place / "gold.tsv", "--save_dir", place / "ck2", "--embedding_size", 4]
        call += ["--hidden_size", 4, "--num_layers", 1, "--resume", "True", "--max_epoch"]
        assert elmo(*call, 1) == 0
    folder = place / ("ck" if command == "pretrain" else "ck2")
    next_one = folder / "epoch_002"
    if make == "a file":
        next_one.write_text("mine")
    elif make == "a link":
        next_one.symlink_to(place / "shards", target_is_directory=True)
    else:
        next_one.mkdir()
        (next_one / "thesis.txt").write_text("four years")
    before = tree(place)
    capsys.readouterr()
    assert elmo(*call, 2) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("elmo: ") and "epoch_002" in said, said
    assert tree(place) == before


# Checkpoints of other versions, and damaged ones


def rewrite(folder: Path, change: dict) -> None:
    """Change a checkpoint's record and seal it again, as another version would."""
    path = folder / "training.json"
    record = json.loads(path.read_text())
    del record["seal"]
    record.update(change)
    record["seal"] = seal(record)
    path.write_text(json.dumps(record))


def test_a_checkpoint_of_a_later_version_is_called_so(place):
    rewrite(place / "ck/epoch_001", {"tokens_seen": 3})
    for read in (
        lambda: read_training_state(place / "ck/epoch_001"),
        lambda: newest_checkpoint(place / "ck", pytest.fail),
        lambda: train(place, resume=True),
    ):
        with pytest.raises(LaterVersionError, match="'tokens_seen', which a later version") as caught:
            read()
        assert "overwrite" not in str(caught.value) and "damaged" not in str(caught.value)


@pytest.mark.parametrize("part", ["progress", "settings"])
def test_a_setting_of_a_later_version_is_called_so(place, part):
    record = json.loads((place / "ck/epoch_001/training.json").read_text())
    rewrite(place / "ck/epoch_001", {part: {**record[part], "novelty": 1}})
    with pytest.raises(InputError, match="'novelty', which a later version"):
        train(place, resume=True)


ODD = {
    "deep": "[" * 100_000,
    "deep object": '{"a":' * 100_000,
    "infinite": '{"step": Infinity, "seal": 1}',
    "huge": '{"step": 1e999}',
    "list": "[1, 2]",
    "null": "null",
    "digits": '{"step": ' + "9" * 6000 + "}",
    "bytes": "\udcff",
    "empty": "",
}


@pytest.mark.parametrize("odd", ODD)
def test_where_a_record_is_odd_the_checkpoint_before_is_used(tmp_path, odd):
    for step in (1, 2):
        write_checkpoint(tmp_path / f"step_{step:07d}", FILES, TrainingState(0, step, {}))
    (tmp_path / "step_0000002/training.json").write_bytes(ODD[odd].encode(errors="surrogateescape"))
    assert [path.name for path in checkpoints(tmp_path)] == ["step_0000002", "step_0000001"]
    warnings: list[str] = []
    found = newest_checkpoint(tmp_path, warnings.append)
    assert found is not None and found.name == "step_0000001" and len(warnings) == 1


@pytest.mark.parametrize(
    "change", [{"epoch": "1"}, {"step": -1}, {"progress": []}, {"history": {}}, {"history": [1]}, {"world_size": None}]
)
def test_a_sealed_record_with_a_field_of_another_type_is_damaged(tmp_path, change):
    for step in (1, 2):
        write_checkpoint(tmp_path / f"step_{step:07d}", FILES, TrainingState(0, step, {}))
    rewrite(tmp_path / "step_0000002", change)
    found = newest_checkpoint(tmp_path, lambda _: None)
    assert found is not None and found.name == "step_0000001"


def test_a_record_that_is_a_pipe_does_not_hang(tmp_path):
    write_checkpoint(tmp_path / "step_0000001", FILES, TrainingState(0, 1, {}))
    write_checkpoint(tmp_path / "step_0000002", FILES, TrainingState(0, 2, {}))
    (tmp_path / "step_0000002/training.json").unlink()
    os.mkfifo(tmp_path / "step_0000002/training.json")
    found = newest_checkpoint(tmp_path, lambda _: None)
    assert found is not None and found.name == "step_0000001"


@pytest.mark.parametrize(
    "call",
    [
        ["eval", "perplexity", "elmo-zh-small", "--test_path", "{f}", "-o", "{f}"],
        ["eval", "perplexity", "elmo-zh-small", "--test_path", "{d}/*", "-o", "{f}"],
        ["eval", "masked", "bert-zh-small", "--test_path", "{f}", "-o", "{f}"],
        ["eval", "words", "word2vec-zh-small", "{f}", "-o", "{f}"],
        ["eval", "senses", "elmo-zh-small", "--senses", "{f}", "-o", "{f}"],
        ["eval", "cloze", "bert-zh-small", "--questions", "{f}", "-o", "{f}"],
        ["lac", "eval", "model", "{f}", "-o", "{f}"],
    ],
)
def test_results_never_take_the_place_of_what_they_are_of(call, tmp_path, capsys, monkeypatch):
    folder = tmp_path / "texts"
    folder.mkdir()
    text = folder / "text"
    text.write_text("我 买 了 苹果\n", encoding="utf-8")
    monkeypatch.setattr("sys.argv", ["elmo", *(part.format(f=text, d=folder) for part in call)])
    with pytest.raises(SystemExit) as ending:
        cli.main()
    assert ending.value.code == 2
    assert "it is read for it" in capsys.readouterr().err
    assert text.read_text(encoding="utf-8") == "我 买 了 苹果\n"


@pytest.mark.parametrize("kind", ["folder", "pipe", "device"])
@pytest.mark.parametrize(
    "call", [["tasks", "--corpora", "{d}", "--results"], ["cloze", "bert-zh-small", "-o"], ["prejudice", "{d}", "-o"]]
)
def test_a_results_file_that_can_be_none_is_told_before_the_work(call, kind, tmp_path, capsys):
    place = tmp_path / "o"
    if kind == "folder":
        place.mkdir()
    elif kind == "pipe":
        os.mkfifo(place)
    place = Path("/dev/null") if kind == "device" else place
    (tmp_path / "d").mkdir()
    assert elmo("eval", *(part.format(d=tmp_path / "d") for part in call), place) == 2
    assert f"{place}: can't be written" in capsys.readouterr().err


def test_a_page_takes_a_files_place_only_when_it_is_told_to(tmp_path, capsys):
    page = tmp_path / "thesis.html"
    page.write_text("four years")
    assert elmo("export", "elmo-zh-small", "--to", "web", "--output", page) == 2
    assert "exists already" in capsys.readouterr().err and page.read_text() == "four years"


def test_a_dictionary_is_not_removed_by_the_shards_that_it_cuts(place, capsys):
    (place / "docs").mkdir()
    dictionary = place / "docs/sentence_file_00007"
    dictionary.write_text("苹果 9 n\n", encoding="utf-8")
    call = ["preprocess", place / "vocab.txt", "--output", place / "docs", "--user_dictionary", dictionary]
    assert elmo(*call, "--overwrite") == 2
    assert "would be replaced" in capsys.readouterr().err and dictionary.exists()


def test_a_call_of_adapt_that_was_wrong_leaves_nothing(place, capsys):
    os.mkfifo(place / "pipe")
    before = tree(place)
    for text in (place / "pipe", place / "vocab.txt.missing"):
        assert elmo("adapt", place / "ck/epoch_001", text, "--output", place / "mine") == 2
        assert tree(place) == before
