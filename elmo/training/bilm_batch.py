"""A biLM over one batch: the loss of every prediction, and the LSTM states that its streams carry to the next."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from elmo.bilm import BiLM, BiLMState
from elmo.nn.lstmp import State
from elmo.runtime import paddle
from elmo.system.types import Array, Arrays, Bools, Ids, Tensor
from elmo.text.batches import Batch
from elmo.text.characters import Lexicon

_DIRECTIONS, _PARTS = ("forward", "backward"), ("hidden", "cell")
Loss = Callable[[Tensor, Ids], Tensor]  # of outputs [count, embed] and targets [count]: [count]


def run_batch(
    model: BiLM, batch: Batch, state: BiLMState | None, lexicon: Lexicon | None
) -> tuple[Tensor, Tensor, BiLMState]:
    """Run a biLM over a batch; where it reads characters, each distinct word of the batch is encoded once.

    Args:
        state: that of each direction's layers; None for zero state.
        lexicon: where the biLM reads characters, the words that the batch's ids stand for.

    Returns:
        the top layer's outputs of both directions, [batch, time, embed] each, and the state to carry on.
    """
    forward_ids, backward_ids = batch.forward_ids, batch.backward_ids  # (batch, time)
    words_of_batch = None
    if lexicon is not None:
        both = np.stack([forward_ids, backward_ids])  # (2, batch, time)
        words, rows = np.unique(both, return_inverse=True)
        forward_ids, backward_ids = rows.reshape(both.shape)
        words_of_batch = lexicon.rows(words)
    forward_layers, backward_layers, last_state = model(
        paddle.to_tensor(forward_ids), paddle.to_tensor(backward_ids), state, words_of_batch
    )
    return forward_layers[-1], backward_layers[-1], last_state


def batch_losses(batch: Batch, forward: Tensor, backward: Tensor, lexicon: Lexicon | None, loss: Loss) -> Tensor:
    """Cross-entropy of every prediction in a batch, those of the forward direction first: [predictions].

    Args:
        forward, backward: outputs from which the next word in each direction is predicted, [batch, time, embed].
        lexicon: where the biLM reads characters, says which token of the vocabulary each word is predicted as.
        loss: what is computed of the positions that are no padding.
    """
    size = forward.shape[-1]
    rows = paddle.concat([forward.reshape([-1, size]), backward.reshape([-1, size])])  # (2 * batch * time, embed)
    targets = np.concatenate([batch.forward_targets.ravel(), batch.backward_targets.ravel()])  # (2 * batch * time)
    if lexicon is not None:
        targets = lexicon.word_ids[targets]
    kept = np.flatnonzero(np.concatenate([batch.mask.ravel(), batch.mask.ravel()]))  # (predictions)
    ran_out = not len(kept)  # all streams of this rank
    if ran_out:  # one prediction without weight makes its gradients zero, not none
        kept = np.zeros(1, np.int64)
    if len(kept) < len(targets):
        rows = paddle.gather(rows, paddle.to_tensor(kept))  # (predictions, embed)
        targets = targets[kept]
    losses = loss(rows, targets)
    return losses * 0.0 if ran_out else losses


def detach(state: BiLMState, ended: Bools | None) -> BiLMState:
    """Cut the states off the graph, and set those of streams [batch] that have ended a sentence to zero."""
    forward, backward = ([(hidden.detach(), cell.detach()) for hidden, cell in states] for states in state)
    if ended is None or not ended.any():
        return forward, backward
    kept = paddle.to_tensor(~ended).unsqueeze(1).astype(forward[0][0].dtype)  # (batch, 1)
    forward, backward = ([(hidden * kept, cell * kept) for hidden, cell in states] for states in (forward, backward))
    return forward, backward


def state_to_arrays(state: BiLMState | None) -> Arrays:
    """Arrays [batch, size] of a state by names such as "forward/0/hidden"; none of zero state."""
    return {
        f"{direction}/{number}/{part}": tensor.numpy()
        for direction, layers in zip(_DIRECTIONS, state or (), strict=False)
        for number, layer in enumerate(layers)
        for part, tensor in zip(_PARTS, layer, strict=True)
    }


def state_of_rank(arrays: Mapping[str, Array], num_layers: int, rank: int) -> BiLMState:
    """The state of one rank, from arrays [rank, batch, size] by the names that `state_to_arrays` gives."""

    def layers(direction: str) -> list[State]:
        parts = [[arrays[f"{direction}/{number}/{part}"][rank] for part in _PARTS] for number in range(num_layers)]
        return [(paddle.to_tensor(hidden), paddle.to_tensor(cell)) for hidden, cell in parts]

    return layers("forward"), layers("backward")
