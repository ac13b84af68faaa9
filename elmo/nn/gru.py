"""A bidirectional GRU by the formula of Paddle 1.x, whose reset gate comes before the recurrent product.

Sentences of a batch are packed: the first tokens of all sentences, then the second ones, and so on, so that no padding
is computed. The backward pass is written by hand, as that of `elmo.nn.lstmp` is, and makes every weight gradient in one
product at the end; both walks are compiled where `elmo.nn.native` could compile them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from elmo.errors import InputError
from elmo.nn import native
from elmo.nn.linear import linear
from elmo.nn.shapes import check_shapes, match_shapes
from elmo.runtime import paddle
from elmo.system.types import Tensor

Rows = npt.NDArray[np.int64]


class Packing:
    """Where each token of a padded batch [batch, time] goes when the batch is packed: step by step, longest first.

    Args:
        lengths: number of tokens of each sentence, 0 allowed.

    Raises:
        InputError: there is no sentence, or a length is negative or no whole number.
    """

    def __init__(self, lengths: Sequence[int] | npt.NDArray[np.integer[Any]]) -> None:
        given = np.asarray(lengths).reshape(-1)
        if not given.size or given.dtype.kind not in "iu" or given.min() < 0:
            raise InputError(f"lengths {given.tolist()[:8]}: give the number of tokens of at least one sentence")
        self.lengths = given.astype(np.int64)
        self.time = int(self.lengths.max())
        order = np.argsort(-self.lengths, kind="stable")
        # How many sentences have a first token, a second one, ...: never growing, so a step's are the first few.
        self.counts = (self.lengths[:, None] > np.arange(self.time)).sum(0)  # (time,)
        self.size = int(self.counts.sum())  # tokens in all
        begins = np.cumsum(self.counts) - self.counts  # (time,)
        step = np.repeat(np.arange(self.time), self.counts)  # (tokens,)
        rank = np.arange(self.size) - np.repeat(begins, self.counts)  # (tokens,)
        sentence = order[rank]  # (tokens,)
        last_step = self.lengths[sentence] - 1  # (tokens,)
        self.sentences: Rows = sentence  # of each packed token, (tokens,)
        self.steps: Rows = step  # its place in its sentence, (tokens,)
        self.rows: Rows = sentence * self.time + step  # of the padded batch [batch * time], for each packed token
        # The token at the same distance from its sentence's other end; is its own inverse.
        self.mirrored: Rows = begins[last_step - step] + rank
        self.preceding: Rows = np.where(step > 0, begins[step - 1] + rank, -1)  # the token before; -1 for none
        self.is_last = step == last_step

    @cached_property
    def counts_tensor(self) -> Tensor:
        """`counts` where the compiled loops can read it."""
        return paddle.to_tensor(self.counts.astype(np.int64), place=paddle.CPUPlace())

    @cached_property
    def slots(self) -> Rows:
        """For each place of the padded batch its packed token, or `size` for padding; [batch * time]."""
        slots = np.full(len(self.lengths) * self.time, self.size, np.int64)
        slots[self.rows] = np.arange(self.size)
        return slots

    def pack(self, padded: Tensor) -> Tensor:
        """From [batch, time, dim] to [tokens, dim]; InputError where it is a batch of other lengths."""
        known = {"batch": len(self.lengths), "time": self.time}
        batch, time, dim = match_shapes("packing", {"inputs": (padded, "batch time dim")}, known).values()
        rows = padded.reshape([batch * time, dim])  # (batch * time, dim)
        return paddle.gather(rows, paddle.to_tensor(self.rows))

    def unpack(self, packed: Tensor) -> Tensor:
        """From [tokens, dim] to [batch, time, dim], zero where there is no token; InputError for other tokens."""
        dim = match_shapes("packing", {"packed": (packed, "tokens dim")}, {"tokens": self.size})["dim"]
        rows = paddle.concat([packed, paddle.zeros([1, dim], packed.dtype)])  # (tokens + 1, dim)
        padded = paddle.gather(rows, paddle.to_tensor(self.slots))  # (batch * time, dim)
        return padded.reshape([len(self.lengths), self.time, dim])


class _Step(NamedTuple):
    """What the backward pass needs of a step."""

    hidden: Tensor  # (count, hidden): before the step
    update: Tensor  # (count, hidden)
    reset: Tensor  # (count, hidden)
    reset_hidden: Tensor  # (count, hidden)
    candidate: Tensor  # (count, hidden)


def _run(
    update_reset_inputs: Tensor,  # (tokens, 2 * hidden)
    candidate_inputs: Tensor,  # (tokens, hidden)
    gate_weight: Tensor,  # (hidden, 2 * hidden)
    candidate_weight: Tensor,  # (hidden, hidden)
    counts: list[int],
    steps: list[_Step] | None = None,  # to which each step is added
) -> Tensor:
    hidden = paddle.zeros([counts[0], candidate_weight.shape[0]], candidate_weight.dtype)  # (count, hidden)
    outputs = []
    for gate_input, candidate_input in zip(
        paddle.split(update_reset_inputs, counts), paddle.split(candidate_inputs, counts), strict=True
    ):
        count = gate_input.shape[0]
        if count < hidden.shape[0]:  # sentences that have ended
            hidden = hidden[:count]  # (count, hidden)
        gates = paddle.addmm(gate_input, hidden, gate_weight)  # (count, 2 * hidden)
        gates = paddle.nn.functional.sigmoid(gates)
        update, reset = paddle.split(gates, 2, axis=1)  # (count, hidden) each
        reset_hidden = reset * hidden  # (count, hidden)
        candidate = paddle.addmm(candidate_input, reset_hidden, candidate_weight)  # (count, hidden)
        candidate = paddle.tanh(candidate)
        if steps is not None:
            steps.append(_Step(hidden, update, reset, reset_hidden, candidate))
        hidden = paddle.lerp(hidden, candidate, update)  # (count, hidden)
        outputs.append(hidden)
    return paddle.concat(outputs)  # (tokens, hidden)


class _Scan(paddle.autograd.PyLayer):
    """All steps of one direction; `_run` with its gradients."""

    @staticmethod
    def forward(
        ctx: Any,
        update_reset_inputs: Tensor,
        candidate_inputs: Tensor,
        gate_weight: Tensor,
        candidate_weight: Tensor,
        counts: list[int],
    ) -> Tensor:
        inputs = update_reset_inputs, candidate_inputs, gate_weight, candidate_weight
        ctx.wanted = [not tensor.stop_gradient for tensor in inputs]
        ctx.weights = gate_weight, candidate_weight
        ctx.steps = []
        return _run(*inputs, counts, ctx.steps)

    @staticmethod
    def backward(ctx: Any, d_outputs: Tensor) -> tuple[Tensor | None, ...]:
        gate_weight, candidate_weight = ctx.weights
        steps = ctx.steps
        ctx.steps = None
        d_hidden = None
        d_gates, d_candidates = [], []
        d_steps = paddle.split(d_outputs, [step.hidden.shape[0] for step in steps])  # (count, hidden) each
        for (hidden, update, reset, _, candidate), d_output in zip(reversed(steps), reversed(d_steps), strict=True):
            count, size = hidden.shape
            if d_hidden is None:
                d_hidden = d_output  # (count, hidden)
            else:
                ended = count - d_hidden.shape[0]
                if ended:  # nothing comes back to these
                    d_hidden = paddle.concat([d_hidden, paddle.zeros([ended, size], d_hidden.dtype)])  # (count, hidden)
                d_hidden = d_output + d_hidden
            d_candidate = d_hidden * update * (1 - candidate * candidate)  # (count, hidden)
            d_reset_hidden = paddle.matmul(d_candidate, candidate_weight, transpose_y=True)  # (count, hidden)
            d_update = d_hidden * (candidate - hidden) * update * (1 - update)  # (count, hidden)
            d_reset = d_reset_hidden * hidden * reset * (1 - reset)  # (count, hidden)
            d_gate = paddle.concat([d_update, d_reset], axis=1)  # (count, 2 * hidden)
            d_hidden = d_hidden * (1 - update) + d_reset_hidden * reset
            d_hidden = paddle.addmm(d_hidden, d_gate, gate_weight.t())  # (count, hidden)
            d_gates.append(d_gate)
            d_candidates.append(d_candidate)
        d_update_reset_inputs = paddle.concat(d_gates[::-1])  # (tokens, 2 * hidden)
        d_candidate_inputs = paddle.concat(d_candidates[::-1])  # (tokens, hidden)
        d_gate_weight = d_candidate_weight = None
        *_, gate_weight_wanted, candidate_weight_wanted = ctx.wanted
        if gate_weight_wanted:
            hiddens = paddle.concat([step.hidden for step in steps])  # (tokens, hidden)
            d_gate_weight = paddle.matmul(hiddens, d_update_reset_inputs, transpose_x=True)  # (hidden, 2 * hidden)
        if candidate_weight_wanted:
            reset_hiddens = paddle.concat([step.reset_hidden for step in steps])  # (tokens, hidden)
            d_candidate_weight = paddle.matmul(reset_hiddens, d_candidate_inputs, transpose_x=True)  # (hidden, hidden)
        gradients = d_update_reset_inputs, d_candidate_inputs, d_gate_weight, d_candidate_weight
        return tuple(d if wanted else None for d, wanted in zip(gradients, ctx.wanted, strict=True))


class _CompiledScan(paddle.autograd.PyLayer):
    """As `_Scan`, in compiled loops; the memory of its first two inputs is used for the gates."""

    @staticmethod
    def forward(
        ctx: Any,
        update_reset_inputs: Tensor,
        candidate_inputs: Tensor,
        gate_weight: Tensor,
        candidate_weight: Tensor,
        counts: Tensor,
    ) -> Tensor:
        inputs = update_reset_inputs, candidate_inputs, gate_weight, candidate_weight
        ctx.wanted = [not tensor.stop_gradient for tensor in inputs]
        ctx.dtype = native.product_type(update_reset_inputs.dtype)
        outputs, ctx.kept = native.gru_forward(*inputs, counts, any(ctx.wanted))
        ctx.weights = gate_weight, candidate_weight
        ctx.counts = counts
        return outputs

    @staticmethod
    def backward(ctx: Any, d_outputs: Tensor) -> tuple[Tensor | None, ...]:
        kept = ctx.kept
        ctx.kept = None
        gate_weight, candidate_weight = ctx.weights
        d_gates, d_candidates = native.gru_backward(
            d_outputs, gate_weight, candidate_weight, ctx.counts, kept, ctx.dtype
        )
        _, _, hiddens, reset_hiddens = kept
        d_gate_weight = d_candidate_weight = None
        *_, gate_weight_wanted, candidate_weight_wanted = ctx.wanted
        if gate_weight_wanted:
            d_gate_weight = native.product(hiddens, d_gates, transpose_x=True, dtype=ctx.dtype)  # (hidden, 2 * hidden)
        if candidate_weight_wanted:
            d_candidate_weight = native.product(reset_hiddens, d_candidates, transpose_x=True, dtype=ctx.dtype)
        gradients = d_gates, d_candidates, d_gate_weight, d_candidate_weight
        return tuple(d if wanted else None for d, wanted in zip(gradients, ctx.wanted, strict=True))


class GRU(paddle.nn.Layer):
    r"""One direction of a GRU, with the formula of Paddle 1.x's `dynamic_gru`, here without its other options:

        u, r = split(sigmoid(x W_x[:, :2H] + b[:2H] + h W_g))
        c = tanh(x W_x[:, 2H:] + b[2H:] + (r * h) W_c)
        h' = (1 - u) * h + u * c

    `paddle.nn.GRU` has r * (h W_c) instead and can't take its weights. Starts from zeros.

    Args:
        input_size: size of x.
        hidden_size: H, size of h.

    Parameters: `input_weight` [input_size, 3H], `bias` [3H], `gate_weight` [H, 2H], `candidate_weight` [H, H].
    """

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.input_weight = self.create_parameter([input_size, 3 * hidden_size])
        self.bias = self.create_parameter([3 * hidden_size], is_bias=True)
        self.gate_weight = self.create_parameter([hidden_size, 2 * hidden_size])
        self.candidate_weight = self.create_parameter([hidden_size, hidden_size])

    def forward(self, packed: Tensor, packing: Packing) -> Tensor:
        """Run over packed inputs [tokens, input_size]; return outputs [tokens, hidden_size].

        The gradient can be asked for once: there is no retain_graph and no second derivative.

        Raises:
            InputError: shapes or types of number that do not fit, or not as many tokens as the packing has.
        """
        tensors = {
            "input_weight": (self.input_weight, "input 3*hidden"),
            "bias": (self.bias, "3*hidden"),
            "gate_weight": (self.gate_weight, "hidden 2*hidden"),
            "candidate_weight": (self.candidate_weight, "hidden hidden"),
            "inputs": (packed, "tokens input"),
        }
        sizes = {"input": self.input_size, "hidden": self.hidden_size, "tokens": packing.size}
        check_shapes("GRU", tensors, sizes)
        if not packing.size:
            return paddle.zeros([0, self.hidden_size], packed.dtype)
        # Two products, since to split one's result by columns costs as much as a sixth of it.
        parts = [2 * self.hidden_size, self.hidden_size]
        gate_input, candidate_input = paddle.split(self.input_weight, parts, axis=1)  # (input, 2 * hidden or hidden)
        gate_bias, candidate_bias = paddle.split(self.bias, parts)
        gates = linear(packed, gate_input, gate_bias)  # (tokens, 2 * hidden)
        candidates = linear(packed, candidate_input, candidate_bias)  # (tokens, hidden)
        inputs = gates, candidates, self.gate_weight, self.candidate_weight
        if native.usable(packed, self.gate_weight, self.candidate_weight):
            if not paddle.is_grad_enabled():
                return native.gru_forward(*inputs, packing.counts_tensor, False)[0]
            return _CompiledScan.apply(*inputs, packing.counts_tensor)
        counts = packing.counts.tolist()
        return _Scan.apply(*inputs, counts) if paddle.is_grad_enabled() else _run(*inputs, counts)


class BidirectionalGRU(paddle.nn.Layer):
    """A GRU that reads each sentence from its first token and one that reads it from its last, side by side.

    Args:
        input_size: size of an input.
        hidden_size: of each direction; outputs have twice as much, the forward part first.
    """

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.forwards = GRU(input_size, hidden_size)
        self.backwards = GRU(input_size, hidden_size)

    def forward(self, inputs: Tensor, lengths: Sequence[int] | npt.NDArray[np.integer[Any]]) -> Tensor:
        """Run over inputs [batch, time, input_size] of these lengths, the longest being `time`.

        Returns:
            outputs [batch, time, 2 * hidden_size], zero where a sentence has ended.
        """
        packing = Packing(lengths)
        return packing.unpack(self.run_packed(packing.pack(inputs), packing))

    def run_packed(self, packed: Tensor, packing: Packing) -> Tensor:
        """The same from [tokens, input_size] to [tokens, 2 * hidden_size], both packed; for layers on layers."""
        forward = self.forwards(packed, packing)  # (tokens, hidden); first, since it checks what is given
        if not packing.size:
            return paddle.zeros([0, 2 * self.forwards.hidden_size], packed.dtype)
        mirrored = paddle.to_tensor(packing.mirrored)  # (tokens,)
        backward = self.backwards(paddle.gather(packed, mirrored), packing)  # (tokens, hidden)
        return paddle.concat([forward, paddle.gather(backward, mirrored)], axis=1)  # (tokens, 2 * hidden)
