"""From sentences to contextual vectors: a pretrained biLM, its vocabulary and a segmenter behind one method."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from elmo.bilm import BiLM, bilm_from_files
from elmo.bilm.reading import Positions, check_positions
from elmo.checks import check_batch_size
from elmo.convert import read_any
from elmo.encoding.pretrained import Pretrained
from elmo.errors import InputError
from elmo.models import ModelFiles
from elmo.nn.evaluating import evaluating
from elmo.runtime import paddle, use_device
from elmo.system.types import PathLike, Sentence, Vectors
from elmo.text.characters import Alphabet, Lexicon, make_lexicon
from elmo.text.lengths import like_lengths, pad
from elmo.text.normalise import Normaliser
from elmo.text.segment import Segmenter, get_segmenter
from elmo.text.segment.dictionary import TextRecord, describe_segmenter
from elmo.text.vocabulary import Vocabulary


class Encoder(Pretrained):
    """Turns sentences into contextual vectors; the same sentence gives the same vectors, whatever stands beside it.

    Every sentence starts from zero state, so nothing is left over from one call, batch or sentence to the next.

    Args:
        model: a biLM; one that is being trained is read without dropout, and goes on as it was.
        vocabulary: gives words their ids; the model's own.
        segmenter: cuts sentences that are given as strings.
        provenance: what the model's file says of its making.
        normalise: steps that sentences and words are normalised by, see `elmo.text.normalise`.
    """

    kind = "bilm"
    model: BiLM

    def __init__(
        self,
        model: BiLM,
        vocabulary: Vocabulary,
        segmenter: Segmenter,
        provenance: dict[str, Any] | None = None,
        *,
        normalise: Sequence[str] = (),
    ) -> None:
        self.model = model
        self.vocabulary = vocabulary
        self.segmenter = segmenter
        self.provenance = provenance or {}
        self.normalise = Normaliser(normalise)
        characters = model.config.token_encoder
        self._alphabet = None if characters is None else Alphabet(characters.alphabet)

    @classmethod
    def from_files(
        cls,
        files: ModelFiles,
        place: object,
        segmenter: str | None = None,
        *,
        user_dictionary: PathLike | None = None,
        normalise: Sequence[str] | None = None,
    ) -> Encoder:
        """Make one of what was read of a model, whose arrays are used up; raises as `from_pretrained`."""
        cut, steps = reads_as_trained(files.provenance, place, segmenter, user_dictionary, normalise)
        model = bilm_from_files(files, place, consume=True)
        return cls(model, files.vocabulary, cut, files.provenance, normalise=steps)

    @classmethod
    def from_pretrained(
        cls,
        path_or_name: PathLike,
        segmenter: str | None = None,
        vocab_path: PathLike | None = None,
        *,
        user_dictionary: PathLike | None = None,
        normalise: Sequence[str] | None = None,
        device: str | None = None,
    ) -> Encoder:
        """Load a pretrained ELMo: a model directory, a checkpoint, or the name of one that comes with the project.

        Weights of LARK, AllenNLP or bilm-tf and ELMoForManyLangs are read from their own files; see `elmo.convert`.

        A model knows how its text was made (`elmo.text.preprocess.preprocess`). What is given otherwise here is warned
        about: words that are cut or spelt in another way are unknown to it.

        Args:
            path_or_name: for instance "checkpoints/epoch_010", "elmo-zh-small" or "baike_elmo_checkpoint.tar.gz".
            segmenter: what cuts sentences that are given as strings; see `elmo.text.segment.get_segmenter`. None: the
                one that has cut the model's text, or jieba where the model does not say.
            vocab_path: the vocabulary, for weights from elsewhere that come without theirs.
            user_dictionary: words that the segmenter keeps whole.
            normalise: steps, see `elmo.text.normalise`; None: those of the model's text.
            device: where it runs, and with it the whole process; see `elmo.runtime.use_device`.

        Raises:
            InputError: it is missing, damaged, or its parts do not belong together; it is of another class, which is
                named; there is no such device.
        """
        use_device(device)
        files = read_any(path_or_name, kind="bilm", vocab_path=vocab_path)
        return cls.from_files(files, path_or_name, segmenter, user_dictionary=user_dictionary, normalise=normalise)

    @property
    def num_layers(self) -> int:
        """Layers that `encode` returns: the word vectors and one for each LSTMP layer."""
        return self.model.config.num_layers + 1

    @property
    def output_size(self) -> int:
        """Size of a vector: both directions' projections."""
        return 2 * self.model.config.embed_size

    def words(self, sentence: Sentence) -> list[str]:
        """Words of a sentence, normalised as the model's text was: a string is cut by the segmenter, a list is not.

        Raises:
            InputError: the sentence is neither, or one of its words is not a string.
        """
        if isinstance(sentence, str):
            return self.segmenter.cut(self.normalise(sentence))
        if not isinstance(sentence, Iterable):
            raise InputError(f"a sentence is {sentence!r}: give a string, or a list of words")
        words = list(sentence)
        if set(map(type, words)) - {str}:
            for place, word in enumerate(words):
                if not isinstance(word, str):
                    raise InputError(f"word {place} of a sentence is {word!r}: give a string, or a list of words")
        return self.normalise.words(words)

    def ids(self, sentences: Sequence[Sequence[str]]) -> tuple[list[list[int]], Lexicon | None]:
        """Ids of the words of each sentence, and the lexicon that they are rows of, where the model reads characters.

        What `elmo.bilm.BiLM.layers` and `ElmoEncoder` take, once padded to one length.
        """
        if self._alphabet is None or self.model.config.token_encoder is None:
            return [self.vocabulary.encode(words) for words in sentences], None
        words = (word for sentence in sentences for word in sentence)
        max_characters = self.model.config.token_encoder.max_characters
        rows, lexicon = make_lexicon(words, self.vocabulary, self._alphabet, max_characters)
        return [[rows[word] for word in sentence] for sentence in sentences], lexicon

    def count_unknown(self, words: Sequence[str]) -> int:
        """How many of these words are `<UNK>` to the model; none where it reads characters."""
        return 0 if self._alphabet is not None else self.vocabulary.encode(words).count(self.vocabulary.unk_id)

    def encode(
        self, sentences: Iterable[Sentence], batch_size: int = 64, *, positions: Positions = "own"
    ) -> list[Vectors]:
        """Contextual vectors of each sentence, in the order given.

        Args:
            sentences: strings, which are segmented, or lists of words. So `["我", "们"]` are two sentences, and
                `[["我", "们"]]` is one of two words.
            batch_size: sentences that are run together at most, fewer where they are long; changes speed and memory,
                not the result (to 1e-5).
            positions: where the vectors are read. "own" is the word: both readers have just read it. "hole" is its
                place without it: the reader from the left has read what stands before, the reader from the right what
                stands behind, and neither the word, which could be any other. It tells senses apart better; "own" tells
                the word as well.

        Returns:
            for each sentence an array [layers, words, 2 x projection], float32. Layer 0 is the word vector twice,
            layer j the forward and the backward output of LSTMP layer j. In the hole layer 0 is the vector of the word
            before beside that of the word behind (of `<S>` and `</S>` at the ends), layer j the forward output at the
            word before beside the backward output at the word behind. No words give [layers, 0, 2 x projection].

        Raises:
            InputError: `sentences` is one string, or holds something that is no sentence, or `positions` is neither.
        """
        if isinstance(sentences, str):
            raise InputError("encode takes a list of sentences: write encode([sentence])")
        return [vectors for _, vectors in self.encode_stream(sentences, batch_size, positions=positions)]

    def encode_stream(
        self, sentences: Iterable[Sentence], batch_size: int = 64, *, positions: Positions = "own"
    ) -> Iterator[tuple[list[str], Vectors]]:
        """As `encode`, for any number of sentences in bounded memory: yields words and vectors of each, in order."""
        _check_options(batch_size, positions)
        for block in self._read_ahead(map(self.words, sentences), batch_size):
            yield from zip(block, self._encode_block(block, batch_size, positions), strict=True)

    def _encode_block(self, block: Sequence[list[str]], batch_size: int, positions: Positions) -> list[Vectors]:
        """Encode sentences of like length together: less padding, the same vectors."""
        results: list[Vectors] = [np.zeros((self.num_layers, 0, self.output_size), np.float32)] * len(block)
        for chosen in like_lengths([len(words) for words in block], batch_size):
            sentence_ids, lexicon = self.ids([block[index] for index in chosen])
            ids, lengths = pad(sentence_ids)  # any id will do behind a sentence's end
            with evaluating(self.model):
                layers = self.model.layers(paddle.to_tensor(ids), paddle.to_tensor(lengths), lexicon, positions)
                vectors = np.stack([layer.numpy() for layer in layers], axis=1)  # [batch, layers, time, size]
            for row, index in enumerate(chosen):
                results[index] = vectors[row, :, : lengths[row]].copy()
        return results

    def __repr__(self) -> str:
        config = self.model.config
        words = f"{config.vocab_size:,} words" if config.token_encoder is None else "reads characters"
        return f"Encoder({config.num_layers} layers, {self.output_size} numbers a vector, {words})"


class StatefulEncoder:
    """Encodes as the first ELMo programs did: each batch goes on from the LSTM state that the one before has left.

    A sentence's vectors then depend on what was encoded before, so `Encoder` is what you want; this is for comparing
    with vectors that AllenNLP, bilm-tf or ELMoForManyLangs made.

    Args:
        encoder: gives model, vocabulary and segmenter.
        sort_by_length: give the rows of the carried state to the sentences of a batch by falling length, as
            ELMoForManyLangs does, not in the order given. None: as the system did that the model comes from.
    """

    def __init__(self, encoder: Encoder, sort_by_length: bool | None = None) -> None:
        self.encoder = encoder
        if sort_by_length is None:
            sort_by_length = encoder.provenance.get("source") == "ELMoForManyLangs"
        self.sort_by_length = sort_by_length
        self.reset()

    def reset(self) -> None:
        """Begin again from zero state."""
        # [direction][layer] -> hidden [rows, proj], cell [rows, hidden]: as many rows as the largest batch so far
        model = self.encoder.model
        zero = model.zero_state(1)
        self._state = [[[part.numpy()[:0] for part in layer] for layer in direction] for direction in zero]

    def encode(self, sentences: Sequence[Sentence], *, positions: Positions = "own") -> list[Vectors]:
        """Contextual vectors of one batch of sentences, in the order given; see `Encoder.encode` for the arrays.

        The state that is kept is that after `</S>` forwards, and after `<S>` backwards, for the rows of this batch; a
        smaller batch leaves the other rows as they are, a larger one's new rows begin at zero.
        """
        check_positions(positions)
        encoder = self.encoder
        batch = [encoder.words(sentence) for sentence in sentences]
        order = list(range(len(batch)))
        if self.sort_by_length:
            order.sort(key=lambda index: -len(batch[index]))
        sentence_ids, lexicon = encoder.ids(batch)
        for direction in self._state:
            for layer in direction:
                for part, values in enumerate(layer):
                    missing = max(len(batch) - len(values), 0)
                    layer[part] = np.concatenate([values, np.zeros((missing, values.shape[1]), values.dtype)])
        results: list[Vectors] = [np.zeros((0, 0, 0), np.float32)] * len(batch)
        with evaluating(encoder.model):
            table = encoder.model.word_vectors(lexicon)
            # Sentences of one length need no padding, so that no state has to stand still.
            for length in {len(words) for words in batch}:
                rows = [row for row, index in enumerate(order) if len(batch[index]) == length]
                ids = np.array([sentence_ids[order[row]] for row in rows], dtype=np.int64).reshape([len(rows), length])
                for row, vectors in zip(rows, self._run(ids, table, lexicon, rows, positions), strict=True):
                    results[order[row]] = vectors
        return results

    def encode_stream(
        self, sentences: Iterable[Sentence], batch_size: int = 64, *, positions: Positions = "own"
    ) -> Iterator[tuple[list[str], Vectors]]:
        """Encode any number of sentences, batch after batch in the order given: yields words and vectors of each."""
        _check_options(batch_size, positions)
        upcoming = iter(sentences)
        while batch := [self.encoder.words(sentence) for sentence in itertools.islice(upcoming, batch_size)]:
            yield from zip(batch, self.encode(batch, positions=positions), strict=True)

    def _run(
        self, ids: npt.NDArray[np.int64], table: Any, lexicon: Lexicon | None, rows: list[int], positions: Positions
    ) -> Vectors:
        """Encode ids [rows, words] of sentences of one length and keep their state: [rows, layers, words, size]."""
        model = self.encoder.model
        bos, eos = model.boundary_ids(lexicon)
        whole = np.concatenate([np.full((len(ids), 1), bos), ids, np.full((len(ids), 1), eos)], axis=1)
        forward_state, backward_state = (
            [(paddle.to_tensor(hidden[rows]), paddle.to_tensor(cell[rows])) for hidden, cell in direction]
            for direction in self._state
        )
        forward, backward, state = model.run(
            paddle.to_tensor(whole),
            paddle.to_tensor(np.ascontiguousarray(whole[:, ::-1])),
            table,
            (forward_state, backward_state),
        )
        for kept_direction, direction in zip(self._state, state, strict=True):
            for kept, layer in zip(kept_direction, direction, strict=True):
                for values, part in zip(kept, layer, strict=True):
                    values[rows] = part.numpy()
        words = model.look_up(paddle.to_tensor(whole), table).numpy()
        own = slice(1, -1)  # of 1 + words + 1 places, the boundaries' left out
        left, right = (own, own) if positions == "own" else (slice(None, -2), slice(2, None))
        layers = [np.concatenate([words[:, left], words[:, right]], axis=2)]
        layers += [
            np.concatenate([ahead.numpy()[:, left], behind.numpy()[:, ::-1][:, right]], axis=2)
            for ahead, behind in zip(forward, backward, strict=True)
        ]
        return np.stack(layers, axis=1)


def reads_as_trained(
    provenance: dict[str, Any],
    place: object,
    segmenter: str | None,
    user_dictionary: PathLike | None,
    normalise: Sequence[str] | None,
) -> tuple[Segmenter, Sequence[str]]:
    """Segmenter and steps of normalisation: those given, or those of the model's text; warns where they differ."""
    made = TextRecord.of(provenance)
    name = segmenter or made.usable_segmenter
    steps = made.normalise if normalise is None else Normaliser(normalise).steps
    for warning in made.differences(describe_segmenter(name, user_dictionary), steps):
        warnings.warn(f"{place}: {warning}", stacklevel=3)
    return get_segmenter(name, **({} if user_dictionary is None else {"user_dictionary": user_dictionary})), steps


def _check_options(batch_size: int, positions: str) -> None:
    """InputError for a batch without sentences, or positions that there are not."""
    check_batch_size(batch_size)
    check_positions(positions)


load_pretrained = Encoder.from_pretrained
