"""The bidirectional language model (biLM) of ELMo, and the encoder that puts it into a network of your own.

Source: Peters et al. (2018), "Deep contextualized word representations", in the form of Baidu's LARK (2019): word ids,
one embedding and one softmax for both directions, two LSTMP layers in each direction, the second with a residual. Words
may be read by their characters instead, as in the paper.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from elmo.bilm.reading import Positions, check_ids, check_positions, side_by_side, with_boundaries
from elmo.bilm_config import BiLMConfig
from elmo.checks import config_of_file, configuration_of
from elmo.convert import read_any, read_config
from elmo.convert.safety import check_memory
from elmo.errors import InputError
from elmo.models import ModelFiles, load_parameters
from elmo.nn.char_cnn import TokenEncoder
from elmo.nn.dropout import dropout
from elmo.nn.linear import take_rows
from elmo.nn.lstmp import LSTMP, State, reading_order
from elmo.nn.scalar_mix import ScalarMix
from elmo.nn.softmax import LogUniformSampler, full_softmax_loss, sampled_softmax_loss
from elmo.runtime import paddle
from elmo.system.types import Array, PathLike, Tensor
from elmo.text.characters import Lexicon

BiLMState = tuple[list[State], list[State]]  # forward and backward, one State a layer

MIX_DECAY = 0.001  # LARK's weight decay of the scalar mix


class BiLM(paddle.nn.Layer):
    """Two language models over one vocabulary: one reads a sentence forwards, one backwards.

    Parameters: `embedding_para` [vocab, embed] or `token_encoder` (see `elmo.nn.char_cnn.TokenEncoder`),
    `forward_layers` and `backward_layers` (see `elmo.nn.lstmp.LSTMP`), `softmax_weight` [vocab, embed] (not
    where it is tied to `embedding_para`), `softmax_bias` [vocab].

    With a token encoder every method takes a lexicon, the distinct words of the batch, and ids are its rows; without
    one, ids are the vocabulary's.

    `sparse_gradient` may be set where the vocabulary is large and the optimiser is Adagrad or SGD: gradients then hold
    only the rows that were looked up. In Paddle 3.3 the other optimisers compute something else from such a gradient
    than from a dense one, or refuse it.
    """

    def __init__(self, config: BiLMConfig) -> None:
        super().__init__()
        self.config = config
        self.sparse_gradient = False
        vocab, embed = config.vocab_size, config.embed_size
        uniform = paddle.nn.initializer.Uniform(-((3 / embed) ** 0.5), (3 / embed) ** 0.5)  # rows of unit length
        if config.token_encoder is None:
            self.embedding_para = self.create_parameter([vocab, embed], default_initializer=uniform)
        else:
            self.token_encoder = TokenEncoder(config.token_encoder, vocab, embed)
        self.forward_layers = paddle.nn.LayerList([self._lstmp() for _ in range(config.num_layers)])
        self.backward_layers = paddle.nn.LayerList([self._lstmp() for _ in range(config.num_layers)])
        if config.softmax:
            if not config.tie_softmax:
                normal = paddle.nn.initializer.Normal(0.0, embed**-0.5)
                self.softmax_weight = self.create_parameter([vocab, embed], default_initializer=normal)
            self.softmax_bias = self.create_parameter([vocab], is_bias=True)

    def _lstmp(self) -> LSTMP:
        config = self.config
        return LSTMP(config.embed_size, config.hidden_size, config.embed_size, config.cell_clip, config.proj_clip)

    def zero_state(self, batch_size: int) -> BiLMState:
        """Return the state in which both directions begin."""
        return (
            [layer.zero_state(batch_size) for layer in self.forward_layers],
            [layer.zero_state(batch_size) for layer in self.backward_layers],
        )

    def word_vectors(self, lexicon: Lexicon | None = None) -> Tensor:
        """Return the table [words, embed] in which ids are looked up: the embedding, or the lexicon's words encoded."""
        if self.config.token_encoder is None:
            if lexicon is not None:
                raise InputError("this biLM looks word ids up: it takes no lexicon")
            return self.embedding_para
        if lexicon is None:
            raise InputError("this biLM reads words by their characters: give a lexicon (elmo.text.characters)")
        return self.token_encoder(lexicon)

    def look_up(self, token_ids: Tensor, table: Tensor) -> Tensor:
        """Rows [batch, time, embed] of a table, for ids [batch, time]."""
        sparse = self.sparse_gradient and self.config.token_encoder is None
        return take_rows(table, token_ids, sparse)

    def run_direction(
        self, layers: paddle.nn.LayerList, inputs: Tensor, states: list[State] | None
    ) -> tuple[list[Tensor], list[State]]:
        """Run the LSTMP layers of one direction over inputs [batch, time, embed], in the order in which it reads.

        Returns:
            the output of every layer, [batch, time, embed] each, and the states after the last step.
        """
        outputs: list[Tensor] = []
        last_states: list[State] = []
        for index, layer in enumerate(layers):
            inputs = dropout(inputs, self.config.dropout, self.training)
            output, state = layer(inputs, None if states is None else states[index])  # (batch, time, embed)
            if index > 0 and self.config.use_skip_connections:
                output = output + inputs  # the residual; the carried state is without it
            outputs.append(output)
            last_states.append(state)
            inputs = output
        return outputs, last_states

    def forward(
        self, forward_ids: Tensor, backward_ids: Tensor, state: BiLMState | None = None, lexicon: Lexicon | None = None
    ) -> tuple[list[Tensor], list[Tensor], BiLMState]:
        """Run both directions, each over ids [batch, time] in its own reading order.

        Returns:
            forward outputs and backward outputs, a tensor [batch, time, embed] a layer, and the states to carry on.
        """
        return self.run(forward_ids, backward_ids, self.word_vectors(lexicon), state)

    def run(
        self, forward_ids: Tensor, backward_ids: Tensor, table: Tensor, state: BiLMState | None = None
    ) -> tuple[list[Tensor], list[Tensor], BiLMState]:
        """As `forward`, with ids that are rows of a table [words, embed] of word vectors."""
        forward_states, backward_states = (None, None) if state is None else state
        forward_words, backward_words = self._look_up_both(forward_ids, backward_ids, table)  # (batch, time, embed)
        forward_outputs, forward_states = self.run_direction(self.forward_layers, forward_words, forward_states)
        backward_outputs, backward_states = self.run_direction(self.backward_layers, backward_words, backward_states)
        return forward_outputs, backward_outputs, (forward_states, backward_states)

    def _look_up_both(self, forward_ids: Tensor, backward_ids: Tensor, table: Tensor) -> tuple[Tensor, Tensor]:
        """As `look_up`, for both directions; a gradient of the table, which is as large as it, is then made once."""
        if not paddle.is_grad_enabled():
            return self.look_up(forward_ids, table), self.look_up(backward_ids, table)
        forward_words, backward_words = paddle.split(self.look_up(paddle.concat([forward_ids, backward_ids]), table), 2)
        return forward_words, backward_words

    def layers(
        self, token_ids: Tensor, lengths: Tensor, lexicon: Lexicon | None = None, positions: Positions = "own"
    ) -> list[Tensor]:
        """Contextual vectors of whole sentences, each from zero state: what an encoder returns.

        Args:
            token_ids: [batch, time], words of each sentence without `<S>` and `</S>`, padded at the end with any id.
            lengths: [batch], the number of words of each sentence.
            lexicon: the words that the ids stand for, where the biLM reads characters; `<S>` and `</S>` come first.
            positions: "own" takes each direction's output at the word, "hole" that at the step before, when it has read
                all on its side and not the word (Melamud et al. 2016, "context2vec").

        Returns:
            1 + num_layers tensors [batch, time, 2 * embed]: [word, word], then [forward, backward] of each layer; in
            the hole [word before, word after], where `<S>` and `</S>` are words too, then as above.
            What stands past a sentence's end is meaningless.

        Raises:
            InputError: an id is not in the vocabulary, a length is below 0 or beyond the padding, or `positions` is
                neither.
        """
        check_positions(positions)
        time = token_ids.shape[1]
        table = self.word_vectors(lexicon)
        check_ids(token_ids, lengths, table.shape[0])
        order = reading_order(lengths.astype(token_ids.dtype), time)  # (batch, time)
        forward_ids, backward_ids = with_boundaries(token_ids, order, *self.boundary_ids(lexicon))  # (batch, 1 + time)
        forward_outputs, backward_outputs, _ = self.run(forward_ids, backward_ids, table)  # (batch, 1 + time, embed)
        first = 1 if positions == "own" else 0  # step 0 read the boundary, step t the t-th word
        steps = slice(first, first + time)
        if positions == "own":
            words = self.look_up(token_ids, table)
            layers = [paddle.concat([words, words], axis=2)]  # (batch, time, 2 * embed)
        else:
            words_before = self.look_up(forward_ids[:, steps], table)
            words_after = self.look_up(backward_ids[:, steps], table)
            layers = [side_by_side(words_before, words_after, order)]
        for ahead, behind in zip(forward_outputs, backward_outputs, strict=True):
            layers.append(side_by_side(ahead[:, steps], behind[:, steps], order))
        return layers

    def boundary_ids(self, lexicon: Lexicon | None = None) -> tuple[int, int]:
        """Ids of `<S>` and `</S>`: the vocabulary's, or the first two rows of a lexicon."""
        return (self.config.bos_id, self.config.eos_id) if lexicon is None else (0, 1)

    def losses(
        self,
        outputs: Tensor,
        targets: Tensor,
        sampler: LogUniformSampler | None = None,
        generator: np.random.Generator | None = None,
    ) -> Tensor:
        """Cross-entropy in nats of each target [count] from top-layer outputs [count, embed]; returns [count].

        With a sampler and a generator the softmax is sampled, for training; without, it is full, for perplexity.

        Raises:
            InputError: the biLM has no softmax.
        """
        weight, bias = self.softmax_parameters()
        if sampler is not None and generator is not None:
            return sampled_softmax_loss(outputs, targets, weight, bias, sampler, generator, self.sparse_gradient)
        return full_softmax_loss(outputs, targets, weight, bias)

    def softmax_parameters(self) -> tuple[Tensor, Tensor]:
        """Weight [vocab, embed] and bias [vocab] of the softmax; InputError if the biLM came without."""
        if not self.config.softmax:
            raise InputError("this biLM came without its softmax: it gives vectors, but no loss and no perplexity")
        return self.embedding_para if self.config.tie_softmax else self.softmax_weight, self.softmax_bias


def bilm_from_files(files: ModelFiles, place: object, *, consume: bool = False) -> BiLM:
    """Build the biLM that a model directory describes, in evaluation mode.

    Raises:
        InputError: configuration, vocabulary and parameters disagree.
    """
    config = config_of_file(BiLMConfig, files.config, files.vocabulary, place)
    with paddle.LazyGuard():  # no time and memory for first values that are thrown away
        model = BiLM(config)
    load_parameters(model, files.arrays, place, unused=config.unused, consume=consume)
    model.eval()
    return model


class ElmoEncoder(paddle.nn.Layer):
    """A biLM with its scalar mix, as a layer of a network of your own; LARK's `elmo_encoder`.

    Args:
        config: sizes of the biLM whose parameters will be loaded by `init_pretraining_params`.
        trainable: False keeps the biLM as it was pretrained (features), True lets the task change it (fine-tuning). The
            scalar mix is always learnt.
        dropout: share of the mixed vectors set to zero in training.
        l2: weight decay of the scalar mix's layer weights.
        from_scratch: run with the parameters that were drawn; otherwise it refuses to run until others are loaded.
    """

    def __init__(
        self,
        config: BiLMConfig,
        trainable: bool = False,
        dropout: float = 0.5,
        l2: float = MIX_DECAY,
        *,
        from_scratch: bool = False,
    ) -> None:
        super().__init__()
        self.bilm = BiLM(dataclasses.replace(config, softmax=False))  # nothing is predicted here
        self.scalar_mix = ScalarMix(config.num_layers + 1, l2)
        self.trainable, self.dropout = trainable, dropout
        for parameter in self.bilm.parameters():
            parameter.stop_gradient = not trainable
        # By its numbers it is known whether anything was loaded, be it by us or by Paddle's `set_state_dict`.
        is_drawn = all(parameter._is_initialized() for parameter in self.bilm.parameters())  # not by `paddle.LazyGuard`
        self._drawn = self._some_numbers() if is_drawn and not from_scratch else None

    def _some_numbers(self) -> Array:
        """A row of the biLM's parameters."""
        return np.asarray(self.bilm.forward_layers[0].parameters()[0].detach()[0].numpy())

    @property
    def output_size(self) -> int:
        """Size of the vectors that the encoder returns: twice the projection size."""
        return 2 * self.bilm.config.embed_size

    def forward(self, word_ids: Tensor, lengths: Tensor | None = None, lexicon: Lexicon | None = None) -> Tensor:
        """Mixed contextual vectors [batch, time, 2 * embed] of words [batch, time] by the ELMo vocabulary.

        Args:
            word_ids: without `<S>` and `</S>`, padded at the end.
            lengths: [batch], words a sentence; without it every row is taken whole.
            lexicon: the words that the ids stand for, where the biLM reads characters; see `BiLM.layers`.

        Raises:
            InputError: the biLM's parameters are still those that were drawn, see `init_pretraining_params`.
        """
        if self._drawn is not None:
            if np.array_equal(self._drawn, self._some_numbers()):
                raise InputError(
                    "elmo_encoder has no pretrained parameters yet: call init_pretraining_params(network, path) once "
                    "the network is built"
                )
            self._drawn = None
        if lengths is None:
            lengths = paddle.full([word_ids.shape[0]], word_ids.shape[1], dtype="int64")
        if self.training and not self.trainable:
            self.bilm.eval()  # dropout inside a frozen biLM would only make its features random
        layers = self.bilm.layers(word_ids, lengths, lexicon)
        return dropout(self.scalar_mix(layers), self.dropout, self.training)


def elmo_encoder(
    config: BiLMConfig | PathLike,
    trainable: bool = False,
    dropout: float = 0.5,
    l2: float = MIX_DECAY,
    vocab_path: PathLike | None = None,
) -> ElmoEncoder:
    """Build an `ElmoEncoder`; step one of LARK's three, before `init_pretraining_params` and the call with word ids.

    It refuses to run before step two, unless sizes alone are given and the task is to train them.

    Args:
        config: sizes, or a pretrained model's directory or name, whose sizes are read (its parameters are not).
        trainable, dropout, l2: see `ElmoEncoder`.
        vocab_path: the vocabulary, for weights from elsewhere that come without theirs.
    """
    if isinstance(config, BiLMConfig):
        return ElmoEncoder(config, trainable, dropout, l2, from_scratch=trainable)
    with configuration_of(config):
        sizes = BiLMConfig.from_dict(read_config(config, kind="bilm", vocab_path=vocab_path))
    check_memory(4 * sizes.num_parameters, config)
    return ElmoEncoder(sizes, trainable, dropout, l2)


def init_pretraining_params(
    network: paddle.nn.Layer, path: PathLike | ModelFiles, vocab_path: PathLike | None = None
) -> int:
    """Load a pretrained biLM's parameters into every `ElmoEncoder` and `BiLM` that a built network contains.

    Args:
        network: already built, with `elmo_encoder` in it.
        path: a model directory, checkpoint or name, or weights of another system (see `elmo.convert`); or what was
            read from one already.
        vocab_path: the vocabulary, for weights from elsewhere that come without theirs.

    Returns:
        how many biLMs were filled.

    Raises:
        InputError: there is none in the network, or the sizes differ from the model's.
    """
    models = [layer for layer in network.sublayers(include_self=True) if isinstance(layer, BiLM)]
    place = "a pretrained biLM" if isinstance(path, ModelFiles) else path
    if not models:
        raise InputError(f"{type(network).__name__} contains no elmo_encoder, so nothing could be loaded from {place}")
    files = path if isinstance(path, ModelFiles) else read_any(path, kind="bilm", vocab_path=vocab_path)
    for model in models:
        load_parameters(model, files.arrays, place, unused=model.config.unused)
    return len(models)
