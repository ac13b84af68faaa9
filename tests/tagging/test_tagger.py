"""A tagger: words join to the text, a text is tagged alike in any company, and what is saved comes back the same."""

from __future__ import annotations

import dataclasses
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elmo.bilm import BiLM
from elmo.bilm_config import BiLMConfig
from elmo.corpora.tagged import Tagged
from elmo.encoding.features import ElmoFeatures, WordVectorFeatures
from elmo.errors import InputError
from elmo.models import export_model, read_model, write_model
from elmo.tagging.network import TaggerConfig
from elmo.tagging.projection import chunks, word_chunks
from elmo.tagging.segmenter import split_characters
from elmo.tagging.tagger import SentenceReader, Tagger, readers
from elmo.tagging.train import train_tagger
from elmo.text.lengths import like_lengths
from elmo.text.vocabulary import Vocabulary
from tests.parameters import files_of
from tests.refusals import refusal

KINDS = ["words", "characters", "mixed", "elmo", "character_elmo", "word2vec", "fine_tuned", "fine_tuned_characters"]
LONG = ("我们明天去河边散步，👍🏽 ok。" * 1000)[:10_000]
TEXTS = [
    "果园里的品种",
    "",
    "　\t\n ",
    "我们 明天\u3000去\r\n河边散步",
    "走了👍🏽\0好",
    "ＡＢＣ abc１２3 кот 猫 ねこ",
    "好",
    "今天果园里的品种，主要祖先是长在天山一带的新疆野苹果。",
    " 好",
]
MakeTagger = Callable[[str], Tagger]


@settings(max_examples=40)
@given(
    st.sampled_from(["words", "characters", "elmo", "character_elmo"]),
    st.lists(
        st.text(st.one_of(st.characters(), st.sampled_from("我们明天去河边散步的，Aa1１ 　\t\n\r\u2028\0👍🏽"))),
        max_size=6,
    ),
)
def test_words_join_to_the_text(make_tagger: MakeTagger, kind: str, texts: list[str]) -> None:
    tagger = make_tagger(kind)
    for text, (words, tags) in zip(texts, tagger.tag(texts), strict=True):
        assert "".join(words) == text
        assert all(words)
        assert len(words) == len(tags)
        assert set(tags) <= set(tagger.network.config.tags)


@pytest.mark.parametrize("kind", KINDS)
def test_a_long_text_is_tagged_whole_and_an_empty_one_has_no_words(make_tagger: MakeTagger, kind: str) -> None:
    tagger = make_tagger(kind)
    assert "".join(tagger.cut(LONG)) == LONG
    assert tagger.tag("") == [([], [])]
    assert tagger.tag([]) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_text_has_the_same_tags_alone_and_in_a_batch(make_tagger: MakeTagger, kind: str) -> None:
    tagger = make_tagger(kind)
    alone = [tagger.tag(text)[0] for text in TEXTS]
    assert len({tag for _, tags in alone for tag in tags}) > 1  # or any tagger would do
    assert tagger.tag(TEXTS) == alone
    assert tagger.tag(TEXTS[::-1]) == alone[::-1]
    small = Tagger(tagger.network, tagger.vocabulary, tagger.features, tagger.elmo_vocabulary, batch_size=2)
    assert small.tag(TEXTS) == alone


def test_white_space_is_a_word_and_no_word_reaches_beyond_it(make_tagger: MakeTagger) -> None:
    words, tags = make_tagger("words").tag("我们 明天\u3000\t去\n")[0]
    spaces = [(word, tag) for word, tag in zip(words, tags, strict=True) if word.isspace()]
    assert spaces == [(" ", "w"), ("\u3000\t", "w"), ("\n", "w")]
    assert all(word.isspace() or word.split() == [word] for word in words)


def answer(tagger: Tagger, labels: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the network answer with these labels, whatever it reads."""
    ids = [tagger.network.config.labels.index(label) for label in labels]
    monkeypatch.setattr(tagger.network, "decode", lambda sentences: [ids])


def test_an_inside_behind_another_tag_begins_a_word_as_it_does_when_scored(
    make_tagger: MakeTagger, monkeypatch: pytest.MonkeyPatch
) -> None:
    tagger, labels = make_tagger("characters"), ["n-B", "v-I", "v-I", "n-I", "PER-B", "PER-B"]
    answer(tagger, labels, monkeypatch)
    tagged = tagger.tag("河边散步好了")[0]
    assert tagged == (["河", "边散", "步", "好", "了"], ["n", "v", "n", "PER", "PER"])
    assert word_chunks(*tagged) == chunks(list("河边散步好了"), labels)


def test_white_space_is_no_part_of_the_punctuation_beside_it(
    make_tagger: MakeTagger, monkeypatch: pytest.MonkeyPatch
) -> None:
    tagger = make_tagger("characters")
    answer(tagger, ["w-B", "w-I"], monkeypatch)
    assert tagger.tag("， 。")[0] == (["，", " ", "。"], ["w", "w", "w"])


def test_words_of_the_user_are_kept_whole(make_tagger: MakeTagger, tmp_path: Path) -> None:
    (tmp_path / "user.txt").write_text("明天去河边/ACT\n", encoding="utf-8")
    plain = make_tagger("words")
    tagger = Tagger(plain.network, plain.vocabulary, user_dictionary=tmp_path / "user.txt")
    words, tags = tagger.tag("我们 明天去河边散步")[0]
    assert tags[words.index("明天去河边")] == "ACT"


def test_tokens_are_words_of_the_segmenter_or_characters(make_tagger: MakeTagger) -> None:
    texts = ["我们 明天", ""]
    assert make_tagger("words").tokens(texts) == [["我们", "明天"], []]
    assert make_tagger("characters").tokens(texts) == [["我", "们", "明", "天"], []]


def test_characters_know_their_word_and_their_place_in_it() -> None:
    tokens, owners, places = split_characters(["我", "河边", "图书馆里"])
    assert tokens == list("我河边图书馆里")
    assert owners.tolist() == [0, 1, 1, 2, 2, 2, 2]
    assert places.tolist() == [3, 0, 2, 0, 1, 1, 2]
    assert [part.tolist() if isinstance(part, np.ndarray) else part for part in split_characters([])] == [[], [], []]


def test_a_character_has_its_own_vector_whatever_the_words_are(make_tagger: MakeTagger) -> None:
    tagger = make_tagger("character_elmo")
    reader = SentenceReader(tagger.vocabulary, tagger.network.config, tagger.features)
    first, second = reader.read([["我们", "去", "河边"], ["我", "们去河", "边"]])
    assert first.units == second.units == list("我们去河边")
    assert first.owners.tolist() == [0, 1, 2, 3, 4]
    assert tagger.features is not None and first.vectors is not None and second.vectors is not None
    assert (first.vectors == tagger.features.encode([list("我们去河边")])[0]).all()
    assert (first.vectors == second.vectors).all()
    (of_words,) = SentenceReader(tagger.vocabulary, TaggerConfig(("n",), 9, "characters")).read([["我们", "去"]])
    assert (of_words.units, of_words.owners.tolist()) == (["我们", "去"], [0, 0, 1])


def test_vectors_of_characters_are_for_a_tagger_that_reads_characters(
    make_tagger: MakeTagger, tiny_character_elmo: Path, tmp_path: Path
) -> None:
    expected = "this ELMo reads characters, and the tagger words: give --tokens characters"
    tagger = make_tagger("words")
    with pytest.raises(InputError, match=expected):
        SentenceReader(tagger.vocabulary, tagger.network.config, ElmoFeatures(tiny_character_elmo))
    with pytest.raises(InputError, match=expected):
        train_tagger([Tagged(["好"], ["n"])], tags=["n"], features=ElmoFeatures(tiny_character_elmo))
    make_tagger("character_elmo").save(tmp_path / "model")
    changed_config(tmp_path / "model", tokens="words")
    with pytest.raises(InputError, match=f"its configuration is damaged .{expected}"):
        Tagger.from_pretrained(tmp_path / "model")


def test_many_sentences_get_their_vectors_block_by_block(
    make_tagger: MakeTagger, monkeypatch: pytest.MonkeyPatch
) -> None:
    tagger = make_tagger("elmo")
    segmented = [["我们", "去"], ["好"], ["河边", "散步", "的"], ["品种"], ["我"]]
    whole = SentenceReader(tagger.vocabulary, tagger.network.config, tagger.features).read(segmented)
    half = SentenceReader(tagger.vocabulary, tagger.network.config, tagger.features, dtype="float16")
    monkeypatch.setattr(readers, "_BLOCK", 2)
    lines: list[str] = []
    for ours, theirs in zip(half.read(segmented, lines.append), whole, strict=True):
        assert ours.vectors is not None and theirs.vectors is not None
        assert (ours.vectors.dtype, theirs.vectors.dtype) == (np.float16, np.float32)
        np.testing.assert_allclose(ours.vectors, theirs.vectors, rtol=1e-3, atol=1e-6)  # half precision has 11 bits
    assert lines == [f"vectors of {count} of 5 sentences" for count in (2, 4, 5)]


@given(st.lists(st.integers(0, 30), max_size=20), st.integers(1, 5))
def test_batches_hold_every_sentence_with_tokens_once(lengths: list[int], batch_size: int) -> None:
    batches = list(like_lengths(lengths, batch_size))
    assert sorted(index for batch in batches for index in batch) == [i for i, length in enumerate(lengths) if length]
    assert all(len(batch) <= batch_size for batch in batches)


def test_long_sentences_make_smaller_batches() -> None:
    assert [len(batch) for batch in like_lengths([20_000, 6_000, 5_000, 7_000, 30_000], 64)] == [2, 1, 1, 1]


# On disk


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_saved_comes_back_the_same(make_tagger: MakeTagger, tmp_path: Path, kind: str) -> None:
    tagger = make_tagger(kind)
    tagger.provenance = {"history": [1]}
    tagger.save(tmp_path / "model")
    loaded = Tagger.from_pretrained(tmp_path / "model")
    assert loaded.tag([*TEXTS, LONG[:500]]) == tagger.tag([*TEXTS, LONG[:500]])
    assert loaded.network.config == tagger.network.config
    assert loaded.provenance == {"history": [1]}
    parameters = dict(loaded.network.named_parameters())
    for name, parameter in tagger.network.named_parameters():
        assert (parameter.numpy() == parameters[name].numpy()).all(), name
    assert repr(loaded) == repr(tagger)


def test_a_fine_tuned_elmo_is_part_of_the_model_and_its_source_not_needed(
    make_tagger: MakeTagger, tmp_path: Path
) -> None:
    tagger = make_tagger("fine_tuned")
    assert tagger.network.config.features is not None
    assert not Path(tagger.network.config.features["source"]).exists()
    tagger.save(tmp_path / "model")
    loaded = Tagger.from_pretrained(tmp_path / "model")
    assert loaded.elmo_vocabulary == tagger.elmo_vocabulary
    name = "elmo.bilm.embedding_para"
    assert (dict(loaded.network.named_parameters())[name].numpy() == read_model(tmp_path / "model").arrays[name]).all()


def test_half_precision_is_half_the_size_and_tags_alike(make_tagger: MakeTagger, tmp_path: Path) -> None:
    tagger = make_tagger("words")
    for dtype in ("float32", "float16"):
        tagger.save(tmp_path / dtype, dtype=dtype)
    sizes = [sum(array.nbytes for array in read_model(tmp_path / "float32").arrays.values())]
    sizes.append((tmp_path / "float16/model.safetensors").stat().st_size)
    assert sizes[1] < 0.7 * sizes[0] + 5000  # the header is as long
    assert "".join(Tagger.from_pretrained(tmp_path / "float16").cut(TEXTS[0])) == TEXTS[0]


def test_a_model_that_is_there_is_not_overwritten_unasked(make_tagger: MakeTagger, tmp_path: Path) -> None:
    make_tagger("words").save(tmp_path / "model")
    with pytest.raises(InputError, match="exists already"):
        make_tagger("words").save(tmp_path / "model")
    make_tagger("characters").save(tmp_path / "model", overwrite=True)
    assert Tagger.from_pretrained(tmp_path / "model").network.config.tokens == "characters"


def changed_config(folder: Path, **fields: Any) -> None:
    """Write a model again with other fields in its configuration; ... takes one out."""
    files = read_model(folder)
    config = {name: value for name, value in {**files.config, **fields}.items() if value is not ...}
    write_model(folder, dataclasses.replace(files, config=config), overwrite=True)


BAD_CONFIGS = [
    ({"colour": 1}, "unknown field 'colour'"),
    ({"num_words": ...}, "lacks num_words"),
    ({"num_words": 3}, "num_words 3"),
    ({"tags": 5}, "tags is 5"),
    ({"tags": ["n", 5]}, "the tag 5"),
    ({"tags": ["n", "n"]}, "2 tags, 1 of them different"),
    ({"tags": []}, "0 tags"),
    ({"tokens": "syllables"}, "tokens is 'syllables': give one of words, characters"),
    ({"segmenter": 3}, "segmenter is 3"),
    ({"segmenter": "knife"}, "there is no segmenter 'knife'"),
    ({"hidden_size": 0}, "hidden_size is 0"),
    ({"hidden_size": 9}, "has shape"),
    ({"num_layers": "2"}, "num_layers '2'"),
    ({"dropout": "much"}, "dropout is 'much'"),
    ({"feature_dropout": 1.0}, "feature_dropout is 1.0"),
    ({"feature_size": 4}, "0 feature layers of size 4"),
    ({"feature_layers": -1}, "feature_layers is -1"),
    ({"feature_layers": 1, "feature_size": 4}, "features of kind None are unknown"),
    ({"features": 7}, "features is 7"),
    ({"features": {"fine_tuned": True}}, "does not say what its fine-tuned ELMo is"),
    ({"features": {"fine_tuned": True, "bilm": {}, "vocabulary": []}}, "lacks vocab_size"),
]


@pytest.mark.parametrize(("fields", "message"), BAD_CONFIGS)
def test_a_configuration_that_is_not_ours_is_one_line(
    make_tagger: MakeTagger, tmp_path: Path, fields: dict[str, Any], message: str
) -> None:
    make_tagger("words").save(tmp_path / "model")
    changed_config(tmp_path / "model", **fields)
    assert message in refusal(Tagger.from_pretrained, tmp_path / "model")


def test_damaged_files_are_one_line(make_tagger: MakeTagger, tmp_path: Path) -> None:
    make_tagger("words").save(tmp_path / "model")

    def cut(folder: Path) -> None:
        (folder / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:-10])

    def other_words(folder: Path) -> None:
        (folder / "vocabulary.txt").write_text("<S>\n</S>\n<UNK>\n", encoding="utf-8")

    def lost(folder: Path) -> None:
        (folder / "vocabulary.txt").unlink()

    def parameter_lost(folder: Path) -> None:
        files = read_model(folder)
        del files.arrays["transitions"]
        write_model(folder, files, overwrite=True)

    damages = {cut: "truncated", other_words: "not the vocabulary", lost: "is missing", parameter_lost: "transitions"}
    for number, (damage, message) in enumerate(damages.items()):
        folder = Path(shutil.copytree(tmp_path / "model", tmp_path / f"{number}"))
        damage(folder)
        assert re.search(message, refusal(Tagger.from_pretrained, folder))
    with pytest.raises(InputError, match="no such model directory"):
        Tagger.from_pretrained(tmp_path / "none")


def test_a_model_of_another_kind_is_named(tiny_elmo: Path) -> None:
    with pytest.raises(InputError, match="holds a bilm model where a tagger model is needed"):
        Tagger.from_pretrained(tiny_elmo)


# Features that lie elsewhere


@pytest.fixture
def with_elmo(make_tagger: MakeTagger, tiny_elmo: Path, tmp_path: Path) -> tuple[Path, Path]:
    """A saved tagger and the ELMo that it names."""
    make_tagger("elmo").save(tmp_path / "model")
    shutil.copytree(tiny_elmo, tmp_path / "elmo")
    description = read_model(tmp_path / "model").config["features"]
    changed_config(tmp_path / "model", features={**description, "source": str(tmp_path / "elmo")})
    return tmp_path / "model", tmp_path / "elmo"


def test_an_elmo_that_was_moved_is_named_and_its_new_place_taken(
    with_elmo: tuple[Path, Path], make_tagger: MakeTagger
) -> None:
    model, source = with_elmo
    expected = Tagger.from_pretrained(model).tag(TEXTS)
    assert expected == make_tagger("elmo").tag(TEXTS)
    moved = source.rename(source.with_name("moved"))
    with pytest.raises(InputError, match=r"model: .*elmo: no such model directory"):
        Tagger.from_pretrained(model)
    assert Tagger.from_pretrained(model, features=moved).tag(TEXTS) == expected
    assert Tagger.from_pretrained(model, features=ElmoFeatures(moved)).tag(TEXTS) == expected


def test_another_elmo_of_the_same_sizes_is_refused_unless_it_is_given(with_elmo: tuple[Path, Path]) -> None:
    model, source = with_elmo
    export_model(source, source.with_name("half"))  # other numbers, though nearly the same
    shutil.rmtree(source)
    source.with_name("half").rename(source)
    with pytest.raises(InputError, match="is another elmo model now than in training"):
        Tagger.from_pretrained(model)
    Tagger.from_pretrained(model, features=source)


def test_features_of_other_sizes_are_refused(with_elmo: tuple[Path, Path], tiny_word2vec: Path) -> None:
    model, source = with_elmo
    with pytest.raises(InputError, match="reads 3 layers of 10 numbers a word, the features have 2 of 10"):
        Tagger.from_pretrained(model, features=ElmoFeatures(source, [0, 1]))
    with pytest.raises(InputError, match="the features have 1 of 6"):
        Tagger.from_pretrained(model, features=WordVectorFeatures(tiny_word2vec))
    vocabulary = Vocabulary(["<S>", "</S>", "<UNK>"])
    other = BiLM(BiLMConfig(3, embed_size=4, hidden_size=4))
    write_model(source, files_of(other, vocabulary), overwrite=True)
    with pytest.raises(InputError, match="the features have 3 of 8"):
        Tagger.from_pretrained(model, features=source)


@pytest.mark.parametrize("kind", ["words", "fine_tuned"])
def test_features_for_a_tagger_that_reads_none_are_refused(
    make_tagger: MakeTagger, tiny_elmo: Path, tmp_path: Path, kind: str
) -> None:
    make_tagger(kind).save(tmp_path / "model")
    with pytest.raises(InputError, match="reads no features from elsewhere"):
        Tagger.from_pretrained(tmp_path / "model", features=tiny_elmo)


def test_features_without_a_name_must_be_given(make_tagger: MakeTagger, tmp_path: Path, tiny_elmo: Path) -> None:
    make_tagger("elmo").save(tmp_path / "model")
    description = read_model(tmp_path / "model").config["features"]
    changed_config(tmp_path / "model", features={**description, "source": None})
    with pytest.raises(InputError, match="is not named: give it when loading"):
        Tagger.from_pretrained(tmp_path / "model")
    Tagger.from_pretrained(tmp_path / "model", features=ElmoFeatures(tiny_elmo))


def test_bad_arguments_are_refused(make_tagger: MakeTagger) -> None:
    tagger = make_tagger("words")
    with pytest.raises(InputError, match="batch_size is 0"):
        Tagger(tagger.network, tagger.vocabulary, batch_size=0)
    with pytest.raises(InputError, match="dropout is nan"):
        TaggerConfig(("n",), 3, dropout=float("nan"))
