"""The configuration of a biLM: its sizes, and what its file says of them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from elmo.checks import MOST_LAYERS, check_flag, check_names, check_positive, check_share, check_type, check_whole
from elmo.errors import InputError
from elmo.text.characters import UTF8, Alphabet, Lexicon, TokenEncoderConfig, read_lexicon
from elmo.text.shards import find_shards
from elmo.text.vocabulary import Vocabulary, count_words


@dataclass(frozen=True)
class BiLMConfig:
    """Sizes of a biLM; names and defaults are LARK's."""

    vocab_size: int  # tokens in the vocabulary, the three special ones included
    embed_size: int = 512  # size of a word vector and of the projected output of each LSTMP
    hidden_size: int = 4096  # size of the LSTMP's cell
    num_layers: int = 2  # LSTMP layers in each direction
    cell_clip: float | None = 3.0  # the cell stays within plus and minus this
    proj_clip: float | None = 3.0  # so does the projected output
    dropout: float = 0.1  # share of each LSTMP's inputs set to zero in training
    bos_id: int = 0  # id of <S>
    eos_id: int = 1  # id of </S>
    use_skip_connections: bool = True  # from layer 2 on, a layer's input is added to its output
    tie_softmax: bool = False  # the softmax's weights are the word vectors: one matrix less to learn and to store
    softmax: bool = True  # False for weights from elsewhere that came without it: no loss, no perplexity
    token_encoder: TokenEncoderConfig | None = None  # reads words by their characters; None looks their ids up

    def __post_init__(self) -> None:
        check_whole(self, "vocab_size", "embed_size", "hidden_size")
        check_whole(self, "num_layers", most=MOST_LAYERS)
        check_positive(self, "cell_clip", "proj_clip", or_none=True)
        check_share(self, "dropout")
        check_flag(self, "use_skip_connections", "tie_softmax", "softmax")
        check_type(self, "token_encoder", TokenEncoderConfig | None, "a TokenEncoderConfig, or none")
        if self.tie_softmax and self.token_encoder is not None:
            raise InputError("tie_softmax is true: words that are read by their characters have no vectors to tie to")
        for name in ("bos_id", "eos_id"):
            value = getattr(self, name)
            if type(value) is not int or not 0 <= value < self.vocab_size:
                raise InputError(f"{name} is {value!r}: the vocabulary has {self.vocab_size} tokens")

    @property
    def num_parameters(self) -> int:
        """About how many numbers such a biLM has, without the token encoder's."""
        tables = (not self.token_encoder) + (self.softmax and not self.tie_softmax)
        lstmp = 2 * self.embed_size * 4 * self.hidden_size + self.hidden_size * self.embed_size
        return tables * self.vocab_size * self.embed_size + 2 * self.num_layers * lstmp

    @property
    def unused(self) -> tuple[str, ...]:
        """How names of parameters begin that such a biLM leaves out of a file."""
        return () if self.softmax else ("softmax_",)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON can hold them."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> BiLMConfig:
        """Make a configuration from `to_dict`'s result; InputError names fields that lack or are unknown."""
        check_names(fields, cls, "the biLM configuration", required=["vocab_size"])
        if isinstance(fields.get("token_encoder"), dict):
            fields = {**fields, "token_encoder": TokenEncoderConfig.from_dict(fields["token_encoder"])}
        return cls(**fields)


def token_encoder_sizes(name: str, alphabet: str = "characters") -> dict[str, Any] | None:
    """Sizes of a token encoder by its name, for `sizes["token_encoder"]` of `pretrain`: None for "word".

    Args:
        name: "word" or "char_cnn".
        alphabet: "characters" (those of the training text) or "utf-8" (bytes; three make a Chinese character).
    """
    if name not in ("word", "char_cnn"):
        raise InputError(f"token_encoder is {name!r}: give word or char_cnn")
    if alphabet not in ("characters", UTF8):
        raise InputError(f"alphabet is {alphabet!r}: give characters or {UTF8}")
    if name == "word":
        return None
    if alphabet == UTF8:
        filters = [[1, 16], [2, 16], [3, 64], [4, 32], [5, 32], [6, 96]]
        return {"alphabet": UTF8, "char_embed_size": 16, "filters": filters, "max_characters": 32}
    filters = [[1, 64], [2, 96], [3, 64], [4, 32]]
    return {"alphabet": "characters", "char_embed_size": 32, "filters": filters, "max_characters": 12}


def find_lexicon(
    config: BiLMConfig, vocabulary: Vocabulary, *patterns: str | None
) -> tuple[Vocabulary, Lexicon | None]:
    """Return what turns the shards' words into ids, and the lexicon of these ids where the biLM reads characters."""
    if config.token_encoder is None:
        return vocabulary, None
    counts = count_words([path for pattern in patterns if pattern for path in find_shards(pattern)])
    alphabet = Alphabet(config.token_encoder.alphabet)
    return read_lexicon(counts, vocabulary, alphabet, config.token_encoder.max_characters)
