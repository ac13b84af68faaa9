"""From sentences to vectors by BERT or ERNIE: a masked language model and its vocabulary behind one method."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from elmo.checks import check_batch_size
from elmo.convert import read_any
from elmo.encoding.pretrained import Pretrained
from elmo.errors import InputError
from elmo.masked_lm import KIND, MaskedLM, masked_lm_from_files
from elmo.models import ModelFiles
from elmo.nn.evaluating import evaluating
from elmo.runtime import paddle, use_device
from elmo.system.types import PathLike, Sentence, Vectors
from elmo.text.lengths import by_length, pad
from elmo.text.normalise import Normaliser
from elmo.text.pieces import MASK, Piece, PieceTokenizer, PieceVocabulary
from elmo.text.segment.dictionary import steps_as_trained


class Bert(Pretrained):
    """Turns sentences into contextual vectors of their characters; BERT's or ERNIE's, whatever was loaded.

    The same sentence gives the same vectors, whatever stands beside it.

    Args:
        model: a masked language model; one that is being trained is read without dropout, and goes on as it was.
        vocabulary: the model's own.
        provenance: what the model's file says of its making.
        normalise: steps that sentences are normalised by, see `elmo.text.normalise`.
    """

    kind = KIND
    model: MaskedLM
    vocabulary: PieceVocabulary

    def __init__(
        self,
        model: MaskedLM,
        vocabulary: PieceVocabulary,
        provenance: dict[str, Any] | None = None,
        *,
        normalise: Sequence[str] = (),
    ) -> None:
        self.model = model
        self.vocabulary = vocabulary
        self.provenance = provenance or {}
        self.tokenizer = PieceTokenizer(vocabulary, model.config.lower_case)
        self.normalise = Normaliser(normalise)

    @classmethod
    def from_files(cls, files: ModelFiles, place: object, *, normalise: Sequence[str] | None = None) -> Bert:
        """Make one of what was read of a model; raises as `from_pretrained`."""
        steps = steps_as_trained(files.provenance, place, normalise)
        model = masked_lm_from_files(files, place)
        assert isinstance(files.vocabulary, PieceVocabulary)
        return cls(model, files.vocabulary, files.provenance, normalise=steps)

    @classmethod
    def from_pretrained(
        cls, path_or_name: PathLike, *, normalise: Sequence[str] | None = None, device: str | None = None
    ) -> Bert:
        """Load a model directory or checkpoint of ours, or one in Hugging Face's layout.

        Args:
            path_or_name: a directory or archive, or the name of a model that comes with the project.
            normalise: steps, see `elmo.text.normalise`; None: those of the model's text. Others are warned about.
            device: where it runs, and with it the whole process; see `elmo.runtime.use_device`.

        Raises:
            InputError: it is missing, damaged, of another class, or its parts do not belong together; there is no such
                device.
        """
        use_device(device)
        return cls.from_files(read_any(path_or_name, kind=KIND), path_or_name, normalise=normalise)

    @property
    def num_layers(self) -> int:
        """Layers that `encode` returns: the embeddings and one for each block."""
        return self.model.config.num_layers + 1

    @property
    def output_size(self) -> int:
        """Size of a vector."""
        return self.model.config.hidden_size

    def tokenize(self, sentence: Sentence) -> list[Piece]:
        """Pieces of a sentence and their places in it: a string is read as a whole, a list word by word.

        The places are those in the text, of a list in the words joined; in the normalised one where the model's was.

        Raises:
            InputError: it is neither.
        """
        if isinstance(sentence, str):
            return self.tokenizer.tokenize(self._as_trained(sentence))
        if not isinstance(sentence, Sequence):
            raise InputError(f"a sentence is {sentence!r}: give a string, or a list of words")
        pieces, begin = [], 0
        for word in sentence:
            word = self._as_trained(word)
            found = self.tokenizer.tokenize(word)
            pieces += [piece._replace(begin=piece.begin + begin, end=piece.end + begin) for piece in found]
            begin += len(word)
        return pieces

    def _as_trained(self, text: Any) -> Any:
        """A text as the model's was normalised; the tokenizer drops what is no text, and refuses what is no string."""
        return self.normalise(text) if self.normalise.steps and isinstance(text, str) else text

    def encode(
        self, sentences: Iterable[Sentence], batch_size: int = 32, special_tokens: bool = False
    ) -> list[Vectors]:
        """Hidden states of each sentence's pieces, one for each of `tokenize`, in the order given.

        A sentence of more pieces than the model has positions for is read in windows of that length that overlap by
        half; each piece has its vectors from the window where it is furthest from the ends.

        Args:
            sentences: strings, or lists of words. So `["我", "们"]` are two sentences, `[["我", "们"]]` is one.
            batch_size: sentences that are run together; changes speed and memory, not the result (to 1e-5).
            special_tokens: also return the vectors of [CLS], before the others, and [SEP], behind them.

        Returns:
            for each sentence an array [layers, pieces, hidden], float32; layer 0 are the embeddings. No pieces give
            [layers, 0, hidden], or [CLS] and [SEP] alone.

        Raises:
            InputError: `sentences` is one string, or holds something that is no sentence.
        """
        if isinstance(sentences, str):
            raise InputError("encode takes a list of sentences: write encode([sentence])")
        return [vectors for _, vectors in self.encode_stream(sentences, batch_size, special_tokens)]

    def encode_stream(
        self, sentences: Iterable[Sentence], batch_size: int = 32, special_tokens: bool = False
    ) -> Iterator[tuple[list[Piece], Vectors]]:
        """As `encode`, for any number of sentences in bounded memory: yields pieces and vectors of each, in order."""
        check_batch_size(batch_size)
        for block in self._read_ahead(map(self.tokenize, sentences), batch_size):
            yield from zip(block, self._encode_block(block, batch_size, special_tokens), strict=True)

    def fill(self, text: str, count: int = 5) -> list[list[tuple[str, float]]]:
        """Most probable tokens, with their probabilities, for each [MASK] that is written in a text.

        Args:
            text: with a [MASK] or more.
            count: tokens for each; all of the vocabulary where it has no more.

        Raises:
            InputError: there is no [MASK] in it, it is too long, `count` is below 1, or the model has no head.
        """
        if count < 1:
            raise InputError(f"count is {count}: give 1 or more")
        parts = text.split(MASK)
        if len(parts) == 1:
            raise InputError(f"{text!r} has no {MASK}: write one for each token that is to be predicted")
        ids: list[int] = [self.vocabulary.bos_id]
        for number, part in enumerate(parts):
            ids += [*([self.vocabulary.mask_id] if number else []), *(piece.id for piece in self.tokenize(part))]
        ids.append(self.vocabulary.eos_id)
        self._check_length(len(ids))
        row = np.array([ids], np.int64)
        with evaluating(self.model):
            logs = self.model.predictions(
                paddle.to_tensor(row),
                paddle.to_tensor([len(ids)]),
                paddle.to_tensor(np.flatnonzero(row[0] == self.vocabulary.mask_id)),
            ).numpy()
        best = np.argsort(-logs, axis=1, kind="stable")[:, :count]
        return [
            [(self.vocabulary.tokens[token], float(np.exp(row[token]))) for token in tokens]
            for row, tokens in zip(logs, best, strict=True)
        ]

    def _check_length(self, length: int) -> None:
        if length > self.model.config.max_length:
            raise InputError(
                f"a text of {length} tokens with [CLS] and [SEP] is too long for this model, which reads "
                f"{self.model.config.max_length}: give shorter ones"
            )

    def _encode_block(self, block: Sequence[list[Piece]], batch_size: int, special_tokens: bool) -> list[Vectors]:
        """Encode windows of like length together: less padding, the same vectors."""
        room = self.model.config.max_length - 2
        margin = 1 if special_tokens else 0
        results = [
            np.empty((self.num_layers, len(pieces) + 2 * margin, self.output_size), np.float32) for pieces in block
        ]
        windows = [
            (index, *window)
            for index, pieces in enumerate(block)
            if pieces or special_tokens
            for window in _windows(len(pieces), room)
        ]
        for numbers in by_length([end - begin for _, begin, end, _, _ in windows], batch_size):
            chosen = [windows[number] for number in numbers]
            rows = [[piece.id for piece in block[index][begin:end]] for index, begin, end, _, _ in chosen]
            layers = self._run(rows)
            for vectors, (index, begin, end, first, last) in zip(layers, chosen, strict=True):
                if special_tokens and first == 0:
                    results[index][:, 0] = vectors[:, 0]
                if special_tokens and last == len(block[index]):
                    results[index][:, -1] = vectors[:, end - begin + 1]
                kept = vectors[:, first - begin + 1 : last - begin + 1]
                results[index][:, first + margin : last + margin] = kept
        return results

    def _run(self, rows: Sequence[Sequence[int]]) -> Vectors:
        """Run sequences of ids without [CLS] and [SEP]; returns [batch, layers, time, hidden] with them."""
        begin, end = self.vocabulary.bos_id, self.vocabulary.eos_id
        ids, lengths = pad([[begin, *row, end] for row in rows], self.vocabulary.pad_id)
        padded = None if (lengths == lengths[0]).all() else paddle.to_tensor(lengths)
        with evaluating(self.model):
            layers = self.model(paddle.to_tensor(ids), padded)
            return np.stack([layer.numpy() for layer in layers], axis=1).astype(np.float32, copy=False)

    def __repr__(self) -> str:
        config = self.model.config
        return f"Bert({config.num_layers} layers, {config.hidden_size} numbers a vector, {config.vocab_size:,} tokens)"


def _windows(count: int, room: int) -> list[tuple[int, int, int, int]]:
    """Windows over `count` pieces: begin and end of each, and begin and end of what it gives vectors for."""
    if count <= room:
        return [(0, count, 0, count)]
    step = max(1, room // 2)
    begins = [*range(0, count - room, step), count - room]
    # Between two windows the middle of what they share divides what each gives.
    cuts = [0, *((left + room + right) // 2 for left, right in itertools.pairwise(begins)), count]
    return [(begin, begin + room, cuts[i], cuts[i + 1]) for i, begin in enumerate(begins)]
