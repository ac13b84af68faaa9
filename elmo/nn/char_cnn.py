"""The token encoder: a vector for every word from the characters it is written with, known word or not.

Source: Kim et al. (2016), "Character-aware neural language models", in the form of Peters et al. (2018). Words may
bring a vector of their own beside it, as in ELMoForManyLangs.
"""

from __future__ import annotations

from elmo.nn.linear import add_bias
from elmo.nn.shapes import check_range, check_shapes
from elmo.runtime import paddle
from elmo.system.types import Tensor
from elmo.text.characters import Alphabet, Lexicon, TokenEncoderConfig


class _Convolution(paddle.nn.Layer):
    """Valid cross-correlation over a word's symbols, the maximum over all positions, plus the bias."""

    def __init__(self, width: int, char_embed_size: int, count: int) -> None:
        super().__init__()
        self.width = width
        self.weight = self.create_parameter([width, char_embed_size, count])
        self.bias = self.create_parameter([count], is_bias=True)

    def forward(self, characters: Tensor) -> Tensor:
        """From characters [words, symbols, char_embed] to [words, count]."""
        words, symbols, char_embed = characters.shape
        positions = symbols - self.width + 1
        shifted = [characters[:, i : i + positions] for i in range(self.width)]  # (words, positions, char_embed) each
        windows = paddle.concat(shifted, axis=2)  # (words, positions, width * char_embed)
        rows = windows.reshape([words * positions, self.width * char_embed])
        weight = self.weight.reshape([self.width * char_embed, -1])  # (width * char_embed, count)
        responses = paddle.matmul(rows, weight).reshape([words, positions, -1])  # (words, positions, count)
        # The bias is the same at every position, so it may follow the maximum. Windows of padding tie: `amax` shares
        # the gradient among them, `max` would give each the whole of it.
        return add_bias(paddle.amax(responses, axis=1), self.bias)  # (words, count)


class _Highway(paddle.nn.Layer):
    """g * relu(x W_t + b_t) + (1 - g) * x, with g = sigmoid(x W_g + b_g) (Srivastava et al., 2015)."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.transform_weight = self.create_parameter([size, size])
        self.transform_bias = self.create_parameter([size], is_bias=True)
        self.gate_weight = self.create_parameter([size, size])
        # A gate that begins below one half carries the input on at first.
        carry = paddle.ParamAttr(initializer=paddle.nn.initializer.Constant(-2.0))
        self.gate_bias = self.create_parameter([size], attr=carry, is_bias=True)

    def forward(self, rows: Tensor) -> Tensor:
        """From [words, size] to [words, size]."""
        gate = add_bias(paddle.matmul(rows, self.gate_weight), self.gate_bias)  # (words, size)
        gate = paddle.nn.functional.sigmoid(gate)
        transformed = add_bias(paddle.matmul(rows, self.transform_weight), self.transform_bias)  # (words, size)
        transformed = paddle.nn.functional.relu(transformed)
        return rows + gate * (transformed - rows)


class TokenEncoder(paddle.nn.Layer):
    """Vectors of distinct words from their characters, and from vectors of their own where it has them.

    Args:
        config: sizes.
        vocab_size: rows of the words' own vectors, where there are any.
        output_size: size of a word's vector.

    Parameters: `char_embedding` [alphabet, char_embed]; `convolutions` with `weight` [width, char_embed, count] and
    `bias`; `highways` with `transform_weight`, `gate_weight` [filters, filters] and their biases; `word_embedding`
    [vocab, word_embed]; `projection_weight` [word_embed + filters, output], `projection_bias` [output].
    """

    def __init__(self, config: TokenEncoderConfig, vocab_size: int, output_size: int) -> None:
        super().__init__()
        self.config = config
        normal = paddle.nn.initializer.Normal
        if config.word_embed_size:
            self.word_embedding = self.create_parameter(
                [vocab_size, config.word_embed_size], default_initializer=normal(0.0, config.word_embed_size**-0.5)
            )
        if config.filters:
            size = config.char_embed_size
            self.char_embedding = self.create_parameter(
                [len(Alphabet(config.alphabet)), size], default_initializer=normal(0.0, 1.0)
            )
            self.convolutions = paddle.nn.LayerList(
                [_Convolution(width, size, count) for width, count in config.filters]
            )
            self.highways = paddle.nn.LayerList([_Highway(config.num_filters) for _ in range(config.num_highway)])
        joined_size = config.word_embed_size + config.num_filters
        self.projection_weight = self.create_parameter([joined_size, output_size])
        self.projection_bias = self.create_parameter([output_size], is_bias=True)

    def forward(self, lexicon: Lexicon) -> Tensor:
        """Vectors [words, output_size] of the words of a lexicon.

        Raises:
            InputError: the lexicon has ids or symbols that this encoder does not, or words of another length.
        """
        self._check(lexicon)
        parts = []
        if self.config.word_embed_size:
            word_ids = paddle.to_tensor(lexicon.word_ids)  # (words,)
            parts.append(paddle.nn.functional.embedding(word_ids, self.word_embedding))
        if self.config.filters:
            codes = paddle.to_tensor(lexicon.codes)  # (words, symbols)
            characters = paddle.nn.functional.embedding(codes, self.char_embedding)  # (words, symbols, char_embed)
            responses = [convolution(characters) for convolution in self.convolutions]  # (words, count) each
            rows = paddle.concat(responses, axis=1)  # (words, filters)
            rows = paddle.tanh(rows) if self.config.activation == "tanh" else paddle.nn.functional.relu(rows)
            for highway in self.highways:
                rows = highway(rows)
            parts.append(rows)
        joined = parts[0] if len(parts) == 1 else paddle.concat(parts, axis=1)  # (words, word_embed + filters)
        return add_bias(paddle.matmul(joined, self.projection_weight), self.projection_bias)  # (words, output)

    def _check(self, lexicon: Lexicon) -> None:
        config = self.config
        arrays = {"word_ids": (lexicon.word_ids, "words"), "codes": (lexicon.codes, "words characters")}
        known = {"characters": config.max_characters} if config.filters else {}
        check_shapes("token encoder", arrays, known, integers=arrays)
        if config.word_embed_size:
            words = self.word_embedding.shape[0]
            check_range("token encoder", "word ids", lexicon.word_ids, 0, words - 1, f"{words} words")
        if config.filters:
            symbols = self.char_embedding.shape[0]
            check_range("token encoder", "codes", lexicon.codes, 0, symbols - 1, f"{symbols} symbols")
