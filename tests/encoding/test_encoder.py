"""What `elmo.load_pretrained` returns: vectors that depend on the sentence alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import elmo
from elmo.bilm import BiLM
from elmo.bilm_config import BiLMConfig
from elmo.encoding.encoder import Encoder, StatefulEncoder
from elmo.errors import InputError
from elmo.models import write_model
from elmo.runtime import paddle
from elmo.text.segment import get_segmenter
from elmo.text.vocabulary import Vocabulary
from tests.parameters import files_of

WORDS = "我 新 买 了 一 个 苹果 手机 ， 它 很 好 。 昨天 河边 的 风 真 大".split()


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    paddle.seed(5)
    vocabulary = Vocabulary(["<S>", "</S>", "<UNK>", *WORDS])
    model = BiLM(BiLMConfig(len(vocabulary), embed_size=6, hidden_size=10))
    model.eval()
    return Encoder(model, vocabulary, get_segmenter("whitespace"))


def sentences(count: int, seed: int = 11) -> list[list[str]]:
    generator = np.random.default_rng(seed)
    return [list(generator.choice([*WORDS, "生词"], size=generator.integers(1, 40))) for _ in range(count)]


def test_the_result_has_layers_words_and_both_directions(encoder: Encoder) -> None:
    first, second = encoder.encode(["我 买 了 苹果", ["河边"]])
    assert first.shape == (3, 4, 12) and second.shape == (3, 1, 12)
    assert first.dtype == np.float32


def test_a_string_is_segmented_and_a_list_taken_as_it_is(encoder: Encoder) -> None:
    from_string, from_list = encoder.encode(["我 买 了 苹果", ["我", "买", "了", "苹果"]])
    np.testing.assert_allclose(from_string, from_list, atol=1e-6)  # two rows of a product may round differently


@pytest.mark.parametrize(("bad", "named"), [(None, "a sentence is None"), (3, "a sentence is 3"), ([None], "word 0")])
def test_what_is_no_sentence_is_named(encoder: Encoder, bad: object, named: str) -> None:
    with pytest.raises(InputError, match=f"{named}.*give a string, or a list of words"):
        encoder.encode(["我 买", bad])  # type: ignore[list-item]


def test_each_string_of_a_list_is_a_sentence(encoder: Encoder) -> None:
    assert [len(vectors[0]) for vectors in encoder.encode(["我", "苹果 了"])] == [1, 2]
    assert [len(vectors[0]) for vectors in encoder.encode([["我", "苹果"]])] == [2]


def test_neighbours_in_the_call_do_not_change_a_sentence(encoder: Encoder) -> None:
    batch = sentences(50)
    together = encoder.encode(batch)
    for words, vectors in zip(batch, together, strict=True):
        # float32 products of other shapes round differently
        np.testing.assert_allclose(encoder.encode([words])[0], vectors, atol=1e-5)


@pytest.mark.parametrize("batch_size", [1, 3, 7, 1000])
def test_the_batch_size_does_not_change_the_result(encoder: Encoder, batch_size: int) -> None:
    batch = sentences(40, seed=3)
    for ours, reference in zip(encoder.encode(batch, batch_size=batch_size), encoder.encode(batch), strict=True):
        np.testing.assert_allclose(ours, reference, atol=1e-5)


def test_nothing_is_left_over_between_calls(encoder: Encoder) -> None:
    sentence = [["我", "新", "买", "了", "苹果"]]
    before = encoder.encode(sentence)[0]
    encoder.encode(sentences(20))
    np.testing.assert_array_equal(encoder.encode(sentence)[0], before)


def test_one_word_has_two_vectors_in_two_sentences_but_one_word_vector(encoder: Encoder) -> None:
    first, second = encoder.encode(["我 买 了 苹果", "苹果 手机 很 好"])
    np.testing.assert_array_equal(first[0, 3], second[0, 0])
    for layer in (1, 2):
        assert np.abs(first[layer, 3] - second[layer, 0]).max() > 1e-4


def test_the_stream_gives_words_and_vectors_in_order_over_many_batches(encoder: Encoder) -> None:
    batch = sentences(150, seed=8)
    pairs = list(encoder.encode_stream(iter(batch), batch_size=2))  # 64 batches of 2 are read ahead at a time
    assert [words for words, _ in pairs] == batch
    np.testing.assert_allclose(pairs[140][1], encoder.encode([batch[140]])[0], atol=1e-5)


def test_a_sentence_without_words_gives_no_vectors(encoder: Encoder) -> None:
    empty, blank, full = encoder.encode(["", [], "我"])
    assert empty.shape == blank.shape == (3, 0, 12) and full.shape == (3, 1, 12)


def test_no_sentences_give_an_empty_list(encoder: Encoder) -> None:
    assert encoder.encode([]) == []


def test_unknown_words_have_the_vector_of_unk(encoder: Encoder) -> None:
    known, unknown = encoder.encode([["<UNK>", "风"], ["鹿茸", "风"]])
    np.testing.assert_array_equal(known, unknown)


@pytest.mark.parametrize(
    ("sentences", "message"), [("我 买 了 苹果", r"encode\(\[sentence\]\)"), ([["我", 3]], "word 1 of a sentence is 3")]
)
def test_what_is_no_sentence_is_refused(encoder: Encoder, sentences: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        encoder.encode(sentences)  # type: ignore[arg-type]  # that is the point


def test_a_batch_size_of_zero_is_refused(encoder: Encoder) -> None:
    with pytest.raises(InputError, match="batch_size is 0"):
        encoder.encode(["我"], batch_size=0)


def test_a_saved_model_encodes_as_before(encoder: Encoder, tmp_path: Path) -> None:
    write_model(tmp_path / "model", files_of(encoder.model, encoder.vocabulary, {"text": "none"}))
    loaded = elmo.load_pretrained(tmp_path / "model", segmenter="whitespace")
    np.testing.assert_array_equal(loaded.encode(["我 买 了 苹果"])[0], encoder.encode(["我 买 了 苹果"])[0])
    assert loaded.provenance == {"text": "none"}


def test_an_unknown_name_lists_the_models_that_come_with_the_project() -> None:
    with pytest.raises(InputError, match="elmo-zh-small"):
        elmo.load_pretrained("elmo-zh-nonexistent")


# The hole: what both readers know of a place before they read the word there

SIDES = {"left": slice(0, 6), "right": slice(6, 12)}  # halves of a vector: the reader from the left, from the right


def test_the_hole_holds_what_was_read_up_to_the_word_before_and_back_to_the_word_behind(encoder: Encoder) -> None:
    # The reference: read the two sides of the word alone, as sentences of their own, and take where each reader ends.
    words = ["我", "新", "买", "了", "苹果", "。"]
    hole = encoder.encode([words], positions="hole")[0]
    assert hole.shape == (3, 6, 12) and hole.dtype == np.float32
    for place in range(1, 5):
        before, behind = encoder.encode([words[:place], words[place + 1 :]])
        np.testing.assert_allclose(hole[:, place, SIDES["left"]], before[:, -1, SIDES["left"]], atol=1e-6)
        np.testing.assert_allclose(hole[:, place, SIDES["right"]], behind[:, 0, SIDES["right"]], atol=1e-6)


def test_at_the_ends_the_hole_holds_what_a_reader_knows_once_it_has_read_the_boundary(encoder: Encoder) -> None:
    hole = encoder.encode([["我", "买", "了"]], positions="hole")[0]
    model, vocabulary = encoder.model, encoder.vocabulary
    with paddle.no_grad():
        left, right, _ = model(paddle.to_tensor([[vocabulary.bos_id]]), paddle.to_tensor([[vocabulary.eos_id]]))
    table = model.embedding_para.numpy()
    expected_left = np.stack([table[vocabulary.bos_id], *(layer.numpy()[0, 0] for layer in left)])
    expected_right = np.stack([table[vocabulary.eos_id], *(layer.numpy()[0, 0] for layer in right)])
    np.testing.assert_allclose(hole[:, 0, SIDES["left"]], expected_left, atol=1e-6)
    np.testing.assert_allclose(hole[:, -1, SIDES["right"]], expected_right, atol=1e-6)


def test_another_word_in_the_hole_changes_its_own_vector_and_not_the_hole_s(encoder: Encoder) -> None:
    sentences = [["我", "买", "了", word, "，", "很", "好"] for word in ("苹果", "手机", "生词")]
    own = np.stack(encoder.encode(sentences))
    hole = np.stack(encoder.encode(sentences, positions="hole"))
    np.testing.assert_array_equal(hole[1:, :, 3], hole[:-1, :, 3])
    for layer in range(3):
        assert (np.abs(own[1:, layer, 3] - own[:-1, layer, 3]).max(axis=1) > 1e-3).all()
    # The word is in its neighbours' context: their holes do change, each in the half that reads across it.
    assert np.abs(hole[1:, :, 4, SIDES["left"]] - hole[:-1, :, 4, SIDES["left"]]).max(axis=2).min() > 1e-4
    np.testing.assert_array_equal(hole[1:, :, 4, SIDES["right"]], hole[:-1, :, 4, SIDES["right"]])


@pytest.mark.parametrize("batch_size", [1, 3, 1000])
def test_holes_do_not_depend_on_the_batch(encoder: Encoder, batch_size: int) -> None:
    batch = [*sentences(30, seed=4), []]
    together = [vectors for _, vectors in encoder.encode_stream(iter(batch), batch_size, positions="hole")]
    assert together[-1].shape == (3, 0, 12)
    for words, ours in zip(batch, together, strict=True):
        np.testing.assert_allclose(ours, encoder.encode([words], positions="hole")[0], atol=1e-5)


def test_other_positions_are_refused(encoder: Encoder) -> None:
    for either in (encoder, StatefulEncoder(encoder)):
        with pytest.raises(InputError, match="positions is 'gap': give own or hole"):
            either.encode([["我"]], positions="gap")  # type: ignore[arg-type]  # that is the point


# State carried on, as the first ELMo programs did


def test_carried_state_makes_a_row_read_on_where_it_was(encoder: Encoder) -> None:
    first, second = ["我", "买", "了"], ["新", "手机"]
    stateful = StatefulEncoder(encoder)
    stateful.encode([first])
    vectors = stateful.encode([second])[0]
    # Forwards, reading on is reading both sentences as one stream; the reference is the biLM's own carried state.
    vocabulary, model = encoder.vocabulary, encoder.model
    stream = [vocabulary.bos_id, *vocabulary.encode(first), vocabulary.eos_id]
    stream += [vocabulary.bos_id, *vocabulary.encode(second), vocabulary.eos_id]
    with paddle.no_grad():
        forward, _, _ = model(paddle.to_tensor([stream]), paddle.to_tensor([stream]))
    for layer in (1, 2):
        np.testing.assert_allclose(vectors[layer, :, :6], forward[layer - 1].numpy()[0, 6:8], atol=1e-6)
    assert np.abs(vectors - encoder.encode([second])[0]).max() > 1e-3


def test_the_first_batch_and_one_after_reset_are_those_of_zero_state(encoder: Encoder) -> None:
    batch = [*sentences(5, seed=2), []]
    stateful = StatefulEncoder(encoder)
    for positions in ("own", "hole", "own"):
        from_zero = encoder.encode(batch, positions=positions)
        for carried, fresh in zip(stateful.encode(batch, positions=positions), from_zero, strict=True):
            np.testing.assert_allclose(carried, fresh, atol=1e-5)
        stateful.reset()


def test_a_smaller_batch_leaves_the_other_rows_state_alone(encoder: Encoder) -> None:
    first, second, third = (["我", "买"], ["河边"]), (["风"],), (["手机"], ["苹果", "真"])
    with_small, without = StatefulEncoder(encoder), StatefulEncoder(encoder)
    for stateful, batches in ((with_small, (first, second)), (without, (first,))):
        for batch in batches:
            stateful.encode(batch)
    ours, theirs = with_small.encode(third), without.encode(third)
    np.testing.assert_allclose(ours[1], theirs[1], atol=1e-6)
    assert np.abs(ours[0] - theirs[0]).max() > 1e-3


def test_rows_go_by_length_where_the_system_did_so(encoder: Encoder) -> None:
    short, long = ["风"], ["我", "买", "了"]
    sorted_rows, given_rows = StatefulEncoder(encoder, sort_by_length=True), StatefulEncoder(encoder)
    sorted_rows.encode([short, long])
    given_rows.encode([long, short])
    results = sorted_rows.encode([short, long]), given_rows.encode([long, short])
    for ours, theirs in zip(results[0], reversed(results[1]), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_a_stream_of_batches_is_encoded_in_the_order_given(encoder: Encoder) -> None:
    batch = sentences(7, seed=9)
    stateful = StatefulEncoder(encoder)
    expected = [vectors for start in (0, 3, 6) for vectors in stateful.encode(batch[start : start + 3])]
    streamed = list(StatefulEncoder(encoder).encode_stream(iter(batch), batch_size=3))
    assert [words for words, _ in streamed] == batch
    for (_, ours), theirs in zip(streamed, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)
    with pytest.raises(InputError, match="batch_size is 0"):
        next(stateful.encode_stream(batch, batch_size=0))
