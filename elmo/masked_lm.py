"""Masked language models: BERT and ERNIE 1.0, one Transformer that predicts what was masked.

Sources: Devlin et al. (2019), Sun et al. (2019). The two differ in what is masked in training (`elmo.text.masking`).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from elmo.checks import (
    MOST_LAYERS,
    check_choice,
    check_flag,
    check_names,
    check_share,
    check_whole,
    config_of_file,
    is_number,
)
from elmo.errors import InputError
from elmo.models import ModelFiles, load_parameters
from elmo.nn.heads import MaskedHead, Pooler
from elmo.nn.transformer import ACTIVATIONS, Sizes, TransformerEncoder
from elmo.runtime import paddle
from elmo.system.types import Tensor

KIND = "masked_lm"


@dataclass(frozen=True)
class MaskedLMConfig:
    """Sizes of a masked language model; defaults are those of a small one that a laptop can train."""

    vocab_size: int  # tokens in the vocabulary, the five special ones included
    hidden_size: int = 256
    num_layers: int = 6
    num_heads: int = 4
    intermediate_size: int = 1024  # of the two linear maps behind the attention
    max_length: int = 128  # positions: tokens of a sequence at most, [CLS] and [SEP] included
    type_vocab_size: int = 2  # segments
    task_type_vocab_size: int = 0  # tasks that have an embedding, as in ERNIE 2.0; 0 for none
    hidden_act: str = "gelu"  # or "relu", as in ERNIE 1.0
    dropout: float = 0.1
    attention_dropout: float = 0.1
    layer_norm_eps: float = 1e-12
    lower_case: bool = True  # how text is read, see `elmo.text.pieces.PieceTokenizer`
    head: bool = True  # False for weights that came without what predicts tokens
    pooler: bool = False  # True for weights that came with BERT's pooler, which masking does not train

    def __post_init__(self) -> None:
        check_whole(self, "vocab_size", "hidden_size", "num_heads", "intermediate_size", "type_vocab_size")
        check_whole(self, "num_layers", most=MOST_LAYERS)
        check_whole(self, "task_type_vocab_size", least=0)
        check_whole(self, "max_length", least=3)
        if self.hidden_size % self.num_heads:
            raise InputError(f"hidden_size is {self.hidden_size}: give a multiple of num_heads, {self.num_heads}")
        check_share(self, "dropout", "attention_dropout")
        if not (is_number(self.layer_norm_eps) and 0 < self.layer_norm_eps < 1):
            raise InputError(f"layer_norm_eps is {self.layer_norm_eps!r}: give a small number above 0")
        check_choice(self, "hidden_act", ACTIVATIONS)
        check_flag(self, "lower_case", "head", "pooler")

    @property
    def num_parameters(self) -> int:
        """About how many numbers such a model has."""
        block = 4 * self.hidden_size**2 + 2 * self.hidden_size * self.intermediate_size
        rows = self.vocab_size + self.max_length + self.type_vocab_size
        return rows * self.hidden_size + self.num_layers * block

    @property
    def unused(self) -> tuple[str, ...]:
        """How names of parameters begin that such a model, without the parts of its own, leaves out of a file."""
        return tuple(f"{part}." for part, there in (("head", self.head), ("pooler", self.pooler)) if not there)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON can hold them."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> MaskedLMConfig:
        """Make a configuration from `to_dict`'s result; InputError names fields that lack or are unknown."""
        check_names(fields, cls, "the masked LM's configuration", required=["vocab_size"])
        return cls(**fields)

    @property
    def sizes(self) -> Sizes:
        """Those that the encoder needs."""
        return Sizes(**{name: getattr(self, name) for name in Sizes._fields})


class MaskedLM(paddle.nn.Layer):
    """A Transformer encoder and the head that predicts masked tokens.

    Parameters: `encoder`, `head`, `pooler`; see `elmo.nn.transformer`. The head's softmax weights are
    `encoder.token_embedding`.
    """

    def __init__(self, config: MaskedLMConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = TransformerEncoder(config.sizes)
        if config.head:
            self.head = MaskedHead(config.sizes)
        if config.pooler:
            self.pooler = Pooler(config.hidden_size)

    def forward(self, token_ids: Tensor, lengths: Tensor | None = None, segment_ids: Tensor | None = None) -> list[Any]:
        """Hidden states of every layer, 1 + num_layers tensors [batch, time, hidden]; see `TransformerEncoder`."""
        layers: list[Any] = self.encoder(token_ids, lengths, segment_ids)
        return layers

    def losses(self, token_ids: Tensor, places: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy in nats of what is masked; only there is the vocabulary looked at.

        Args:
            token_ids: [batch, time], without padding.
            places: [masked], row * time + column.
            targets: [masked].

        Returns:
            [masked].
        """
        return self._head().losses(self._rows(token_ids, None, places), targets, self.encoder.token_embedding)

    def predictions(self, token_ids: Tensor, lengths: Tensor, places: Tensor) -> Tensor:
        """Logarithms [masked, vocab] of the probability of every token at places [masked], row * time + column."""
        logits = self._head().logits(self._rows(token_ids, lengths, places), self.encoder.token_embedding)
        return paddle.nn.functional.log_softmax(logits)

    def _rows(self, token_ids: Tensor, lengths: Tensor | None, places: Tensor) -> Tensor:
        hidden = self.encoder(token_ids, lengths)[-1]
        return paddle.gather(hidden.reshape([-1, self.config.hidden_size]), places)

    def _head(self) -> MaskedHead:
        if not self.config.head:
            raise InputError("this model came without the head that predicts tokens: it gives vectors only")
        return self.head


def masked_lm_from_files(files: ModelFiles, place: object) -> MaskedLM:
    """Build the model that a model directory describes, in evaluation mode.

    Raises:
        InputError: configuration, vocabulary and parameters disagree.
    """
    config = config_of_file(MaskedLMConfig, files.config, files.vocabulary, place)
    with paddle.LazyGuard():  # no time and memory for first values that are thrown away
        model = MaskedLM(config)
    load_parameters(model, files.arrays, place, unused=config.unused)
    model.eval()
    return model
