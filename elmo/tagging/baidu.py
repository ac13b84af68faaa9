"""LAC: Baidu's lexical analysis of Chinese (words, parts of speech, names) by its own released model, on Paddle 3.

The network is Jiao, Sun and Sun's ("Chinese Lexical Analysis with Deep Bi-GRU-CRF Network", 2018): embeddings, layers
of bidirectional GRUs, a projection to the tags, and a CRF.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from elmo.errors import InputError
from elmo.nn.crf import viterbi
from elmo.nn.gru import GRU, BidirectionalGRU, Packing
from elmo.runtime import paddle
from elmo.tagging.baidu_files import LacFiles, read_lac
from elmo.tagging.baidu_text import LacReader, UserDictionary, read_words, spread_tags
from elmo.text.lengths import like_lengths

Tensor = Any
Array = npt.NDArray[Any]
PathLike = str | os.PathLike[str]
Tagged = tuple[list[str], list[str]]  # words, tags


class LacNetwork(paddle.nn.Layer):
    """Emissions of each tag for the network's inputs; `build_network` makes it from files."""

    def __init__(self, num_words: int, embedding_size: int, hidden_size: int, num_layers: int, num_tags: int) -> None:
        super().__init__()
        self.embedding = paddle.nn.Embedding(num_words, embedding_size)
        sizes = [embedding_size] + [2 * hidden_size] * (num_layers - 1)
        self.layers = paddle.nn.LayerList([BidirectionalGRU(size, hidden_size) for size in sizes])
        self.output = paddle.nn.Linear(2 * hidden_size, num_tags)
        self.transitions = self.create_parameter([num_tags + 2, num_tags])  # as `elmo.nn.crf` has them

    def forward(self, packed_ids: Tensor, packing: Packing) -> Tensor:
        """From packed ids [inputs] to emissions [inputs, tags], packed too."""
        hidden = self.embedding(packed_ids)
        for layer in self.layers:
            hidden = layer.run_packed(hidden, packing)
        return self.output(hidden)


def build_network(files: LacFiles) -> LacNetwork:
    """Build the network with the released parameters.

    Paddle 1.x keeps two weights of a GRU in one file, one after another: [H, 2H] for update and reset gate, then
    [H, H] for the candidate; and two biases, that of the projection before the GRU and the GRU's own.
    """
    parameters, size = files.parameters, files.hidden_size
    num_words, embedding_size = parameters["word_emb"].shape
    network = LacNetwork(num_words, embedding_size, size, files.num_layers, len(files.tags))
    network.embedding.weight.set_value(parameters["word_emb"])
    directions: list[GRU] = [gru for layer in network.layers for gru in (layer.forwards, layer.backwards)]
    for index, gru in enumerate(directions):
        recurrent = parameters[f"gru_{index}.w_0"].reshape(-1)
        gru.input_weight.set_value(parameters[f"fc_{index}.w_0"])
        gru.bias.set_value(parameters[f"fc_{index}.b_0"] + parameters[f"gru_{index}.b_0"][0])
        gru.gate_weight.set_value(recurrent[: 2 * size * size].reshape(size, 2 * size))
        gru.candidate_weight.set_value(recurrent[2 * size * size :].reshape(size, size))
    network.output.weight.set_value(parameters[f"fc_{len(directions)}.w_0"])
    network.output.bias.set_value(parameters[f"fc_{len(directions)}.b_0"])
    network.transitions.set_value(parameters["crfw"])
    network.eval()
    return network


class Lac:
    """Cuts Chinese texts into words with their parts of speech, as the package `lac` 2.1.2 does.

    A word's tag is one of LAC's 24: parts of speech such as n, v and w, and names PER, LOC, ORG and TIME.

    Args:
        files: from `elmo.tagging.baidu_files.read_lac`.
        user_dictionary: file of words that are to be kept whole, see `UserDictionary`.
        batch_size: texts that are computed together.

    Raises:
        InputError: the user dictionary can't be read, or the batch size is below 1.
    """

    def __init__(self, files: LacFiles, *, user_dictionary: PathLike | None = None, batch_size: int = 64) -> None:
        if batch_size < 1:
            raise InputError(f"batch_size is {batch_size}: give 1 or more")
        self.batch_size = batch_size
        self.user_dictionary = None if user_dictionary is None else UserDictionary(user_dictionary)
        self.network = build_network(files)
        self._tags = files.tags
        self._reader = LacReader(files)

    @classmethod
    def from_pretrained(
        cls, path: PathLike | None = None, *, user_dictionary: PathLike | None = None, batch_size: int = 64
    ) -> Lac:
        """Load Baidu's model from its folder or that of its package, None: the installed package `lac`.

        Raises:
            InputError: as `elmo.tagging.baidu_files.read_lac` does.
        """
        return cls(read_lac(path), user_dictionary=user_dictionary, batch_size=batch_size)

    def cut(self, text: str) -> list[str]:
        """Return the words of a text; joined they are the text."""
        return self.tag(text)[0][0]

    def tag(self, texts: str | Sequence[str]) -> list[Tagged]:
        """Return words and tags of each text, in the texts' order; one text counts as a list of one.

        The words of a text, joined, are the text, whatever it holds. An empty text has no words.
        """
        texts = [texts] if isinstance(texts, str) else list(texts)
        inputs = [self._reader.read(text) for text in texts]
        tagged: list[Tagged] = [([], [])] * len(texts)
        for batch in like_lengths([len(ids) for ids, _ in inputs], self.batch_size):
            best = self._best_tags([inputs[index][0] for index in batch])
            for index, tag_ids in zip(batch, best, strict=True):
                tags = spread_tags([self._tags[tag_id] for tag_id in tag_ids], inputs[index][1])
                if self.user_dictionary is not None:
                    self.user_dictionary.apply(texts[index], tags)
                tagged[index] = read_words(texts[index], tags)
        return tagged

    def _best_tags(self, ids: list[list[int]]) -> list[list[int]]:
        packing = Packing([len(sentence) for sentence in ids])
        padded = np.zeros([len(ids), packing.time], np.int64)
        for row, sentence in zip(padded, ids, strict=True):
            row[: len(sentence)] = sentence
        with paddle.no_grad():
            emissions = self.network(paddle.to_tensor(padded.reshape(-1)[packing.rows]), packing).numpy()
        best = np.zeros(padded.size, np.int64)
        best[packing.rows] = viterbi(emissions, self.network.transitions.numpy(), packing)
        return [row[: len(sentence)].tolist() for row, sentence in zip(best.reshape(padded.shape), ids, strict=True)]


def format_tagged(words: Sequence[str], tags: Sequence[str]) -> str:
    """Word/tag, separated by spaces, in one line; a word that holds white space is several with one tag, or none."""
    return " ".join(f"{part}/{tag}" for word, tag in zip(words, tags, strict=True) for part in word.split())
