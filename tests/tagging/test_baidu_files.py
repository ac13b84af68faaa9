"""Finding LAC's model, and refusing files that are damaged or do not fit one another, in one line that says where."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from elmo.convert.fluid import read_variable, write_variable
from elmo.errors import InputError
from elmo.tagging.baidu_files import find_lac, read_lac
from tests.refusals import refusal


def refused(path: Path) -> str:
    """The one line with which a model is refused."""
    return refusal(read_lac, path)


def append(path: Path, text: str) -> None:
    with open(path, "a", encoding="utf-8") as file:
        file.write(text)


def test_later_lines_rename_tags(tiny_lac: Path) -> None:
    assert read_lac(tiny_lac).tags == ["n-B", "n-I", "v-B", "v-I", "PER-B", "PER-I", "O"]


def test_pieces_and_what_they_begin_with_are_told_apart(tiny_lac: Path) -> None:
    pieces = read_lac(tiny_lac).pieces
    assert pieces["河边"] is True
    assert pieces["河边散步"] is True
    assert pieces["河边散"] is False
    assert "边" not in pieces


@pytest.mark.parametrize("above", [".", "..", "package"])
def test_model_is_found_in_its_folder_its_package_and_the_unpacked_archive(tiny_lac: Path, above: str) -> None:
    if above == "package":
        (tiny_lac.parent / "LAC").mkdir()
        tiny_lac = tiny_lac.rename(tiny_lac.parent / "LAC" / "lac_model")
        assert find_lac(tiny_lac.parent.parent) == tiny_lac
    else:
        assert find_lac(tiny_lac / above).resolve() == tiny_lac.resolve()


def test_installed_package_is_found_without_importing_it(tiny_lac: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tiny_lac.parent / "LAC"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('was imported')\n")
    moved = tiny_lac.rename(package / "lac_model")
    monkeypatch.syspath_prepend(str(tiny_lac.parent))
    assert find_lac() == moved
    assert "LAC" not in sys.modules


def test_without_a_model_the_error_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for path in (None, tmp_path):
        assert "pip download lac==2.1.2" in refusal(find_lac, path)
    with pytest.raises(InputError, match="nothing: there is no such folder; give that of LAC"):
        find_lac(tmp_path / "nothing")


@pytest.mark.parametrize("name", ["args.ini", "word.dic", "tag.dic", "q2b.dic", "small_seg.dic"])
def test_a_missing_dictionary_is_named(tiny_lac: Path, name: str) -> None:
    (tiny_lac / "conf" / name).unlink()
    assert name in refused(tiny_lac)


@pytest.mark.parametrize("name", ["args.ini", "word.dic", "tag.dic", "q2b.dic", "small_seg.dic"])
def test_a_dictionary_that_is_not_utf8_is_refused_with_its_line(tiny_lac: Path, name: str) -> None:
    path = tiny_lac / "conf" / name
    line = path.read_bytes().count(b"\n") + 1
    path.write_bytes(path.read_bytes() + "词\t词\n".encode("gb18030"))
    assert f"{name}:{line}: byte" in refused(tiny_lac)
    assert "UTF-8" in refused(tiny_lac)


@pytest.mark.parametrize(
    ("name", "line", "problem"),
    [
        ("word.dic", "15\t好", "word.dic:16: '好' is there twice"),
        ("word.dic", "14\t新", "word.dic:16: id 14 is there twice"),
        ("word.dic", "99\t新", "word.dic: 16 words have ids up to 99"),
        ("word.dic", "x\t新", "word.dic:16: 'x' is not a number"),
        ("word.dic", "-1\t新", "word.dic:16: '-1' is not a number"),
        ("word.dic", "新", "word.dic:16: '新' is not an id, a tab and a word"),
        ("word.dic", "15\t新", "word.dic: has 16 words"),
        ("tag.dic", "7\tn", "tag.dic:10: tag 'n'"),
        ("tag.dic", "9\tx-B", "tag.dic: 8 tags have ids up to 9"),
        ("q2b.dic", "Ａ\tB", "q2b.dic:4: 'Ａ' is there twice"),
        ("small_seg.dic", "新 多", "small_seg.dic:9: '多' is not a number"),
        ("small_seg.dic", "新的一天", "small_seg.dic:9: '新的一天' is not a piece"),
    ],
)
def test_a_bad_line_of_a_dictionary_is_named(tiny_lac: Path, name: str, line: str, problem: str) -> None:
    append(tiny_lac / "conf" / name, line + "\n")
    assert problem in refused(tiny_lac)


def test_a_tag_more_than_the_network_has_is_refused(tiny_lac: Path) -> None:
    append(tiny_lac / "conf" / "tag.dic", "7\tx-B\n")
    assert "fc_4.w_0: has shape [6, 7] where [6, 8] is needed" in refused(tiny_lac)


@pytest.mark.parametrize("name", ["tag.dic", "small_seg.dic", "word.dic"])
def test_an_empty_dictionary_is_refused(tiny_lac: Path, name: str) -> None:
    (tiny_lac / "conf" / name).write_text("")
    assert name in refused(tiny_lac)


def test_line_ends_of_other_systems_are_read(tiny_lac: Path) -> None:
    expected = read_lac(tiny_lac).word_ids
    path = tiny_lac / "conf" / "word.dic"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert read_lac(tiny_lac).word_ids == expected


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("model = lac", "model = seg", "is for Baidu's 'seg' model"),
        ("bigru_num = 2", "bigru_num = two", "can't be read as LAC's settings"),
        ("bigru_num = 2", "", "can't be read as LAC's settings"),
        ("bigru_num = 2", "bigru_num = 2000000000", "are none of LAC's"),
        ("[NETWORK_CONFIG]", "", "can't be read as LAC's settings"),
        ("grnn_hidden_dim = 3", "grnn_hidden_dim = 5", "where [4, 15] is needed"),
    ],
)
def test_settings_that_cannot_be_are_refused(tiny_lac: Path, old: str, new: str, problem: str) -> None:
    path = tiny_lac / "conf" / "args.ini"
    path.write_text(path.read_text().replace(old, new))
    assert problem in refused(tiny_lac)


@pytest.mark.parametrize("name", ["word_emb", "crfw", "fc_0.w_0", "gru_2.b_0"])
def test_a_parameter_that_was_cut_short_is_refused_with_its_byte(tiny_lac: Path, name: str) -> None:
    path = tiny_lac / "model" / name
    path.write_bytes(path.read_bytes()[:-1])
    assert f"{name}: byte" in refused(tiny_lac)


def test_a_parameter_of_another_type_or_with_nan_is_refused(tiny_lac: Path) -> None:
    path = tiny_lac / "model" / "crfw"
    values = read_variable(path)
    write_variable(path, values.astype("float64"))
    assert "crfw: holds float64" in refused(tiny_lac)
    values[0, 0] = np.nan
    write_variable(path, values)
    assert "crfw holds values that are not finite" in refused(tiny_lac)


def test_a_parameter_outside_of_the_folder_is_not_read(tiny_lac: Path, tmp_path: Path) -> None:
    path = tiny_lac / "model" / "crfw"
    outside = path.rename(tmp_path / "crfw")
    path.symlink_to(outside)
    assert "symbolic link out of" in refused(tiny_lac)
