"""Tiny models with parameters drawn by chance: in the form of Baidu's LAC, and taggers of our own."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from elmo.bilm import BiLM
from elmo.bilm_config import BiLMConfig
from elmo.convert.fluid import write_variable
from elmo.corpora.tagged import Tagged
from elmo.encoding.features import ElmoFeatures, Features, WordVectorFeatures
from elmo.models import read_model, write_model
from elmo.runtime import paddle
from elmo.tagging.examples import make_vocabulary, segment_gold
from elmo.tagging.from_files import read_gold
from elmo.tagging.network import TaggerConfig, TaggerNetwork, describe_fine_tuned, fine_tuned_elmo
from elmo.tagging.tagger import Tagger
from elmo.text.vocabulary import Vocabulary
from elmo.word_vectors import WordVectors
from tests.parameters import files_of

WORDS = ["明天", "去", "河边", "散步", "我", "们", "我们", "A", "1", "abc", " ", "好", "河", "边", "OOV"]
PIECES = ["明天", "河边", "散步", "河边散步", "我们", "们去", "天去", "去河边"]
EMBEDDING, HIDDEN, LAYERS = 4, 3, 2
TAGS = ["n-B", "n-I", "v-B", "v-I", "nr-B", "nr-I", "O"]


@pytest.fixture
def tiny_lac(tmp_path: Path) -> Path:
    """The folder of a model that can be changed."""
    folder = tmp_path / "lac_model"
    (folder / "conf").mkdir(parents=True)
    (folder / "model").mkdir()
    texts = {
        "args.ini": f"[NETWORK_CONFIG]\nword_emb_dim = {EMBEDDING}\ngrnn_hidden_dim = {HIDDEN}\n"
        f"bigru_num = {LAYERS}\n[TRAIN_CONFIG]\nmodel = lac\n",
        "word.dic": "".join(f"{index}\t{word}\n" for index, word in enumerate(WORDS)),
        "tag.dic": "".join(f"{index}\t{tag}\n" for index, tag in enumerate(TAGS)) + "4\tPER-B\n5\tPER-I\n",
        "q2b.dic": "Ａ\tA\n１\t1\n　\t \n",
        "small_seg.dic": "".join(f"{piece} {10 + index}\n" for index, piece in enumerate(PIECES)),
    }
    for name, text in texts.items():
        (folder / "conf" / name).write_text(text, encoding="utf-8")
    shapes: dict[str, tuple[int, ...]] = {"word_emb": (len(WORDS), EMBEDDING), "crfw": (len(TAGS) + 2, len(TAGS))}
    for index in range(2 * LAYERS):
        shapes[f"fc_{index}.w_0"] = (EMBEDDING if index < 2 else 2 * HIDDEN, 3 * HIDDEN)
        shapes[f"fc_{index}.b_0"] = (3 * HIDDEN,)
        shapes[f"gru_{index}.w_0"] = (HIDDEN, 3 * HIDDEN)
        shapes[f"gru_{index}.b_0"] = (1, 3 * HIDDEN)
    shapes["fc_4.w_0"], shapes["fc_4.b_0"] = (2 * HIDDEN, len(TAGS)), (len(TAGS),)
    generator = np.random.default_rng(3)
    for name, shape in shapes.items():
        write_variable(folder / "model" / name, generator.normal(0.0, 1.0, shape).astype("float32"))
    return folder


# Taggers of our own: a biLM and word vectors that are tiny and untrained, and taggers of each kind beside them.

SIZES = {"embedding_size": 8, "hidden_size": 6, "num_layers": 1}


@pytest.fixture(scope="session")
def own_gold(data: Path) -> dict[str, list[Tagged]]:
    """Our own tagged sentences: train, dev, test."""
    return {part: read_gold(data / "lac" / f"{part}.tsv") for part in ("train", "dev", "test")}


@pytest.fixture(scope="session")
def tiny_elmo(own_gold: dict[str, list[Tagged]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an untrained biLM."""
    words = dict.fromkeys(word for sentence in own_gold["dev"] for word in sentence.words)
    return _write_elmo(tmp_path_factory.mktemp("elmo") / "tiny-elmo", list(words))


def _write_elmo(folder: Path, words: list[str]) -> Path:
    vocabulary = Vocabulary(["<S>", "</S>", "<UNK>", *words])
    paddle.seed(5)
    config = BiLMConfig(len(vocabulary), embed_size=5, hidden_size=7)
    return write_model(folder, files_of(BiLM(config), vocabulary))


@pytest.fixture(scope="session")
def tiny_character_elmo(own_gold: dict[str, list[Tagged]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an untrained biLM of characters."""
    characters = dict.fromkeys(character for sentence in own_gold["dev"] for character in sentence.text)
    return _write_elmo(tmp_path_factory.mktemp("elmo") / "tiny-characters", list(characters))


@pytest.fixture(scope="session")
def tiny_word2vec(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of word vectors drawn by chance; 好 has none."""
    vocabulary = Vocabulary(["<S>", "</S>", "<UNK>", "的", "我", "好", "了", "，"])
    vectors = np.random.default_rng(2).normal(size=(len(vocabulary), 6)).astype(np.float32)
    vectors[[0, 1, 2, 5]] = 0
    folder = tmp_path_factory.mktemp("word2vec") / "tiny-word2vec"
    WordVectors(vocabulary, vectors).save(folder)
    return folder


@pytest.fixture(scope="session")
def make_tagger(
    own_gold: dict[str, list[Tagged]], tiny_elmo: Path, tiny_character_elmo: Path, tiny_word2vec: Path
) -> Callable[[str], Tagger]:
    """Gives an untrained tagger, whose answers are wild, of a kind.

    Kinds are words, characters, mixed, elmo, character_elmo, word2vec, fine_tuned, fine_tuned_characters.
    """

    @cache
    def make(kind: str) -> Tagger:
        segmented = segment_gold(own_gold["dev"][:20])
        tokens = "characters" if "character" in kind else "mixed" if kind == "mixed" else "words"
        vocabulary = make_vocabulary(segmented, tokens, gold=own_gold["dev"][:20])
        if kind == "mixed":
            vocabulary = Vocabulary([*vocabulary, "我们", "河边"])
        features: Features | None = None
        described = None
        if kind == "elmo":
            features = ElmoFeatures(tiny_elmo)
        elif kind == "character_elmo":
            features = ElmoFeatures(tiny_character_elmo)
        elif kind == "word2vec":
            features = WordVectorFeatures(tiny_word2vec)
        elif kind.startswith("fine_tuned"):
            described = describe_fine_tuned(read_model(tiny_elmo if tokens == "words" else tiny_character_elmo), "gone")
        config = TaggerConfig(
            ("n", "v", "PER", "w"),
            len(vocabulary),
            tokens,
            features=described if features is None else features.describe(),
            feature_layers=0 if features is None else features.layers,
            feature_size=0 if features is None else features.size,
            **SIZES,
        )
        paddle.seed(7)
        elmo, elmo_vocabulary = fine_tuned_elmo(config) if config.fine_tunes else (None, None)
        network = TaggerNetwork(config, elmo)
        for parameter in network.parameters():  # as large as those of a trained one, so that inputs matter
            parameter.set_value(parameter * 3 + 0.1)
        return Tagger(network, vocabulary, features, elmo_vocabulary)

    return make
