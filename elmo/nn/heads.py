"""What stands on a Transformer encoder: the head that predicts masked tokens, and BERT's pooler."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from elmo.nn.softmax import full_softmax_loss
from elmo.nn.transformer import LayerNorm, Linear, Sizes, activate
from elmo.runtime import paddle
from elmo.system.types import Tensor


class MaskedHead(paddle.nn.Layer):
    """Predicts tokens from rows: a transform, and a softmax whose weights are the token embedding.

    Parameters: `transform` [dim, dim], `transform_norm`, `decoder_bias` [vocab].
    """

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.hidden_act = sizes.hidden_act
        self.transform = Linear(sizes.hidden_size, sizes.hidden_size)
        self.transform_norm = LayerNorm(sizes.hidden_size, sizes.layer_norm_eps)
        self.decoder_bias = self.create_parameter([sizes.vocab_size], is_bias=True)

    def forward(self, rows: Tensor) -> Tensor:
        """Transform rows [count, dim] into what is multiplied with the token embedding."""
        return self.transform_norm(activate(self.transform(rows), self.hidden_act))

    def begin_with_frequencies(self, counts: npt.NDArray[np.integer[Any]]) -> None:
        """Set the bias to the logarithms of how often each token is in the text, which would be learnt first.

        Args:
            counts: [vocab]; a token that does not occur is taken to occur once.
        """
        shares = np.maximum(counts, 1) / np.maximum(counts, 1).sum()  # (vocab,)
        self.decoder_bias.set_value(np.log(shares).astype(np.float32))

    def logits(self, rows: Tensor, token_embedding: Tensor) -> Tensor:
        """Scores [count, vocab] of every token."""
        return paddle.matmul(self(rows), token_embedding, transpose_y=True) + self.decoder_bias  # (count, vocab)

    def losses(self, rows: Tensor, targets: Tensor, token_embedding: Tensor) -> Tensor:
        """Cross-entropy in nats of targets [count], from rows [count, dim]; returns [count]."""
        return full_softmax_loss(self(rows), targets, token_embedding, self.decoder_bias)


class Pooler(paddle.nn.Layer):
    """tanh of a linear map of the first token's last hidden state; `dense` [dim, dim]."""

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.dense = Linear(hidden_size, hidden_size)

    def forward(self, hidden: Tensor) -> Tensor:
        """Map hidden states [batch, time, dim] to [batch, dim]."""
        first = hidden[:, 0]  # (batch, dim)
        return paddle.tanh(self.dense(first))
