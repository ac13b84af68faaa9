"""`elmo.from_pretrained` opens whatever it is given; every class saves what it loads, and says whose a model is."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import elmo
from elmo.errors import InputError
from elmo.runtime import paddle, use_device
from tests.commands import COMMAND, run_python
from tests.refusals import refusal
from tests.tiny_models import tiny_lac  # noqa: F401 - a fixture

RELEASED = {
    "elmo-zh-small": "Encoder",
    "elmo-zh-characters": "Encoder",
    "bert-zh": "Bert",
    "ernie-zh": "Bert",
    "bert-zh-small": "Bert",
    "ernie-zh-small": "Bert",
    "word2vec-zh-small": "WordVectors",
}
SENTENCE = "我买了1斤苹果。"


@pytest.mark.parametrize("name", RELEASED)
def test_a_released_model_is_of_its_class_and_the_same_once_saved(name: str, tmp_path: Path) -> None:
    model = elmo.from_pretrained(name)
    assert type(model) is getattr(elmo, RELEASED[name])
    model.save_pretrained(tmp_path / "copy")
    copy = elmo.from_pretrained(tmp_path / "copy")
    assert type(copy) is type(model) and copy.provenance == model.provenance
    if isinstance(model, elmo.WordVectors):
        assert np.array_equal(copy.vectors, model.vectors)
    else:
        assert np.array_equal(copy.encode([SENTENCE])[0], model.encode([SENTENCE])[0])
    with pytest.raises(InputError, match="exists already"):
        model.save_pretrained(tmp_path / "copy")


def test_lac_is_one_of_them_and_can_be_saved(tiny_lac: Path, tmp_path: Path) -> None:  # noqa: F811
    model = elmo.from_pretrained(tiny_lac)
    assert isinstance(model, elmo.Lac)
    model.save_pretrained(tmp_path / "deep/copy")
    shutil.rmtree(tiny_lac)
    copy = elmo.from_pretrained(tmp_path / "deep/copy", batch_size=2)
    assert isinstance(copy, elmo.Lac) and copy.tag(["明天去河边"]) == model.tag(["明天去河边"])
    with pytest.raises(InputError, match="exists already"):
        model.save_pretrained(tmp_path / "deep/copy")
    with pytest.raises(InputError, match="can't be written"):  # whose files have gone
        model.save_pretrained(tmp_path / "other")
    assert not (tmp_path / "other").exists() and not list(tmp_path.glob(".*"))


def test_the_installed_lac_is_named_lac(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(elmo.Lac, "from_pretrained", lambda path=None, **options: (path, options))
    assert elmo.from_pretrained("lac") == (None, {})


@pytest.mark.slow
def test_a_tagger_is_one_of_them_its_training_folder_too(data: Path, tmp_path: Path) -> None:
    sizes = ["--max_epoch", 1, "--hidden_size", 4, "--embedding_size", 4]
    run_python(COMMAND, "lac", "train", "--save_dir", tmp_path / "tagger", "--train", data / "lac/dev.tsv", *sizes)
    model = elmo.from_pretrained(tmp_path / "tagger")
    assert isinstance(model, elmo.Tagger)
    model.save_pretrained(tmp_path / "copy")
    copy = elmo.Tagger.from_pretrained(tmp_path / "copy", device="cpu")
    assert copy.tag([SENTENCE]) == model.tag([SENTENCE])


@pytest.mark.parametrize(
    ("load", "name", "told"),
    [
        (elmo.load_pretrained, "bert-zh-small", "elmo.Bert.from_pretrained opens it, or elmo.from_pretrained"),
        (elmo.load_pretrained, "word2vec-zh-small", "elmo.WordVectors.from_pretrained opens it"),
        (elmo.Bert.from_pretrained, "elmo-zh-small", "elmo.Encoder.from_pretrained opens it"),
        (elmo.WordVectors.from_pretrained, "ernie-zh-small", "elmo.Bert.from_pretrained opens it"),
        (elmo.Tagger.from_pretrained, "elmo-zh-small", "elmo.Encoder.from_pretrained opens it"),
    ],
)
def test_who_opens_it_is_said_by_who_does_not(load: Callable[[str], object], name: str, told: str) -> None:
    assert told in refusal(load, name)


def test_lac_is_said_to_be_lac(tiny_lac: Path) -> None:  # noqa: F811
    with pytest.raises(InputError, match=r"is Baidu's LAC: elmo\.Lac\.from_pretrained"):
        elmo.load_pretrained(tiny_lac)


def test_an_option_of_another_class_is_refused() -> None:
    assert elmo.from_pretrained("elmo-zh-small", segmenter="whitespace").words("我 买") == ["我", "买"]  # type: ignore[union-attr]
    with pytest.raises(InputError, match="'segmenter' is no option of bert-zh-small"):
        elmo.from_pretrained("bert-zh-small", segmenter="jieba")
    with pytest.raises(
        InputError, match="no such model directory; models that come with the project: bert-zh, bert-zh-s"
    ):
        elmo.from_pretrained("elmo-zh-huge")


@pytest.mark.slow
def test_a_device_is_chosen_where_a_model_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    for load in (elmo.load_pretrained, elmo.Encoder.from_pretrained, elmo.from_pretrained):
        assert load("elmo-zh-small", device="cpu").encode([["我"]])[0].shape == (3, 1, 256)
    for wrong in ("tpu", "gpu:", "cpu:0", "gpu:1234", ""):
        with pytest.raises(InputError, match="give cpu, gpu, or one card"):
            elmo.from_pretrained("elmo-zh-small", device=wrong)
    if not paddle.is_compiled_with_cuda():
        with pytest.raises(InputError, match="'gpu:0', but Paddle sees 0 GPUs"):
            elmo.Bert.from_pretrained("bert-zh-small", device="gpu:0")
    chosen: list[str] = []
    monkeypatch.setattr(paddle, "is_compiled_with_cuda", lambda: True)
    monkeypatch.setattr(paddle.device.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(paddle, "set_device", chosen.append)
    for name in (None, "gpu", "gpu:1", "cpu"):
        use_device(name)
    assert chosen == ["gpu", "gpu:1", "cpu"]
    with pytest.raises(InputError, match="sees 2 GPUs"):
        use_device("gpu:2")


def test_the_names_are_there_before_paddle_is() -> None:
    code = (
        "import sys, elmo\n"
        "assert {'Bert', 'Encoder', 'Lac', 'Tagger', 'WordVectors', 'from_pretrained'} <= set(dir(elmo))\n"
        "assert 'paddle' not in sys.modules and 'elmo.encoding.bert' not in sys.modules\n"
        "from elmo import WordVectors\n"
        "assert WordVectors.load('word2vec-zh-small').vectors.shape[1] == 128 and 'paddle' not in sys.modules\n"
        "from elmo import Bert, Encoder, Lac, Tagger\n"
        "try:\n    elmo.Berd\nexcept AttributeError as error:\n    print(error)\n"
    )
    assert run_python(code).stdout == "module 'elmo' has no attribute 'Berd'\n"


def test_the_command_says_its_version_and_completes_itself() -> None:
    command = f"import sys; sys.argv[0] = 'elmo'; {COMMAND}"
    assert run_python(command, "--version").stdout == f"elmo {elmo.__version__}\n"
    assert "--install-completion" in run_python(command, "--help", COLUMNS="120").stdout
    words = {"COMP_WORDS": "elmo pretrain", "COMP_CWORD": "1", "_ELMO_COMPLETE": "complete_bash"}
    assert run_python(command, check=False, **words).stdout.split() == ["pretrain", "pretrain_masked"]
