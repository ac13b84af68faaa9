"""Batches of a biLM: every sentence once, both directions aligned, streams that go on where they stopped."""

from __future__ import annotations

import gc
import io
import os
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elmo.errors import InputError
from elmo.text.batches import Batch, Order, Position, SentenceIds, Streams
from elmo.text.batches.read_ahead import ReadAhead
from elmo.text.shards import find_shards, read_lines, read_sentences
from elmo.text.vocabulary import Vocabulary
from tests.refusals import refusal

# Ids of the special tokens are not 0, 1, 2 here: nothing may take that for granted.
VOCABULARY = Vocabulary([*"山水风雨", "</S>", "<UNK>", *"花木鱼鸟", "<S>"])
BOS, EOS = VOCABULARY.bos_id, VOCABULARY.eos_id
SENTENCES = st.lists(st.lists(st.sampled_from([0, 1, 2, 3, 5, 6, 7, 8, 9]), min_size=1, max_size=9), max_size=12)


class InMemory:
    """A corpus of given sentences, as far as streams need one."""

    def __init__(self, sentences: list[list[int]]) -> None:
        self.sentences, self.vocabulary = sentences, VOCABULARY

    def __len__(self) -> int:
        return len(self.sentences)

    def length(self, index: int) -> int:
        return len(self.sentences[index])

    def __getitem__(self, index: int) -> np.ndarray:
        return np.array(self.sentences[index], np.int32)

    def batches(self, batch_size, num_steps, seed=None, **more) -> Streams:
        return SentenceIds.batches(self, batch_size, num_steps, seed, **more)  # type: ignore[arg-type]


def batches_of(sentences: list[list[int]], batch_size: int, num_steps: int) -> list[Batch]:
    return list(InMemory(sentences).batches(batch_size, num_steps))


def rows_joined(batches: list[Batch]) -> list[dict[str, list[int]]]:
    """What each stream read over all batches, without what is masked."""
    rows = []
    for row in range(batches[0].mask.shape[0]):
        read = {}
        for name in ("forward_ids", "forward_targets", "backward_ids", "backward_targets"):
            read[name] = [int(i) for batch in batches for i in getattr(batch, name)[row][batch.mask[row]]]
        rows.append(read)
    return rows


def split_at(tokens: list[int], boundary: int) -> list[list[int]]:
    """Sentences of a stream whose every sentence ends with a boundary."""
    sentences: list[list[int]] = [[]]
    for token in tokens:
        if token == boundary:
            sentences.append([])
        else:
            sentences[-1].append(token)
    assert sentences.pop() == [], "a stream ends within a sentence"
    return sentences


@given(SENTENCES, st.integers(1, 5), st.integers(1, 7))
@settings(max_examples=200)
def test_any_corpus_is_read_once_and_aligned(sentences, batch_size, num_steps):
    batches = batches_of(sentences, batch_size, num_steps)
    assert sum(batch.num_tokens for batch in batches) == sum(len(sentence) + 1 for sentence in sentences)
    if not sentences:
        assert batches == []
        return
    seen: list[tuple[int, ...]] = []
    for stream in rows_joined(batches):
        forward = split_at(stream["forward_targets"], EOS)
        backward = split_at(stream["backward_targets"], BOS)
        assert [sentence[::-1] for sentence in backward] == forward, "both directions are at the same sentences"
        assert stream["forward_ids"] == [i for sentence in forward for i in (BOS, *sentence)]
        assert stream["backward_ids"] == [i for sentence in backward for i in (EOS, *sentence)]
        seen += [tuple(sentence) for sentence in forward]
    assert Counter(seen) == Counter(tuple(sentence) for sentence in sentences)
    for batch in batches:
        assert batch.mask.shape == (batch_size, num_steps)
        assert batch.mask.any()
        assert (np.sort(batch.mask, axis=1)[:, ::-1] == batch.mask).all(), "a stream never goes on behind a gap"
        for name in ("forward_ids", "forward_targets", "backward_ids", "backward_targets"):
            ids = getattr(batch, name)
            assert ids.shape == batch.mask.shape
            assert ids.dtype == np.int64
            assert ids.min() >= 0
            assert ids.max() < len(VOCABULARY), "also where it is masked, an id can be looked up"


def test_a_stream_takes_the_next_sentence_that_no_stream_has_read():
    first, second = batches_of([[0, 1], [2], [3, 6, 7]], batch_size=2, num_steps=4)
    assert first.forward_ids.tolist() == [[BOS, 0, 1, BOS], [BOS, 3, 6, 7]]  # stream 0 takes 风 before stream 1 begins
    assert first.forward_targets.tolist() == [[0, 1, EOS, 2], [3, 6, 7, EOS]]
    assert first.backward_ids.tolist() == [[EOS, 1, 0, EOS], [EOS, 7, 6, 3]]
    assert first.backward_targets.tolist() == [[1, 0, BOS, 2], [7, 6, 3, BOS]]
    assert second.mask.tolist() == [[True, False, False, False], [False] * 4]
    assert (second.forward_ids[0, 0], second.forward_targets[0, 0]) == (2, EOS)
    assert (second.backward_ids[0, 0], second.backward_targets[0, 0]) == (2, BOS)


def test_targets_are_the_inputs_one_step_ahead_within_a_sentence():
    (batch,) = batches_of([[0, 1, 2, 3]], batch_size=1, num_steps=5)
    assert batch.ended.tolist() == [True]
    assert batch.forward_ids[0].tolist() == [BOS, 0, 1, 2, 3]
    assert batch.forward_targets[0].tolist() == [0, 1, 2, 3, EOS]
    assert batch.backward_ids[0].tolist() == [EOS, 3, 2, 1, 0]
    assert batch.backward_targets[0].tolist() == [3, 2, 1, 0, BOS]


def test_a_sentence_longer_than_a_batch_goes_on_in_the_same_row():
    batches = batches_of([[0, 1, 2, 3, 6, 7, 8], [9]], batch_size=2, num_steps=3)
    assert [batch.forward_ids[0].tolist() for batch in batches] == [[BOS, 0, 1], [2, 3, 6], [7, 8, EOS]]
    assert [batch.mask[0].tolist() for batch in batches] == [[True] * 3, [True] * 3, [True, True, False]]
    assert [batch.backward_ids[0].tolist() for batch in batches][1] == [6, 3, 2]
    assert [int(batch.mask[1].sum()) for batch in batches] == [2, 0, 0]
    assert [batch.ended.tolist() for batch in batches] == [[False, True], [False, True], [True, True]]


def test_more_streams_than_sentences_leave_streams_empty():
    (batch,) = batches_of([[0], [1]], batch_size=4, num_steps=2)
    assert batch.mask.tolist() == [[True, True]] * 2 + [[False, False]] * 2
    assert batch.num_tokens == 4


@pytest.mark.parametrize(("batch_size", "num_steps"), [(0, 3), (2, 0), (-1, 3)])
def test_no_streams_or_no_steps_are_refused(batch_size, num_steps):
    with pytest.raises(InputError, match="give a whole number above 0"):
        batches_of([[0]], batch_size, num_steps)


# Shards


@pytest.fixture
def shards(tmp_path):
    (tmp_path / "sentence_file_0").write_text("山 水\n风 雨 花\n\n", encoding="utf-8")
    (tmp_path / "sentence_file_1").write_bytes("  木 鱼\t鸟  \r\n山 火星\n山".encode())
    return tmp_path


def test_sentences_of_all_shards_become_ids(shards):
    corpus = SentenceIds(f"{shards}/sentence_file_*", VOCABULARY)
    assert len(corpus) == 5
    words = [VOCABULARY.decode(corpus[index]) for index in range(5)]
    assert words == [["山", "水"], ["风", "雨", "花"], ["木", "鱼", "鸟"], ["山", "<UNK>"], ["山"]]
    assert corpus.num_words == 11
    assert corpus.num_targets == 16
    assert [path.name for path in corpus.paths] == ["sentence_file_0", "sentence_file_1"]


def test_without_a_seed_sentences_come_in_the_order_of_the_file(shards):
    corpus = SentenceIds(f"{shards}/*", VOCABULARY)
    (stream,) = rows_joined(list(corpus.batches(1, 4)))
    assert split_at(stream["forward_targets"], EOS) == [corpus[index].tolist() for index in range(5)]


def test_the_seed_decides_the_order(tmp_path):
    (tmp_path / "shard").write_text("\n".join("山水风雨花木鱼鸟"), encoding="utf-8")
    corpus = SentenceIds(tmp_path / "shard", VOCABULARY)

    def order(seed):
        (stream,) = rows_joined(list(corpus.batches(1, 4, (seed,))))
        return split_at(stream["forward_targets"], EOS)

    assert order(1) == order(1)
    assert order(1) != order(2)
    assert sorted(order(1)) == sorted(corpus[index].tolist() for index in range(8))


def test_num_targets_is_what_a_pass_predicts(shards):
    corpus = SentenceIds(f"{shards}/*", VOCABULARY)
    assert sum(batch.num_tokens for batch in corpus.batches(3, 2)) == corpus.num_targets


def test_a_byte_order_mark_is_no_part_of_the_first_word(tmp_path):
    (tmp_path / "shard").write_bytes("\ufeff山 水\n\ufeff风\n".encode())
    assert list(read_sentences([tmp_path / "shard"])) == [["山", "水"], ["\ufeff风"]]
    assert next(read_lines(tmp_path / "shard")) == "山 水"


def test_bytes_that_are_not_utf8_are_named_with_line_and_byte(tmp_path):
    path = tmp_path / "shard"
    path.write_bytes("山 水\n风 ".encode() + b"\xff\n")
    for read in (lambda: list(read_sentences([path])), lambda: list(read_lines(path))):
        assert refusal(read).startswith(f"{path}:2: byte 5 of the line, 0xff, is not UTF-8")


def test_a_missing_or_empty_corpus_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"no such file; give shards made by `elmo preprocess`"):
        SentenceIds(tmp_path / "nothing_*", VOCABULARY)
    os.mkfifo(tmp_path / "pipe")
    for place in (tmp_path / "pipe", "/dev/null"):
        with pytest.raises(InputError, match="is no regular file"):
            SentenceIds(place, VOCABULARY)
    (tmp_path / "blank").write_text(" \n\n", encoding="utf-8")
    with pytest.raises(InputError, match="holds no sentence"):
        SentenceIds(tmp_path / "blank", VOCABULARY)
    with pytest.raises(InputError, match="can't be read"):
        list(read_sentences([tmp_path / "gone"]))


def test_shards_come_in_sorted_order_and_folders_are_passed_over(tmp_path):
    for name in ("b", "a", "c"):
        (tmp_path / name).write_text("山\n", encoding="utf-8")
    (tmp_path / "d").mkdir()
    assert [path.name for path in find_shards(f"{tmp_path}/*")] == ["a", "b", "c"]


def test_a_file_whose_name_looks_like_a_pattern_is_found(tmp_path):
    (tmp_path / "part[1]").write_text("山\n", encoding="utf-8")
    assert find_shards(tmp_path / "part[1]") == [tmp_path / "part[1]"]


def test_lines_keep_everything_but_their_ends(tmp_path, monkeypatch):
    data = " 山 水\r\n\n风\u2028雨\n末".encode()
    (tmp_path / "text").write_bytes(data)
    expected = [" 山 水", "", "风\u2028雨", "末"]
    assert list(read_lines(tmp_path / "text")) == expected
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
    assert list(read_lines("-")) == expected


# The order


@pytest.mark.slow
@given(st.integers(0, 3000), st.integers(0, 2**40), st.integers(1, 700))
@settings(max_examples=100)
def test_a_shuffle_has_every_number_once_however_it_is_asked_for(count, seed, step):
    order = Order(count, (seed,))
    pieces = [order.numbers(start, start + step) for start in range(0, count + step, step)]
    numbers = np.concatenate(pieces)
    assert sorted(numbers.tolist()) == list(range(count))
    assert numbers.tolist() == order.numbers(0, count).tolist()


def test_a_shuffle_leaves_no_trace_of_the_order():
    count = 20_000
    numbers = Order(count, (3, 1)).numbers(0, count)
    assert abs(np.corrcoef(np.arange(count), numbers)[0, 1]) < 5 / count**0.5  # five standard errors
    assert abs(np.corrcoef(numbers[:-1], numbers[1:])[0, 1]) < 5 / count**0.5
    assert (numbers == np.arange(count)).sum() < 10  # one is expected
    other = Order(count, (3, 2)).numbers(0, count)
    assert abs(np.corrcoef(numbers, other)[0, 1]) < 5 / count**0.5


# Going on, and ranks


@given(SENTENCES, st.integers(1, 4), st.integers(1, 6), st.integers(0, 12))
@settings(max_examples=100)
def test_a_position_is_all_that_is_needed_to_go_on(sentences, batch_size, num_steps, stop):
    corpus = InMemory(sentences)
    whole = list(corpus.batches(batch_size, num_steps, (7,)))
    first = corpus.batches(batch_size, num_steps, (7,))
    read = [batch for _, batch in zip(range(stop), first, strict=False)]
    rest = list(corpus.batches(batch_size, num_steps, (7,), position=first.position))
    assert len(read) + len(rest) == len(whole)
    for ours, expected in zip([*read, *rest], whole, strict=True):
        for name in ("forward_ids", "forward_targets", "backward_ids", "backward_targets", "mask"):
            assert (getattr(ours, name) == getattr(expected, name)).all()


@given(SENTENCES, st.integers(1, 3), st.integers(1, 6), st.integers(1, 4))
@settings(max_examples=100)
def test_ranks_together_read_what_one_process_with_all_streams_would(sentences, batch_size, num_steps, world_size):
    corpus = InMemory(sentences)
    joined = list(corpus.batches(batch_size * world_size, num_steps, (5,)))
    parts = [
        list(corpus.batches(batch_size, num_steps, (5,), rank=rank, world_size=world_size))
        for rank in range(world_size)
    ]
    assert {len(part) for part in parts} == {len(joined)}, "no rank waits for another at the end"
    for step, expected in enumerate(joined):
        for name in ("forward_ids", "forward_targets", "backward_ids", "backward_targets", "mask"):
            together = np.concatenate([getattr(part[step], name) for part in parts])
            assert (together == getattr(expected, name)).all()


def test_a_position_of_other_streams_is_refused():
    corpus = InMemory([[0], [1]])
    with pytest.raises(InputError, match="that of 2 streams, not 3"):
        corpus.batches(3, 4, position=corpus.batches(2, 4).position)


# Reading ahead


def test_reading_ahead_gives_the_same_batches_and_positions():
    corpus = InMemory([[0, 1, 2]] * 50)
    plain, ahead = corpus.batches(2, 3), ReadAhead(corpus.batches(2, 3))
    for batch in plain:
        assert (next(ahead).forward_ids == batch.forward_ids).all()
        assert ahead.position.taken == plain.position.taken
        assert (ahead.position.offsets == plain.position.offsets).all()
    assert next(ahead, None) is None
    assert next(ahead, None) is None


def test_what_goes_wrong_while_reading_ahead_is_raised_where_batches_are_asked_for(monkeypatch):
    corpus = InMemory([[0, 1, 2]] * 50)
    monkeypatch.setattr(InMemory, "__getitem__", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        next(ReadAhead(corpus.batches(2, 3)))


@given(SENTENCES.filter(bool), st.integers(1, 14), st.integers(1, 30))
def test_whole_sentences_are_each_read_once_in_both_directions(tmp_path, sentences, batch_size, tokens):
    path = tmp_path / "shard"
    path.write_text("".join(" ".join(VOCABULARY.tokens[i] for i in ids) + "\n" for ids in sentences), encoding="utf-8")
    corpus, seen = SentenceIds(path, VOCABULARY), []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("elmo.text.batches._WHOLE_TOKENS", tokens)
        for batch in corpus.whole_sentences(batch_size):
            rows, longest = batch.mask.shape
            assert rows <= batch_size and (rows == 1 or rows * longest <= tokens)
            assert batch.ended.all()
            for row, mask in enumerate(batch.mask):
                count = int(mask.sum())
                assert mask[:count].all()
                inputs, targets = batch.forward_ids[row, :count].tolist(), batch.forward_targets[row, :count].tolist()
                assert inputs[0] == BOS and targets[-1] == EOS and inputs[1:] == targets[:-1]
                assert batch.backward_ids[row, :count].tolist() == [EOS, *inputs[:0:-1]]
                assert batch.backward_targets[row, :count].tolist() == [*inputs[:0:-1], BOS]
                seen.append(inputs[1:])
    assert sorted(seen) == sorted(sentences)
    lengths = [len(ids) for ids in seen]
    assert lengths == sorted(lengths)


def test_whole_sentences_need_a_batch_size(tmp_path):
    (tmp_path / "shard").write_text("山\n", encoding="utf-8")
    with pytest.raises(InputError, match="batch_size is 0: give a whole number above 0"):
        next(SentenceIds(tmp_path / "shard", VOCABULARY).whole_sentences(0))


class Counting:
    """Streams of a text without end, which count the batches that they were asked for."""

    position = Position(0, np.full(2, -1, np.int64), np.zeros(2, np.int64))

    def __init__(self):
        self.made = 0
        self.batch = next(InMemory([[0, 1, 2]] * 9).batches(2, 3))

    def __iter__(self):
        return self

    def __next__(self):
        self.made += 1
        if self.made > 100_000:
            pytest.fail("nobody wants so many batches")
        return self.batch


def test_reading_ahead_that_is_given_up_makes_no_further_batch():
    streams = Counting()
    ahead = ReadAhead(streams, depth=3)
    for _ in range(5):
        next(ahead)
    ahead.close()
    assert not ahead._thread.is_alive()
    assert streams.made <= 5 + 3 + 1  # returned, ready, and one that waited for room
    assert next(ahead, None) is None
    ahead.close()


def test_reading_ahead_that_is_forgotten_ends_its_thread():
    ahead = ReadAhead(Counting(), depth=1)
    next(ahead)
    thread = ahead._thread
    del ahead
    gc.collect()
    thread.join(60)  # it looks five times a second
    assert not thread.is_alive()
