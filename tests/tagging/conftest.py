"""Fixtures of this folder: Baidu's own model, and the tiny models that other folders use too."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tiny_models import make_tagger, own_gold, tiny_character_elmo, tiny_elmo, tiny_lac, tiny_word2vec

__all__ = ["make_tagger", "own_gold", "tiny_character_elmo", "tiny_elmo", "tiny_lac", "tiny_word2vec"]


@pytest.fixture(scope="session")
def released(shared: Path) -> Path:
    """Baidu's own model."""
    folder = shared / "models" / "baidu_lac"
    if not folder.is_dir():
        pytest.skip("needs the model of Baidu's package lac beside the repository")
    return folder
