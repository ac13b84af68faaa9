"""A LAC of our own: words of a segmenter (or characters) in, words with parts of speech and names out.

`elmo.tagging.train` trains one, `elmo.tagging.network` has the network.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Sequence
from typing import Any

from elmo.checks import check_batch_size, config_of_file
from elmo.corpora.lark_tsv import BEGIN, INSIDE
from elmo.encoding.features import Features, make_features
from elmo.errors import InputError
from elmo.model_sizes import check_config
from elmo.models import ModelFiles, load_parameters, read_model, write_model
from elmo.runtime import paddle, use_device
from elmo.system.types import PathLike
from elmo.tagging.baidu_files import lac_dictionaries
from elmo.tagging.baidu_text import (
    UserDictionary,
    WithDictionary,
    WordsAndTags,
    open_dictionary,
    spread_tags,
    words_of_labels,
)
from elmo.tagging.network import TaggerConfig, TaggerNetwork, fine_tuned_elmo
from elmo.tagging.segmenter import cut_all, load_segmenter
from elmo.tagging.tagger.readers import SentenceReader as SentenceReader
from elmo.tagging.tagger.readers import make_reader
from elmo.text.lengths import like_lengths
from elmo.text.normalise import Normaliser, join_emoji
from elmo.text.vocabulary import Vocabulary

KIND = "tagger"
_SPACE_TAG = "w"  # of white space between words


class Tagger(WithDictionary):
    """Cuts texts into words with their tags, by a network that `elmo.tagging.train` trained.

    Args:
        network: one that is being trained is read without dropout, and goes on as it was.
        vocabulary: of its tokens.
        features: what the network reads beside them; None where it reads nothing, or has a biLM of its own.
        elmo_vocabulary: of that biLM.
        user_dictionary: words that are to be kept whole: an `elmo.tagging.baidu_text.UserDictionary`, or its file.
        batch_size: texts that are computed together.
        provenance: what the model's file says of its making.

    Raises:
        InputError: the features are not of the network's sizes, the user dictionary can't be read, or the batch size
            is below 1.
    """

    def __init__(
        self,
        network: TaggerNetwork,
        vocabulary: Vocabulary,
        features: Features | None = None,
        elmo_vocabulary: Vocabulary | None = None,
        *,
        user_dictionary: PathLike | UserDictionary | None = None,
        batch_size: int = 64,
        provenance: dict[str, Any] | None = None,
    ) -> None:
        check_batch_size(batch_size)
        config = network.config
        given = (0, 0) if features is None else (features.layers, features.size)
        if given != (config.feature_layers, config.feature_size):
            raise InputError(
                f"the tagger reads {config.feature_layers} layers of {config.feature_size} numbers a word, the "
                f"features have {given[0]} of {given[1]}: give those that it was trained with"
            )
        self.network, self.vocabulary, self.features = network, vocabulary, features
        self.elmo_vocabulary = elmo_vocabulary
        self.batch_size = batch_size
        self.provenance = provenance or {}
        self.user_dictionary = open_dictionary(user_dictionary, config.tags)
        self.segmenter = load_segmenter(config.segmenter)
        self.normalise = Normaliser(config.normalise)
        self._reader = make_reader(config, vocabulary, features, elmo_vocabulary)
        self._labels = config.labels

    @classmethod
    def from_pretrained(
        cls,
        path: PathLike,
        *,
        features: Features | PathLike | None = None,
        user_dictionary: PathLike | UserDictionary | None = None,
        batch_size: int = 64,
        device: str | None = None,
    ) -> Tagger:
        """Load what `save_pretrained` wrote, or a checkpoint of training.

        Args:
            path: the directory, or the name of a model that comes with the project.
            features: in place of those that the model names, or where they lie by now.
            user_dictionary, batch_size: see `Tagger`.
            device: where it runs, and with it the whole process; see `elmo.runtime.use_device`.

        Raises:
            InputError: it is missing, damaged, of another class, or its parts do not belong together; the features are
                others; there is no such device.
        """
        use_device(device)
        files = read_model(path, kind=KIND)
        return cls.from_files(files, path, features=features, user_dictionary=user_dictionary, batch_size=batch_size)

    @classmethod
    def from_files(
        cls,
        files: ModelFiles,
        place: PathLike,
        *,
        features: Features | PathLike | None = None,
        user_dictionary: PathLike | UserDictionary | None = None,
        batch_size: int = 64,
    ) -> Tagger:
        """Make one of what was read of a model; see `from_pretrained`."""
        config = config_of_file(TaggerConfig, files.config, files.vocabulary, place)
        try:
            bilm = (config.features or {}).get("bilm")
            if isinstance(bilm, dict):
                begin = "elmo.bilm."
                named = files.arrays.items()
                shapes = {name.removeprefix(begin): array.shape for name, array in named if name.startswith(begin)}
                check_config("bilm", bilm, shapes, place)
            with paddle.LazyGuard():
                elmo, elmo_vocabulary = fine_tuned_elmo(config) if config.fine_tunes else (None, None)
            if config.lac is not None:  # to name the place where it is damaged
                lac_dictionaries(config.lac, files.vocabulary)
            if features is not None and not config.feature_layers:
                raise InputError("the tagger reads no features from elsewhere: leave them out")
            if isinstance(features, str | os.PathLike):
                features = make_features({**(config.features or {}), "source": os.fspath(features)}, check=False)
            elif features is None and config.feature_layers:
                features = make_features(config.features or {})
        except InputError as error:
            raise InputError(f"{place}: {error}") from None
        with paddle.LazyGuard():  # no time and memory for first values that are thrown away
            network = TaggerNetwork(config, elmo)
        load_parameters(network, files.arrays, place)
        return cls(
            network,
            files.vocabulary,
            features,
            elmo_vocabulary,
            user_dictionary=user_dictionary,
            batch_size=batch_size,
            provenance=files.provenance,
        )

    def save_pretrained(self, path: PathLike, *, dtype: str = "float32", overwrite: bool = False) -> None:
        """Write a model directory. A biLM that was fine-tuned is in it; of frozen features only the name is."""
        files = ModelFiles(
            KIND,
            dataclasses.asdict(self.network.config),
            self.vocabulary,
            {name: parameter.numpy() for name, parameter in self.network.named_parameters()},
            self.provenance,
        )
        write_model(path, files, dtype=dtype, overwrite=overwrite)

    save = save_pretrained  # a shorter name of the same

    def tag(self, texts: str | Sequence[str]) -> list[WordsAndTags]:
        """Return words and tags of each text, in the texts' order; one text counts as a list of one.

        The words of a text, joined, are the text, whatever it holds: white space is a word of its own. An empty text
        has no words. Where the text of the training was normalised, the words are those of the text normalised so.
        """
        texts = self._as_trained([texts] if isinstance(texts, str) else texts)
        segmented = self._cut(texts)
        are_words = self.network.config.tokens == "words"
        lengths = [len(words) if are_words else sum(map(len, words)) for words in segmented]
        labels: list[list[str]] = [[] for _ in texts]  # of each character that is not white space
        for chosen in like_lengths(lengths, self.batch_size):
            sentences = self._reader.read([segmented[index] for index in chosen])
            for index, sentence, best in zip(chosen, sentences, self.network.decode(sentences), strict=True):
                names = [self._labels[label] for label in best]
                labels[index] = spread_tags(names, [len(token) for token in sentence.tokens])
        return [self._read_off(text, of_text) for text, of_text in zip(texts, labels, strict=True)]

    def tokens(self, texts: Sequence[str]) -> list[list[str]]:
        """What the network reads of each text: words of the segmenter, or characters, without white space."""
        return [self._reader.tokens(words) for words in self._cut(self._as_trained(texts))]

    def _cut(self, texts: Sequence[str]) -> list[list[str]]:
        """Words of the segmenter; without it where they decide nothing, neither tokens nor vectors."""
        if self.network.config.lac is not None and self.features is None:
            return [text.split() for text in texts]
        return cut_all(self.segmenter, texts)

    def _as_trained(self, texts: Iterable[str]) -> list[str]:
        return [self.normalise(text) for text in texts] if self.normalise.steps else list(texts)

    def _read_off(self, text: str, labels: list[str]) -> WordsAndTags:
        """Words and tags of a text from the labels of its characters that are not white space.

        An I goes on with a chunk of its own tag alone and otherwise begins one, as `elmo.tagging.projection.chunks` has
        it, so that what is scored is what is returned; nor does a word reach beyond white space.
        """
        remaining = iter(labels)
        whole: list[str] = []
        tag: str | None = None  # of the character before; None at the beginning, and of white space
        for place, character in enumerate(text):
            if character.isspace():
                whole.append(_SPACE_TAG + (INSIDE if place and tag is None else BEGIN))
                tag = None
            else:
                label = next(remaining)
                whole.append(label if label[:-2] == tag else label[:-2] + BEGIN)
                tag = label[:-2]
        whole = join_emoji(text, whole)
        if self.user_dictionary is not None:
            self.user_dictionary.apply(text, whole)
        return words_of_labels(text, whole)

    def __repr__(self) -> str:
        config = self.network.config
        beside = "" if config.features is None else f" + {config.features.get('kind')}"
        return f"Tagger({config.tokens}{beside}, {len(config.tags)} tags, {config.num_words:,} in the vocabulary)"
