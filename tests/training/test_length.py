"""How long a run is: what it says of itself at the start, when it ends early, which checkpoints it keeps."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from elmo.models import read_model
from elmo.text.vocabulary import Vocabulary, count_words
from elmo.training.progress import TimeEstimate, time_words
from elmo.training.settings import PretrainSettings
from tests.training.texts import learn

SIZES = {"embed_size": 4, "hidden_size": 6, "num_layers": 1, "cell_clip": 2.0, "tie_softmax": True, "dropout": 0.0}
SETTINGS = {"batch_size": 2, "num_steps": 5, "n_negative_samples_batch": 5, "learning_rate": 0.05, "log_interval": 1}


@pytest.fixture
def text(tmp_path: Path) -> Path:
    lines = [f"我 {verb} {thing} 。" for verb in ("吃", "买", "看") for thing in ("苹果", "书", "水")]
    (tmp_path / "train").write_text("\n".join(lines), encoding="utf-8")
    (tmp_path / "dev").write_text("我 吃 水 。\n", encoding="utf-8")
    Vocabulary.from_counts(count_words([tmp_path / "train"])).save(tmp_path / "vocabulary.txt")
    return tmp_path


def train(text: Path, save: str = "run", sizes=SIZES, log: io.StringIO | None = None, start=None, **settings):
    return learn(
        text,
        text / save,
        sizes=sizes,
        settings=PretrainSettings(**{**SETTINGS, **settings}),
        load_pretraining_params=start,
        console=Console(file=log or io.StringIO(), width=500),
    )


def checkpoints(text: Path) -> list[str]:
    return sorted(path.name for path in (text / "run").iterdir())


def test_the_newest_epochs_and_the_best_are_kept(text):
    train(text, max_epoch=6, keep_checkpoints=2)
    assert checkpoints(text) == ["best", "epoch_005", "epoch_006"]


def test_the_best_stays_when_its_epoch_has_gone(text):
    # A rate at which every epoch after the first makes the held-out text less probable.
    history = train(text, max_epoch=5, keep_checkpoints=1, learning_rate=30.0, max_grad_norm=1000.0)
    scores = [record["perplexity"] for record in history]
    assert checkpoints(text) == ["best", "epoch_005"]
    runs = read_model(text / "run/best").provenance["runs"]
    assert len(runs[-1]["history"]) == 1 + int(np.argmin(scores))


def test_a_run_ends_when_the_held_out_perplexity_no_longer_falls(text):
    log = io.StringIO()
    history = train(text, max_epoch=40, patience=2, learning_rate=30.0, max_grad_norm=1000.0, log=log)
    scores = [record["perplexity"] for record in history]
    assert 2 < len(scores) < 40
    assert min(scores[-2:]) >= min(scores[:-2])
    assert all(min(scores[:end][-2:]) < min(scores[:end][:-2]) for end in range(3, len(scores)))
    assert "has not fallen for 2 epochs: the run ends" in log.getvalue()


def test_a_run_says_at_its_start_how_large_it_is_and_in_its_log_how_long_it_takes(text):
    log = io.StringIO()
    train(text, max_epoch=8, log=log)
    arrays = read_model(text / "run/best").arrays.values()
    assert f"{sum(array.size for array in arrays)} parameters; 8 epochs of about 5 batches, 40 of" in log.getvalue()
    assert re.search(r"^at this speed the run takes \d+ s more on this machine$", log.getvalue(), re.M)
    assert re.search(r"^step 30: training loss [\d.]+, [\d,]+ tokens/s, \d+ s left$", log.getvalue(), re.M)
    assert "warning" not in log.getvalue()


def test_what_takes_more_than_a_day_is_warned_about():
    times = iter([100.0 + 5 * number for number in range(99)])  # the first batch, of 100 s, compiles: it doesn't count
    estimate = TimeEstimate(20_021, clock=lambda: next(times))
    said = [line for _ in range(21) for line in estimate.add()]
    assert said[0] == "at this speed the run takes 1 d 3 h more on this machine"
    assert said[1].startswith("warning: 1 d 3 h are more than a day: choose smaller sizes (--hidden_size")
    assert len(said) == 2


def test_times_are_said_as_people_do():
    said = [time_words(seconds) for seconds in (4, 100, 3600, 3 * 3600 + 61, 200_000)]
    assert said == ["4 s", "2 min", "1 h 0 min", "3 h 1 min", "2 d 7 h"]


def test_a_run_from_a_model_has_its_sizes_unless_told_otherwise(text):
    train(text, max_epoch=1)
    first = str(text / "run/epoch_001")
    train(text, "next", sizes=None, start=first, max_epoch=1)
    assert read_model(text / "next/epoch_001").config == read_model(first).config
    train(text, "other", sizes={"dropout": 0.3}, start=first, max_epoch=1)
    assert read_model(text / "other/epoch_001").config == {**read_model(first).config, "dropout": 0.3}
