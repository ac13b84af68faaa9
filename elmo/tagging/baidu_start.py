"""A tagger that starts from Baidu's LAC: its parameters and its tokens, and beside them, if wanted, vectors of ELMo."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise

import numpy as np

from elmo.encoding.features import Features
from elmo.errors import InputError
from elmo.nn.crf import FIRST
from elmo.runtime import paddle
from elmo.tagging.baidu import build_network
from elmo.tagging.baidu_files import LacFiles
from elmo.tagging.baidu_text import LacReader
from elmo.tagging.network import Sentence, TaggerConfig, TaggerNetwork
from elmo.tagging.tagger import add_vectors


class LacSentenceReader:
    """Makes a `Sentence` of the segmenter's words, with LAC's own inputs as tokens.

    A token has the vector of the segmenter's word in which its first character stands.

    Args:
        files: Baidu's model.
        config: of the network; see `start_from_lac`.
        features: give vectors; None for none.
    """

    def __init__(self, files: LacFiles, config: TaggerConfig, features: Features | None = None) -> None:
        self.config, self.features = config, features
        self._reader = LacReader(files)

    def read(self, segmented: Sequence[list[str]]) -> list[Sentence]:
        """Sentences from the segmenter's words of each, with their vectors."""
        found = [self._read(words) for words in segmented]
        add_vectors(found, self.features)
        return found

    def _read(self, words: list[str]) -> Sentence:
        text = "".join(words)
        ids, tokens = read_tokens(self._reader, text)
        begins = np.cumsum([0, *map(len, tokens[:-1])])
        word_of = np.repeat(np.arange(len(words)), [len(word) for word in words])
        places = np.zeros(len(ids), np.int64)
        return Sentence(tokens, np.array(ids, np.int64), word_of[begins], places, list(words))


def read_tokens(reader: LacReader, text: str) -> tuple[list[int], list[str]]:
    """LAC's inputs for a text: their ids, and what they are of the text."""
    ids, lengths = reader.read(text)
    return ids, [text[begin:end] for begin, end in pairwise(accumulate(lengths, initial=0))]


def start_from_lac(
    files: LacFiles, tags: Sequence[str], features: Features | None = None, dropout: float = 0.3
) -> TaggerNetwork:
    """Build a network that answers as Baidu's does; what is beside that, from zero weights on.

    Baidu's label O, which it gives to hardly anything, is left out.

    Args:
        files: Baidu's model.
        tags: ours, each of which Baidu's model has.
        features: their vectors get weights of zero in the first layer, so that they change nothing at first.
        dropout: of the network in training.

    Raises:
        InputError: Baidu's model lacks one of the tags.
    """
    num_words, embedding_size = files.parameters["word_emb"].shape
    config = TaggerConfig(
        tuple(tags),
        num_words,
        embedding_size=embedding_size,
        hidden_size=files.hidden_size,
        num_layers=files.num_layers,
        dropout=dropout,
        feature_layers=0 if features is None else features.layers,
        feature_size=0 if features is None else features.size,
        features=None if features is None else features.describe(),
    )
    if missing := [label for label in config.labels if label not in files.tags]:
        raise InputError(f"LAC's model has no tag {missing[0][:-2]!r}: leave it out, or give it one that it has")
    network, released = TaggerNetwork(config), build_network(files)
    network.embedding.weight.set_value(released.embedding.weight)
    theirs = dict(released.layers.named_parameters())
    for name, parameter in network.layers.named_parameters():
        more = parameter.shape[0] - theirs[name].shape[0]  # inputs that Baidu's first layer has not
        zeros = paddle.zeros([more, *parameter.shape[1:]], parameter.dtype)
        parameter.set_value(paddle.concat([theirs[name], zeros]) if more else theirs[name])
    columns = np.array([files.tags.index(label) for label in config.labels])
    rows = np.array([*range(FIRST), *(columns + FIRST)])
    network.output.weight.set_value(released.output.weight.numpy()[:, columns])
    network.output.bias.set_value(released.output.bias.numpy()[columns])
    network.transitions.set_value(released.transitions.numpy()[np.ix_(rows, columns)])
    return network
