"""Vectors on disk: both formats give back what was written, whole or not at all."""

from __future__ import annotations

import json
import tracemalloc
import zipfile

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elmo.encoding.vectors_file import parse_layers, read_vectors, write_vectors
from elmo.errors import InputError

SENTENCES = [["苹果", "很", "甜"], [], ["a/b", "../c", "\x00", '"', "\\", "😀"], ["苹果", "很", "甜"]]
formats = pytest.mark.parametrize("name", ["vectors.npz", "vectors.h5", "vectors.hdf5"])


def encoded(sentences, dim=4, layers=3):
    rng = np.random.default_rng(0)
    return [(words, rng.normal(size=(layers, len(words), dim)).astype(np.float32)) for words in sentences]


def header_of(path):
    """What a file says of its vectors, as other programs find it."""
    names = ("format", "layers", "pool", "positions", "model")
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as archive:
            return {name: str(archive[name]) for name in names}
    with h5py.File(path) as file:
        return {name: file.attrs[name] for name in names}


@formats
def test_what_is_read_is_what_was_written(tmp_path, name):
    pairs = encoded(SENTENCES)
    assert write_vectors(tmp_path / name, iter(pairs)) == 4
    sentences, arrays = read_vectors(tmp_path / name)
    assert sentences == SENTENCES
    assert [array.dtype for array in arrays] == [np.float32] * 4
    assert arrays[1].shape == (3, 0, 4)
    for array, (_, vectors) in zip(arrays, pairs, strict=True):
        np.testing.assert_array_equal(array, vectors)
    assert [path.name for path in tmp_path.iterdir()] == [name]


@settings(max_examples=25)
@given(st.lists(st.lists(st.text(st.characters(exclude_categories=("Cs",)), min_size=1)), max_size=4))
def test_any_words_come_back(tmp_path, sentences):
    for name in ("any.npz", "any.h5"):
        write_vectors(tmp_path / name, encoded(sentences), overwrite=True)
        assert read_vectors(tmp_path / name)[0] == sentences


@formats
def test_layers_are_chosen_or_averaged(tmp_path, name):
    pairs = encoded(SENTENCES)
    for layers, expected in (("average", lambda v: v.mean(0)), (0, lambda v: v[0]), (2, lambda v: v[2])):
        write_vectors(tmp_path / name, pairs, layers=layers, overwrite=True)
        _, arrays = read_vectors(tmp_path / name)
        assert arrays[1].shape == (0, 4)
        for array, (_, vectors) in zip(arrays, pairs, strict=True):
            np.testing.assert_allclose(array, expected(vectors), rtol=1e-6)  # float32 rounding
        assert header_of(tmp_path / name)["layers"] == str(layers)


@formats
def test_half_precision_is_half_the_size_and_off_by_a_two_thousandth(tmp_path, name):
    pairs = encoded([["字"] * 50] * 20, dim=64)
    sizes = []
    for dtype in ("float32", "float16"):
        write_vectors(tmp_path / name, pairs, dtype=dtype, overwrite=True)
        sizes.append((tmp_path / name).stat().st_size)
    _, arrays = read_vectors(tmp_path / name)
    assert arrays[0].dtype == np.float16
    np.testing.assert_allclose(arrays[0], pairs[0][1], rtol=2**-11, atol=2**-24)  # float16: 11 bits
    assert sizes[1] < 0.55 * sizes[0]


@formats
def test_the_header_names_the_model_and_where_vectors_were_read(tmp_path, name):
    write_vectors(tmp_path / name, encoded(SENTENCES), positions="hole", model="3f7a 模型")
    assert header_of(tmp_path / name) == {
        "format": "elmo-vectors/2",
        "layers": "all",
        "pool": "none",
        "positions": "hole",
        "model": "3f7a 模型",
    }


def test_files_of_before_there_were_positions_are_read(tmp_path):
    for name in ("v.npz", "v.h5"):
        write_vectors(tmp_path / name, encoded(SENTENCES), positions="hole")
    with h5py.File(tmp_path / "v.h5", "a") as file:
        del file.attrs["positions"]
    with zipfile.ZipFile(tmp_path / "v.npz") as whole, zipfile.ZipFile(tmp_path / "old.npz", "w") as old:
        for entry in whole.namelist():
            if entry != "positions.npy":
                old.writestr(entry, whole.read(entry))
    for name in ("old.npz", "v.h5"):
        assert read_vectors(tmp_path / name)[0] == SENTENCES


def test_other_programs_find_arrays_by_number_and_words_as_json(tmp_path):
    pairs = encoded(SENTENCES)
    write_vectors(tmp_path / "v.npz", pairs)
    with np.load(tmp_path / "v.npz", allow_pickle=False) as archive:
        np.testing.assert_array_equal(archive["2"], pairs[2][1])
        lines = archive["sentences"].tobytes().decode().splitlines()
        assert [json.loads(line) for line in lines] == SENTENCES
    write_vectors(tmp_path / "v.h5", pairs)
    with h5py.File(tmp_path / "v.h5") as file:
        np.testing.assert_array_equal(file["2"][()], pairs[2][1])
        assert [json.loads(text) for text in file["sentences"].asstr()] == SENTENCES
        assert file.attrs["layers"] == "all"


@formats
def test_no_sentence_at_all_is_a_file_too(tmp_path, name):
    assert write_vectors(tmp_path / name, []) == 0
    assert read_vectors(tmp_path / name) == ([], [])


@formats
def test_more_sentences_than_are_written_together_keep_their_order(tmp_path, name):
    sentences = [[str(number)] for number in range(1100)]
    write_vectors(tmp_path / name, ((words, np.full((1, 1, 1), float(words[0]))) for words in sentences))
    found, arrays = read_vectors(tmp_path / name)
    assert found == sentences
    assert np.concatenate(arrays, axis=None).tolist() == list(range(1100))


@formats
def test_equal_vectors_give_equal_files(tmp_path, name):
    files = []
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        write_vectors(tmp_path / folder / name, encoded(SENTENCES))
        files.append((tmp_path / folder / name).read_bytes())
    assert files[0] == files[1]


@pytest.mark.parametrize("name", ["v.npz", "v.h5"])
def test_memory_does_not_grow_with_the_vectors(tmp_path, name):
    vectors = np.zeros((3, 50, 256), dtype=np.float32)  # 150 kB a sentence, 60 MB in all
    words = ["字"] * 50
    tracemalloc.start()
    write_vectors(tmp_path / name, ((words, vectors) for _ in range(400)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5_000_000  # a few sentences, and an archive's list of entries


@formats
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_nothing_is_left_of_a_run_that_failed(tmp_path, name, error):
    def failing():
        yield from encoded(SENTENCES)
        raise error

    with pytest.raises(error):
        write_vectors(tmp_path / name, failing())
    assert list(tmp_path.iterdir()) == []


@formats
def test_a_run_that_failed_leaves_the_earlier_file(tmp_path, name):
    write_vectors(tmp_path / name, encoded(SENTENCES))
    with pytest.raises(InputError, match="sentence 0"):
        write_vectors(tmp_path / name, [(["一"], np.zeros((3, 2, 4)))], overwrite=True)
    assert read_vectors(tmp_path / name)[0] == SENTENCES


@formats
def test_a_file_that_is_there_is_kept_and_nothing_encoded(tmp_path, name):
    (tmp_path / name).write_text("mine")
    with pytest.raises(InputError, match="exists already"):
        write_vectors(tmp_path / name, (pytest.fail("encoded") for _ in range(1)))
    assert (tmp_path / name).read_text() == "mine"


@formats
@pytest.mark.parametrize(
    ("words", "vectors", "options", "message"),
    [
        (["一"], np.zeros((3, 2, 4)), {}, r"sentence 0 has 1 words and vectors of shape \[3, 2, 4\]"),
        (["一"], np.zeros((1, 4)), {}, r"vectors of shape \[1, 4\]"),
        (["一"], np.zeros((3, 1, 4)), {"layers": 3}, "there is no layer 3: the vectors have 3"),
        (["一"], np.zeros((3, 1, 4)), {"layers": -1}, "layers is '-1': give all"),
        (["一"], np.full((3, 1, 4), np.nan), {}, "not finite as float32"),
        (["一"], np.full((3, 1, 4), 1e5), {"dtype": "float16"}, "not finite as float16"),
        (["\ud800"], np.zeros((3, 1, 4)), {}, "lone surrogate"),
        (["一"], np.zeros((3, 1, 4)), {"dtype": "int8"}, "dtype is 'int8'"),
    ],
)
def test_what_cannot_be_written_is_an_error_that_leaves_nothing(tmp_path, name, words, vectors, options, message):
    with pytest.raises(InputError, match=message):
        write_vectors(tmp_path / name, [(words, vectors)], **options)
    assert list(tmp_path.iterdir()) == []


def test_the_name_chooses_the_format(tmp_path):
    with pytest.raises(InputError, match=r"vectors\.txt: the name tells no format"):
        write_vectors(tmp_path / "vectors.txt", [])
    with pytest.raises(InputError, match="the name tells no format"):
        read_vectors(tmp_path / "vectors")


@formats
def test_a_folder_that_is_missing_is_an_error(tmp_path, name):
    with pytest.raises(InputError, match="can't be written"):
        write_vectors(tmp_path / "none" / name, [])
    with pytest.raises(InputError, match="no such file"):
        read_vectors(tmp_path / name)


@formats
@pytest.mark.parametrize("kept", [0.0, 0.05, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_an_error(tmp_path, name, kept):
    path = tmp_path / name
    write_vectors(path, encoded(SENTENCES))
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(InputError, match=f"{name}: damaged or not a file of vectors"):
        read_vectors(path)


def test_a_changed_byte_in_an_archive_is_an_error(tmp_path):
    path = tmp_path / "v.npz"
    write_vectors(path, encoded(SENTENCES))
    content = bytearray(path.read_bytes())
    content[len(content) // 4] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match="damaged"):
        read_vectors(path)


def test_files_of_other_programs_are_errors(tmp_path):
    np.savez(tmp_path / "other.npz", weights=np.zeros(3))
    np.savez(tmp_path / "format.npz", format=np.array("other/2"))
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["weights"] = np.zeros(3)
    for name in ("other.npz", "other.h5"):
        with pytest.raises(InputError, match="damaged or not a file of vectors"):
            read_vectors(tmp_path / name)
    with pytest.raises(InputError, match="its format is 'other/2'"):
        read_vectors(tmp_path / "format.npz")


def test_a_missing_array_or_one_of_another_sentence_is_an_error(tmp_path):
    write_vectors(tmp_path / "v.h5", encoded(SENTENCES))
    with h5py.File(tmp_path / "v.h5", "r+") as file:
        del file["1"]
    with pytest.raises(InputError, match="damaged"):
        read_vectors(tmp_path / "v.h5")
    with h5py.File(tmp_path / "v.h5", "r+") as file:
        file["1"] = np.zeros((3, 7, 4))
    with pytest.raises(InputError, match="sentence 1 and its vectors do not belong together"):
        read_vectors(tmp_path / "v.h5")


@pytest.mark.parametrize(
    "odd",
    [h5py.Empty("f4"), np.zeros((2, 2, 3), bool), np.zeros((2, 2, 3), [("a", "f4")]), h5py.SoftLink("/0")],
    ids=["empty", "bool", "record", "loop"],
)
def test_what_is_no_array_of_vectors_is_an_error(tmp_path, odd):
    write_vectors(tmp_path / "v.h5", [(["我", "买"], np.ones((2, 2, 3), np.float32))])
    with h5py.File(tmp_path / "v.h5", "r+") as file:
        del file["0"]
        file["0"] = odd
    with pytest.raises(InputError, match=r"do not belong together|is a link, which is not followed"):
        read_vectors(tmp_path / "v.h5")


def test_an_archive_with_a_pickle_is_refused(tmp_path):
    np.savez(tmp_path / "v.npz", format=np.array("elmo-vectors/1"), sentences=np.array(["[]", None], dtype=object))
    with pytest.raises(InputError, match="damaged"):
        read_vectors(tmp_path / "v.npz")


@pytest.mark.parametrize(("text", "layers"), [("all", "all"), ("average", "average"), ("0", 0), ("2", 2)])
def test_layers_are_read_from_text(text, layers):
    assert parse_layers(text) == layers


@pytest.mark.parametrize("text", ["", "-1", "top", "1.0", "²"])
def test_other_texts_are_no_layers(text):
    with pytest.raises(InputError, match="give all, average, the number of one layer"):
        parse_layers(text)
