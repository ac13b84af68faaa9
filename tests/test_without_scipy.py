"""SciPy comes with the book, not with the package: a command that needs it says so in a line, others do without."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from elmo.checks import optional_module
from elmo.errors import InputError
from tests.commands import COMMAND, run_python

# The command line, in a Python that has no SciPy.
PROGRAM = f"import sys; sys.modules['scipy'] = None; {COMMAND}"


@pytest.fixture
def run(tmp_path: Path):
    (tmp_path / "dev").write_text("我 买 了 苹果 。\n风 很 大 。\n", encoding="utf-8")
    (tmp_path / "pairs.txt").write_text("苹果\t手机\t5\n我\t他\t8\n大\t小\t7\n", encoding="utf-8")

    return partial(run_python, PROGRAM, cwd=tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["words", "word2vec-zh-small", "pairs.txt"], "a score on word pairs"),
        (["words", "elmo-zh-small", "pairs.txt", "--text", "dev"], "a score on word pairs"),
        (["tasks"], "the interval of a mean"),
    ],
    ids=["words", "averages", "tasks"],
)
def test_what_needs_it_says_so(run, tmp_path, arguments, what):
    output = "--results" if arguments == ["tasks"] else "--output"
    done = run("eval", *arguments, output, "out.json", check=False)
    assert done.returncode == 2, done.stderr
    assert done.stderr == f"elmo: {what} needs scipy, which is not installed: pip install scipy\n"
    assert not (tmp_path / "out.json").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        ["perplexity", "elmo-zh-small", "--test_path", "dev"],
        ["masked", "bert-zh-small", "--test_path", "dev"],
        ["senses", "elmo-zh-small"],
    ],
    ids=["perplexity", "masked", "senses"],
)
def test_what_does_not_need_it_works(run, repository, tmp_path, arguments):
    (tmp_path / "data").symlink_to(repository / "data")
    run("eval", *arguments, "--output", "out.json")
    assert (tmp_path / "out.json").is_file()


def test_a_package_that_is_broken_is_not_called_missing(tmp_path, monkeypatch):
    (tmp_path / "halfhere.py").write_text("import something_else_that_is_gone\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="something_else_that_is_gone"):
        optional_module("halfhere", "this test")
    with pytest.raises(InputError, match="this test needs not_there_at_all, which is not installed: pip install"):
        optional_module("not_there_at_all.stats", "this test")
