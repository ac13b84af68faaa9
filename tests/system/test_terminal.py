"""What comes from outside is shown, and can neither command the terminal nor pass for a line of ours."""

from __future__ import annotations

import ast
import io
import json
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from rich.table import Table

from elmo.errors import InputError
from elmo.models import ModelFiles, write_model
from elmo.system import terminal
from elmo.system.terminal import PlainConsole, printable, say, show, tell
from elmo.text.vocabulary import SPECIAL_TOKENS, Vocabulary
from elmo.training.checkpoint import newest_checkpoint, write_checkpoint
from elmo.training.checkpoint.record import TrainingState
from tests.commands import elmo

FILES = ModelFiles("skipgram", {}, Vocabulary(SPECIAL_TOKENS), {"vectors": np.ones((3, 2), np.float32)})
EVIL = "a\x1b[31mred\x1b]0;title\x07\r\nelmo: forged [/b] :apple: \u202e\u2028\x9b"
SEEN = r"a\x1b[31mred\x1b]0;title\x07\r\nelmo: forged [/b] :apple: \u202e\u2028\x9b"


def test_a_message_keeps_its_beginning_and_its_next_step_however_long_its_values_are():
    error = InputError(f"file:1: {'9' * 100_000!r} is no number; correct the line")
    assert (
        len(str(error)) < 2000 and str(error).startswith("file:1: '999") and str(error).endswith("; correct the line")
    )
    assert str(InputError("short")) == "short"


def test_every_character_that_can_not_be_seen_is_spelled_out():
    assert printable(EVIL) == SEEN
    assert printable("苹果，\u3000café 😀 \\n") == "苹果，\u3000café 😀 \\n"
    assert printable("\udcff\x00\x7f\u200b") == r"\udcff\x00\x7f\u200b"


def test_all_ways_of_printing_show_it(capsys):
    say(EVIL)
    show(EVIL)
    terminal.complain(EVIL)
    made = Table(title=EVIL, caption=EVIL)
    made.add_column(EVIL, no_wrap=True)
    made.add_row(EVIL)
    stream = io.StringIO()
    PlainConsole(file=stream, width=400).print(made)
    tell(Console(file=stream, width=400), EVIL)
    PlainConsole(file=stream, width=400).print(EVIL)
    captured = capsys.readouterr()
    assert captured.err.splitlines() == [SEEN, SEEN] and captured.out.splitlines() == [SEEN]
    text = stream.getvalue()
    assert text.count(SEEN) == 6 and "\x1b" not in text and "🍎" not in text


def test_provenance_and_names_of_a_model_are_shown_as_they_are(tmp_path, capsys):
    folder = tmp_path / "[b]\x1b[2J"
    write_model(folder, ModelFiles("skipgram", {}, FILES.vocabulary, FILES.arrays, {"note": EVIL, "licence": EVIL}))
    assert elmo("info", folder) == 0
    captured = capsys.readouterr()
    assert captured.out.count(SEEN) == 2 and "\x1b" not in captured.out and r"[b]\x1b[2J" in captured.out
    assert not any(line.startswith("elmo:") for line in captured.out.splitlines())


@pytest.mark.parametrize("call", [["info", "{e}"], ["convert", "{e}", "out"], ["encode", "elmo-zh-small", "{e}"]])
def test_a_name_forges_no_line(call, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    name = EVIL.replace("/", "")
    call = [part.format(e=name) for part in call] + (["--output", "v.npz"] if call[0] == "encode" else [])
    assert elmo(*call) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and "\x1b" not in err and r"\nelmo: forged" in err


def test_paths_with_brackets_train_and_go_on(tmp_path, capsys):
    place = tmp_path / "[/b][red]:apple:"
    (place / "shards").mkdir(parents=True)
    (place / "shards/text").write_text("河水 涨 了 。\n我 买 苹果 。\n", encoding="utf-8")
    Vocabulary.from_counts(dict.fromkeys("河水 涨 了 。 我 买 苹果".split(), 2)).save(place / "vocab.txt")
    call = ["pretrain", "--train_path", place / "shards/text", "--vocab_path", place / "vocab.txt", "--para_save_dir"]
    call += [place / "ck", "--embed_size", 4, "--hidden_size", 6, "--n_negative_samples_batch", 4, "--use_gpu", "False"]
    assert elmo(*call, "--max_epoch", 1) == 0
    assert elmo(*call, "--max_epoch", 2, "--resume", "True") == 0
    assert f"going on from {place}/ck/epoch_001" in capsys.readouterr().err
    warnings: list[str] = []
    write_checkpoint(place / "ck/step_0000099", FILES, TrainingState(0, 99, {}))
    (place / "ck/step_0000099/training.json").write_text(json.dumps(EVIL))
    newest_checkpoint(place / "ck", warnings.append)
    assert len(warnings) == 1


def test_nothing_prints_past_it(repository: Path):
    """Outside `elmo.system.terminal` nobody makes a console but a silent one, or lets Rich read markup in a column."""
    wrong = []
    for path in sorted((repository / "elmo").rglob("*.py")):
        if path.name == "terminal.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                keywords = {keyword.arg for keyword in node.keywords}
                literal = bool(node.args) and "{" not in ast.unparse(node.args[0])
                if node.func.id == "Console" and keywords != {"quiet"}:
                    wrong.append(f"{path.name}:{node.lineno}")
                if node.func.id == "TextColumn" and "markup" not in keywords and not literal:
                    wrong.append(f"{path.name}:{node.lineno}")
            prints = isinstance(node, ast.Attribute) and node.attr == "print" and "console" in ast.unparse(node.value)
            if prints and path.name != "from_files.py":  # a table, which a console of ours renders
                wrong.append(f"{path.name}:{node.lineno}")
    assert wrong == []
