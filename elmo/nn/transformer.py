"""A Transformer encoder as in BERT: embeddings, blocks that normalise after each residual, and the heads on top.

Sources: Vaswani et al. (2017); Devlin et al. (2019), "BERT: Pre-training of Deep Bidirectional Transformers". ERNIE 1.0
is the same network; its later versions add an embedding of the task. Inside, a batch is rows [batch * time, dim].
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from elmo.errors import InputError
from elmo.nn import native
from elmo.nn.dropout import Dropout
from elmo.nn.linear import linear, take_rows
from elmo.nn.shapes import check_range, check_shapes
from elmo.runtime import paddle
from elmo.system.types import Tensor

ACTIVATIONS = ("gelu", "relu", "gelu_new")  # gelu is x * Phi(x), by the error function; gelu_new by tanh, as GPT-2's
_INITIAL = 0.02  # standard deviation of first weights, BERT's
_SLOWEST = 200.0  # of the waves that positions begin as
_FAR = -1e9  # added to the score of what must not be attended to
_STRIDES = "FLAGS_use_stride_kernel"


class Sizes(NamedTuple):
    """Sizes of an encoder; `elmo.masked_lm.MaskedLMConfig` says what each is."""

    vocab_size: int
    hidden_size: int
    num_layers: int
    num_heads: int
    intermediate_size: int
    max_length: int
    type_vocab_size: int
    task_type_vocab_size: int
    hidden_act: str
    dropout: float
    attention_dropout: float
    layer_norm_eps: float


class Linear(paddle.nn.Layer):
    """rows @ weight + bias, with weight [inputs, outputs] and bias [outputs]."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = self.create_parameter([inputs, outputs], default_initializer=normal())
        self.bias = self.create_parameter([outputs], is_bias=True)

    def forward(self, rows: Tensor) -> Tensor:
        """Map rows [count, inputs] to [count, outputs]."""
        return linear(rows, self.weight, self.bias)


class LayerNorm(paddle.nn.Layer):
    """(x - mean) / sqrt(variance + eps) * weight + bias over each row, with weight and bias [dim]."""

    def __init__(self, dim: int, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.weight = self.create_parameter([dim], default_initializer=paddle.nn.initializer.Constant(1.0))
        self.bias = self.create_parameter([dim], is_bias=True)

    def forward(self, rows: Tensor) -> Tensor:
        """Normalise rows [count, dim]."""
        if rows.stop_gradient or self.weight.stop_gradient or self.bias.stop_gradient or not _on_cpu():
            return _normalise(rows, self.weight, self.bias, self.eps)
        return _LayerNorm.apply(rows, self.weight, self.bias, self.eps)


def _normalise(rows: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    return paddle.nn.functional.layer_norm(rows, [rows.shape[-1]], weight, bias, eps)


class _LayerNorm(paddle.autograd.PyLayer):
    """Paddle's own, with sums over rows and columns as products: backwards it takes half the time on a CPU."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
        ctx.save_for_backward(rows, weight)
        ctx.eps = eps
        return _normalise(rows, weight, bias, eps)

    @staticmethod
    def backward(ctx: Any, d_results: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        rows, weight = ctx.saved_tensor()
        matmul = paddle.matmul
        count, dim = rows.shape
        ones = paddle.ones([1, count], rows.dtype)  # (1, count)
        mean = paddle.full([dim, 1], 1 / dim, rows.dtype)  # (dim, 1)
        centred = rows - matmul(rows, mean)  # (count, dim)
        scale = paddle.rsqrt(matmul(centred * centred, mean) + ctx.eps)  # (count, 1)
        normal = centred * scale  # (count, dim)
        products = d_results * normal  # (count, dim)
        d_weight = matmul(ones, products)[0]  # (dim,)
        d_bias = matmul(ones, d_results)[0]  # (dim,)
        weighted = d_results * matmul(ones, weight.unsqueeze(0), transpose_x=True)  # (count, dim): weight on every row
        mean_weight = (weight / dim).unsqueeze(1)  # (dim, 1)
        d_rows = (weighted - normal * matmul(products, mean_weight) - matmul(d_results, mean_weight)) * scale
        return d_rows, d_weight, d_bias


def _on_cpu() -> bool:
    return str(paddle.get_device()) == "cpu"


def _swap(values: Tensor) -> Tensor:
    """[a, b, c] to [b, a, c] in memory: thirty times as fast as the copy of a strided view on a CPU."""
    values = values.contiguous()
    paddle.set_flags({_STRIDES: False})
    try:
        return paddle.transpose(values, [1, 0, 2])
    finally:
        paddle.set_flags({_STRIDES: True})


class _SplitHeads(paddle.autograd.PyLayer):
    """Rows [count, 3 * dim] to queries, keys and values, [heads, count, dim / heads] each."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, num_heads: int) -> tuple[Tensor, Tensor, Tensor]:
        swapped = _swap(rows.reshape([rows.shape[0], 3 * num_heads, -1]))  # (3 * heads, count, dim / heads)
        queries, keys, values = paddle.split(swapped, 3)  # (heads, count, dim / heads) each
        return queries, keys, values

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        swapped = _swap(paddle.concat(gradients))  # (count, 3 * heads, dim / heads)
        return swapped.reshape([swapped.shape[0], -1])  # (count, 3 * dim)


class _JoinHeads(paddle.autograd.PyLayer):
    """[heads, count, dim / heads] to rows [count, dim]."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        ctx.num_heads = values.shape[0]
        return _swap(values).reshape([values.shape[1], -1])

    @staticmethod
    def backward(ctx: Any, d_rows: Tensor) -> Tensor:
        return _swap(d_rows.reshape([d_rows.shape[0], ctx.num_heads, -1]))  # (heads, count, dim / heads)


class Block(paddle.nn.Layer):
    """norm(x + attention(x)), then norm(y + feed_forward(y)).

    Parameters: `qkv` [dim, 3 * dim] (queries, keys, values side by side), `attention_output` [dim, dim],
    `attention_norm`, `intermediate` [dim, intermediate], `output` [intermediate, dim], `output_norm`.
    """

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.sizes = sizes
        dim = sizes.hidden_size
        self.qkv = Linear(dim, 3 * dim)
        self.attention_output = Linear(dim, dim)
        self.attention_norm = LayerNorm(dim, sizes.layer_norm_eps)
        self.intermediate = Linear(dim, sizes.intermediate_size)
        self.output = Linear(sizes.intermediate_size, dim)
        self.output_norm = LayerNorm(dim, sizes.layer_norm_eps)

    def attention(self, rows: Tensor, batch: int, hidden_keys: Tensor | None, dropout: Dropout) -> Tensor:
        """softmax(q k' / sqrt(size)) v for every head, [batch * time, dim]; `hidden_keys` [1, batch, 1, time]."""
        heads = self.sizes.num_heads
        size = self.sizes.hidden_size // heads
        shape = [heads, batch, rows.shape[0] // batch, size]
        parts = _SplitHeads.apply(self.qkv(rows), heads)  # (heads, batch * time, size) each
        queries, keys, values = (part.reshape(shape) for part in parts)  # (heads, batch, time, size) each
        scores = paddle.matmul(queries * size**-0.5, keys, transpose_y=True)  # (heads, batch, time, time)
        if hidden_keys is not None:
            scores = scores + hidden_keys
        weights = dropout(paddle.nn.functional.softmax(scores), self.sizes.attention_dropout)
        context = paddle.matmul(weights, values).reshape([heads, -1, size])  # (heads, batch * time, size)
        return _JoinHeads.apply(context)  # (batch * time, dim)

    def forward(self, rows: Tensor, batch: int, lengths: Tensor | None, dropout: Dropout) -> Tensor:
        """Map rows [batch * time, dim] to rows of the same shape; `lengths` [batch], or None without padding."""
        sizes = self.sizes
        tensors = {"qkv": (self.qkv.weight, "dim 3*dim"), "rows": (rows, "rows dim"), "lengths": (lengths, "batch")}
        count = check_shapes("block", tensors, {"batch": batch}, integers=["lengths"])["rows"]
        if not batch or not count or count % batch:
            raise InputError(
                f"block: rows has shape {list(rows.shape)}: give as many rows for each of {batch} sequences"
            )
        compiled = sizes.hidden_act != "gelu_new" and native.onednn()
        if compiled and rows.dtype == paddle.float32 and native.usable(rows, *self.parameters()):
            settings = native.BlockSettings(
                sizes.num_heads,
                sizes.hidden_act == "gelu",
                sizes.layer_norm_eps,
                sizes.dropout if dropout.training else 0.0,
                sizes.attention_dropout if dropout.training else 0.0,
            )
            names, parameters = zip(*self._native_parameters().items(), strict=True)
            shape = [batch, count // batch, sizes.hidden_size]
            results = _CompiledBlock.apply(  # (batch, time, dim)
                rows.reshape(shape), *parameters, lengths, dropout.seeds(3), names, settings, paddle.is_grad_enabled()
            )
            return results.reshape([count, sizes.hidden_size])
        hidden_keys = None if lengths is None else _hidden_keys(lengths, count // batch)
        attended = self.attention_output(self.attention(rows, batch, hidden_keys, dropout))  # (batch * time, dim)
        rows = self.attention_norm(rows + dropout(attended, sizes.dropout))  # (batch * time, dim)
        inner = activate(self.intermediate(rows), sizes.hidden_act)  # (batch * time, intermediate)
        return self.output_norm(rows + dropout(self.output(inner), sizes.dropout))  # (batch * time, dim)

    def _native_parameters(self) -> dict[str, Tensor]:
        """Parameters by the names that `elmo.nn.native.block_forward` gives them."""
        named: dict[str, Tensor] = {}
        for name in ("qkv", "attention_output", "intermediate", "output", "attention_norm", "output_norm"):
            layer = getattr(self, name)
            named |= {name: layer.weight, f"{name}_bias": layer.bias}
        return named


class _CompiledBlock(paddle.autograd.PyLayer):
    """A whole block in compiled loops: rows [batch, time, dim], then its parameters."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, *arguments: Any) -> Tensor:
        *parameters, lengths, seeds, names, settings, record = arguments
        named = dict(zip(names, parameters, strict=True))
        ctx.wanted = [not tensor.stop_gradient for tensor in (rows, *parameters)]
        recorded = record and any(ctx.wanted)
        results, kept = native.block_forward(rows, lengths, seeds, named, settings, recorded)
        if recorded:
            ctx.kept = lengths, seeds, named, settings, kept
        return results

    @staticmethod
    def backward(ctx: Any, d_results: Tensor) -> tuple[Tensor | None, ...]:
        lengths, seeds, named, settings, kept = ctx.kept
        ctx.kept = None
        gradients = native.block_backward(d_results, lengths, seeds, named, settings, kept)
        ordered = [gradients["d_rows"], *(gradients[f"d_{name}"] for name in named)]
        wanted = [d if is_wanted else None for d, is_wanted in zip(ordered, ctx.wanted, strict=True)]
        return (*wanted, *(() if lengths is None else (None,)), None)  # lengths and seeds are tensors too


def _hidden_keys(lengths: Tensor, time: int) -> Tensor:
    """What is added to scores, [1, batch, 1, time]: 0, or so much below it that the softmax gives 0."""
    beyond = paddle.arange(time).unsqueeze(0) >= lengths.unsqueeze(1)  # (batch, time)
    return (beyond.astype("float32") * _FAR).reshape([1, -1, 1, time])  # (1, batch, 1, time)


def activate(values: Tensor, name: str) -> Tensor:
    """Apply one of ACTIVATIONS."""
    if name == "gelu_new":
        return paddle.nn.functional.gelu(values, approximate=True)
    return getattr(paddle.nn.functional, name)(values)


class TransformerEncoder(paddle.nn.Layer):
    """From token ids to the hidden states of every layer.

    Parameters: `token_embedding` [vocab, dim], `position_embedding` [max_length, dim], `segment_embedding`
    [type_vocab, dim], `task_embedding` [task_type_vocab, dim] where there are tasks, `embedding_norm`, `blocks`.
    """

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.sizes = sizes
        tables = {
            "token_embedding": sizes.vocab_size,
            "position_embedding": sizes.max_length,
            "segment_embedding": sizes.type_vocab_size,
            "task_embedding": sizes.task_type_vocab_size,
        }
        for name, rows in tables.items():
            if rows:
                initial = normal()
                if name == "position_embedding":
                    initial = paddle.nn.initializer.Assign(_sinusoids(rows, sizes.hidden_size))
                self.add_parameter(name, self.create_parameter([rows, sizes.hidden_size], default_initializer=initial))
        self.embedding_norm = LayerNorm(sizes.hidden_size, sizes.layer_norm_eps)
        self.blocks = paddle.nn.LayerList([Block(sizes) for _ in range(sizes.num_layers)])

    def forward(self, token_ids: Tensor, lengths: Tensor | None = None, segment_ids: Tensor | None = None) -> list[Any]:
        """Hidden states of every layer.

        Args:
            token_ids: [batch, time], padded at the end with any id; time is at most max_length.
            lengths: [batch], tokens of each row, at least 1; None where there is no padding.
            segment_ids: [batch, time]; None is segment 0 throughout. The task is always 0.

        Returns:
            1 + num_layers tensors [batch, time, dim], that of the embeddings first.

        Raises:
            InputError: shapes that do not fit, no token at all, or ids or lengths that can't be.
        """
        batch, time = self._check(token_ids, lengths, segment_ids)
        dropout = Dropout(self.training)
        lengths = None if lengths is None else lengths.astype("int64")
        zeros = paddle.zeros([batch, time], dtype="int64")  # (batch, time)
        positions = paddle.arange(time).unsqueeze(0) + zeros  # (batch, time)
        rows = take_rows(self.token_embedding, token_ids)  # (batch, time, dim)
        rows = rows + take_rows(self.position_embedding, positions)
        rows = rows + take_rows(self.segment_embedding, zeros if segment_ids is None else segment_ids)
        if self.sizes.task_type_vocab_size:
            rows = rows + take_rows(self.task_embedding, zeros)
        rows = self.embedding_norm(rows.reshape([batch * time, -1]))  # (batch * time, dim)
        rows = dropout(rows, self.sizes.dropout)
        layers = [rows]
        for block in self.blocks:
            rows = block(rows, batch, lengths, dropout)
            layers.append(rows)
        return [layer.reshape([batch, time, -1]) for layer in layers]

    def _check(self, token_ids: Tensor, lengths: Tensor | None, segment_ids: Tensor | None) -> tuple[int, int]:
        """Batch and time, if what is given fits them and the tables."""
        most = self.sizes.max_length
        tensors = {
            "token_ids": (token_ids, "batch time"),
            "lengths": (lengths, "batch"),
            "segment_ids": (segment_ids, "batch time"),
        }
        sizes = check_shapes("Transformer", tensors, integers=tensors)
        batch, time = sizes["batch"], sizes["time"]
        if not batch * time or time > most:
            raise InputError(f"Transformer: token_ids has shape {list(token_ids.shape)}: give 1 to {most} tokens a row")
        if lengths is not None:
            check_range("Transformer", "lengths", lengths, 1, time, f"{time} positions")
        return batch, time


def _sinusoids(time: int, dim: int) -> npt.NDArray[np.float32]:
    """First values of the positions [time, dim]: Vaswani et al.'s sines and cosines, as large as the other embeddings.

    BERT begins with random ones and has to learn which positions are neighbours; on little text a small model does so
    late. These begin with neighbours alike, and are learnt from there. The slowest wave is `_SLOWEST` times as long as
    the fastest: sequences here are short.
    """
    half = (dim + 1) // 2
    rates = _SLOWEST ** (-np.arange(half) / half)  # (half,)
    angles = np.arange(time)[:, None] * rates  # (time, half)
    waves = np.concatenate([np.sin(angles), np.cos(angles)], axis=1)[:, :dim]  # (time, dim)
    return (math.sqrt(2) * _INITIAL * waves).astype(np.float32)


def normal() -> Any:
    """What weights begin as."""
    return paddle.nn.initializer.Normal(0.0, _INITIAL)
