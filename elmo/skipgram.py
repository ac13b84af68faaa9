"""word2vec: skip-gram with negative sampling (Mikolov et al. 2013), computed in blocks of text."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn

from elmo.errors import InputError, RunError
from elmo.runtime import paddle
from elmo.system.terminal import bar_on_stderr
from elmo.system.types import Floats, Ids, PathLike
from elmo.text.shards import read_sentences
from elmo.text.vocabulary import SPECIAL_TOKENS, Vocabulary, count_words
from elmo.word_vectors import SkipGramConfig, WordVectors

Reach = npt.NDArray[np.int32]

BLOCK_WORDS = 32  # neighbouring words whose pairs are computed as one matrix product
SHARED_NEGATIVES = 32  # noise words that the pairs of a block share
_LARGEST_STEP = 2.0  # learning rate times pairs that may move a vector in a batch; measured: 8 diverges
_SMALLEST_SCALE = 0.25  # of a word's learning rate that is expected at least: the batch is shortened before
_CHUNK_WORDS = 1 << 20  # words that are subsampled, cut into blocks and shuffled at once
_LOSS_INTERVAL = 100  # steps between two looks at the loss


def keep_probability(counts: npt.ArrayLike, sample: float) -> npt.NDArray[np.float64]:
    """min(1, (sqrt(f / t) + 1) t / f) for a word with share f of the text and t = `sample`: word2vec.c's subsampling.

    Args:
        counts: how often each word occurs, [words]; a word that does not occur is kept with probability 1.
        sample: the threshold; 0 keeps every word.
    """
    counts = np.asarray(counts, dtype=np.float64)
    if not sample:
        return np.ones(len(counts))
    ratio = counts / (max(counts.sum(), 1) * sample)
    ratio[ratio == 0] = 1
    return np.asarray(np.minimum(1, (np.sqrt(ratio) + 1) / ratio))


def noise_distribution(counts: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Probability with which each word is drawn as noise: proportional to its count to the power 3/4, [words]."""
    weights = np.asarray(counts, dtype=np.float64) ** 0.75
    return np.asarray(weights / weights.sum())


def pair_loads(counts: npt.ArrayLike, config: SkipGramConfig) -> tuple[Floats, Floats]:
    """Pairs, noise included, that are expected to move the input and the output vector of each word per word of text.

    A word is the context of window + 1 others, the mean reach on both sides together; [words] each.
    """
    kept = np.asarray(counts) * keep_probability(counts, config.sample)
    pairs = (config.window + 1) * kept / kept.sum()
    return pairs * (1 + config.negative), pairs + (config.window + 1) * config.negative * noise_distribution(counts)


@dataclass(frozen=True)
class PairBatch:
    """Blocks of neighbouring words with the context words around them, and the noise words that each block shares.

    A word and a context word are a pair if the context word stands at most `left` before or `right` behind it.
    """

    contexts: Ids  # [blocks, BLOCK_WORDS + 2 window]: the block's words and `window` more at either end
    words: Ids  # [blocks, BLOCK_WORDS]
    noise: Ids  # [blocks, SHARED_NEGATIVES]
    left: Reach  # [blocks, BLOCK_WORDS]; -1 for a place that is only padding
    right: Reach


def make_blocks(
    words: npt.NDArray[np.int32], lengths: Ids, window: int, noise: npt.NDArray[np.float64], rng: np.random.Generator
) -> PairBatch:
    """Cut subsampled text into blocks and draw each word's reach and each block's noise words.

    Args:
        words: ids of the words of all sentences, end to end.
        lengths: words of each sentence; no pair reaches beyond its sentence.
        window: the reach is drawn evenly from 1 .. window.
        noise: cumulative noise distribution, [words].
    """
    count = len(words)
    blocks = max(1, -(-count // BLOCK_WORDS))
    place = np.arange(count) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    behind = np.repeat(lengths, lengths) - 1 - place
    reach = rng.integers(1, window + 1, size=count)
    left, right = (np.full((blocks, BLOCK_WORDS), -1, dtype=np.int32) for _ in range(2))
    left.reshape(-1)[:count] = np.minimum(reach, place)
    right.reshape(-1)[:count] = np.minimum(reach, behind)
    padded = np.zeros(blocks * BLOCK_WORDS + 2 * window, dtype=np.int64)
    padded[window : window + count] = words
    contexts = np.lib.stride_tricks.sliding_window_view(padded, BLOCK_WORDS + 2 * window)[::BLOCK_WORDS]
    drawn = np.searchsorted(noise, rng.random((blocks, SHARED_NEGATIVES)), side="right")
    return PairBatch(contexts, contexts[:, window : window + BLOCK_WORDS], drawn, left, right)


def pair_weights(left: Reach, right: Reach, window: int, negative: int) -> npt.NDArray[np.float32]:
    """How often each word and each noise word of a block is compared with each context word.

    A context word is compared with the words it makes a pair with, and for each of these with `negative` noise words,
    which is estimated from all noise words of the block.

    Args:
        left: furthest context word before each word, [blocks, words].
        right: furthest context word behind each word.

    Returns:
        [blocks, words + 2 window, words + SHARED_NEGATIVES]: 1 where context and word are a pair, else 0; then
        `negative` / SHARED_NEGATIVES times the pairs of the context.
    """
    blocks, words = left.shape
    offsets = np.arange(-window, words + window, dtype=np.int32)[:, None] - np.arange(words, dtype=np.int32)
    offsets[offsets == 0] = words + 2 * window  # out of reach: a word is no context of itself
    weights = np.empty((blocks, words + 2 * window, words + SHARED_NEGATIVES), np.float32)
    weights[..., :words] = (offsets >= -left[:, None]) & (offsets <= right[:, None])
    weights[..., words:] = weights[..., :words] @ np.full((words, 1), negative / SHARED_NEGATIVES, np.float32)
    return weights


def pair_slopes(scores: Any, weights: Any, num_words: int) -> Any:
    """Derivative of the summed loss in the scores, [blocks, contexts, words + noise], as all arguments.

    The loss is formula (4) of Mikolov et al. 2013 ("Distributed representations of words and phrases and their
    compositionality") with its sign changed: -log s(c w) - sum of log s(-c n) over noise words n, for each pair of a
    context's input vector c and a word's output vector w, where s is the sigmoid; its derivative is s(score) - label.
    """
    labels = paddle.to_tensor(np.arange(scores.shape[-1]) < num_words).astype(scores.dtype)
    return (paddle.nn.functional.sigmoid(scores) - labels) * weights


def pair_loss(scores: Any, weights: Any, num_words: int) -> float:
    """Mean loss of a pair in nats; for the arguments see `pair_slopes`."""
    losses = paddle.nn.functional.softplus(paddle.concat([-scores[..., :num_words], scores[..., num_words:]], axis=-1))
    return float((losses * weights).sum() / weights[..., :num_words].sum().clip(min=1))


class SkipGram:
    """The two vectors of each word and the step that moves them; on Paddle's current device.

    word2vec.c moves a vector after every pair; in a batch all pairs see the same vector, and their steps are summed.
    For most words, which a batch holds once if at all, that comes to the same. For a word that it holds many times the
    sum would overshoot and diverge, so its learning rate is scaled down by the pairs that the batch has of it, and
    batches are short enough that little of that is to be expected. With the default settings that slows a few dozen of
    the most frequent words of a large text, and whatever somebody repeats line after line.

    Args:
        counts: how often each word occurs, [words].
        config: see `SkipGramConfig`.
        rng: draws the start: inputs even in -1/dim .. 1/dim as in gensim, outputs zero.
    """

    def __init__(self, counts: Ids, config: SkipGramConfig, rng: np.random.Generator) -> None:
        self.config = config
        start = rng.uniform(-1, 1, size=(len(counts), config.vector_size)) / config.vector_size
        self.inputs = paddle.to_tensor(start.astype(np.float32))  # [words, dim]; the word vectors
        self.outputs = paddle.zeros([len(counts), config.vector_size], dtype="float32")  # [words, dim]
        loads = pair_loads(counts, config)
        self._limit = _LARGEST_STEP / config.learning_rate  # pairs of a word in a batch
        batch_words = min(config.batch_words, self._limit / _SMALLEST_SCALE / max(load.max() for load in loads))
        self.batch_blocks = max(1, int(batch_words) // BLOCK_WORDS)

    def step(self, batch: PairBatch, learning_rate: float, *, with_loss: bool = False) -> float | None:
        """Take the summed steps of all pairs, touching only rows of words in the batch; return the loss if wanted."""
        config, (blocks, num_words) = self.config, batch.words.shape
        output_ids = np.concatenate([batch.words, batch.noise], axis=1)
        contexts = paddle.to_tensor(batch.contexts.reshape(-1))
        words = paddle.to_tensor(output_ids.reshape(-1))
        inputs = paddle.nn.functional.embedding(contexts, self.inputs).reshape([blocks, -1, config.vector_size])
        outputs = paddle.nn.functional.embedding(words, self.outputs).reshape([blocks, -1, config.vector_size])
        scores = paddle.matmul(inputs, outputs, transpose_y=True)  # [blocks, contexts, words + noise]
        pairs = pair_weights(batch.left, batch.right, config.window, config.negative)
        weights = paddle.to_tensor(pairs)
        slopes = pair_slopes(scores, weights, num_words) * -learning_rate
        # Scaling scores scales the rows of the product, and is less work: there are fewer words than dimensions.
        input_scales = paddle.to_tensor(self._scales(batch.contexts, pairs.sum(axis=2))[:, :, None])
        output_scales = paddle.to_tensor(self._scales(output_ids, pairs.sum(axis=1))[:, None, :])
        input_steps = paddle.matmul(slopes * input_scales, outputs)
        output_steps = paddle.matmul(slopes * output_scales, inputs, transpose_x=True)
        paddle.index_add_(self.inputs, contexts, 0, input_steps.reshape([-1, config.vector_size]))
        paddle.index_add_(self.outputs, words, 0, output_steps.reshape([-1, config.vector_size]))
        return pair_loss(scores, weights, num_words) if with_loss else None

    def _scales(self, ids: Ids, pairs: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """By what each place's step is scaled: 1, or less for a word of which the batch has too many pairs."""
        _, which = np.unique(ids, return_inverse=True)
        of_word = np.bincount(which.reshape(-1), weights=pairs.reshape(-1))[which]
        return np.asarray(self._limit / np.maximum(of_word, self._limit), np.float32).reshape(ids.shape)


def train_skipgram(
    shards: Sequence[PathLike],
    config: SkipGramConfig | None = None,
    *,
    vocabulary: Vocabulary | None = None,
    progress: bool = True,
) -> WordVectors:
    """Train word vectors on segmented shards: a sentence a line, words separated by spaces.

    The text is held in memory, 4 bytes a word. On a CPU the same seed and threads give the same vectors to the bit.

    Args:
        shards: files, such as `elmo preprocess` makes.
        config: see `SkipGramConfig`.
        vocabulary: words to use instead of those that occur `min_count` times, for instance a biLM's.
        progress: show a bar on standard error if that is a terminal.

    Raises:
        InputError: a shard can't be read, or the text has too few words.
        RunError: the loss is not finite.
    """
    config = config or SkipGramConfig()
    if vocabulary is None:
        vocabulary = _count_vocabulary(shards, config)
    words, starts = _read_ids(shards, vocabulary)
    counts = np.bincount(words, minlength=len(vocabulary))
    rng = np.random.default_rng(config.seed)
    model = SkipGram(counts, config, rng)
    total = config.epochs * len(words)
    with _progress_bar(progress, total) as advance, paddle.no_grad():
        for step, (batch, done) in enumerate(_batches(words, starts, counts, model, rng), start=1):
            rate = config.learning_rate - (config.learning_rate - config.min_learning_rate) * done / total
            loss = model.step(batch, rate, with_loss=step % _LOSS_INTERVAL == 1)
            if loss is None:
                continue
            if not math.isfinite(loss):
                raise RunError(f"the loss is {loss} at step {step}: lower learning_rate ({config.learning_rate:g})")
            advance(done, f"loss {loss:.3f}")
    vectors = model.inputs.numpy()
    if not np.isfinite(vectors).all():
        raise RunError(f"a vector is not finite at step {step}: lower learning_rate ({config.learning_rate:g})")
    vectors[counts == 0] = 0
    provenance = {"shards": [os.path.basename(shard) for shard in shards], "words": len(words)}
    return WordVectors(vocabulary, vectors, config, provenance)


def _count_vocabulary(shards: Sequence[PathLike], config: SkipGramConfig) -> Vocabulary:
    counts = count_words(shards)
    vocabulary = Vocabulary.from_counts(counts, config.min_count)
    if len(vocabulary) < len(SPECIAL_TOKENS) + 2:
        raise InputError(
            f"{shards[0]}: of {len(counts)} different words in {len(shards)} shards, "
            f"{len(vocabulary) - len(SPECIAL_TOKENS)} occur min_count ({config.min_count}) times: "
            "give more text or a smaller min_count"
        )
    return vocabulary


def _read_ids(shards: Sequence[PathLike], vocabulary: Vocabulary) -> tuple[npt.NDArray[np.int32], Ids]:
    """All words that are in the vocabulary, end to end, and the places where sentences begin and the last one ends."""
    specials = set(vocabulary.encode(SPECIAL_TOKENS))
    sentences = []
    for sentence in read_sentences(shards):
        ids = [word_id for word_id in vocabulary.encode(sentence) if word_id not in specials]
        sentences.append(np.array(ids, dtype=np.int32))
    lengths = np.array([len(ids) for ids in sentences], dtype=np.int64)
    if lengths.max(initial=0) < 2:
        raise InputError(
            f"{', '.join(map(str, shards[:3])) or 'no shards'}: no sentence has two words of the vocabulary "
            f"({len(vocabulary)} tokens): give segmented text, a sentence a line, words separated by spaces"
        )
    return np.concatenate(sentences), np.concatenate([[0], np.cumsum(lengths)])


def _batches(
    words: npt.NDArray[np.int32], starts: Ids, counts: Ids, model: SkipGram, rng: np.random.Generator
) -> Iterator[tuple[PairBatch, int]]:
    """Batches of all epochs, each with the number of words read before it; chunks and their blocks are shuffled."""
    config = model.config
    keep = keep_probability(counts, config.sample)
    noise = np.cumsum(noise_distribution(counts))
    noise /= noise[-1]
    cuts = np.unique(np.searchsorted(starts, [*range(0, len(words), _CHUNK_WORDS), len(words)]))
    done = 0
    for _ in range(config.epochs):
        for chunk in rng.permutation(len(cuts) - 1):
            begins = starts[cuts[chunk] : cuts[chunk + 1] + 1]
            text = words[begins[0] : begins[-1]]
            kept = rng.random(len(text)) < keep[text]
            lengths = np.diff(np.concatenate([[0], np.cumsum(kept)])[begins - begins[0]])
            blocks = make_blocks(text[kept], lengths, config.window, noise, rng)
            order = rng.permutation(len(blocks.words))
            for first in range(0, len(order), model.batch_blocks):
                rows = order[first : first + model.batch_blocks]
                batch = PairBatch(*(getattr(blocks, field.name)[rows] for field in dataclasses.fields(PairBatch)))
                yield batch, done + len(text) * first // len(order)
            done += len(text)


@contextmanager
def _progress_bar(wanted: bool, total: int) -> Iterator[Callable[[int, str], None]]:
    columns = (
        TextColumn("word2vec"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[status]}", markup=False),
        TimeRemainingColumn(),
    )
    with bar_on_stderr(wanted, *columns) as bar:
        task = bar.add_task("word2vec", total=total, status="")
        yield lambda done, status: bar.update(task, completed=done, status=status)
