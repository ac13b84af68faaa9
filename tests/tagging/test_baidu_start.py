"""A tagger that starts from Baidu's LAC answers as Baidu's does, also when ELMo stands beside it, until it learns."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from elmo.corpora.tagged import LAC_TAGS, Tagged
from elmo.encoding.features import ElmoFeatures
from elmo.errors import InputError
from elmo.explore.describe import describe_model, render
from elmo.models import read_model, write_model
from elmo.nn.crf import viterbi
from elmo.runtime import paddle
from elmo.tagging.baidu import build_network, start_from_lac, tags_of
from elmo.tagging.baidu_files import LacFiles, read_lac
from elmo.tagging.baidu_text import LacReader, read_tokens
from elmo.tagging.examples import make_examples, segment_gold
from elmo.tagging.network import TaggerInput
from elmo.tagging.tagger import Tagger
from elmo.tagging.tagger.readers import LacSentenceReader
from elmo.tagging.train import TaggerTrainer, TrainSettings, train_tagger
from tests.commands import elmo as call
from tests.refusals import refusal

TAGS = ["n", "v", "PER"]
TEXTS = ["我们明天去河边", "河边散步好", "去", "明天我们去河边散步A1abc", "好我们", "ＡＢ１好", "河边的风好大"]


@pytest.fixture
def files(tiny_lac: Path) -> LacFiles:
    return read_lac(tiny_lac)


def released_labels(files: LacFiles, texts: list[str]) -> list[list[str]]:
    """Labels that Baidu's network gives to its inputs, text by text."""
    network, reader = build_network(files), LacReader(files)
    found = []
    for text in texts:
        ids = np.array(reader.read(text)[0], np.int64)
        none = np.zeros(0, np.int64)
        with paddle.no_grad():
            emissions, packing = network([TaggerInput([], ids, none, none, [])])
        best = viterbi(emissions.numpy(), network.transitions.numpy(), packing)
        found.append([files.tags[index] for index in best])
    return found


def test_answers_are_baidus_wherever_o_is_never_best(files: LacFiles) -> None:
    network = start_from_lac(files, TAGS)
    network.eval()
    sentences = LacSentenceReader(files, network.config).read([[text] for text in TEXTS])
    found = [[network.config.labels[label] for label in best] for best in network.decode(sentences)]
    expected = released_labels(files, TEXTS)
    alike = [(ours, theirs) for ours, theirs in zip(found, expected, strict=True) if "O" not in theirs]
    assert len(alike) >= 3
    assert all(ours == theirs for ours, theirs in alike)


def test_the_order_of_tags_is_ours(files: LacFiles) -> None:
    ours, theirs = (start_from_lac(files, tags) for tags in (TAGS, TAGS[::-1]))
    for network in (ours, theirs):
        network.eval()
    answers = []
    for network in (ours, theirs):
        sentences = LacSentenceReader(files, network.config).read([[text] for text in TEXTS])
        answers.append([[network.config.labels[label] for label in best] for best in network.decode(sentences)])
    assert answers[0] == answers[1]


def test_the_released_model_gives_the_same_labels(released: Path, own_gold: dict[str, list[Tagged]]) -> None:
    files = read_lac(released)
    network = start_from_lac(files, tuple(LAC_TAGS))
    network.eval()
    texts = [sentence.text for sentence in own_gold["test"][:20]]
    sentences = LacSentenceReader(files, network.config).read([[text] for text in texts])
    found = [[network.config.labels[label] for label in best] for best in network.decode(sentences)]
    expected = released_labels(files, texts)
    alike = [(ours, theirs) for ours, theirs in zip(found, expected, strict=True) if "O" not in theirs]
    assert len(alike) > 0.9 * len(texts)  # it gives O to hardly anything
    assert all(ours == theirs for ours, theirs in alike)


def test_elmo_changes_nothing_before_training_and_is_learnt_from_then(files: LacFiles, tiny_elmo: Path) -> None:
    features = ElmoFeatures(tiny_elmo)
    plain, beside = start_from_lac(files, TAGS), start_from_lac(files, TAGS, features)
    gold = [Tagged(["我们", "明天", "去", "河边"], ["n", "n", "v", "PER"]), Tagged(["散步", "好"], ["v", "v"])] * 4
    segmented = segment_gold(gold)
    emissions = []
    for network, vectors in ((plain, None), (beside, features)):
        network.eval()
        sentences = LacSentenceReader(files, network.config, vectors).read(segmented)
        with paddle.no_grad():
            emissions.append(network(sentences)[0].numpy())
    # The products are longer by their zeros, so sums may be rounded in another order.
    np.testing.assert_allclose(emissions[1], emissions[0], atol=1e-6)

    first = beside.layers[0].forwards.input_weight
    assert not first.numpy()[-features.size :].any()
    mix = beside.scalar_mix.weights.numpy().copy()
    examples = make_examples(gold, segmented, LacSentenceReader(files, beside.config, features))
    TaggerTrainer(beside, TrainSettings(max_epoch=2, batch_size=4), examples, None, files.vocabulary).run()
    assert np.abs(first.numpy()[-features.size :]).max() > 1e-4
    assert not np.array_equal(beside.scalar_mix.weights.numpy(), mix)


def test_tokens_are_lacs_and_have_the_vector_of_the_word_in_which_they_begin(files: LacFiles) -> None:
    network = start_from_lac(files, TAGS)
    words = ["我", "们明", "天去河", "边散步"]  # of a segmenter that cuts elsewhere than LAC
    (sentence,) = LacSentenceReader(files, network.config).read([words])
    assert sentence.tokens == ["我们", "明天", "去", "河", "边", "散步"]
    assert sentence.owners.tolist() == [0, 1, 2, 2, 3, 3]
    ids, tokens = read_tokens(LacReader(files), "".join(words))
    assert (sentence.ids.tolist(), sentence.tokens) == (ids, tokens)
    assert "".join(tokens) == "".join(words)


def test_a_tag_that_lac_lacks_is_named(files: LacFiles) -> None:
    with pytest.raises(InputError, match="LAC's model has no tag 'TIME'"):
        start_from_lac(files, ["n", "TIME"])


# Saved, loaded, tagged with like any other

GOLD = [
    Tagged(["我们", "明天", "去", "河边"], ["n", "n", "v", "PER"]),
    Tagged(["ＡＢ１", "散步", "好"], ["PER", "v", "v"]),
    Tagged(["河边", "的", "风", "好大"], ["n", "v", "n", "v"]),
]
SETTINGS = TrainSettings(max_epoch=2, batch_size=2, embedding_rate=1.0)


@pytest.fixture(params=["plain", "elmo", "character_elmo"])
def features(request: pytest.FixtureRequest, tiny_elmo: Path, tiny_character_elmo: Path) -> ElmoFeatures | None:
    places = {"elmo": tiny_elmo, "character_elmo": tiny_character_elmo}
    return ElmoFeatures(places[request.param]) if request.param in places else None


def test_a_tagger_that_went_on_from_lac_comes_back_the_same(
    files: LacFiles, tmp_path: Path, features: ElmoFeatures | None
) -> None:
    trained = train_tagger(
        GOLD,
        GOLD[:1],
        tags=tags_of(files),
        features=features,
        start=files,
        settings=SETTINGS,
        save_dir=tmp_path / "run",
    )
    trained.save(tmp_path / "model")
    expected = trained.tag(TEXTS)
    for place in (tmp_path / "model", tmp_path / "run/epoch_002"):
        loaded = Tagger.from_pretrained(place)
        assert loaded.tokens(TEXTS) == [read_tokens(LacReader(files), text)[1] for text in TEXTS]
        assert {tag for _, tags in expected for tag in tags} <= {"n", "v", "PER"}
        if place.name == "model":
            assert loaded.tag(TEXTS) == expected
    assert "".join(loaded.cut("我们 去\u3000河边，１A")) == "我们 去\u3000河边，１A"


def test_it_is_a_model_that_says_what_it_is(files: LacFiles, tmp_path: Path) -> None:
    network = start_from_lac(files, TAGS)
    Tagger(network, files.vocabulary).save(tmp_path / "model")
    assert "tagger" in render(describe_model(tmp_path / "model"))
    assert repr(Tagger.from_pretrained(tmp_path / "model")).startswith("Tagger(lac, 3 tags, 18 in the vocabulary)")
    network.eval()
    texts = ["河边散步好", "OOV去", "<UNK>去", "龘龘"]  # what its vocabulary has in addition is no word of LAC's
    sentences = LacSentenceReader(files, network.config).read([[text] for text in texts])
    again = Tagger.from_pretrained(tmp_path / "model")
    assert again.tokens(texts) == [sentence.tokens for sentence in sentences]
    assert [sentence.ids.max() < len(files.word_ids) for sentence in sentences] == [True] * len(texts)


def test_a_run_that_was_stopped_goes_on(files: LacFiles, tmp_path: Path) -> None:
    def run(folder: str, epochs: int, resume: bool = False) -> Tagger:
        settings = dataclasses.replace(SETTINGS, max_epoch=epochs)
        options = {"save_dir": tmp_path / folder, "resume": resume}
        return train_tagger(GOLD, tags=tags_of(files), start=files, settings=settings, **options)

    whole = run("whole", 2)
    run("parts", 1)
    parts = run("parts", 2, resume=True)
    for name, parameter in whole.network.named_parameters():
        assert (parameter.numpy() == dict(parts.network.named_parameters())[name].numpy()).all(), name


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fine_tune": "elmo"}, "does not go with a start from Baidu's LAC: use it frozen"),
        ({"sizes": {"hidden_size": 8}}, "sizes has 'hidden_size', which a start from Baidu's LAC decides"),
    ],
)
def test_what_lac_decides_is_not_given(files: LacFiles, change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        train_tagger(GOLD, tags=tags_of(files), start=files, **change)


def damaged(reading: dict[str, Any], name: str, value: Any) -> dict[str, Any]:
    return {key: value if key == name else old for key, old in reading.items()}


@pytest.mark.parametrize(
    ("name", "value", "what"),
    [
        ("pieces", ["好"], "its parts"),
        ("pieces", "好的\n\n河", "a piece"),
        ("pieces", "河" * 65, "a piece"),
        ("pieces", "\n".join(f"{number:06}" + "河" * 58 for number in range(20_000)), "the number of its pieces"),
        ("log_total", "much", "the count of its pieces"),
        ("log_total", -1.0, "the count of its pieces"),
        ("replacements", {"Ａ": 3}, "what it replaces"),
        ("replacements", {"Ａ": ""}, "what it replaces"),
    ],
)
def test_a_damaged_reading_is_one_line(files: LacFiles, tmp_path: Path, name: str, value: Any, what: str) -> None:
    Tagger(start_from_lac(files, TAGS), files.vocabulary).save(tmp_path / "model")
    model = read_model(tmp_path / "model")
    config = {**model.config, "lac": damaged(model.config["lac"], name, value)}
    write_model(tmp_path / "model", dataclasses.replace(model, config=config), overwrite=True)
    assert re.search(f"model: .*is damaged: {what}", refusal(Tagger.from_pretrained, tmp_path / "model"))


def test_tokens_of_lac_need_its_reading(files: LacFiles, tmp_path: Path) -> None:
    Tagger(start_from_lac(files, TAGS), files.vocabulary).save(tmp_path / "model")
    model = read_model(tmp_path / "model")
    for change in ({"lac": None}, {"tokens": "words"}, {"lac": 3}):
        config = {**model.config, **change}
        write_model(tmp_path / "model", dataclasses.replace(model, config=config), overwrite=True)
        with pytest.raises(InputError, match="tokens lac are for a tagger that starts from Baidu's LAC"):
            Tagger.from_pretrained(tmp_path / "model")


def test_the_command_goes_on_from_lac(
    files: LacFiles, tiny_lac: Path, tiny_elmo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = ["我们 去 河边\tn v PER\n", "散步 好\tv v\n"]
    (tmp_path / "gold.tsv").write_text("".join(lines), encoding="utf-8")
    given = ["--train", tmp_path / "gold.tsv", "--dev", tmp_path / "gold.tsv", "--max_epoch", 1]
    flags = ["lac", "train", *given, "--start", tiny_lac, "--save_dir"]
    assert call(*flags, tmp_path / "run", "--elmo", tiny_elmo) == 0
    scores = json.loads((tmp_path / "run/scores.json").read_text(encoding="utf-8"))
    assert scores["tokens"] == "lac"
    assert call("lac", "eval", tmp_path / "run", tmp_path / "gold.tsv", "-o", tmp_path / "eval.json") == 0
    assert json.loads((tmp_path / "eval.json").read_text(encoding="utf-8"))["scores"] == scores["dev"]["scores"]
    (tmp_path / "text.txt").write_text("明天去河边\n", encoding="utf-8")
    capsys.readouterr()
    assert call("lac", "tag", tmp_path / "text.txt", "--model", tmp_path / "run/model") == 0
    assert "".join(part.partition("/")[0] for part in capsys.readouterr().out.split()) == "明天去河边"
    assert call("info", tmp_path / "run/model") == 0
    assert "went on from the parameters of Baidu's LAC" in capsys.readouterr().out
    for more, message in (
        (["--tokens", "characters"], "--tokens characters is given, and --start"),
        (["--hidden_size", 8], "sizes has 'hidden_size'"),
        (["--elmo", tiny_elmo, "--fine_tune"], "an ELMo that is trained along does not go with"),
    ):
        assert call(*flags, tmp_path / "other", *more) == 2
        assert message in (error := capsys.readouterr().err)
        assert error.count("\n") == 1
