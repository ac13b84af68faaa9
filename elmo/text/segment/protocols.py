"""What a segmenter is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable


class Segmenter(Protocol):
    """Cuts a sentence into words: none is empty or holds white space, and joined they are the sentence without it."""

    name: str

    def cut(self, sentence: str) -> list[str]:
        """Return the words of a sentence in their order."""
        ...


@runtime_checkable
class BatchSegmenter(Segmenter, Protocol):
    """A segmenter that is faster with several sentences at a time, such as one with a neural network."""

    def cut_all(self, sentences: Sequence[str]) -> list[list[str]]:
        """Return what `cut` returns, for each sentence."""
        ...
