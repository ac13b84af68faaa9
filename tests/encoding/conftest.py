"""Fixtures of this folder: the tiny models that other folders use too."""

from __future__ import annotations

from tests.tiny_models import own_gold, tiny_character_elmo, tiny_elmo, tiny_word2vec

__all__ = ["own_gold", "tiny_character_elmo", "tiny_elmo", "tiny_word2vec"]
