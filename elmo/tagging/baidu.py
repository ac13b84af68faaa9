"""LAC: Baidu's lexical analysis of Chinese (words, parts of speech, names) by its own released model, on Paddle 3.

The network is Jiao, Sun and Sun's ("Chinese Lexical Analysis with Deep Bi-GRU-CRF Network", 2018): embeddings, layers
of bidirectional GRUs, a projection to the tags, and a CRF.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from elmo.checks import check_batch_size
from elmo.corpora.lark_tsv import BEGIN, INSIDE
from elmo.encoding.features import Features
from elmo.errors import InputError
from elmo.nn.crf import FIRST
from elmo.nn.gru import GRU
from elmo.runtime import paddle, use_device
from elmo.system.types import PathLike
from elmo.tagging.baidu_files import UNKNOWN, LacFiles, read_lac, save_lac
from elmo.tagging.baidu_text import (
    LacReader,
    UserDictionary,
    WithDictionary,
    WordsAndTags,
    open_dictionary,
    spread_tags,
    words_of_labels,
)
from elmo.tagging.network import TaggerConfig, TaggerInput, TaggerNetwork
from elmo.tagging.projection import OUTSIDE
from elmo.text.lengths import like_lengths
from elmo.text.normalise import join_emoji

NO_TAG = "w"  # in text, of a word without a tag


@dataclass(frozen=True)
class LacConfig(TaggerConfig):
    """Sizes of Baidu's network, whose labels have an order of their own, and O among them."""

    released: tuple[str, ...] = ()  # labels by their ids

    @property
    def labels(self) -> list[str]:
        """What the network tells apart: `n-B`, `n-I`, ..."""
        return list(self.released)


def build_network(files: LacFiles) -> TaggerNetwork:
    """Build the network with the released parameters.

    Paddle 1.x keeps two weights of a GRU in one file, one after another: [H, 2H] for update and reset gate, then
    [H, H] for the candidate; and two biases, that of the projection before the GRU and the GRU's own.
    """
    parameters, size = files.parameters, files.hidden_size
    num_words, embedding_size = parameters["word_emb"].shape
    config = LacConfig(
        tags_of(files),
        num_words,
        embedding_size=embedding_size,
        hidden_size=size,
        num_layers=files.num_layers,
        dropout=0.0,
        released=tuple(files.tags),
    )
    with paddle.LazyGuard():  # no time and memory for first values that are thrown away
        network = TaggerNetwork(config)
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


class Lac(WithDictionary):
    """Cuts Chinese texts into words with their parts of speech, as the package `lac` 2.1.2 does.

    A word's tag is one of LAC's 24: parts of speech such as n, v and w, and names PER, LOC, ORG and TIME.

    Args:
        files: from `elmo.tagging.baidu_files.read_lac`.
        user_dictionary: words that are to be kept whole: a `UserDictionary`, or the file of one.
        batch_size: texts that are computed together.

    Raises:
        InputError: the user dictionary can't be read, or the batch size is below 1.
    """

    def __init__(
        self, files: LacFiles, *, user_dictionary: PathLike | UserDictionary | None = None, batch_size: int = 64
    ) -> None:
        check_batch_size(batch_size)
        self.batch_size = batch_size
        self.network = build_network(files)
        self._files = files
        self._tags = files.tags
        self.user_dictionary = open_dictionary(user_dictionary, self.network.config.tags)
        self._reader = LacReader(files)

    @classmethod
    def from_pretrained(
        cls,
        path: PathLike | None = None,
        *,
        user_dictionary: PathLike | UserDictionary | None = None,
        batch_size: int = 64,
        device: str | None = None,
    ) -> Lac:
        """Load Baidu's model from its folder or that of its package, None: the installed package `lac`.

        Args:
            path: the folder.
            user_dictionary, batch_size: see `Lac`.
            device: where it runs, and with it the whole process; see `elmo.runtime.use_device`.

        Raises:
            InputError: as `elmo.tagging.baidu_files.read_lac` does, or there is no such device.
        """
        use_device(device)
        return cls(read_lac(path), user_dictionary=user_dictionary, batch_size=batch_size)

    def save_pretrained(self, directory: PathLike) -> None:
        """Copy the files into a folder that there is not yet; see `elmo.tagging.baidu_files.save_lac`."""
        save_lac(self._files, directory)

    def tag(self, texts: str | Sequence[str]) -> list[WordsAndTags]:
        """Return words and tags of each text, in the texts' order; one text counts as a list of one.

        The words of a text, joined, are the text, whatever it holds. An empty text has no words.
        """
        texts = [texts] if isinstance(texts, str) else list(texts)
        inputs = [self._reader.read(text) for text in texts]
        tagged: list[WordsAndTags] = [([], [])] * len(texts)
        for batch in like_lengths([len(ids) for ids, _ in inputs], self.batch_size):
            best = self.network.decode([_plain_input(inputs[index][0]) for index in batch])
            for index, tag_ids in zip(batch, best, strict=True):
                tags = spread_tags([self._tags[tag_id] for tag_id in tag_ids], inputs[index][1])
                tags = join_emoji(texts[index], tags)
                if self.user_dictionary is not None:
                    self.user_dictionary.apply(texts[index], tags)
                tagged[index] = words_of_labels(texts[index], tags)
        return tagged


def _plain_input(ids: list[int]) -> TaggerInput:
    """What a network without features reads."""
    none = np.zeros(0, np.int64)
    return TaggerInput([], np.array(ids, np.int64), none, none, [])


def format_tagged(words: Sequence[str], tags: Sequence[str], separator: str = " ") -> str:
    """Word/tag in one line; what LAC gives no tag, such as a rare emoji, has that of punctuation, w.

    Args:
        words, tags: of a text.
        separator: what stands between. With a space, a word that holds white space is several with one tag, or none;
            with another one all words stay whole, white space of their own among them.

    Raises:
        InputError: a word holds the separator.
    """
    parts = zip(words, tags, strict=True)
    if separator == " ":
        return " ".join(f"{part}/{tag or NO_TAG}" for word, tag in parts for part in word.split())
    if bad := next((word for word in words if separator in word), None):
        raise InputError(f"the word {bad!r} holds the separator {separator!r}: choose another, or --json")
    return separator.join(f"{word}/{tag or NO_TAG}" for word, tag in parts)


# A tagger of ours that starts from Baidu's: its parameters and tokens, and beside them, if wanted, vectors of ELMo.


def tags_of(files: LacFiles) -> tuple[str, ...]:
    """The tags that Baidu's model gives, but for O, which it gives to hardly anything."""
    labels = (label for label in files.tags if label != OUTSIDE)
    return tuple(dict.fromkeys(label.removesuffix(BEGIN).removesuffix(INSIDE) for label in labels))


def start_from_lac(
    files: LacFiles,
    tags: Sequence[str],
    features: Features | None = None,
    dropout: float = 0.3,
    normalise: Sequence[str] = (),
    segmenter: str = "jieba",
) -> TaggerNetwork:
    """Build a network that answers as Baidu's does; what is beside that, from zero weights on.

    Baidu's label O is left out. The network's vocabulary is `LacDictionaries.vocabulary`.

    Args:
        files: Baidu's model.
        tags: ours, each of which Baidu's model has.
        features: their vectors get weights of zero in the first layer, so that they change nothing at first.
        dropout: of the network in training.
        normalise: steps that the text goes through, see `elmo.text.normalise`.
        segmenter: whose words have the vectors.

    Raises:
        InputError: Baidu's model lacks one of the tags.
    """
    released = build_network(files)
    words = released.embedding.weight.numpy()[: len(files.word_ids)]
    config = TaggerConfig(
        tuple(tags),
        len(files.vocabulary),
        tokens="lac",
        segmenter=segmenter,
        normalise=tuple(normalise),
        embedding_size=words.shape[1],
        hidden_size=files.hidden_size,
        num_layers=files.num_layers,
        dropout=dropout,
        feature_layers=0 if features is None else features.layers,
        feature_size=0 if features is None else features.size,
        features=None if features is None else features.describe(),
        lac=files.as_json(),
    )
    if missing := [label for label in config.labels if label not in files.tags]:
        raise InputError(f"LAC's model has no tag {missing[0][:-2]!r}: leave it out, or give it one that it has")
    network = TaggerNetwork(config)
    unknown = np.tile(words[files.word_ids[UNKNOWN]], (len(files.vocabulary) - len(words), 1))  # is never looked up
    network.embedding.weight.set_value(np.concatenate([words, unknown]))
    released_layers = dict(released.layers.named_parameters())
    for name, parameter in network.layers.named_parameters():
        weight = released_layers[name]
        num_new = parameter.shape[0] - weight.shape[0]  # inputs that Baidu's first layer has not
        zeros = paddle.zeros([num_new, *parameter.shape[1:]], parameter.dtype)
        parameter.set_value(paddle.concat([weight, zeros]) if num_new else weight)
    columns = np.array([files.tags.index(label) for label in config.labels])
    rows = np.array([*range(FIRST), *(columns + FIRST)])
    network.output.weight.set_value(released.output.weight.numpy()[:, columns])
    network.output.bias.set_value(released.output.bias.numpy()[columns])
    network.transitions.set_value(released.transitions.numpy()[np.ix_(rows, columns)])
    return network
