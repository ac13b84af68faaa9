"""What `Encoder` and `Bert` have in common: how they are saved, and how far ahead they read."""

from __future__ import annotations

import abc
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar, TypeVar

from elmo.models import ModelFiles, write_model
from elmo.system.types import PathLike
from elmo.text.lengths import blocks
from elmo.text.vocabulary import Vocabulary

T = TypeVar("T")

_READ_AHEAD = 64  # batches that are sorted by length together, where their vectors
_BLOCK_BYTES = 1 << 27  # are no more than this, or one sentence's


class Pretrained(abc.ABC):
    """A network with its vocabulary, and what the model's file says of its making."""

    kind: ClassVar[str]
    model: Any  # a `paddle.nn.Layer` with its `config`
    vocabulary: Vocabulary
    provenance: dict[str, Any]

    def save_pretrained(self, directory: PathLike, *, dtype: str = "float32", overwrite: bool = False) -> None:
        """Write a model directory, see `elmo.models.write_model`; a segmenter is named when it is loaded."""
        arrays = {name: parameter.numpy() for name, parameter in self.model.named_parameters()}
        files = ModelFiles(self.kind, self.model.config.to_dict(), self.vocabulary, arrays, self.provenance)
        write_model(directory, files, dtype=dtype, overwrite=overwrite)

    @property
    @abc.abstractmethod
    def num_layers(self) -> int:
        """Layers that `encode` returns."""

    @property
    @abc.abstractmethod
    def output_size(self) -> int:
        """Size of a vector."""

    def _read_ahead(self, sentences: Iterable[list[T]], batch_size: int) -> Iterator[list[list[T]]]:
        """Gather sentences, as words or pieces, into lists whose vectors fit into memory."""
        most = _BLOCK_BYTES // (4 * self.num_layers * self.output_size)
        return blocks(sentences, len, batch_size * _READ_AHEAD, most)
