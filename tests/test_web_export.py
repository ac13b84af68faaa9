"""`elmo export --to web` writes a page that works by itself, or says why it can't."""

from __future__ import annotations

import base64
import json
import re
import zlib
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from elmo.bilm import BiLM, BiLMConfig
from elmo.cli import app
from elmo.encoding.encoder import Encoder
from elmo.errors import InputError
from elmo.models import write_model
from elmo.text.characters import TokenEncoderConfig
from elmo.text.segment import WhitespaceSegmenter
from elmo.text.vocabulary import SPECIAL_TOKENS, Vocabulary
from elmo.web import export
from elmo.web.cells import quotation_cell
from elmo.web.export import ENGINE, PAGE, STATIC, export_web, web_model
from elmo.web.packing import pack_page, quantise, script
from elmo.web.senses import map_axes, principal_axes
from tests.parameters import files_of

VOCABULARY = Vocabulary([*SPECIAL_TOKENS, *"我你吃鱼", "苹果", "<script>"])


def make_encoder(**settings: object) -> Encoder:
    config = BiLMConfig(vocab_size=len(VOCABULARY), **{"embed_size": 4, "hidden_size": 8, **settings})
    model = BiLM(config)
    model.eval()
    return Encoder(model, VOCABULARY, WhitespaceSegmenter())


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("web") / "model", files_of(make_encoder().model, VOCABULARY))


def run(*arguments: object) -> object:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def read_header(model_script: str) -> dict[str, object]:
    return json.loads(model_script.removeprefix("var elmoModel=").removesuffix(";\n"))


def test_rows_are_whole_numbers_times_a_factor():
    rows = np.array([[0.5, -1.0, 0.25], [0, 0, 0], [1e-3, 2e-3, -2e-3]], np.float32)
    steps, scales = quantise(rows)
    assert np.abs(steps).max() == 127 and not steps[1].any()
    np.testing.assert_allclose(steps * scales[:, None], rows, atol=0.5 / 127)


def test_arrays_begin_where_typed_arrays_may_and_come_back():
    arrays = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.array([1.5, -2], np.float32)}
    header, body = pack_page(arrays, {"words": "x"})
    assert [entry["place"] % 4 for entry in header["arrays"]] == [0, 0]
    assert header["size"] == len(body) and header["checksum"] == zlib.adler32(body)
    assert np.frombuffer(body, "<f4", 2, header["arrays"][1]["place"]).tolist() == [1.5, -2]
    written = read_header(script(header, body))
    assert base64.b64decode(written["bytes"]) == body


def test_words_cannot_end_the_script_that_holds_them():
    text = web_model(make_encoder()).script
    assert "<" not in text
    assert "<script>" in read_header(text)["header"]["words"].split("\n")


def test_the_axes_are_the_directions_of_the_widest_spread():
    generator = np.random.default_rng(0)
    points = generator.normal(size=(50, 5)) * [0.1, 5, 0.2, 2, 0.1]
    axes = principal_axes((points - points.mean(axis=0)).astype(np.float32))
    assert np.abs(axes[0]).argmax() == 1 and np.abs(axes[1]).argmax() == 3
    assert principal_axes(np.zeros((1, 5), np.float32)).shape == (2, 5)


def test_the_axes_of_a_mix_point_the_same_way():
    states = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32) * np.float32([5, 2, 1, 1, 1, 1])
    expected = -states[:, :3]  # as far to the other side
    axes = map_axes(states, expected)
    assert axes.shape == (2, 9) and axes.dtype == np.float32
    on_map = states @ axes[:, :6].T, expected @ axes[:, 6:].T
    assert all(np.corrcoef(*pair)[0, 1] > 0.9 for pair in zip(on_map[0].T, on_map[1].T, strict=True))


def test_the_quotation_cell_is_the_one_that_was_built_for_it():
    vocabulary = Vocabulary([*SPECIAL_TOKENS, "“", "”"])
    encoder = Encoder(
        BiLM(BiLMConfig(vocab_size=5, embed_size=4, hidden_size=3, num_layers=1)), vocabulary, WhitespaceSegmenter()
    )
    arrays = {
        "embedding": np.eye(5, 4, dtype=np.float32),  # “ is the fourth direction, ” is nothing
        "forward.0.input": np.zeros((12, 4), np.float32),
        "forward.0.recurrent": np.zeros((12, 4), np.float32),
        "forward.0.bias": np.zeros(12, np.float32),
        "forward.0.projection": np.zeros((4, 3), np.float32),
    }
    arrays["embedding"][4] = [-9, -9, 0, 0]
    weights = arrays["forward.0.input"].reshape(4, 3, 4)  # candidate, input, forget, output; cell; direction
    weights[0, 2, 3] = weights[1, 2, 3] = 9  # cell 2 is written at “
    weights[2, 2] = [9, 9, 9, 9]  # kept at every other word, and forgotten at ”
    arrays["forward.0.bias"].reshape(4, 3)[1] = -5
    found = quotation_cell(encoder, arrays)
    assert (found["layer"], found["unit"]) == (1, 2) and found["correlation"] > 0.9


@pytest.mark.parametrize("name", ["page", "page.html"])
def test_a_page_needs_nothing_from_elsewhere(model: Path, tmp_path: Path, name: str):
    answer = run("export", model, "--to", "web", "--output", tmp_path / name)
    assert answer.exit_code == 0, answer.output
    page = tmp_path / name if name.endswith(".html") else tmp_path / name / "index.html"
    text = page.read_text(encoding="utf-8")
    files = re.findall(r'(?:src|href)="([^"]+)"', text)
    assert all((page.parent / file).is_file() for file in files)
    assert bool(files) == (name == "page")
    whole = "".join(path.read_text(encoding="utf-8") for path in ([page] if name != "page" else page.parent.iterdir()))
    assert set(re.findall(r"https?://[^\s\"']+", whole)) <= {"http://www.w3.org/2000/svg"}  # a name, no address
    assert "elmoModel=" in whole and "elmoEngine" in whole


def test_an_export_takes_the_place_of_an_export_and_of_nothing_else(model: Path, tmp_path: Path):
    export_web(model, tmp_path / "page")
    export_web(model, tmp_path / "page")
    (tmp_path / "page/notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"notes\.txt is not a file that such a directory of ours has"):
        export_web(model, tmp_path / "page")
    (tmp_path / "other").mkdir()
    (tmp_path / "other/index.html").write_text("mine")
    with pytest.raises(InputError, match=r"index\.html"):
        export_web(model, tmp_path / "other")
    assert (tmp_path / "other/index.html").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other", "page"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--to", "web"], "say once where to write"),
        (["there", "--to", "web", "--output", "here"], "say once where to write"),
        (["there", "--to", "paper"], "--to is 'paper': give elmo or web"),
        (["there", "--to", "web", "--dtype", "float32"], "--dtype is for --to elmo"),
        (["there", "--senses", "data/senses.tsv"], "--senses is for --to web"),
        (["there", "--to", "web", "--senses", "nowhere.tsv"], "nowhere.tsv"),
    ],
)
def test_bad_calls_say_what_to_do_and_write_nothing(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
):
    monkeypatch.chdir(tmp_path)
    answer = run("export", model, *arguments)
    assert isinstance(answer.exception, InputError) and message in str(answer.exception)
    assert list(tmp_path.iterdir()) == []


def test_models_that_a_page_cannot_run_are_refused(monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(InputError, match="without its softmax"):
        web_model(make_encoder(softmax=False))
    characters = TokenEncoderConfig(filters=((1, 4),))
    with pytest.raises(InputError, match="by their characters"):
        web_model(make_encoder(token_encoder=characters))
    monkeypatch.setattr(export, "LARGEST", 100)
    with pytest.raises(InputError, match="MB of a page: choose one with a smaller vocabulary"):
        web_model(make_encoder())


def test_every_script_is_in_the_page_and_readable():
    names = {path.stem for path in STATIC.glob("*.js")}
    assert names == {*ENGINE, *PAGE}
    for path in STATIC.glob("*.js"):
        text = path.read_text(encoding="utf-8")
        assert text.count("\n") < 300, path.name
        assert "innerHTML" not in text and "eval(" not in text, path.name  # what is typed is text


def test_every_label_is_in_both_languages():
    text = (STATIC / "labels.js").read_text(encoding="utf-8")
    table = text[text.index("const TABLE") : text.index("live.languages")]
    entries = re.findall(r'^    (\w+): \[\s*(".*?"),\s*(".*?"),?\s*\]', table, re.MULTILINE | re.DOTALL)
    assert len(entries) == len(re.findall(r"^    \w+: \[", table, re.MULTILINE)) > 50
    for name, english, chinese in entries:
        assert set(re.findall(r"\{\w+\}", english)) == set(re.findall(r"\{\w+\}", chinese)), name
