"""Fixtures of this folder: the tiny models that other folders use too."""

from __future__ import annotations

from tests.tiny_models import own_gold, tiny_elmo

__all__ = ["own_gold", "tiny_elmo"]
