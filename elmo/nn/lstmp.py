"""LSTMP: an LSTM whose output is projected to a smaller size, with clips on cell and projection (Sak et al., 2014).

The backward pass is written by hand: it walks back through time once and makes every weight gradient in one product at
the end, which on a CPU is several times faster than recording each small step. Where `elmo.nn.native` could compile
its loops, both walks are compiled; otherwise they are Paddle operations, step by step.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from elmo.errors import InputError
from elmo.nn import native
from elmo.nn.linear import add_bias
from elmo.nn.shapes import check_shapes
from elmo.runtime import paddle
from elmo.system.types import Tensor

State = tuple[Tensor, Tensor]


class _Step(NamedTuple):
    """What the backward pass needs of a step."""

    candidate: Tensor  # (batch, hidden)
    gate: Tensor  # (batch, 3 * hidden): input, forget, output
    last_cell: Tensor  # (batch, hidden): before the step
    cell_tanh: Tensor  # (batch, hidden)
    output: Tensor  # (batch, hidden): not yet projected
    last_hidden: Tensor  # (batch, proj): before the step
    cell_mask: Tensor | None  # (batch, hidden): False where the cell was clipped
    proj_mask: Tensor | None  # (batch, proj): likewise


class _Scan(paddle.autograd.PyLayer):
    """All time steps of one LSTMP layer, time first; see `LSTMP` for the formulas."""

    @staticmethod
    def forward(
        ctx: Any,
        gate_inputs: Tensor,  # (time, batch, 4 * hidden)
        hidden: Tensor,  # (batch, proj)
        cell: Tensor,  # (batch, hidden)
        recurrent_weight: Tensor,  # (proj, 4 * hidden)
        projection_weight: Tensor,  # (hidden, proj)
        cell_clip: float | None,
        proj_clip: float | None,
        record: bool,  # False where no gradient will be asked for: nothing is kept then
    ) -> tuple[Tensor, Tensor]:
        size = cell.shape[1]
        inputs = gate_inputs, hidden, cell, recurrent_weight, projection_weight
        ctx.wanted = [not tensor.stop_gradient for tensor in inputs]
        recorded = record and any(ctx.wanted)
        outputs, steps = [], []
        for step in range(gate_inputs.shape[0]):
            preactivation = paddle.addmm(gate_inputs[step], hidden, recurrent_weight)  # (batch, 4 * hidden)
            candidate = paddle.tanh(preactivation[:, :size])  # (batch, hidden)
            gate = paddle.nn.functional.sigmoid(preactivation[:, size:])  # (batch, 3 * hidden)
            last_hidden = hidden  # (batch, proj)
            last_cell = cell  # (batch, hidden)
            cell = gate[:, size : 2 * size] * cell + gate[:, :size] * candidate  # (batch, hidden)
            cell_mask = proj_mask = None
            if cell_clip is not None:
                cell_mask = cell.abs() <= cell_clip  # (batch, hidden)
                cell = paddle.clip(cell, -cell_clip, cell_clip)
            cell_tanh = paddle.tanh(cell)  # (batch, hidden)
            output = gate[:, 2 * size :] * cell_tanh  # (batch, hidden)
            hidden = paddle.matmul(output, projection_weight)  # (batch, proj)
            if proj_clip is not None:
                proj_mask = hidden.abs() <= proj_clip  # (batch, proj)
                hidden = paddle.clip(hidden, -proj_clip, proj_clip)
            outputs.append(hidden)
            if recorded:  # never what is returned: a returned tensor that its own graph holds is never freed
                steps.append(_Step(candidate, gate, last_cell, cell_tanh, output, last_hidden, cell_mask, proj_mask))
        ctx.weights = recurrent_weight, projection_weight
        ctx.steps = steps
        return paddle.stack(outputs), cell

    @staticmethod
    def backward(ctx: Any, d_hiddens: Tensor, d_cell: Tensor) -> tuple[Tensor | None, ...]:
        recurrent_weight, projection_weight = ctx.weights
        steps = ctx.steps
        ctx.steps = None
        size = d_cell.shape[1]
        d_hidden = paddle.zeros_like(d_hiddens[0])  # (batch, proj)
        d_preactivations, d_projections = [], []
        for step in reversed(range(len(steps))):
            candidate, gate, last_cell, cell_tanh, _, _, cell_mask, proj_mask = steps[step]
            input_gate = gate[:, :size]  # (batch, hidden)
            forget_gate = gate[:, size : 2 * size]  # (batch, hidden)
            output_gate = gate[:, 2 * size :]  # (batch, hidden)
            d_hidden = d_hiddens[step] + d_hidden  # (batch, proj)
            if proj_mask is not None:
                d_hidden = d_hidden * proj_mask.astype(d_hidden.dtype)
            d_projections.append(d_hidden)
            d_output = paddle.matmul(d_hidden, projection_weight, transpose_y=True)  # (batch, hidden)
            d_cell = d_cell + d_output * output_gate * (1 - cell_tanh * cell_tanh)  # (batch, hidden)
            if cell_mask is not None:
                d_cell = d_cell * cell_mask.astype(d_cell.dtype)
            d_gate = [d_cell * candidate, d_cell * last_cell, d_output * cell_tanh]  # (batch, hidden) each
            d_gate = paddle.concat(d_gate, axis=1)  # (batch, 3 * hidden)
            d_candidate = d_cell * input_gate * (1 - candidate * candidate)  # (batch, hidden)
            d_preactivation = paddle.concat([d_candidate, d_gate * gate * (1 - gate)], axis=1)  # (batch, 4 * hidden)
            d_preactivations.append(d_preactivation)
            d_hidden = paddle.matmul(d_preactivation, recurrent_weight, transpose_y=True)  # (batch, proj)
            d_cell = d_cell * forget_gate  # (batch, hidden)
        d_gate_inputs = paddle.stack(d_preactivations[::-1])  # (time, batch, 4 * hidden)
        d_recurrent = d_projection = None
        *_, recurrent_wanted, projection_wanted = ctx.wanted
        if recurrent_wanted:
            last_hiddens = paddle.concat([step.last_hidden for step in steps])  # (time * batch, proj)
            rows = d_gate_inputs.reshape([-1, 4 * size])  # (time * batch, 4 * hidden)
            d_recurrent = paddle.matmul(last_hiddens, rows, transpose_x=True)  # (proj, 4 * hidden)
        if projection_wanted:
            unprojected = paddle.concat([step.output for step in steps])  # (time * batch, hidden)
            rows = paddle.concat(d_projections[::-1])  # (time * batch, proj)
            d_projection = paddle.matmul(unprojected, rows, transpose_x=True)  # (hidden, proj)
        gradients = (d_gate_inputs, d_hidden, d_cell, d_recurrent, d_projection)
        return tuple(d if wanted else None for d, wanted in zip(gradients, ctx.wanted, strict=True))


class _CompiledLayer(paddle.autograd.PyLayer):
    """The whole layer, input product included, in compiled loops; batch first."""

    @staticmethod
    def forward(
        ctx: Any,
        inputs: Tensor,  # (batch, time, input)
        hidden: Tensor,  # (batch, proj)
        cell: Tensor,  # (batch, hidden)
        input_weight: Tensor,  # (input, 4 * hidden)
        recurrent_weight: Tensor,  # (proj, 4 * hidden)
        bias: Tensor,  # (4 * hidden,)
        projection_weight: Tensor,  # (hidden, proj)
        clips: tuple[float | None, float | None],
        record: bool,
    ) -> tuple[Tensor, Tensor]:
        parameters = input_weight, recurrent_weight, bias, projection_weight
        ctx.wanted = [not tensor.stop_gradient for tensor in (inputs, hidden, cell, *parameters)]
        weight = paddle.concat([input_weight, recurrent_weight])  # (input + proj, 4 * hidden)
        outputs, last_cell, ctx.kept = native.lstmp_forward(
            inputs, hidden, cell, weight, bias, projection_weight, clips, record and any(ctx.wanted)
        )
        ctx.cell = cell
        ctx.weights = weight, projection_weight
        ctx.clips = clips
        return outputs, last_cell

    @staticmethod
    def backward(ctx: Any, d_outputs: Tensor, d_last_cell: Tensor) -> tuple[Tensor | None, ...]:
        kept = ctx.kept
        ctx.kept = None
        weight, projection_weight = ctx.weights
        d_inputs, d_hidden, d_cell, d_bias, d_gates, d_projected = native.lstmp_backward(
            d_outputs, d_last_cell, ctx.cell, weight, projection_weight, ctx.clips, kept
        )
        inputs_hiddens, _, _, unprojected = kept
        time = d_gates.shape[0]
        size, proj = projection_weight.shape
        d_input_weight = d_recurrent = d_projection = None
        *_, input_wanted, recurrent_wanted, _, projection_wanted = ctx.wanted
        if input_wanted or recurrent_wanted:
            # Inputs and hidden states before each step.
            rows = inputs_hiddens[:time].reshape([-1, inputs_hiddens.shape[2]])  # (time * batch, input + proj)
            d_rows = d_gates.reshape([-1, 4 * size])  # (time * batch, 4 * hidden)
            d_weight = native.product(rows, d_rows, transpose_x=True)  # (input + proj, 4 * hidden)
            d_input_weight = d_weight[:-proj]  # (input, 4 * hidden)
            d_recurrent = d_weight[-proj:]  # (proj, 4 * hidden)
        if projection_wanted:
            rows = unprojected.reshape([-1, size])  # (time * batch, hidden)
            d_rows = d_projected.reshape([-1, proj])  # (time * batch, proj)
            d_projection = native.product(rows, d_rows, transpose_x=True)  # (hidden, proj)
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
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.proj_size = proj_size
        self.cell_clip = cell_clip
        self.proj_clip = proj_clip
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
        rows = paddle.transpose(inputs, [1, 0, 2]).reshape([time * batch, -1])  # (time * batch, input)
        gate_inputs = add_bias(paddle.matmul(rows, self.input_weight), self.bias)  # (time * batch, 4 * hidden)
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
    steps = paddle.arange(time, dtype=lengths.dtype).unsqueeze(0)  # (1, time)
    from_end = lengths.unsqueeze(1) - 1 - steps  # (batch, time)
    return paddle.where(from_end >= 0, from_end, steps.expand(from_end.shape))
