"""What a source is taken for, what becomes of it, and `elmo info` on it."""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest

from elmo.bilm import BiLM, init_pretraining_params
from elmo.bilm_config import BiLMConfig
from elmo.convert import convert, read_any, safety
from elmo.convert.lark import write_lark
from elmo.encoding.encoder import load_pretrained
from elmo.errors import InputError
from elmo.explore.describe import describe_model, render
from elmo.models import ModelFiles, read_model, write_model
from elmo.text.vocabulary import SPECIAL_TOKENS, Vocabulary
from tests.parameters import draw, files_of

VOCABULARY = Vocabulary([*SPECIAL_TOKENS, *"山水风雨"])
WORDS = [["山", "水", "石"], ["风"]]


def model_files(softmax: bool = True) -> ModelFiles:
    model = BiLM(BiLMConfig(len(VOCABULARY), 6, 10, softmax=softmax))
    draw(model, 8, 0.5)
    return files_of(model, VOCABULARY)


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    return write_model(tmp_path / "ours", model_files())


def same_vectors(first: Path, second: Path) -> bool:
    one, other = (load_pretrained(place, "whitespace").encode(WORDS) for place in (first, second))
    return all((a == b).all() for a, b in zip(one, other, strict=True))


def test_ours_becomes_a_lark_checkpoint_and_ours_again(ours: Path, tmp_path: Path):
    convert(ours, tmp_path / "lark", to="lark")
    convert(tmp_path / "lark", tmp_path / "again")
    assert same_vectors(ours, tmp_path / "lark") and same_vectors(ours, tmp_path / "again")
    assert read_model(tmp_path / "again").provenance["source"] == "LARK"


def test_an_archive_is_read_like_its_folder(ours: Path, tmp_path: Path):
    write_lark(model_files(), tmp_path / "lark")
    with tarfile.open(tmp_path / "checkpoint.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "lark", "checkpoint")
    assert same_vectors(tmp_path / "checkpoint.tar.gz", ours)
    assert read_any(tmp_path / "checkpoint.tar.gz").provenance["converted_from"] == "checkpoint.tar.gz"


def test_weights_without_softmax_give_vectors_and_say_that_they_give_no_perplexity(tmp_path: Path):
    write_lark(model_files(softmax=False), tmp_path / "lark")
    encoder = load_pretrained(tmp_path / "lark", "whitespace")
    assert encoder.encode(WORDS)[0].shape == (3, 3, 12)
    with pytest.raises(InputError, match="without its softmax"):
        encoder.model.losses(None, None)
    assert "absent" in render(describe_model(tmp_path / "lark"))


def test_lark_s_second_step_takes_lark_s_own_checkpoint(tmp_path: Path):
    from elmo.bilm import elmo_encoder

    files = model_files()
    write_lark(files, tmp_path / "lark")
    network = elmo_encoder(tmp_path / "lark")
    assert init_pretraining_params(network, tmp_path / "lark") == 1
    assert (network.bilm.embedding_para.numpy() == files.arrays["embedding_para"]).all()


def test_half_precision_halves_the_file(ours: Path, tmp_path: Path):
    convert(ours, tmp_path / "half", dtype="float16")
    assert read_model(tmp_path / "half").arrays["embedding_para"].dtype == np.float32  # as it is used
    assert "float16" in render(describe_model(tmp_path / "half"))


def test_info_of_a_model_of_ours_needs_no_weights_in_memory(ours: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("elmo.explore.describe.read_any", None)
    info = describe_model(ours)
    assert info.num_parameters == sum(array.size for array in model_files().arrays.values())
    assert info.source == "this package"
    text = render(info)
    assert "2 LSTMP layers in each direction, of 10 cells projected to 6" in text
    assert "7 tokens" in text


@pytest.mark.parametrize("model", ["bilm_tf", "elmoformanylangs/word", "elmoformanylangs/charword"])
def test_info_tells_where_other_systems_weights_come_from(shared: Path, model: str):
    text = render(describe_model(shared / "parity" / model))
    assert ("AllenNLP" in text) == (model == "bilm_tf")
    assert "licence" in text and "token encoder" in text and "projected to 16" in text


def test_a_folder_that_is_no_model_is_refused_with_what_is_looked_for(tmp_path: Path):
    (tmp_path / "readme.txt").write_text("nothing")
    with pytest.raises(InputError, match="holds no model"):
        read_any(tmp_path)


def test_a_name_that_is_nothing_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match="no such model"):
        read_any(tmp_path / "missing")


def test_another_kind_than_is_needed_is_refused(tmp_path: Path):
    write_lark(model_files(), tmp_path / "lark")
    with pytest.raises(InputError, match="a skipgram model is needed"):
        read_any(tmp_path / "lark", kind="skipgram")


def test_a_target_that_is_there_is_kept_and_the_source_not_even_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_lark(model_files(), tmp_path / "lark")
    (tmp_path / "target").mkdir()
    monkeypatch.setattr("elmo.convert.read_any", None)
    with pytest.raises(InputError, match="exists already"):
        convert(tmp_path / "lark", tmp_path / "target")
    assert list((tmp_path / "target").iterdir()) == []


@pytest.mark.parametrize(("to", "dtype", "message"), [("onnx", "float32", "'onnx'"), ("lark", "float16", "half")])
def test_a_format_that_is_none_is_refused(ours: Path, tmp_path: Path, to: str, dtype: str, message: str):
    with pytest.raises(InputError, match=message):
        convert(ours, tmp_path / "target", to=to, dtype=dtype)


def test_nothing_is_left_where_a_conversion_failed(tmp_path: Path):
    write_lark(model_files(), tmp_path / "lark")
    broken = tmp_path / "lark/embedding_para"
    broken.write_bytes(broken.read_bytes()[:-4])
    before = sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises(InputError, match="embedding_para"):
        convert(tmp_path / "lark", tmp_path / "target")
    assert sorted(path.name for path in tmp_path.iterdir()) == before


@pytest.mark.parametrize("model", ["bilm_tf", "elmoformanylangs/charword"])
def test_a_model_that_does_not_fit_into_memory_is_refused_before_it_is_read(
    shared: Path, model: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(safety, "available_memory", lambda: 1000)
    with pytest.raises(InputError, match="would need"):
        read_any(shared / "parity" / model)


def test_memory_that_is_free_is_known_and_enough_for_a_small_model():
    free = safety.available_memory()
    assert free is None or free > 1 << 20
    safety.check_memory(1000, "model")


@pytest.mark.parametrize(
    "name", ["../outside", "/etc/hostname", "a/../../outside", "link", "folder", "missing", "a\0b"]
)
def test_files_are_taken_from_inside_the_directory_only(tmp_path: Path, name: str):
    (tmp_path / "outside").write_text("x")
    model = tmp_path / "model"
    (model / "folder").mkdir(parents=True)
    (model / "link").symlink_to(tmp_path / "outside")
    with pytest.raises(InputError):
        safety.inside(model, name)


def test_a_link_within_the_directory_is_followed(tmp_path: Path):
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to("file")
    assert safety.inside(tmp_path, "link").read_text() == "x"


@pytest.mark.parametrize("text", ["", "[1]", "{", '{"a": 1', "[" * 100_000])
def test_a_configuration_that_is_no_json_object_is_refused(tmp_path: Path, text: str):
    (tmp_path / "options.json").write_text(text)
    with pytest.raises(InputError, match="JSON"):
        safety.read_json(tmp_path / "options.json")


def test_a_copied_model_directory_is_still_a_model_of_ours(ours: Path, tmp_path: Path):
    shutil.copytree(ours, tmp_path / "copy")
    assert same_vectors(ours, tmp_path / "copy")
