"""LSTMP: an LSTM whose output is projected to a smaller size, with clips on cell and projection (Sak et al., 2014).

The backward pass is written by hand: it walks back through time once and makes every weight gradient in one product at
the end, which on a CPU is several times faster than recording each small step. Where `elmo.nn.native` could compile
its loops, both walks are compiled; otherwise they are Paddle operations, step by step.
"""

from __future__ import annotations

from typing import Any

from elmo.errors import InputError
from elmo.nn import native
from elmo.nn.linear import add_bias
from elmo.nn.shapes import check_shapes
from elmo.runtime import paddle
from elmo.system.types import Tensor

State = tuple[Tensor, Tensor]


class _Scan(paddle.autograd.PyLayer):
    """All time steps of one LSTMP layer, time first; see `LSTMP` for the formulas."""

    @staticmethod
    def forward(
        ctx: Any,
        gate_inputs: Tensor,  # (T, B, 4H)
        hidden: Tensor,  # (B, P)
        cell: Tensor,  # (B, H)
        recurrent_weight: Tensor,  # (P, 4H)
        projection_weight: Tensor,  # (H, P)
        cell_clip: float | None,
        proj_clip: float | None,
        record: bool,  # False where no gradient will be asked for: nothing is kept then
    ) -> tuple[Tensor, Tensor]:
        size = cell.shape[1]
        ctx.wanted = [
            not tensor.stop_gradient for tensor in (gate_inputs, hidden, cell, recurrent_weight, projection_weight)
        ]
        recorded = record and any(ctx.wanted)
        outputs, steps = [], []
        for step in range(gate_inputs.shape[0]):
            preactivation = paddle.addmm(gate_inputs[step], hidden, recurrent_weight)  # (B, 4H)
            candidate = paddle.tanh(preactivation[:, :size])
            gate = paddle.nn.functional.sigmoid(preactivation[:, size:])  # (B, 3H): input, forget, output
            last_hidden, last_cell = hidden, cell
            cell = gate[:, size : 2 * size] * cell + gate[:, :size] * candidate
            cell_mask = proj_mask = None
            if cell_clip is not None:
                cell_mask = cell.abs() <= cell_clip
                cell = paddle.clip(cell, -cell_clip, cell_clip)
            cell_tanh = paddle.tanh(cell)
            output = gate[:, 2 * size :] * cell_tanh  # (B, H)
            hidden = paddle.matmul(output, projection_weight)  # (B, P)
            if proj_clip is not None:
                proj_mask = hidden.abs() <= proj_clip
                hidden = paddle.clip(hidden, -proj_clip, proj_clip)
            outputs.append(hidden)
            if recorded:  # never what is returned: a returned tensor that its own graph holds is never freed
                steps.append((candidate, gate, last_cell, cell_tanh, output, last_hidden, cell_mask, proj_mask))
        ctx.weights = recurrent_weight, projection_weight
        ctx.steps = steps
        return paddle.stack(outputs), cell

    @staticmethod
    def backward(ctx: Any, d_hiddens: Tensor, d_cell: Tensor) -> tuple[Tensor | None, ...]:
        recurrent_weight, projection_weight = ctx.weights
        steps, ctx.steps = ctx.steps, None
        size = d_cell.shape[1]
        d_hidden = paddle.zeros_like(d_hiddens[0])
        d_preactivations, d_projections = [], []
        for step in reversed(range(len(steps))):
            candidate, gate, last_cell, cell_tanh, _, _, cell_mask, proj_mask = steps[step]
            input_gate, forget_gate, output_gate = gate[:, :size], gate[:, size : 2 * size], gate[:, 2 * size :]
            d_hidden = d_hiddens[step] + d_hidden
            if proj_mask is not None:
                d_hidden = d_hidden * proj_mask.astype(d_hidden.dtype)
            d_projections.append(d_hidden)
            d_output = paddle.matmul(d_hidden, projection_weight, transpose_y=True)  # (B, H)
            d_cell = d_cell + d_output * output_gate * (1 - cell_tanh * cell_tanh)
            if cell_mask is not None:
                d_cell = d_cell * cell_mask.astype(d_cell.dtype)
            d_gate = paddle.concat([d_cell * candidate, d_cell * last_cell, d_output * cell_tanh], axis=1)
            d_candidate = d_cell * input_gate * (1 - candidate * candidate)
            d_preactivation = paddle.concat([d_candidate, d_gate * gate * (1 - gate)], axis=1)  # (B, 4H)
            d_preactivations.append(d_preactivation)
            d_hidden = paddle.matmul(d_preactivation, recurrent_weight, transpose_y=True)  # (B, P)
            d_cell = d_cell * forget_gate
        d_gate_inputs = paddle.stack(d_preactivations[::-1])  # (T, B, 4H)
        d_recurrent = d_projection = None
        if ctx.wanted[3]:
            last_hiddens = paddle.concat([step[5] for step in steps])  # (T * B, P)
            d_recurrent = paddle.matmul(last_hiddens, d_gate_inputs.reshape([-1, 4 * size]), transpose_x=True)
        if ctx.wanted[4]:
            unprojected = paddle.concat([step[4] for step in steps])  # (T * B, H)
            d_projection = paddle.matmul(unprojected, paddle.concat(d_projections[::-1]), transpose_x=True)
        gradients = (d_gate_inputs, d_hidden, d_cell, d_recurrent, d_projection)
        return tuple(d if wanted else None for d, wanted in zip(gradients, ctx.wanted, strict=True))


class _CompiledLayer(paddle.autograd.PyLayer):
    """The whole layer, input product included, in compiled loops; batch first."""

    @staticmethod
    def forward(
        ctx: Any,
        inputs: Tensor,  # (B, T, I)
        hidden: Tensor,  # (B, P)
        cell: Tensor,  # (B, H)
        input_weight: Tensor,  # (I, 4H)
        recurrent_weight: Tensor,  # (P, 4H)
        bias: Tensor,  # (4H,)
        projection_weight: Tensor,  # (H, P)
        clips: tuple[float | None, float | None],
        record: bool,
    ) -> tuple[Tensor, Tensor]:
        parameters = input_weight, recurrent_weight, bias, projection_weight
        ctx.wanted = [not tensor.stop_gradient for tensor in (inputs, hidden, cell, *parameters)]
        weight = paddle.concat([input_weight, recurrent_weight])  # (I + P, 4H)
        outputs, last_cell, kept = native.lstmp_forward(
            inputs, hidden, cell, weight, bias, projection_weight, clips, record and any(ctx.wanted)
        )
        ctx.kept, ctx.cell, ctx.weight, ctx.projection, ctx.clips = kept, cell, weight, projection_weight, clips
        return outputs, last_cell

    @staticmethod
    def backward(ctx: Any, d_outputs: Tensor, d_last_cell: Tensor) -> tuple[Tensor | None, ...]:
        kept, ctx.kept = ctx.kept, None
        d_inputs, d_hidden, d_cell, d_bias, d_gates, d_projected = native.lstmp_backward(
            d_outputs, d_last_cell, ctx.cell, ctx.weight, ctx.projection, ctx.clips, kept
        )
        time, (size, proj) = d_gates.shape[0], ctx.projection.shape
        d_input_weight = d_recurrent = d_projection = None
        if ctx.wanted[3] or ctx.wanted[4]:
            rows = kept[0][:time].reshape([-1, kept[0].shape[2]])  # inputs and hidden states before each step
            d_weight = native.product(rows, d_gates.reshape([-1, 4 * size]), transpose_x=True)
            d_input_weight, d_recurrent = d_weight[:-proj], d_weight[-proj:]
        if ctx.wanted[6]:
            unprojected = kept[3].reshape([-1, size])
            d_projection = native.product(unprojected, d_projected.reshape([-1, proj]), transpose_x=True)
        gradients = (d_inputs, d_hidden, d_cell, d_input_weight, d_recurrent, d_bias, d_projection)
        return tuple(d if wanted else None for d, wanted in zip(gradients, ctx.wanted, strict=True))


class LSTMP(paddle.nn.Layer):
    r"""One LSTM layer with projection, without peepholes.

    With gates in LARK's order (candidate, input, forget, output) and $\mathrm{clip}$ to $\pm$ `cell_clip`, `proj_clip`:

        a, i, f, o = split(x W_x + h W_h + b)
        c' = clip(sigmoid(f) * c + sigmoid(i) * tanh(a))
        h' = clip((sigmoid(o) * tanh(c')) W_p)

    Args:
        input_size: size of x.
        hidden_size: size of the cell c.
        proj_size: size of the output h.
        cell_clip: the cell is kept within plus and minus this; None for no clip.
        proj_clip: the same for the projected output.

    Parameters: `input_weight` [input_size, 4 * hidden_size], `recurrent_weight` [proj_size, 4 * hidden_size],
    `bias` [4 * hidden_size], `projection_weight` [hidden_size, proj_size].
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        proj_size: int,
        cell_clip: float | None = None,
        proj_clip: float | None = None,
    ) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.proj_size = input_size, hidden_size, proj_size
        self.cell_clip, self.proj_clip = cell_clip, proj_clip
        self.input_weight = self.create_parameter([input_size, 4 * hidden_size])
        self.recurrent_weight = self.create_parameter([proj_size, 4 * hidden_size])
        self.bias = self.create_parameter([4 * hidden_size], is_bias=True)
        self.projection_weight = self.create_parameter([hidden_size, proj_size])

    def zero_state(self, batch_size: int) -> State:
        """(hidden [batch, proj_size], cell [batch, hidden_size]) of zeros."""
        dtype = self.bias.dtype
        return paddle.zeros([batch_size, self.proj_size], dtype), paddle.zeros([batch_size, self.hidden_size], dtype)

    def _check(self, inputs: Tensor, hidden: Tensor | None, cell: Tensor | None) -> dict[str, int]:
        tensors = {
            "input_weight": (self.input_weight, "input 4*hidden"),
            "projection_weight": (self.projection_weight, "hidden proj"),
            "recurrent_weight": (self.recurrent_weight, "proj 4*hidden"),
            "bias": (self.bias, "4*hidden"),
            "inputs": (inputs, "batch time input"),
            "state's hidden": (hidden, "batch proj"),
            "state's cell": (cell, "batch hidden"),
        }
        sizes = {"input": self.input_size, "hidden": self.hidden_size, "proj": self.proj_size}
        return check_shapes("LSTMP", tensors, sizes)

    def forward(self, inputs: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Run over inputs [batch, time, input_size].

        Returns:
            outputs [batch, time, proj_size] and the state after the last step. Gradients flow into `state`; detach it
            to stop them. The gradient can be asked for once: there is no retain_graph and no second derivative.

        Raises:
            InputError: shapes or types of number that do not fit.
        """
        hidden, cell = (None, None) if state is None else state
        sizes = self._check(inputs, hidden, cell)
        batch, time = sizes["batch"], sizes["time"]
        if not time:
            raise InputError(f"LSTMP: inputs has shape {list(inputs.shape)}: give at least one step")
        if state is None:
            hidden, cell = self.zero_state(batch)
        if native.usable(inputs, hidden, cell, self.input_weight):
            outputs, cell = _CompiledLayer.apply(
                inputs,
                hidden,
                cell,
                self.input_weight,
                self.recurrent_weight,
                self.bias,
                self.projection_weight,
                (self.cell_clip, self.proj_clip),
                paddle.is_grad_enabled(),
            )
            return outputs, (outputs[:, -1], cell)
        rows = paddle.transpose(inputs, [1, 0, 2]).reshape([time * batch, -1])
        gate_inputs = add_bias(paddle.matmul(rows, self.input_weight), self.bias)
        outputs, cell = _Scan.apply(
            gate_inputs.reshape([time, batch, 4 * self.hidden_size]),
            hidden,
            cell,
            self.recurrent_weight,
            self.projection_weight,
            self.cell_clip,
            self.proj_clip,
            paddle.is_grad_enabled(),
        )
        return paddle.transpose(outputs, [1, 0, 2]), (outputs[-1], cell)


def reading_order(lengths: Tensor, time: int) -> Tensor:
    """Places [batch, time] in which sentences of these lengths [batch] are read backwards; is its own inverse.

    Padding stays where it is, at the end, where it can't reach any word.
    """
    steps = paddle.arange(time, dtype=lengths.dtype).unsqueeze(0)
    from_end = lengths.unsqueeze(1) - 1 - steps
    return paddle.where(from_end >= 0, from_end, steps.expand(from_end.shape))
