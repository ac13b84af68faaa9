"""The biLM: which word may see which, layers of sentences and of batches, and its place in a reader's network."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elmo.bilm import BiLM, bilm_from_files, elmo_encoder, init_pretraining_params
from elmo.bilm_config import BiLMConfig
from elmo.errors import InputError
from elmo.models import ModelFiles, load_parameters, read_model, write_model
from elmo.nn import native
from elmo.nn.softmax import LogUniformSampler
from elmo.runtime import paddle
from elmo.text.characters import Alphabet, Lexicon, TokenEncoderConfig, make_lexicon
from elmo.text.vocabulary import SPECIAL_TOKENS, Vocabulary
from tests.parameters import draw, files_of
from tests.refusals import refusal

VOCABULARY = Vocabulary([*SPECIAL_TOKENS, *"山水风雨花木鱼鸟日月"])
CONFIG = BiLMConfig(len(VOCABULARY), embed_size=6, hidden_size=10)
WORDS = np.array([[3, 4, 5, 6, 7], [8, 3, 9, 0, 0], [10, 0, 0, 0, 0]])
LENGTHS = np.array([5, 3, 1])


def make_model(seed: int = 0, config: BiLMConfig = CONFIG) -> BiLM:
    """A biLM in evaluation mode, with weights large enough that words tell on each other."""
    model = BiLM(config)
    draw(model, seed, 0.6)
    model.eval()
    return model


def layers_of(model: BiLM, words: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """[layers, batch, time, 2 * embed]."""
    with paddle.no_grad():
        return np.stack([layer.numpy() for layer in model.layers(paddle.to_tensor(words), paddle.to_tensor(lengths))])


MODEL = make_model()  # for the many examples of one test


# Layers


@pytest.mark.parametrize("place", range(5))
def test_a_word_is_seen_forwards_from_its_place_on_and_backwards_up_to_it(place):
    model, embed = make_model(), CONFIG.embed_size
    changed = WORDS[:1].copy()
    changed[0, place] = 12
    before, after = (layers_of(model, words, LENGTHS[:1])[1:, 0] for words in (WORDS[:1], changed))
    for layer in range(CONFIG.num_layers):
        moved_forward = (before[layer, :, :embed] != after[layer, :, :embed]).any(axis=1)
        moved_backward = (before[layer, :, embed:] != after[layer, :, embed:]).any(axis=1)
        assert moved_forward.tolist() == [position >= place for position in range(5)]
        assert moved_backward.tolist() == [position <= place for position in range(5)]


def test_layer_zero_is_the_word_vector_twice():
    model = make_model()
    vectors = model.embedding_para.numpy()[WORDS]
    assert (layers_of(model, WORDS, LENGTHS)[0] == np.concatenate([vectors, vectors], axis=2)).all()


def slow_layers(model: BiLM, words: list[int]) -> np.ndarray:
    """Each direction of one sentence by itself, the backward one turned round, [layers, time, 2 * embed]."""
    config, table = model.config, model.embedding_para.numpy()
    directions = []
    for stack, ids in (
        (model.forward_layers, [config.bos_id, *words]),
        (model.backward_layers, [config.eos_id, *words[::-1]]),
    ):
        inputs = paddle.to_tensor(table[ids][None])
        outputs = [inputs]
        for index, layer in enumerate(stack):
            inputs = layer(inputs)[0] + (inputs if index else 0)  # the residual
            outputs.append(inputs)
        directions.append(np.stack([output.numpy()[0, 1:] for output in outputs]))
    return np.concatenate([directions[0], directions[1][:, ::-1]], axis=2)


@given(st.lists(st.lists(st.integers(2, CONFIG.vocab_size - 1), min_size=1, max_size=6), min_size=1, max_size=3))
@settings(max_examples=12)
def test_padded_batches_single_sentences_and_the_slow_way_agree(sentences):
    model = MODEL
    lengths = np.array([len(sentence) for sentence in sentences])
    words = np.zeros((len(sentences), lengths.max()), np.int64)
    for row, sentence in enumerate(sentences):
        words[row, : lengths[row]] = sentence
    batch = layers_of(model, words, lengths)
    for row, sentence in enumerate(sentences):
        alone = layers_of(model, np.array([sentence]), lengths[row : row + 1])[:, 0]
        # float32 values of order 1, summed in an order that depends on the batch's size
        np.testing.assert_allclose(batch[:, row, : len(sentence)], alone, rtol=0, atol=1e-5)
        np.testing.assert_allclose(alone, slow_layers(model, sentence), rtol=0, atol=1e-5)


def test_padding_may_be_any_word():
    model = make_model()
    other = WORDS.copy()
    other[1, 3:], other[2, 1:] = 11, 5
    before, after = layers_of(model, WORDS, LENGTHS), layers_of(model, other, LENGTHS)
    for row, length in enumerate(LENGTHS):
        assert (before[:, row, :length] == after[:, row, :length]).all()


def test_int32_ids_give_the_same_layers():
    model = make_model()
    assert (
        layers_of(model, WORDS.astype(np.int32), LENGTHS.astype(np.int32)) == layers_of(model, WORDS, LENGTHS)
    ).all()


def test_the_second_layer_has_a_residual_and_the_first_has_none():
    model = make_model()
    for stack in (model.forward_layers, model.backward_layers):
        for layer in stack:
            layer.projection_weight.set_value(np.zeros(layer.projection_weight.shape, np.float32))
    first = layers_of(model, WORDS, LENGTHS)[1]
    assert not first.any()
    model = make_model()
    for stack in (model.forward_layers, model.backward_layers):
        stack[1].projection_weight.set_value(np.zeros(stack[1].projection_weight.shape, np.float32))
    layers = layers_of(model, WORDS, LENGTHS)
    assert layers[1].any()
    assert (layers[2] == layers[1]).all()


def test_dropout_acts_in_training_only():
    model = make_model(config=BiLMConfig(len(VOCABULARY), 6, 10, dropout=0.5))
    assert (layers_of(model, WORDS, LENGTHS) == layers_of(model, WORDS, LENGTHS)).all()
    model.train()
    first, second = layers_of(model, WORDS, LENGTHS), layers_of(model, WORDS, LENGTHS)
    assert (first[0] == second[0]).all(), "word vectors themselves are not dropped"
    assert (first[1:] != second[1:]).any()


def test_states_carried_over_give_what_one_long_batch_gives():
    model = make_model()
    ids = paddle.to_tensor(np.random.default_rng(0).integers(0, CONFIG.vocab_size, (2, 8)))
    whole_forward, whole_backward, _ = model(ids, ids.flip(1))
    state, forward, backward = model.zero_state(2), [], []
    for start in (0, 3):
        stop = 3 if start == 0 else 8
        outputs = model(ids[:, start:stop], ids.flip(1)[:, start:stop], state)
        forward.append(outputs[0][-1])
        backward.append(outputs[1][-1])
        state = outputs[2]
    for parts, whole in ((forward, whole_forward), (backward, whole_backward)):
        np.testing.assert_allclose(paddle.concat(parts, axis=1).numpy(), whole[-1].numpy(), rtol=0, atol=1e-6)


def test_the_two_directions_share_words_and_softmax_and_nothing_else():
    names = [name for name, _ in BiLM(CONFIG).named_parameters()]
    assert sum(name.startswith("forward_layers") for name in names) == 8
    assert sum(name.startswith("backward_layers") for name in names) == 8
    assert sorted(name for name in names if "layers" not in name) == [
        "embedding_para",
        "softmax_bias",
        "softmax_weight",
    ]


def test_losses_in_parts_equal_losses_at_once(monkeypatch):
    model = make_model()
    generator = np.random.default_rng(0)
    rows = paddle.to_tensor(generator.normal(size=(7, CONFIG.embed_size)).astype(np.float32))
    targets = paddle.to_tensor(generator.integers(0, CONFIG.vocab_size, 7))
    at_once = model.losses(rows, targets).numpy()
    monkeypatch.setattr("elmo.nn.softmax._ROWS", 3)
    monkeypatch.setenv(native.SWITCH, "0")
    np.testing.assert_allclose(model.losses(rows, targets).numpy(), at_once, rtol=0, atol=1e-6)


def test_a_sampler_changes_the_loss_and_its_generator_decides_it():
    model = make_model()
    rows, targets = paddle.ones([4, CONFIG.embed_size]), paddle.to_tensor([3, 4, 5, 6])
    sampler = LogUniformSampler(CONFIG.vocab_size, 4)
    first, same, other = (
        model.losses(rows, targets, sampler, np.random.default_rng(seed)).numpy() for seed in (1, 1, 5)
    )
    assert (first == same).all()
    assert (first != other).any()


# Configuration


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"vocab_size": 0}, "vocab_size is 0: give a whole number above 0"),
        ({"hidden_size": 2.5}, "hidden_size is 2.5: give a whole number"),
        ({"num_layers": True}, "num_layers is True: give a whole number"),
        ({"embed_size": "8"}, "embed_size is '8': give a whole number"),
        ({"cell_clip": 0.0}, "cell_clip is 0.0: give a number above 0, or none"),
        ({"proj_clip": float("nan")}, "proj_clip is nan: give a number above 0, or none"),
        ({"cell_clip": "3"}, "cell_clip is '3': give a number above 0, or none"),
        ({"dropout": 1.0}, "dropout is 1.0: give a share from 0 to below 1"),
        ({"dropout": None}, "dropout is None: give a share from 0 to below 1"),
        ({"eos_id": 10}, "eos_id is 10: the vocabulary has 10 tokens"),
        ({"bos_id": -1}, "bos_id is -1: the vocabulary has 10 tokens"),
        ({"bos_id": "0"}, "bos_id is '0': the vocabulary has 10 tokens"),
        ({"colour": 3}, "unknown field 'colour'"),
    ],
)
def test_a_bad_configuration_is_named(fields, message):
    assert message in refusal(BiLMConfig.from_dict, {"vocab_size": 10, **fields})


def test_a_configuration_without_vocabulary_size_is_refused_and_a_full_one_comes_back():
    with pytest.raises(InputError, match="lacks vocab_size"):
        BiLMConfig.from_dict({"embed_size": 3})
    assert BiLMConfig.from_dict(CONFIG.to_dict()) == CONFIG


# Parameters from files


def test_a_model_from_files_gives_the_same_layers():
    model = make_model()
    copy = bilm_from_files(files_of(model, VOCABULARY), "here")
    assert not copy.training
    assert (layers_of(copy, WORDS, LENGTHS) == layers_of(model, WORDS, LENGTHS)).all()


def test_float64_parameters_become_those_of_the_model():
    model, copy = make_model(), BiLM(CONFIG)
    files = files_of(model, VOCABULARY)
    wide = {name: array.astype(np.float64) for name, array in files.arrays.items()}
    load_parameters(copy, wide, "here")
    copy.eval()
    assert (layers_of(copy, WORDS, LENGTHS) == layers_of(model, WORDS, LENGTHS)).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda arrays: arrays.pop("softmax_bias"), "here: the parameter softmax_bias is missing"),
        (lambda arrays: arrays.update(extra=np.zeros(1)), "here: the parameter extra is not part of the model"),
        (
            lambda arrays: arrays.update(softmax_bias=np.zeros(4, np.float32)),
            "here: softmax_bias has shape [4], the configuration says [13]",
        ),
    ],
)
def test_parameters_that_do_not_fit_are_named_and_nothing_is_loaded(change, message):
    files, model = files_of(make_model(), VOCABULARY), BiLM(CONFIG)
    before = model.embedding_para.numpy()
    change(files.arrays)
    assert message in refusal(load_parameters, model, files.arrays, "here")
    assert (model.embedding_para.numpy() == before).all()


def test_a_vocabulary_of_another_size_is_refused():
    files = files_of(make_model(), VOCABULARY)
    smaller = Vocabulary(VOCABULARY.tokens[:-1])
    with pytest.raises(InputError, match="here: the vocabulary has 12 tokens, the model 13"):
        bilm_from_files(ModelFiles("bilm", files.config, smaller, files.arrays), "here")


# In a network of the reader's own


class Tagger(paddle.nn.Layer):
    """What a reader writes: ELMo's vectors beside word vectors of its own, and a layer on top."""

    def __init__(self, encoder) -> None:
        super().__init__()
        self.elmo = encoder
        self.own = paddle.nn.Embedding(20, 4)
        self.top = paddle.nn.Linear(encoder.output_size + 4, 3)

    def forward(self, elmo_ids, own_ids, lengths):
        return self.top(paddle.concat([self.elmo(elmo_ids, lengths), self.own(own_ids)], axis=2))


@pytest.fixture
def pretrained(tmp_path):
    return write_model(tmp_path / "pretrained", files_of(make_model(), VOCABULARY))


OPTIMIZERS = {
    "adam": lambda parameters: paddle.optimizer.Adam(0.01, parameters=parameters),
    "adam with decay": lambda parameters: paddle.optimizer.Adam(0.01, parameters=parameters, weight_decay=0.01),
    "adamw": lambda parameters: paddle.optimizer.AdamW(0.01, parameters=parameters),
    "momentum, clipped": lambda parameters: paddle.optimizer.Momentum(
        0.01, parameters=parameters, grad_clip=paddle.nn.ClipGradByValue(1.0)
    ),
    "adagrad, clipped": lambda parameters: paddle.optimizer.Adagrad(
        0.01, parameters=parameters, grad_clip=paddle.nn.ClipGradByGlobalNorm(1.0)
    ),
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("trainable", [False, True])
def test_a_training_step_changes_the_mix_and_the_bilm_only_when_it_is_trainable(pretrained, trainable, optimizer):
    paddle.seed(0)
    network = Tagger(elmo_encoder(pretrained, trainable=trainable))
    assert init_pretraining_params(network, pretrained) == 1
    network.train()
    before = {name: parameter.numpy() for name, parameter in network.named_parameters()}
    step = OPTIMIZERS[optimizer](network.parameters())
    logits = network(paddle.to_tensor(WORDS), paddle.to_tensor(WORDS + 5), paddle.to_tensor(LENGTHS))
    paddle.nn.functional.cross_entropy(logits, paddle.to_tensor(WORDS % 3)).backward()
    step.step()
    moved = {name for name, parameter in network.named_parameters() if (parameter.numpy() != before[name]).any()}
    assert {"elmo.scalar_mix.weights", "elmo.scalar_mix.gamma", "top.weight", "own.weight"} <= moved
    biLM = {name for name in before if name.startswith("elmo.bilm")}  # noqa: N806
    used = {name for name in biLM if "softmax" not in name}  # the language model's softmax has no part in the task
    assert moved & biLM == (used if trainable else set())


def test_pretrained_parameters_arrive_and_stay_frozen(pretrained):
    network = Tagger(elmo_encoder(pretrained))
    init_pretraining_params(network, pretrained)
    network.eval()
    expected = layers_of(make_model(), WORDS, LENGTHS).mean(axis=0)
    mixed = network.elmo(paddle.to_tensor(WORDS), paddle.to_tensor(LENGTHS)).numpy()
    for row, length in enumerate(LENGTHS):
        np.testing.assert_allclose(mixed[row, :length], expected[row, :length], rtol=0, atol=1e-5)
    assert all(parameter.stop_gradient for parameter in network.elmo.bilm.parameters())
    assert not any(parameter.stop_gradient for parameter in network.elmo.scalar_mix.parameters())


def test_a_frozen_bilm_gives_the_same_features_in_training_except_for_the_encoders_own_dropout(pretrained):
    network = Tagger(elmo_encoder(pretrained, dropout=0.0))
    init_pretraining_params(network, pretrained)
    network.eval()
    calm = network.elmo(paddle.to_tensor(WORDS)).numpy()
    network.train()
    assert (network.elmo(paddle.to_tensor(WORDS)).numpy() == calm).all()


def test_the_encoders_dropout_acts_in_training_only(pretrained):
    network = elmo_encoder(pretrained, dropout=0.5)
    init_pretraining_params(network, pretrained)
    network.train()
    share = (network(paddle.to_tensor(np.tile(WORDS, (20, 10)))).numpy() == 0).mean()
    assert 0.45 < share < 0.55  # 36,000 numbers: a standard error of 0.003
    network.eval()
    assert (network(paddle.to_tensor(WORDS)).numpy() != 0).all()


def test_without_lengths_every_row_is_taken_whole(pretrained):
    network = elmo_encoder(pretrained)
    init_pretraining_params(network, pretrained)
    network.eval()
    whole = network(paddle.to_tensor(WORDS)).numpy()
    assert (whole == network(paddle.to_tensor(WORDS), paddle.to_tensor([5, 5, 5])).numpy()).all()


@pytest.mark.parametrize("trainable", [False, True])
def test_without_step_two_it_refuses_to_run_and_says_what_to_call(pretrained, trainable):
    network = Tagger(elmo_encoder(pretrained, trainable=trainable))
    inputs = paddle.to_tensor(WORDS), paddle.to_tensor(WORDS + 5), paddle.to_tensor(LENGTHS)
    for _ in range(2):
        with pytest.raises(
            InputError, match=r"call init_pretraining_params\(network, path\) once the network is built$"
        ):
            network(*inputs)
    init_pretraining_params(network, pretrained)
    assert network(*inputs).shape == [3, 5, 3]


def test_parameters_that_paddle_loads_count_as_loaded(pretrained):
    saved = Tagger(elmo_encoder(pretrained))
    init_pretraining_params(saved, pretrained)
    network = Tagger(elmo_encoder(pretrained))
    network.set_state_dict(saved.state_dict())
    inputs = paddle.to_tensor(WORDS), paddle.to_tensor(WORDS + 5), paddle.to_tensor(LENGTHS)
    for each in (saved, network):
        each.eval()
    assert (network(*inputs).numpy() == saved(*inputs).numpy()).all()


def test_sizes_alone_may_be_trained_from_scratch_but_not_be_frozen_at_random():
    words = paddle.to_tensor(WORDS)
    assert elmo_encoder(CONFIG, trainable=True)(words).shape[:2] == list(WORDS.shape)
    with pytest.raises(InputError, match="no pretrained parameters yet"):
        elmo_encoder(CONFIG)(words)


def test_every_encoder_of_a_network_is_filled(pretrained):
    network = paddle.nn.LayerList([elmo_encoder(pretrained), elmo_encoder(CONFIG, trainable=True)])
    assert init_pretraining_params(network, pretrained) == 2
    first, second = (encoder.bilm.embedding_para.numpy() for encoder in network)
    assert (first == second).all()


def test_a_network_without_an_encoder_is_refused(pretrained):
    with pytest.raises(InputError, match="Linear contains no elmo_encoder, so nothing could be loaded from"):
        init_pretraining_params(paddle.nn.Linear(2, 2), pretrained)


def test_an_encoder_of_other_sizes_is_refused_and_the_sizes_named(pretrained):
    network = Tagger(elmo_encoder(BiLMConfig(len(VOCABULARY), embed_size=8, hidden_size=10)))
    assert "has shape [6, 40], the configuration says [8, 40]" in refusal(init_pretraining_params, network, pretrained)


@pytest.mark.parametrize(
    ("words", "lengths", "message"),
    [
        ([[3, len(VOCABULARY)]], [2], f"word id {len(VOCABULARY)} is out of range: give 0 to {len(VOCABULARY) - 1}"),
        ([[3, -1]], [2], "word id -1 is out of range"),
        ([[3, 4]], [3], "length 3 is out of range: give 0 to 2"),
        ([[3, 4]], [-1], "length -1 is out of range"),
    ],
)
def test_ids_and_lengths_out_of_range_are_refused(words, lengths, message):
    with pytest.raises(InputError, match=message):
        MODEL.layers(paddle.to_tensor(words), paddle.to_tensor(lengths))


# Words by their characters

CHARACTERS = TokenEncoderConfig(("<bos>", "<eos>", "<bow>", "<eow>", "<pad>", "<oov>", *"山水风"), 4, ((1, 5), (2, 6)))
CHARACTER_CONFIG = BiLMConfig(len(VOCABULARY), 6, 10, token_encoder=CHARACTERS)


def lexicon_of(*words: str) -> Lexicon:
    return make_lexicon(words, VOCABULARY, Alphabet(CHARACTERS.alphabet), CHARACTERS.max_characters)[1]


def test_a_word_outside_the_vocabulary_has_a_vector_of_its_own():
    model, lexicon = make_model(config=CHARACTER_CONFIG), lexicon_of("山水", "水山", "风水")
    with paddle.no_grad():
        words = model.layers(paddle.to_tensor([[2, 3, 4]]), paddle.to_tensor([3]), lexicon)[0].numpy()[0]
    assert min(np.abs(words[i] - words[j]).max() for i, j in ((0, 1), (0, 2), (1, 2))) > 1e-3


def test_the_lexicon_s_order_does_not_matter():
    model = make_model(config=CHARACTER_CONFIG)
    with paddle.no_grad():
        one = model.layers(paddle.to_tensor([[2, 3]]), paddle.to_tensor([2]), lexicon_of("山水", "雨"))
        other = model.layers(paddle.to_tensor([[4, 3]]), paddle.to_tensor([2]), lexicon_of("鱼", "雨", "山水"))
    for ours, theirs in zip(one, other, strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), atol=1e-6)


def test_a_network_of_one_s_own_reads_characters_too():
    encoder, lexicon = elmo_encoder(CHARACTER_CONFIG, trainable=True, dropout=0.0), lexicon_of("山水", "风")
    encoder(paddle.to_tensor([[2, 3]]), None, lexicon).sum().backward()
    assert np.abs(encoder.bilm.token_encoder.char_embedding.grad.numpy()).max() > 0


def test_characters_and_ids_are_not_mixed_up():
    with pytest.raises(InputError, match="give a lexicon"):
        layers_of(make_model(config=CHARACTER_CONFIG), WORDS, LENGTHS)
    with pytest.raises(InputError, match="takes no lexicon"):
        MODEL.layers(paddle.to_tensor([[2]]), paddle.to_tensor([1]), lexicon_of("山"))
    with pytest.raises(InputError, match="word id 7 is out of range: give 0 to 2"):
        make_model(config=CHARACTER_CONFIG).layers(paddle.to_tensor([[7]]), paddle.to_tensor([1]), lexicon_of("山"))


def test_a_bilm_of_characters_is_saved_and_read(tmp_path):
    model, lexicon = make_model(config=CHARACTER_CONFIG), lexicon_of("山水", "风")
    write_model(tmp_path / "model", files_of(model, VOCABULARY))
    again = bilm_from_files(read_model(tmp_path / "model"), "model")
    assert again.config == CHARACTER_CONFIG
    with paddle.no_grad():
        for ours, theirs in zip(
            *(m.layers(paddle.to_tensor([[2, 3]]), paddle.to_tensor([2]), lexicon) for m in (model, again)), strict=True
        ):
            assert (ours.numpy() == theirs.numpy()).all()


def test_without_skip_connections_the_second_layer_s_output_is_the_lstmp_s_own():
    model = make_model(config=dataclasses.replace(CONFIG, use_skip_connections=False))
    ids = paddle.to_tensor(WORDS[:1])
    with paddle.no_grad():
        outputs, _ = model.run_direction(model.forward_layers, model.look_up(ids, model.word_vectors()), None)
        alone, _ = model.forward_layers[1](outputs[0])
    assert (outputs[1].numpy() == alone.numpy()).all()


def test_a_bilm_without_softmax_has_no_loss():
    model = make_model(config=dataclasses.replace(CONFIG, softmax=False))
    assert "softmax_weight" not in dict(model.named_parameters())
    with pytest.raises(InputError, match="without its softmax"):
        model.losses(paddle.zeros([1, 6]), paddle.to_tensor([1]))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"softmax": 1}, "softmax is 1"),
        ({"use_skip_connections": "yes"}, "'yes'"),
        ({"token_encoder": "char_cnn"}, "'char_cnn'"),
        ({"token_encoder": {"widths": 2}}, "'widths'"),
    ],
)
def test_a_configuration_that_makes_no_sense_is_refused(fields, message):
    with pytest.raises(InputError, match=message):
        BiLMConfig.from_dict({"vocab_size": 13, **fields})


def test_loading_may_hand_the_arrays_over():
    files = files_of(MODEL, VOCABULARY)
    assert layers_of(bilm_from_files(files, "model", consume=True), WORDS, LENGTHS).shape[0] == 3
    assert files.arrays == {}


# One matrix for words in and words out

TIED = dataclasses.replace(CONFIG, tie_softmax=True)


def test_a_tied_softmax_is_the_embedding():
    model, separate = make_model(config=TIED), make_model(config=CONFIG)
    assert "softmax_weight" not in dict(model.named_parameters())
    for name, parameter in model.named_parameters():
        dict(separate.named_parameters())[name].set_value(parameter)
    separate.softmax_weight.set_value(model.embedding_para)
    outputs, targets = paddle.randn([4, 6]), paddle.to_tensor([3, 4, 5, 0])
    for sampled in ((), (LogUniformSampler(len(VOCABULARY), 5), np.random.default_rng(0))):
        ours = model.losses(outputs, targets, *sampled).numpy()
        if sampled:
            sampled = (sampled[0], np.random.default_rng(0))
        assert (ours == separate.losses(outputs, targets, *sampled).numpy()).all()


@pytest.mark.parametrize("sparse", [False, True])
def test_the_tied_matrix_gets_the_gradient_of_both_its_uses(sparse):
    model, separate = (make_model(config=dataclasses.replace(each, dropout=0.0)) for each in (TIED, CONFIG))
    for name, parameter in model.named_parameters():
        dict(separate.named_parameters())[name].set_value(parameter)
    separate.softmax_weight.set_value(model.embedding_para)
    model.sparse_gradient = separate.sparse_gradient = sparse
    for each in (model, separate):
        each.train()
        forward, _, _ = each(paddle.to_tensor(WORDS[:1]), paddle.to_tensor(WORDS[:1]))
        sampler, generator = LogUniformSampler(len(VOCABULARY), 5), np.random.default_rng(1)
        paddle.optimizer.SGD(0.5, parameters=each.parameters()).clear_grad()
        each.losses(forward[-1].reshape([5, 6]), paddle.to_tensor(WORDS[0]), sampler, generator).sum().backward()
        before = each.embedding_para.numpy().copy()
        paddle.optimizer.SGD(0.5, parameters=each.parameters()).step()
        each.step = each.embedding_para.numpy() - before
    expected = separate.step + separate.softmax_weight.numpy() - before
    np.testing.assert_allclose(model.step, expected, atol=1e-5)  # float32 sums in another order


def test_a_tied_model_goes_out_to_lark_with_two_matrices(tmp_path):
    from elmo.convert.lark import read_lark, write_lark

    files = files_of(make_model(config=TIED), VOCABULARY)
    write_lark(files, tmp_path / "lark")
    assert (read_lark(tmp_path / "lark").arrays["softmax_weight"] == files.arrays["embedding_para"]).all()


def test_characters_have_no_vectors_to_tie_to():
    with pytest.raises(InputError, match="tie_softmax"):
        dataclasses.replace(CHARACTER_CONFIG, tie_softmax=True)
