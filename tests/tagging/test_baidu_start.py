"""A tagger that starts from Baidu's LAC answers as Baidu's does, also when ELMo stands beside it, until it learns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from elmo.corpora.tagged import LAC_TAGS, Tagged
from elmo.encoding.features import ElmoFeatures
from elmo.errors import InputError
from elmo.nn.crf import viterbi
from elmo.runtime import paddle
from elmo.tagging.baidu import LacSentenceReader, build_network, read_tokens, start_from_lac
from elmo.tagging.baidu_files import LacFiles, read_lac
from elmo.tagging.baidu_text import LacReader
from elmo.tagging.examples import make_examples, segment_gold
from elmo.tagging.network import TaggerInput
from elmo.tagging.train import TaggerTrainer, TrainSettings

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


def test_the_released_model_gives_the_same_labels(shared: Path, own_gold: dict[str, list[Tagged]]) -> None:
    folder = shared / "models" / "baidu_lac"
    if not folder.is_dir():
        pytest.skip("needs the model of Baidu's package lac beside the repository")
    files = read_lac(folder)
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
    TaggerTrainer(beside, TrainSettings(max_epoch=2, batch_size=4), examples, None, None).run()
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


def test_what_cannot_be_saved_is_not_asked_to_be(files: LacFiles, tmp_path: Path) -> None:
    network = start_from_lac(files, TAGS)
    gold = [Tagged(["我们"], ["n"])]
    examples = make_examples(gold, segment_gold(gold), LacSentenceReader(files, network.config))
    with pytest.raises(InputError, match="can't be saved: leave save_dir out"):
        TaggerTrainer(network, TrainSettings(), examples, None, None, tmp_path)
