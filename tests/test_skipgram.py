"""word2vec: its gradients, what it draws, what it learns, and the vectors on disk."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from elmo import skipgram
from elmo.errors import InputError, RunError
from elmo.models import VOCABULARY_FILE, WEIGHTS_FILE, ModelFiles, write_model
from elmo.runtime import paddle
from elmo.skipgram import (
    BLOCK_WORDS,
    SHARED_NEGATIVES,
    PairBatch,
    SkipGram,
    keep_probability,
    make_blocks,
    noise_distribution,
    pair_loads,
    pair_loss,
    pair_slopes,
    pair_weights,
    train_skipgram,
)
from elmo.text.vocabulary import SPECIAL_TOKENS, Vocabulary
from elmo.word_vectors import SkipGramConfig, WordVectors
from tests.refusals import refusal

TOPICS, WORDS_PER_TOPIC = 2, 20


@pytest.fixture(autouse=True)
def cpu():
    paddle.set_device("cpu")


@pytest.fixture(scope="module")
def topics(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sentences of ten words, each sentence from one of two sets of words: "0_0" .. "0_19" or "1_0" .. "1_19"."""
    generator = np.random.default_rng(0)
    lines = []
    for _ in range(1500):
        topic = generator.integers(TOPICS)
        lines.append(" ".join(f"{topic}_{word}" for word in generator.integers(WORDS_PER_TOPIC, size=10)))
    path = tmp_path_factory.mktemp("topics") / "sentence_file_00000"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def small() -> SkipGramConfig:
    """Settings for the two topics: without subsampling, since every word has a large share of a tiny text."""
    return SkipGramConfig(vector_size=16, sample=0, epochs=2)


@pytest.fixture
def space() -> WordVectors:
    """A space where a capital is its country plus (0, 0, 1), and one word never occurred."""
    words = {
        "法国": [1.0, 0.2, 0.0],
        "巴黎": [1.0, 0.2, 1.0],
        "日本": [0.2, 1.0, 0.0],
        "东京": [0.2, 1.0, 1.0],
        "水": [-1.0, -1.0, 0.0],
        "罕": [0.0, 0.0, 0.0],
    }
    vocabulary = Vocabulary([*SPECIAL_TOKENS, *words])
    return WordVectors(vocabulary, np.array([[0.0] * 3] * 3 + list(words.values()), np.float32))


def text(folder: Path, content: str) -> Path:
    path = folder / "sentence_file_00000"
    path.write_text(content, encoding="utf-8")
    return path


# --- the update ---


def test_slopes_are_the_derivative_of_the_formula():
    """Autograd of -log s(c w) - negative * mean over noise n of log s(-c n), summed over pairs, in float64."""
    generator = np.random.default_rng(1)
    blocks, num_words, window, negative = 2, 5, 2, 3
    scores = paddle.to_tensor(generator.normal(size=(blocks, num_words + 2 * window, num_words + SHARED_NEGATIVES)))
    left, right = generator.integers(window + 1, size=(2, blocks, num_words))
    weights = paddle.to_tensor(pair_weights(left, right, window, negative)).astype("float64")
    pairs = weights[..., :num_words]
    scores.stop_gradient = False
    log_sigmoid = paddle.nn.functional.log_sigmoid
    noise = log_sigmoid(-scores[..., num_words:]).mean(axis=-1, keepdim=True)
    loss = -(pairs * (log_sigmoid(scores[..., :num_words]) + negative * noise)).sum()
    loss.backward()
    with paddle.no_grad():
        slopes = pair_slopes(scores, weights, num_words)
        mean_loss = pair_loss(scores, weights, num_words)
    assert float(pairs.sum()) == left.sum() + right.sum()
    np.testing.assert_allclose(slopes, scores.grad, rtol=1e-6, atol=1e-12)  # weights are float32: 3/32 is exact
    assert mean_loss == pytest.approx(float(loss) / float(pairs.sum()), rel=1e-6)


def test_a_step_is_one_of_gradient_descent(small):
    """Compared with autograd through look-ups, so that words that occur twice sum their gradients."""
    generator = np.random.default_rng(2)
    # With so low a rate a batch may have many pairs of a word before the word's rate is scaled.
    config = dataclasses.replace(small, batch_words=2 * BLOCK_WORDS, learning_rate=1e-3)
    model = SkipGram(np.full(1000, 10), config, generator)
    model.outputs = paddle.to_tensor(generator.normal(size=(1000, 16)).astype("float32"))
    text_ids = generator.integers(40, size=2 * BLOCK_WORDS).astype(np.int32)
    batch = make_blocks(text_ids, np.array([20, 44]), config.window, np.linspace(0.05, 1, 20), generator)
    tables = [paddle.to_tensor(table.numpy(), stop_gradient=False) for table in (model.inputs, model.outputs)]
    inputs = paddle.nn.functional.embedding(paddle.to_tensor(batch.contexts), tables[0])
    words = np.concatenate([batch.words, batch.noise], axis=1)
    outputs = paddle.nn.functional.embedding(paddle.to_tensor(words), tables[1])
    scores = paddle.matmul(inputs, outputs, transpose_y=True)
    weights = paddle.to_tensor(pair_weights(batch.left, batch.right, config.window, config.negative))
    signs = paddle.to_tensor(np.repeat([-1.0, 1.0], [BLOCK_WORDS, SHARED_NEGATIVES]).astype("float32"))
    (paddle.nn.functional.softplus(scores * signs) * weights).sum().backward()
    with paddle.no_grad():
        loss = model.step(batch, 0.01, with_loss=True)
    assert loss is not None
    assert np.isfinite(loss)
    for table, moved in zip(tables, (model.inputs, model.outputs), strict=True):
        expected = table.numpy() - 0.01 * table.grad.numpy()
        np.testing.assert_allclose(moved.numpy(), expected, rtol=1e-4, atol=1e-6)  # float32, summed in other orders


def test_a_step_moves_only_the_words_of_its_batch(small):
    counts = np.full(100, 10)
    model = SkipGram(counts, small, np.random.default_rng(0))
    before = model.inputs.numpy(), model.outputs.numpy()
    noise = np.full((1, SHARED_NEGATIVES), 30)
    contexts = np.arange(BLOCK_WORDS + 2 * small.window)[None] % 20
    reach = np.full((1, BLOCK_WORDS), 2)
    batch = PairBatch(contexts, contexts[:, small.window :][:, :BLOCK_WORDS], noise, reach, reach)
    with paddle.no_grad():
        for _ in range(2):  # in the first step outputs are zero, so that inputs have no gradient
            model.step(batch, 0.1)
    moved = [
        np.flatnonzero((new.numpy() != old).any(axis=1))
        for new, old in zip((model.inputs, model.outputs), before, strict=True)
    ]
    assert moved[0].tolist() == list(range(20))
    assert moved[1].tolist() == [*range(20), 30]


@pytest.mark.parametrize("places", [1, 4, BLOCK_WORDS])
def test_a_word_takes_the_sum_of_its_steps_unless_the_batch_has_too_many(small, places):
    """One word with three pairs a place, of itself and itself, compared with a sum by hand."""
    model = SkipGram(np.full(3, 1000), dataclasses.replace(small, window=2), np.random.default_rng(0))
    model.outputs = paddle.to_tensor(np.random.default_rng(1).normal(size=(3, 16)).astype("float32"))
    inputs, outputs = model.inputs.numpy().astype(float), model.outputs.numpy().astype(float)
    left, right = np.full((2, 1, BLOCK_WORDS), -1)
    left[0, :places], right[0, :places] = 2, 1
    contexts = np.ones((1, BLOCK_WORDS + 4), np.int64)
    batch = PairBatch(contexts, contexts[:, 2:-2], np.full((1, SHARED_NEGATIVES), 2), left, right)
    with paddle.no_grad():
        model.step(batch, 0.1)
    slope_positive = 1 / (1 + np.exp(-inputs[1] @ outputs[1])) - 1
    slope_noise = small.negative / (1 + np.exp(-inputs[1] @ outputs[2]))
    whole = -0.1 * 3 * places * (slope_positive * outputs[1] + slope_noise * outputs[2])
    pairs = 3 * places * (1 + small.negative)  # noise included; learning_rate * pairs may be 2 at most
    scale = min(1.0, 2 / small.learning_rate / pairs)
    np.testing.assert_allclose(model.inputs.numpy()[1], inputs[1] + scale * whole, rtol=1e-4)  # float32


# --- what is drawn ---


def test_subsampling_keeps_what_word2vec_keeps():
    """Checked by hand for shares of 1%, 0.1% and 0.01% and t = 0.001."""
    counts = np.array([1000, 100, 10, 100_000 - 1110])
    kept = keep_probability(counts, 1e-3)
    assert kept[0] == pytest.approx((10**0.5 + 1) / 10)
    assert kept[1:3].tolist() == [1, 1]
    assert keep_probability(counts, 0).tolist() == [1] * 4
    assert keep_probability([0, 5], 1e-3)[0] == 1


def test_subsampling_and_noise_are_gensims(topics):
    from gensim.models.word2vec import Word2Vec

    sentences = [line.split()[: index % 10 + 1] for index, line in enumerate(topics.read_text().splitlines())]
    model = Word2Vec(sentences, vector_size=2, min_count=1, sample=1e-2, epochs=1, workers=1)
    words = model.wv.index_to_key
    counts = [model.wv.get_vecattr(word, "count") for word in words]
    gensim_keep = [model.wv.get_vecattr(word, "sample_int") / 2**32 for word in words]
    np.testing.assert_allclose(keep_probability(counts, 1e-2), gensim_keep, atol=1e-6)  # gensim keeps 32 bits
    gensim_noise = np.diff(model.cum_table, prepend=0) / model.cum_table[-1]
    np.testing.assert_allclose(noise_distribution(counts), gensim_noise, atol=1e-6)  # gensim keeps 31 bits


def test_noise_words_are_drawn_by_the_three_quarters_power():
    counts = np.array([0, 1, 16, 81, 0])
    noise = np.cumsum(noise_distribution(counts))
    words = np.zeros(100_000, np.int32)
    drawn = make_blocks(words, np.array([len(words)]), 5, noise, np.random.default_rng(0)).noise
    shares = np.bincount(drawn.reshape(-1), minlength=5) / drawn.size
    # 100,000 draws: the standard deviation of a share is at most 0.0016, five of them are allowed.
    np.testing.assert_allclose(shares, np.array([0, 1, 8, 27, 0]) / 36, atol=0.008)
    assert shares[0] == shares[4] == 0


def test_reach_is_drawn_evenly():
    words = np.zeros(60_000, np.int32)
    blocks = make_blocks(words, np.array([len(words)]), 5, np.ones(1), np.random.default_rng(0))
    inner = blocks.left.reshape(-1)[5 : len(words) - 5]
    shares = np.bincount(inner.astype(int), minlength=6) / len(inner)
    np.testing.assert_allclose(shares, [0, *[0.2] * 5], atol=0.008)  # five standard deviations of 0.0016


@settings(max_examples=30)
@given(st.lists(st.integers(0, 80), min_size=1, max_size=8), st.integers(1, 3), st.integers(0, 99))
def test_pairs_are_the_neighbours_within_the_sentence(lengths, window, seed):
    """Each word of the text has an id of its own, so that pairs can be compared with those of a plain loop."""
    generator = np.random.default_rng(seed)
    count = sum(lengths)
    blocks = make_blocks(np.arange(count, dtype=np.int32), np.array(lengths), window, np.ones(1), generator)
    found = set()
    if count:
        weights = pair_weights(blocks.left, blocks.right, window, 1)[..., :BLOCK_WORDS]
        for block, context, word in np.argwhere(weights):
            found.add((int(blocks.contexts[block, context]), int(blocks.words[block, word])))
    left, right = blocks.left.reshape(-1), blocks.right.reshape(-1)
    expected, begin = set(), 0
    for length in lengths:
        for place in range(begin, begin + length):
            assert left[place] <= min(window, place - begin)
            assert right[place] <= min(window, begin + length - 1 - place)
            reached = range(int(place - left[place]), int(place + right[place]) + 1)
            expected |= {(other, place) for other in reached if other != place}
        begin += length
    assert found == expected
    if window == 1:  # reach can only be 1: all neighbours are pairs
        assert len(found) == sum(2 * max(length - 1, 0) for length in lengths)


def test_expected_pairs_are_those_that_occur():
    """Counted over the batches of a text whose words are drawn one by one."""
    config = SkipGramConfig(vector_size=1, window=3, negative=4, sample=1e-2)
    generator = np.random.default_rng(0)
    words = generator.choice(50, size=200_000, p=1 / np.arange(1, 51) / (1 / np.arange(1, 51)).sum()).astype(np.int32)
    counts = np.bincount(words)
    kept = words[generator.random(len(words)) < keep_probability(counts, config.sample)[words]]
    noise = np.cumsum(noise_distribution(counts))
    blocks = make_blocks(kept, np.array([len(kept)]), config.window, noise, generator)
    weights = pair_weights(blocks.left, blocks.right, config.window, config.negative)
    pairs, noise_weights = np.split(weights, [BLOCK_WORDS], axis=2)
    as_input = np.bincount(blocks.contexts.reshape(-1), pairs.sum(axis=2).reshape(-1)) * (1 + config.negative)
    as_word = np.bincount(blocks.words.reshape(-1), pairs.sum(axis=1).reshape(-1))
    as_noise = np.bincount(blocks.noise.reshape(-1), noise_weights.sum(axis=1).reshape(-1))
    input_loads, output_loads = pair_loads(counts, config)
    # The rarest of 50 words occurs some 900 times, so its share is known to about 3%; five of those are allowed.
    np.testing.assert_allclose(as_input / len(kept), input_loads, rtol=0.15)
    np.testing.assert_allclose((as_word + as_noise) / len(kept), output_loads, rtol=0.15)


@pytest.mark.parametrize("chunk_words", [10, 1 << 20])
def test_an_epoch_reads_every_word_once_and_the_next_in_another_order(small, monkeypatch, chunk_words):
    """Sentences of 0 to 39 words, of which the last is empty; a chunk holds whole sentences."""
    monkeypatch.setattr(skipgram, "_CHUNK_WORDS", chunk_words)
    lengths = [*range(40), 0]
    starts = np.concatenate([[0], np.cumsum(lengths)])
    words = np.arange(starts[-1], dtype=np.int32)
    generator = np.random.default_rng(0)
    model = SkipGram(np.ones(len(words)), dataclasses.replace(small, batch_words=64), generator)
    batches = list(skipgram._batches(words, starts, np.ones(len(words)), model, generator))
    read = np.concatenate([batch.words[batch.left >= 0] for batch, _ in batches])
    assert sorted(read[: len(words)]) == words.tolist()
    assert sorted(read[len(words) :]) == words.tolist()
    assert read[: len(words)].tolist() != read[len(words) :].tolist()
    done = [words_read for _, words_read in batches]
    assert done[0] == 0
    assert done == sorted(done)
    assert done[-1] < 2 * len(words)
    assert all(len(batch.words) <= 2 for batch, _ in batches)


def test_frequent_words_are_thinned_out_of_the_batches(small):
    generator = np.random.default_rng(0)
    words = np.repeat([0, 1], [1_000, 99_000]).astype(np.int32)
    counts = np.bincount(words)
    model = SkipGram(counts, dataclasses.replace(small, sample=1e-2, epochs=1), generator)
    batches = skipgram._batches(words, np.array([0, len(words)]), counts, model, generator)
    kept = np.bincount(np.concatenate([batch.words[batch.left >= 0] for batch, _ in batches]))
    expected = counts * keep_probability(counts, 1e-2)
    assert kept[0] == 1_000
    assert abs(kept[1] - expected[1]) < 5 * expected[1] ** 0.5  # five standard deviations


# --- training ---


def test_the_learning_rate_falls_linearly_from_the_first_to_the_last_batch(topics, small, monkeypatch):
    rates = []
    monkeypatch.setattr(SkipGram, "step", lambda self, batch, rate, **_: rates.append(rate))
    config = dataclasses.replace(small, learning_rate=0.05, min_learning_rate=0.01)
    train_skipgram([topics], config, progress=False)
    # The last batch begins a batch before the end. Batches are equal but for the last of an epoch.
    np.testing.assert_allclose(rates, np.linspace(0.05, 0.01, len(rates) + 1)[:-1], atol=0.04 / len(rates))


def test_words_of_one_topic_are_nearer_than_words_of_two(topics, small):
    vectors = train_skipgram([topics], small, progress=False)
    within = [vectors.similarity("0_0", f"0_{word}") for word in range(1, WORDS_PER_TOPIC)]
    across = [vectors.similarity("0_0", f"1_{word}") for word in range(WORDS_PER_TOPIC)]
    assert min(within) > max(across) + 0.2
    assert all(word.startswith("1_") for word, _ in vectors.most_similar("1_3", topn=WORDS_PER_TOPIC - 1))


def test_cosines_agree_with_gensims(topics):
    """On words whose topics overlap, so that there is an order to agree on.

    The rank correlation of cosines is 0.988 or more between seeds of gensim, 0.977 or more between ours and gensim's.
    """
    from gensim.models.word2vec import Word2Vec

    generator = np.random.default_rng(0)
    sentences = []
    for _ in range(4000):
        centre = generator.uniform(0, 60)
        sentences.append([str(int(word)) for word in generator.normal(centre, 6, size=12) % 60])
    path = topics.parent / "overlapping"
    path.write_text("\n".join(map(" ".join, sentences)), encoding="utf-8")
    ours = train_skipgram([path], SkipGramConfig(vector_size=32, sample=0, epochs=2), progress=False)
    settings = {"vector_size": 32, "sample": 0, "epochs": 2, "sg": 1, "negative": 5, "window": 5}
    theirs = Word2Vec(sentences, workers=1, seed=1, **settings).wv
    words = list(ours)
    upper = np.triu_indices(len(words), 1)
    rows = [np.array([ours.vector(word) for word in words]), np.array([theirs[word] for word in words])]
    ours_cosines, their_cosines = (np.array(np.corrcoef(row))[upper] for row in rows)
    assert len(words) == 60
    assert spearmanr(ours_cosines, their_cosines).statistic > 0.95


def test_the_same_seed_gives_the_same_bits_and_another_seed_others(topics, small):
    first, second = (train_skipgram([topics], small, progress=False) for _ in range(2))
    other = train_skipgram([topics], dataclasses.replace(small, seed=1), progress=False)
    assert first.vectors.tobytes() == second.vectors.tobytes()
    assert first.vectors.tobytes() != other.vectors.tobytes()


@pytest.mark.parametrize("words", [2, 5])
def test_a_tiny_vocabulary_does_not_diverge(tmp_path, words):
    """Each word stands in a block many times, and the steps of all its pairs are summed."""
    generator = np.random.default_rng(0)
    lines = (" ".join(f"w{word}" for word in generator.integers(words, size=10)) for _ in range(500))
    path = text(tmp_path, "\n".join(lines))
    vectors = train_skipgram([path], SkipGramConfig(vector_size=8, sample=0, epochs=2, window=10), progress=False)
    assert np.abs(vectors.vectors).max() < 10  # where it diverges, numbers exceed 1e6 within some dozen steps


def test_a_word_that_somebody_repeats_for_lines_stays_a_word_like_others(topics, small, tmp_path):
    """Rare in the text as a whole, so that no step of its own is expected to be large, and frequent in a few blocks."""
    lines = topics.read_text().splitlines()
    spam = text(tmp_path, "\n".join([*lines[:700], *[" ".join(["好评"] * 40)] * 3, *lines[700:]]))
    vectors = train_skipgram([spam], dataclasses.replace(small, epochs=5), progress=False)
    lengths = np.linalg.norm([vectors.vector(word) for word in vectors], axis=1)
    assert np.linalg.norm(vectors.vector("好评")) < 3 * np.median(lengths)  # 5 times where only expected pairs count


def test_a_diverging_run_names_the_step_and_the_learning_rate(topics, small, monkeypatch):
    monkeypatch.setattr(skipgram, "_LARGEST_STEP", 1e9)
    config = dataclasses.replace(small, learning_rate=50.0)
    with pytest.raises(RunError, match=r"not finite|loss is (inf|nan) at step \d+: lower learning_rate \(50\)"):
        train_skipgram([topics], config, progress=False)


def test_a_given_vocabulary_decides_the_words(topics, small):
    vocabulary = Vocabulary([*SPECIAL_TOKENS, "0_1", "0_2", "1_1", "1_2", "没有"])
    vectors = train_skipgram([topics], small, vocabulary=vocabulary, progress=False)
    assert vectors.vocabulary == vocabulary
    assert list(vectors) == ["0_1", "0_2", "1_1", "1_2"]
    assert "没有" not in vectors
    assert "<UNK>" not in vectors
    assert len(vectors) == 4


def test_words_rarer_than_min_count_have_no_vector(tmp_path, small):
    path = text(tmp_path, "多 多 多 两 两 一\n" * 2)
    vectors = train_skipgram([path], dataclasses.replace(small, min_count=4), progress=False)
    assert list(vectors) == ["多", "两"]


def test_provenance_says_what_was_read(topics, small):
    vectors = train_skipgram([topics, topics], small, progress=False)
    assert vectors.provenance == {"shards": [topics.name] * 2, "words": 30_000}
    assert vectors.config == small


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "of 0 different words in 1 shards, 0 occur min_count"),
        ("一 二 三 四 五\n", r"of 5 different words in 1 shards, 0 occur min_count \(5\) times: give more text"),
        ("一\n" * 9 + "二\n" * 9, "no sentence has two words of the vocabulary"),
    ],
)
def test_a_text_with_too_few_words_is_refused(tmp_path, content, message):
    path = text(tmp_path, content)
    said = refusal(train_skipgram, [path], progress=False)
    assert re.search(message, said) and str(path) in said


def test_missing_shards_are_refused(tmp_path):
    with pytest.raises(InputError, match="no shards"):
        train_skipgram([], progress=False)
    with pytest.raises(InputError, match=r"missing: (cannot|can't) be read"):
        train_skipgram([tmp_path / "missing"], progress=False)
    with pytest.raises(InputError, match="no shards"):
        train_skipgram([], vocabulary=Vocabulary([*SPECIAL_TOKENS, "一"]), progress=False)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"vector_size": 0}, "vector_size is 0"),
        ({"window": 1.5}, r"window is 1\.5"),
        ({"epochs": True}, "epochs is True"),
        ({"sample": -1.0}, r"sample is -1\.0"),
        ({"learning_rate": float("nan")}, "learning_rate is nan"),
        ({"learning_rate": 0.0, "min_learning_rate": 0.0}, "learning_rate is 0 and min_learning_rate 0"),
        ({"learning_rate": 0.01, "min_learning_rate": 0.02}, "not below the second"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        SkipGramConfig(**settings)


# --- the vectors ---


def test_a_word_is_most_similar_to_itself_and_then_to_its_neighbours(space):
    assert space.similarity("法国", "法国") == pytest.approx(1)
    assert space.similarity("法国", "水") == pytest.approx(-1.2 / (1.04 * 2) ** 0.5)
    words = [word for word, _ in space.most_similar("法国")]
    assert words == ["巴黎", "日本", "东京", "水"]  # neither itself nor a token without a vector
    assert space.most_similar("法国", topn=1) == [("巴黎", pytest.approx(1.04 / (1.04 * 2.04) ** 0.5))]


def test_most_similar_sums_unit_vectors(space):
    [(word, cosine)] = space.most_similar(["法国", "日本"], negative="水", topn=1)
    units = space.vectors / np.maximum(np.linalg.norm(space.vectors, axis=1, keepdims=True), 1e-9)
    target = units[3] + units[5] - units[7]
    expected = units @ target / np.linalg.norm(target)
    assert word in ("巴黎", "东京")
    assert cosine == pytest.approx(max(expected[[4, 6]]), rel=1e-6)


def test_an_analogy_is_answered_by_the_fourth_word(space):
    assert space.analogy("法国", "巴黎", "日本")[0][0] == "东京"
    assert space.analogy("日本", "东京", "法国", topn=1)[0][0] == "巴黎"


def test_what_has_no_vector_is_refused_by_name(space):
    for call in (lambda: space.vector("猫"), lambda: space.most_similar("罕"), lambda: space.similarity("水", "<UNK>")):
        with pytest.raises(InputError, match=r"'(猫|罕|<UNK>)' has no vector"):
            call()
    with pytest.raises(InputError, match="there is no word to compare with"):
        space.most_similar([])
    with pytest.raises(InputError, match="topn is 0"):
        space.most_similar("水", topn=0)
    assert 7 not in space


def test_vectors_of_another_number_of_words_are_refused():
    with pytest.raises(InputError, match=r"shape \[2, 8\] for a vocabulary of 4 tokens"):
        WordVectors(Vocabulary([*SPECIAL_TOKENS, "一"]), np.zeros((2, 8), np.float32))


# --- on disk ---


def test_what_is_saved_is_what_is_loaded(space, tmp_path):
    space.provenance = {"shards": ["文本"]}
    space.save(tmp_path / "vectors")
    loaded = WordVectors.load(tmp_path / "vectors")
    assert loaded.vectors.tobytes() == space.vectors.tobytes()
    assert loaded.vocabulary == space.vocabulary
    assert loaded.config == space.config
    assert loaded.provenance == space.provenance
    assert [path.name for path in tmp_path.iterdir()] == ["vectors"]


def test_vectors_on_disk_are_replaced_only_on_demand(space, tmp_path):
    space.save(tmp_path / "vectors")
    with pytest.raises(InputError, match="exists already"):
        space.save(tmp_path / "vectors")
    space.save(tmp_path / "vectors", overwrite=True)


def damage_by_removal(folder: Path) -> None:
    (folder / WEIGHTS_FILE).unlink()


def damage_by_truncation(folder: Path) -> None:
    data = (folder / WEIGHTS_FILE).read_bytes()
    (folder / WEIGHTS_FILE).write_bytes(data[:-10])


def damage_by_a_word_less(folder: Path) -> None:
    lines = (folder / VOCABULARY_FILE).read_text(encoding="utf-8").splitlines()
    (folder / VOCABULARY_FILE).write_text("\n".join(lines[:-1]), encoding="utf-8")


def damage_by_other_words(folder: Path) -> None:
    vocabulary = (folder / VOCABULARY_FILE).read_text(encoding="utf-8")
    (folder / VOCABULARY_FILE).write_text(vocabulary.replace("水", "火"), encoding="utf-8")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (damage_by_removal, "is missing"),
        (damage_by_truncation, "truncated"),
        (damage_by_a_word_less, "not the vocabulary"),
        (damage_by_other_words, "not the vocabulary"),
    ],
)
def test_damaged_vectors_are_refused_in_one_line(space, tmp_path, damage, message):
    space.save(tmp_path / "vectors")
    damage(tmp_path / "vectors")
    assert re.search(message, refusal(WordVectors.load, tmp_path / "vectors"))


@pytest.mark.parametrize(
    ("config", "arrays", "message"),
    [
        (
            {"vector_size": 4},
            {"vectors": np.zeros((9, 3))},
            r"configuration says vector_size 4, vectors has shape \[9, 3\]",
        ),
        ({"vector_size": 3}, {"vectors": np.zeros((8, 3))}, r"vectors has shape \[8, 3\]"),
        ({"vector_size": 3}, {}, "all its parameters together have 0 numbers"),
        ({"vector_size": -3}, {"vectors": np.zeros((9, 3))}, "configuration says vector_size -3"),
        ({"sizes": 3}, {"vectors": np.zeros((9, 3))}, "configuration is damaged"),
    ],
)
def test_a_directory_whose_parts_disagree_is_refused(space, tmp_path, config, arrays, message):
    write_model(tmp_path / "vectors", ModelFiles("skipgram", config, space.vocabulary, arrays))
    with pytest.raises(InputError, match=message):
        WordVectors.load(tmp_path / "vectors")


def test_another_kind_of_model_is_refused(space, tmp_path):
    write_model(tmp_path / "model", ModelFiles("bilm", {}, space.vocabulary, {}))
    with pytest.raises(InputError, match="holds a bilm model where a skipgram model is needed"):
        WordVectors.load(tmp_path / "model")
