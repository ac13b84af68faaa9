"""Models of ELMoForManyLangs: read into our form they give their own program's vectors; damaged ones are refused.

What their program does, and `Reference` shows: a word is cut to max_characters - 2 characters before its id and its
characters are looked up; characters are padded to max_characters in every batch; sentences are sorted by falling
length, cut into batches, and the batches run in a shuffled order; a batch's row goes on from the state that the same
row left before.
"""

from __future__ import annotations

import json
import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import elmo.convert.safety
from elmo.convert.manylangs import is_manylangs, read_manylangs
from elmo.convert.torch_pickle import read_tensors
from elmo.errors import InputError
from elmo.models import ModelFiles, read_model, write_model
from tests.convert.manylangs_reference import Array, Reference, batches, checkpoint, damaged
from tests.refusals import refusal

# float32 sums in two orders, over up to 213 words of carried state, differ by 1e-6.
TOLERANCE = 1e-5
WORDS = ["<oov>", "<bos>", "<eos>", "<pad>", "我", "苹果", "手机"]
SYMBOLS = ["<", "我", "苹", "果", "\u3000", "<bos>", "<eos>", "<oov>", "<pad>", "<bow>", "<eow>"]
SIZES: dict[str, Any] = {
    "encoder": {"name": "elmo", "projection_dim": 3, "cell_clip": 3, "proj_clip": 3, "dim": 4, "n_layers": 2},
    "token_embedder": {
        "name": "cnn",
        "activation": "relu",
        "filters": [[1, 2], [3, 3]],
        "n_highway": 1,
        "word_dim": 5,
        "char_dim": 2,
        "max_characters_per_token": 6,
    },
    "classifier": {"name": "sampled_softmax", "n_samples": 8192},
    "dropout": 0.1,
}


def entries(tokens: list[str]) -> bytes:
    return "".join(f"{token}\t{index}\n" for index, token in enumerate(tokens)).encode()


def make_encoder() -> dict[str, Array]:
    generator = np.random.default_rng(1)
    arrays: dict[str, Array] = {}
    for k in range(2):
        for direction in ("forward", "backward"):
            layer = f"{direction}_layer_{k}"
            arrays[f"{layer}.input_linearity.weight"] = generator.normal(size=(16, 3))
            arrays[f"{layer}.state_linearity.weight"] = generator.normal(size=(16, 3))
            arrays[f"{layer}.state_linearity.bias"] = generator.normal(size=16)
            arrays[f"{layer}.state_projection.weight"] = generator.normal(size=(3, 4))
    return {name: array.astype("<f4") for name, array in arrays.items()}


def make_embedder(word_dim: int = 5) -> dict[str, Array]:
    generator = np.random.default_rng(2)
    arrays: dict[str, Array] = {}
    if word_dim:
        arrays["word_emb_layer.embedding.weight"] = generator.normal(size=(len(WORDS), word_dim))
    arrays |= {
        "char_emb_layer.embedding.weight": generator.normal(size=(len(SYMBOLS), 2)),
        "convolutions.0.weight": generator.normal(size=(2, 2, 1)),
        "convolutions.0.bias": generator.normal(size=2),
        "convolutions.1.weight": generator.normal(size=(3, 2, 3)),
        "convolutions.1.bias": generator.normal(size=3),
        "highways._layers.0.weight": generator.normal(size=(10, 5)),
        "highways._layers.0.bias": generator.normal(size=10),
        "projection.weight": generator.normal(size=(3, word_dim + 5)),
        "projection.bias": generator.normal(size=3),
    }
    return {name: array.astype("<f4") for name, array in arrays.items()}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A tiny model of words and characters."""
    folder = tmp_path / "zhs.model"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"config_path": "configs/sizes.json", "seed": 1}))
    (folder / "sizes.json").write_text(json.dumps(SIZES))
    (folder / "encoder.pkl").write_bytes(checkpoint(make_encoder()))
    (folder / "token_embedder.pkl").write_bytes(checkpoint(make_embedder()))
    (folder / "word.dic").write_bytes(entries(WORDS))
    (folder / "char.dic").write_bytes(entries(SYMBOLS))
    return folder


def refused(model: Path) -> str:
    message = refusal(read_manylangs, model)
    assert message.startswith(str(model)) and len(message) < len(str(model)) + 400
    return message.removeprefix(str(model))


@pytest.fixture(scope="module", params=["word", "charword"])
def trained(request: pytest.FixtureRequest, shared: Path) -> tuple[ModelFiles, Path]:
    """A model that ELMoForManyLangs trained, read, and the directory it comes from."""
    folder = shared / "parity/elmoformanylangs" / request.param
    return read_manylangs(folder), folder


def sentences_of(folder: Path) -> list[list[str]]:
    sentences: list[list[str]] = json.loads((folder.parent / "sentences.json").read_text(encoding="utf-8"))
    return sentences


def assert_equal(folder: Path, case: str, found: dict[int, Array]) -> None:
    assert sorted(found) == list(range(20))
    with np.load(folder / "expected.npz") as expected:
        for index, array in found.items():
            np.testing.assert_allclose(array, expected[f"{case}_{index:02}"], rtol=0, atol=TOLERANCE)


def test_a_batch_and_the_same_again_with_the_state_it_left(trained: tuple[ModelFiles, Path]) -> None:
    files, folder = trained
    reference, sentences = Reference(files), sentences_of(folder)
    for case in ("call1", "call2"):
        assert_equal(folder, case, dict(enumerate(reference.encode(sentences))))


def test_sentences_alone_from_a_fresh_state(trained: tuple[ModelFiles, Path]) -> None:
    files, folder = trained
    alone = [Reference(files).encode([sentence])[0] for sentence in sentences_of(folder)]
    assert_equal(folder, "alone", dict(enumerate(alone)))


def test_batches_of_six_hand_their_state_from_row_to_row(trained: tuple[ModelFiles, Path]) -> None:
    """The expected arrays were made with seed 0: of the batches by falling length the third, first, second, fourth."""
    files, folder = trained
    reference, sentences = Reference(files), sentences_of(folder)
    found: dict[int, Array] = {}
    for batch in batches([len(sentence) for sentence in sentences], 6, seed=0):
        found |= dict(zip(batch, reference.encode([sentences[index] for index in batch]), strict=True))
    assert_equal(folder, "batch6", found)


def test_a_trained_model_survives_being_written(trained: tuple[ModelFiles, Path], tmp_path: Path) -> None:
    files, folder = trained
    again = read_model(write_model(tmp_path / "ours", files))
    assert again.config == files.config and again.vocabulary == files.vocabulary
    assert again.arrays.keys() == files.arrays.keys()
    assert again.provenance["source"] == "ELMoForManyLangs" and again.provenance["converted_from"] == folder.name


def test_it_is_recognised_by_its_two_files(model: Path) -> None:
    assert is_manylangs(model) and is_manylangs(str(model))
    (model / "encoder.pkl").unlink()
    assert not is_manylangs(model) and not is_manylangs(model / "word.dic") and not is_manylangs(model / "absent")


@pytest.mark.parametrize("legacy", [False, True])
def test_every_tensor_finds_its_place(model: Path, legacy: bool) -> None:
    theirs = {"encoder": make_encoder(), "token_embedder": make_embedder()}
    for part, tensors in theirs.items():
        (model / f"{part}.pkl").write_bytes(checkpoint(tensors, legacy=legacy))
    files = read_manylangs(model)
    ours, encoder, embedder = files.arrays, theirs["encoder"], theirs["token_embedder"]
    assert files.kind == "bilm" and all(array.dtype == np.float32 for array in ours.values())
    for direction in ("forward", "backward"):
        for k in range(2):
            bias = encoder[f"{direction}_layer_{k}.state_linearity.bias"]
            input_, forget, candidate, output = np.split(bias, 4)
            expected = np.concatenate([candidate, input_, forget, output])
            np.testing.assert_array_equal(ours[f"{direction}_layers.{k}.bias"], expected)
            for name, their_name in (("input_weight", "input_linearity"), ("recurrent_weight", "state_linearity")):
                weight = encoder[f"{direction}_layer_{k}.{their_name}.weight"]
                assert ours[f"{direction}_layers.{k}.{name}"].shape == (3, 16)
                np.testing.assert_array_equal(ours[f"{direction}_layers.{k}.{name}"][:, :4], weight[8:12].T)
                np.testing.assert_array_equal(ours[f"{direction}_layers.{k}.{name}"][:, 12:], weight[12:].T)
            weight = encoder[f"{direction}_layer_{k}.state_projection.weight"]
            np.testing.assert_array_equal(ours[f"{direction}_layers.{k}.projection_weight"], weight.T)
    pairs = {
        "word_embedding": embedder["word_emb_layer.embedding.weight"],
        "char_embedding": embedder["char_emb_layer.embedding.weight"],
        "convolutions.1.weight": embedder["convolutions.1.weight"].transpose(2, 1, 0),
        "convolutions.1.bias": embedder["convolutions.1.bias"],
        "highways.0.transform_weight": embedder["highways._layers.0.weight"][:5].T,
        "highways.0.transform_bias": embedder["highways._layers.0.bias"][:5],
        "highways.0.gate_weight": -embedder["highways._layers.0.weight"][5:].T,
        "highways.0.gate_bias": -embedder["highways._layers.0.bias"][5:],
        "projection_weight": embedder["projection.weight"].T,
        "projection_bias": embedder["projection.bias"],
    }
    for name, array in pairs.items():
        np.testing.assert_array_equal(ours[f"token_encoder.{name}"], array)
    assert len(ours) == 16 + len(pairs) + 2


def test_sizes_and_names_become_ours(model: Path) -> None:
    files = read_manylangs(model)
    assert files.vocabulary.tokens == ("<UNK>", "<S>", "</S>", "<pad>", "我", "苹果", "手机")
    assert files.config == {
        "vocab_size": 7,
        "embed_size": 3,
        "hidden_size": 4,
        "num_layers": 2,
        "cell_clip": 3.0,
        "proj_clip": 3.0,
        "dropout": 0.1,
        "bos_id": 1,
        "eos_id": 2,
        "use_skip_connections": True,
        "softmax": False,
        "token_encoder": {
            # Their word begins with the code of <eow>: that code's row is our <bow>.
            "alphabet": [*SYMBOLS[:-2], "<eow>", "<bow>"],
            "char_embed_size": 2,
            "filters": [[1, 2], [3, 3]],
            "num_highway": 1,
            "activation": "relu",
            "max_characters": 6,
            "word_embed_size": 5,
        },
    }
    assert files.provenance["converted_from"] == "zhs.model"


def change(model: Path, section: str, **fields: Any) -> None:
    sizes = json.loads((model / "sizes.json").read_text())
    sizes[section] |= fields
    (model / "sizes.json").write_text(json.dumps(sizes))


def test_a_model_of_characters_only_needs_no_dictionary_of_words(model: Path) -> None:
    change(model, "token_embedder", word_dim=0)
    (model / "word.dic").unlink()
    (model / "token_embedder.pkl").write_bytes(checkpoint(make_embedder(word_dim=0)))
    files = read_manylangs(model)
    assert files.vocabulary.tokens == ("<S>", "</S>", "<UNK>") and files.config["vocab_size"] == 3
    assert "token_encoder.word_embedding" not in files.arrays


def test_a_model_of_words_only_has_no_filters(model: Path) -> None:
    change(model, "token_embedder", char_dim=0)
    (model / "char.dic").unlink()
    embedder = {name: array for name, array in make_embedder().items() if name.startswith(("word", "projection"))}
    embedder["projection.weight"] = np.ascontiguousarray(embedder["projection.weight"][:, :5])
    (model / "token_embedder.pkl").write_bytes(checkpoint(embedder))
    encoder = read_manylangs(model).config["token_encoder"]
    assert encoder["filters"] == [] and encoder["char_embed_size"] == 0 and encoder["num_highway"] == 0
    assert encoder["max_characters"] == 6  # a longer word is cut before it is looked up, here too


@pytest.mark.parametrize(
    "given",
    [
        "sizes.json",
        "configs/sizes.json",
        "/users4/someone/models/sizes.json",
        "C:\\models\\sizes.json",
        "../sizes.json",
    ],
)
def test_sizes_are_found_by_the_last_part_of_their_name(model: Path, given: str) -> None:
    (model / "config.json").write_text(json.dumps({"config_path": given}))
    assert read_manylangs(model).config["embed_size"] == 3
    (model / "configs").mkdir()
    shutil.move(model / "sizes.json", model / "configs/sizes.json")
    assert read_manylangs(model).config["embed_size"] == 3


def test_missing_files_are_asked_for_by_name(model: Path) -> None:
    (model / "config.json").write_text(json.dumps({"config_path": "/home/someone/cnn_50_100_512_4096_sample.json"}))
    message = refused(model)
    assert "cnn_50_100_512_4096_sample.json" in message and "beside config.json" in message and "/home" not in message
    for given in (None, 5, "", "..", "configs/..", "a\0b", "\ud800", ["sizes.json"], "x" * 5000):
        (model / "config.json").write_text(json.dumps({"config_path": given}))
        refused(model)
    (model / "config.json").write_text(json.dumps({"config_path": "sizes.json"}))
    for name in ("token_embedder.pkl", "encoder.pkl", "char.dic", "word.dic", "sizes.json", "config.json"):
        (model / name).unlink()
        assert name in refused(model)


@pytest.mark.parametrize(
    "name", ["config.json", "sizes.json", "word.dic", "char.dic", "encoder.pkl", "token_embedder.pkl"]
)
def test_links_out_of_the_directory_are_refused(model: Path, name: str) -> None:
    shutil.move(model / name, model.parent / "elsewhere")
    (model / name).symlink_to(model.parent / "elsewhere")
    assert "symbolic link" in refused(model)


@pytest.mark.parametrize(
    ("section", "fields", "complaint"),
    [
        ("encoder", {"name": "lstm"}, "encoder.name"),
        ("token_embedder", {"name": "lstm"}, "token_embedder.name"),
        ("encoder", {"projection_dim": 0}, "projection_dim"),
        ("encoder", {"projection_dim": 10**9}, "projection_dim"),
        ("encoder", {"dim": 4.0}, "dim"),
        ("encoder", {"dim": True}, "dim"),
        ("encoder", {"n_layers": 10**6}, "n_layers"),
        ("encoder", {"n_layers": [2]}, "n_layers"),
        ("encoder", {"cell_clip": "3"}, "cell_clip"),
        ("encoder", {"cell_clip": float("nan")}, "cell_clip"),
        ("encoder", {"proj_clip": -1}, "proj_clip"),
        ("encoder", {"proj_clip": 10**400}, "proj_clip"),
        ("token_embedder", {"activation": "swish"}, "activation"),
        ("token_embedder", {"activation": ["relu"]}, "activation"),
        ("token_embedder", {"filters": []}, "filters"),
        ("token_embedder", {"filters": [[7, 2]]}, "width"),  # wider than a word is long
        ("token_embedder", {"filters": [[1, 0]]}, "number"),
        ("token_embedder", {"filters": [[1, 2, 3]]}, "a filter"),
        ("token_embedder", {"filters": {"1": 2}}, "filters"),
        ("token_embedder", {"n_highway": -1}, "n_highway"),
        ("token_embedder", {"max_characters_per_token": 2}, "max_characters_per_token"),
        ("token_embedder", {"word_dim": 0, "char_dim": 0}, "word_dim"),
    ],
)
def test_impossible_sizes_are_refused(model: Path, section: str, fields: dict[str, Any], complaint: str) -> None:
    change(model, section, **fields)
    message = refused(model)
    assert message.startswith("/sizes.json") and complaint in message


def test_a_configuration_without_a_size_or_with_another_dropout_is_refused(model: Path) -> None:
    sizes: dict[str, Any]
    for sizes in ({}, {"encoder": []}, {"encoder": SIZES["encoder"]}, SIZES | {"dropout": 1}, SIZES | {"dropout": "x"}):
        (model / "sizes.json").write_text(json.dumps(sizes))
        refused(model)


def test_no_clip_is_none_or_zero(model: Path) -> None:
    change(model, "encoder", cell_clip=None, proj_clip=0)
    files = read_manylangs(model)
    assert files.config["cell_clip"] is None and files.config["proj_clip"] is None


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", ":1: '' is not"),
        (b"<oov>\t0\n<bos>\t1\n\n", ":3: '' is not"),
        (b"<oov>\t0\n<bos>\tx\n", ":2: '<bos>\\tx' is not"),
        (b"<oov>\t0\na\tb\t1\n", ":2: 'a\\tb\\t1' is not"),
        (b"<oov>\t0\na\t-1\n", ":2:"),
        (b"<oov>\t0\na 1\n", ":2: 'a 1' is not"),
        ("<oov>\t0\na\t\u0661\n".encode(), ":2:"),  # a digit, but not of ours
        (b"<oov>\t0\na\t2\n", ":2: the id 2 is not below 2"),
        (b"<oov>\t0\na\t999999999\n", ":2: the id 999999999 is not below 2"),
        (b"<oov>\t0\na\t9999999999999999999999\n", ":2:"),
        (b"<oov>\t0\na\t0\n", ":2: the id 0 is given twice"),
        (b"<oov>\t0\na\t1\na\t2\n", ":3: 'a' stands already in line 2"),
        (b"<oov>\t0\n1\n\t2\n", ":3: '\\u3000' stands already in line 2"),
        (b"<oov>\t0\na\rb\t1\n", ":2: 'a\\rb' contains a line end"),
        (b"<oov>\t0\n\xff\t1\n", ":2: byte 1 of the line, 0xff, is not UTF-8"),
        (entries(WORDS[:1] + WORDS[2:]), "lacks <bos>"),
        (entries(WORDS[:-1]), "has shape [7, 5]"),
    ],
)
@pytest.mark.parametrize("name", ["word.dic", "char.dic"])
def test_damaged_dictionaries_are_refused_by_line(model: Path, name: str, content: bytes, complaint: str) -> None:
    if content == entries(WORDS[:-1]) and name == "char.dic":
        content, complaint = entries(SYMBOLS[1:]), "has shape [11, 2]"
    if "lacks" in complaint:  # is asked for only where the number of entries is right
        content = (
            entries(WORDS).replace(b"<bos>", b"x") if name == "word.dic" else entries(SYMBOLS).replace(b"<bos>", b"x")
        )
    (model / name).write_bytes(content)
    message = refused(model)
    assert complaint in message and (message.startswith(f"/{name}") or "has shape" in complaint)


def test_dictionaries_may_be_in_any_order_with_the_line_ends_of_windows(model: Path) -> None:
    lines = entries(WORDS).splitlines()
    (model / "word.dic").write_bytes(b"\r\n".join(reversed(lines)))
    assert read_manylangs(model).vocabulary.tokens[-1] == "手机"


@pytest.mark.parametrize("line", ["\u3000\t4", "\t4", "4"])
def test_a_line_without_a_token_is_the_full_width_space(model: Path, line: str) -> None:
    for name, tokens in (("word.dic", WORDS), ("char.dic", SYMBOLS)):
        (model / name).write_bytes(entries(tokens).replace(f"{tokens[4]}\t4".encode(), line.encode()))
    files = read_manylangs(model)
    assert files.vocabulary.tokens[4] == "\u3000" and files.config["token_encoder"]["alphabet"][4] == "\u3000"


def test_other_white_space_stays_as_it_is(model: Path) -> None:
    words = [*WORDS[:4], "\u00a0", " ", "\u2028"]
    (model / "word.dic").write_bytes(entries(words))
    assert read_manylangs(model).vocabulary.tokens[4:] == ("\u00a0", " ", "\u2028")


def test_a_word_that_looks_like_our_special_token_takes_the_free_name(model: Path) -> None:
    (model / "word.dic").write_bytes(entries([*WORDS[:4], "<S>", "</S>", "<UNK>"]))
    files = read_manylangs(model)
    assert files.vocabulary.tokens == ("<UNK>", "<S>", "</S>", "<pad>", "<bos>", "<eos>", "<oov>")
    assert files.config["bos_id"] == 1


def drop(tensors: dict[str, Array]) -> None:
    del tensors["projection.bias"]


def add(tensors: dict[str, Array]) -> None:
    tensors["classifier.weight"] = np.zeros(3, "<f4")


def reshape(tensors: dict[str, Array]) -> None:
    tensors["convolutions.1.weight"] = np.zeros((3, 3, 2), "<f4")


def spoil(tensors: dict[str, Array]) -> None:
    tensors["projection.bias"][1] = np.nan


def overflow(tensors: dict[str, Array]) -> None:
    tensors["projection.bias"] = np.full(3, 1e300)


def count(tensors: dict[str, Array]) -> None:
    tensors["projection.bias"] = np.arange(3)


@pytest.mark.parametrize(
    ("spoiler", "complaint"),
    [
        (drop, "projection.bias is missing"),
        (add, "no tensor classifier.weight"),
        (reshape, "convolutions.1.weight has shape [3, 3, 2], its configuration and dictionaries say [3, 2, 3]"),
        (spoil, "projection.bias holds values that are not finite"),
        (overflow, "projection.bias holds values that are not finite"),
        (count, "projection.bias holds int64"),
    ],
)
@pytest.mark.parametrize("legacy", [False, True])
def test_tensors_that_do_not_fit_are_refused(
    model: Path, legacy: bool, spoiler: Callable[[dict[str, Array]], None], complaint: str
) -> None:
    tensors = make_embedder()
    spoiler(tensors)
    (model / "token_embedder.pkl").write_bytes(checkpoint(tensors, legacy=legacy))
    message = refused(model)
    assert message.startswith("/token_embedder.pkl: ") and complaint in message


def test_numbers_of_other_precisions_become_float32(model: Path) -> None:
    for dtype in ("<f2", "<f8"):
        tensors = {name: array.astype(dtype) for name, array in make_embedder().items()}
        (model / "token_embedder.pkl").write_bytes(checkpoint(tensors))
        files = read_manylangs(model)
        assert files.arrays["token_encoder.projection_bias"].dtype == np.float32
        np.testing.assert_array_equal(files.arrays["token_encoder.projection_bias"], tensors["projection.bias"])


def test_the_released_chinese_model_has_sizes_that_are_understood(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its sizes as its authors published them; the tensors, 360 MB, are refused for their shape alone."""
    sizes: dict[str, Any] = json.loads(json.dumps(SIZES))
    sizes["encoder"] |= {"projection_dim": 512, "dim": 4096}
    filters = [[1, 32], [2, 32], [3, 64], [4, 128], [5, 256], [6, 512], [7, 1024]]
    sizes["token_embedder"] |= {"filters": filters, "n_highway": 2, "word_dim": 100, "char_dim": 50}
    sizes["token_embedder"] |= {"max_characters_per_token": 50}
    (model / "sizes.json").write_text(json.dumps(sizes))
    assert "encoder.pkl: backward_layer_0.input_linearity.weight has shape [16, 3], its config" in refused(model)
    monkeypatch.setattr(elmo.convert.safety, "available_memory", lambda: 100)
    (model / "sizes.json").write_text(json.dumps(SIZES))
    assert "memory" in refused(model)


@pytest.mark.parametrize(
    "name", ["config.json", "sizes.json", "word.dic", "char.dic", "encoder.pkl", "token_embedder.pkl"]
)
def test_damaged_models_are_refused_or_read(model: Path, name: str) -> None:
    generator = random.Random(20181031)
    good = (model / name).read_bytes()
    interesting = [b"\t", b"\n", b"-", b"9", b"e9", b'"', b"[", b"}", b"\xff", b"\0", b"\xe3\x80\x80", b"null", b"\r"]
    begin, refused = time.process_time(), 0
    for _ in range(300):
        (model / name).write_bytes(damaged(good, generator, interesting))
        try:
            files = read_manylangs(model)
        except InputError as error:
            refused += 1
            assert "\n" not in str(error)
        else:
            assert all(np.isfinite(array).all() for array in files.arrays.values())
    assert refused > 30
    assert time.process_time() - begin < 60


def test_the_reader_and_the_writer_of_these_tests_agree(tmp_path: Path) -> None:
    for legacy in (False, True):
        (tmp_path / "a.pkl").write_bytes(checkpoint(make_encoder(), legacy=legacy))
        for name, array in read_tensors(tmp_path / "a.pkl").items():
            np.testing.assert_array_equal(array, make_encoder()[name])
