"""One variable says where everything lies that can be made or fetched again."""

from __future__ import annotations

from pathlib import Path

import pytest

from elmo.corpora.datasets import data_home
from elmo.system.cache import cache_folder
from elmo.system.machine import Machine
from elmo.text.batches import SentenceIds
from elmo.text.segment import JiebaSegmenter
from elmo.text.vocabulary import SPECIAL_TOKENS, Vocabulary

# The only modules that may ask for the user's cache.
OWNERS = {"elmo/system/cache.py"}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ELMO_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("ELMO_DATA_HOME", raising=False)
    return tmp_path / "cache"


def test_the_variable_names_the_folder(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache_folder() == cache
    monkeypatch.setenv("ELMO_CACHE", "~/mine")
    assert cache_folder() == Path.home() / "mine"
    for unset in (lambda: monkeypatch.setenv("ELMO_CACHE", ""), lambda: monkeypatch.delenv("ELMO_CACHE")):
        unset()
        assert cache_folder().is_absolute() and "elmo" in cache_folder().parts


def test_every_cache_is_in_it(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "shard").write_text("山 水\n", encoding="utf-8")
    text = SentenceIds(tmp_path / "shard", Vocabulary([*SPECIAL_TOKENS, "山"])).text
    assert text.folder.parent == cache / "encoded"
    JiebaSegmenter()
    assert list(cache.glob("jieba-*.cache"))
    assert data_home() == cache / "datasets"
    assert Machine().cache == cache  # whose room and rights `elmo doctor` looks at


def test_no_module_has_a_cache_of_its_own(repository: Path) -> None:
    found = {
        str(path.relative_to(repository))
        for path in (repository / "elmo").rglob("*.py")
        if "user_cache_dir" in path.read_text(encoding="utf-8")
    }
    assert found <= OWNERS
