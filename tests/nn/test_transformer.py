"""The Transformer computes what Paddle's own layers do, forwards and backwards, and padding reaches nothing."""

from __future__ import annotations

import numpy as np
import pytest

from elmo.nn.heads import MaskedHead, Pooler
from elmo.nn.transformer import Block, Dropout, LayerNorm, Sizes, TransformerEncoder, _JoinHeads, _SplitHeads
from elmo.runtime import paddle
from tests.parameters import shake

SIZES = Sizes(
    vocab_size=11,
    hidden_size=12,
    num_layers=2,
    num_heads=3,
    intermediate_size=20,
    max_length=9,
    type_vocab_size=2,
    task_type_vocab_size=0,
    hidden_act="gelu",
    dropout=0.0,
    attention_dropout=0.0,
    layer_norm_eps=1e-12,
)


def paddles_layer(block: Block):
    """Paddle's own layer with the parameters of a block."""
    sizes = block.sizes
    theirs = paddle.nn.TransformerEncoderLayer(
        sizes.hidden_size, sizes.num_heads, sizes.intermediate_size, 0.0, sizes.hidden_act
    )
    theirs.norm1._epsilon = theirs.norm2._epsilon = sizes.layer_norm_eps
    size = sizes.hidden_size
    for number, projection in enumerate((theirs.self_attn.q_proj, theirs.self_attn.k_proj, theirs.self_attn.v_proj)):
        part = slice(number * size, (number + 1) * size)
        projection.weight.set_value(block.qkv.weight[:, part].contiguous())
        projection.bias.set_value(block.qkv.bias[part].contiguous())
    for ours, other in (
        (block.attention_output, theirs.self_attn.out_proj),
        (block.attention_norm, theirs.norm1),
        (block.intermediate, theirs.linear1),
        (block.output, theirs.linear2),
        (block.output_norm, theirs.norm2),
    ):
        other.weight.set_value(ours.weight)
        other.bias.set_value(ours.bias)
    return theirs


@pytest.mark.parametrize("activation", ["gelu", "relu"])
def test_a_block_and_its_gradients_are_those_of_paddles_own_layer(activation):
    block = Block(SIZES._replace(hidden_act=activation))
    shake(block)
    theirs = paddles_layer(block)
    values = paddle.randn([4, 7, 12])
    ours_in, theirs_in = values.clone(), values.clone()
    ours_in.stop_gradient = theirs_in.stop_gradient = False
    ours = block(ours_in.reshape([28, 12]), 4, None, Dropout(False)).reshape([4, 7, 12])
    expected = theirs(theirs_in)
    np.testing.assert_allclose(ours.numpy(), expected.numpy(), atol=1e-5)  # float32 sums of up to 20 numbers
    weights = paddle.randn([4, 7, 12])
    (ours * weights).sum().backward()
    (expected * weights).sum().backward()
    pairs = [(ours_in.grad, theirs_in.grad)]
    for ours_part, their_part in (
        (block.intermediate, theirs.linear1),
        (block.output, theirs.linear2),
        (block.attention_output, theirs.self_attn.out_proj),
        (block.attention_norm, theirs.norm1),
        (block.output_norm, theirs.norm2),
    ):
        pairs += [(ours_part.weight.grad, their_part.weight.grad), (ours_part.bias.grad, their_part.bias.grad)]
    attention = theirs.self_attn
    for name in ("weight", "bias"):
        three = [getattr(part, name).grad for part in (attention.q_proj, attention.k_proj, attention.v_proj)]
        pairs.append((getattr(block.qkv, name).grad, paddle.concat(three, axis=-1)))
    for gradient, expected_gradient in pairs:
        np.testing.assert_allclose(gradient.numpy(), expected_gradient.numpy(), atol=2e-4, rtol=1e-4)


def test_layer_norm_has_the_gradients_of_the_formula_in_double_precision():
    paddle.set_default_dtype("float64")
    try:
        norm = LayerNorm(6, 1e-5)
    finally:
        paddle.set_default_dtype("float32")
    generator = np.random.default_rng(3)
    norm.weight.set_value(generator.normal(size=6))
    norm.bias.set_value(generator.normal(size=6))
    rows = paddle.to_tensor(generator.normal(5.0, 2.0, (4, 6)), stop_gradient=False)
    weights = paddle.to_tensor(generator.normal(size=(4, 6)))
    (norm(rows) * weights).sum().backward()
    found = [value.grad.numpy() for value in (rows, norm.weight, norm.bias)]
    plain = [paddle.to_tensor(value.numpy(), stop_gradient=False) for value in (rows, norm.weight, norm.bias)]
    centred = plain[0] - plain[0].mean(axis=1, keepdim=True)
    normal = centred / paddle.sqrt((centred * centred).mean(axis=1, keepdim=True) + 1e-5)
    ((normal * plain[1] + plain[2]) * weights).sum().backward()
    for gradient, expected in zip(found, plain, strict=True):
        np.testing.assert_allclose(gradient, expected.grad.numpy(), atol=1e-12)


def test_heads_are_split_and_joined_without_loss_and_paddles_strides_stay_on():
    rows = paddle.randn([5, 12])
    queries, keys, values = _SplitHeads.apply(paddle.concat([rows, rows + 1, rows + 2], axis=1), 3)
    assert queries.shape == [3, 5, 4]
    for part, expected in ((queries, rows), (keys, rows + 1), (values, rows + 2)):
        assert (_JoinHeads.apply(part) == expected).all()
        assert (part[1] == expected[:, 4:8]).all()  # the second head
    assert paddle.get_flags("FLAGS_use_stride_kernel")["FLAGS_use_stride_kernel"]


def test_padding_does_not_reach_a_row():
    encoder = TransformerEncoder(SIZES)
    shake(encoder)
    encoder.eval()
    ids = paddle.randint(0, 11, [2, 8])
    alone = encoder(ids[:1, :5])
    padded = encoder(ids, paddle.to_tensor([5, 8]))
    assert len(padded) == 3
    for one, both in zip(alone, padded, strict=True):
        np.testing.assert_allclose(both[0, :5].numpy(), one[0].numpy(), atol=1e-5)


def test_segments_and_tasks_are_added_to_the_tokens():
    encoder = TransformerEncoder(SIZES._replace(task_type_vocab_size=3))
    shake(encoder)
    encoder.eval()
    ids = paddle.to_tensor([[4, 2]])
    expected = (
        encoder.token_embedding[4] + encoder.position_embedding[0] + encoder.segment_embedding[1]
    ) + encoder.task_embedding[0]
    layer = encoder(ids, None, paddle.to_tensor([[1, 0]]))[0]
    np.testing.assert_allclose(layer[0, 0].numpy(), encoder.embedding_norm(expected.unsqueeze(0))[0].numpy(), atol=1e-5)
    (encoder(ids)[-1][0, 0, 0]).backward()
    assert encoder.task_embedding.grad is not None


def test_dropout_sets_a_share_to_zero_keeps_the_mean_and_follows_paddles_seed():
    values = paddle.ones([300, 400])
    paddle.seed(5)
    first = Dropout(True)(values, 0.1).numpy()
    paddle.seed(5)
    second = Dropout(True)(values, 0.1).numpy()
    third = Dropout(True)(values, 0.1).numpy()
    assert (first == second).all() and (first != third).any()
    # 120,000 draws: the standard deviation of the share is 0.0009, five of them are allowed.
    assert (first == 0).mean() == pytest.approx(0.1, abs=0.0045)
    assert set(np.unique(first)) == {np.float32(0), np.float32(1 / 0.9)}
    assert Dropout(False)(values, 0.1) is values


def test_the_heads_loss_is_the_cross_entropy_of_its_logits():
    head = MaskedHead(SIZES)
    shake(head)
    rows, table = paddle.randn([70, 12]), paddle.randn([11, 12])  # more rows than are computed at a time
    targets = paddle.randint(0, 11, [70])
    logits = head.logits(rows, table).numpy().astype(np.float64)
    expected = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(70), targets.numpy()]
    np.testing.assert_allclose(head.losses(rows, targets, table).numpy(), expected, rtol=1e-5, atol=1e-5)


def test_the_pooler_looks_at_the_first_token():
    pooler = Pooler(12)
    shake(pooler)
    hidden = paddle.randn([2, 3, 12])
    changed = paddle.concat([hidden[:, :1], hidden[:, 1:] + 1], axis=1)
    assert (pooler(hidden) == pooler(changed)).all() and pooler(hidden).abs().max() <= 1


def test_positions_begin_as_waves_in_which_neighbours_are_alike():
    encoder = TransformerEncoder(SIZES._replace(hidden_size=32, num_heads=2, max_length=64))
    positions = encoder.position_embedding.numpy()
    assert positions.std() == pytest.approx(encoder.token_embedding.numpy().std(), rel=0.15)  # a sample of 32 * vocab
    units = positions / np.linalg.norm(positions, axis=1, keepdims=True)
    cosines = units @ units.T
    assert all(cosines[place, place + 1] > 0.9 > cosines[place, place + 8] for place in range(0, 50, 10))
    assert not encoder.position_embedding.stop_gradient


def test_a_head_that_begins_with_frequencies_predicts_them():
    head, counts = MaskedHead(SIZES), np.arange(SIZES.vocab_size) * 3
    head.begin_with_frequencies(counts)
    table = paddle.zeros([SIZES.vocab_size, SIZES.hidden_size])
    logits = head.logits(paddle.randn([2, SIZES.hidden_size]), table)
    expected = np.maximum(counts, 1) / np.maximum(counts, 1).sum()
    np.testing.assert_allclose(paddle.nn.functional.softmax(logits).numpy(), np.tile(expected, (2, 1)), rtol=1e-5)
