"""The page's engine, in V8 without a browser, gives what `elmo.Encoder` gives."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("py_mini_racer", reason="the engine needs V8: mini-racer, of the extra `dev`")
pytest.importorskip("sphinx", reason="the book's model is named in an extension of its own")

from py_mini_racer import JSEvalException

from benchmarks.live import sentences
from benchmarks.live_engine import Engine, compare_guesses, compare_layers, compare_words
from book.tools.live import MODEL, SENSES, WORD_VECTORS
from elmo.bilm import BiLM, BiLMConfig
from elmo.encoding.encoder import Encoder, load_pretrained
from elmo.encoding.substitutes import Substitutes
from elmo.text.segment import WhitespaceSegmenter
from elmo.text.vocabulary import SPECIAL_TOKENS, Vocabulary
from elmo.web.cells import forward_cells
from elmo.web.export import STATIC, WebModel, web_model
from elmo.web.model_arrays import model_arrays
from elmo.web.packing import quantise
from elmo.word_vectors import WordVectors

PHONE = ["我", "新买", "了", "1", "个", "苹果", "X", "。"]


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return load_pretrained(MODEL)


@pytest.fixture(scope="module")
def model(encoder: Encoder) -> WebModel:
    return web_model(encoder, SENSES, WordVectors.load(WORD_VECTORS))


@pytest.fixture(scope="module")
def engine(model: WebModel) -> Engine:
    return Engine(model.script)


def tiny_encoder(**settings: object) -> Encoder:
    """A random biLM whose sizes are no multiples of four, and whose weights int8 holds exactly."""
    words = [*"猫狗吃鱼睡觉我你他好"]
    vocabulary = Vocabulary([*SPECIAL_TOKENS, *words])
    config = BiLMConfig(vocab_size=len(vocabulary), **{"embed_size": 6, "hidden_size": 10, "dropout": 0.0, **settings})
    generator = np.random.default_rng(7)
    bilm = BiLM(config)
    for parameter in bilm.parameters():  # large enough that clips and gates matter
        parameter.set_value(generator.choice([-0.75, 0, 0.75], parameter.shape).astype(np.float32))
    bilm.eval()
    return Encoder(bilm, vocabulary, WhitespaceSegmenter())


@pytest.fixture(scope="module")
def rounded(encoder: Encoder) -> Encoder:
    """The encoder with weights as the page holds them, so that nothing but the arithmetic can differ."""
    model = BiLM(encoder.model.config)
    arrays = {name: parameter.numpy() for name, parameter in encoder.model.named_parameters()}
    for name, parameter in model.named_parameters():
        parameter.set_value(round_rows(name, arrays[name]))
    model.eval()
    return Encoder(model, encoder.vocabulary, encoder.segmenter)


def round_rows(name: str, array: np.ndarray) -> np.ndarray:
    """An array as packed and read again. The model has the rows of its LSTMs' matrices as columns."""
    if array.ndim == 1:
        return array
    by_word = name in ("embedding_para", "softmax_weight")
    steps, scales = quantise(array if by_word else array.T)
    rows = steps * scales[:, None]
    return rows if by_word else rows.T


@pytest.mark.slow
def test_the_layers_of_200_sentences_are_those_of_the_encoder(engine: Engine, encoder: Encoder):
    chosen = [encoder.words(text) for text in sentences(200)]
    least = compare_layers(engine, encoder, chosen)
    assert min(least["own"] + least["hole"]) > 0.999  # weights have 255 steps a row
    same = compare_guesses(engine, encoder, chosen)
    assert same["words"] > 2000 and min(same["left"], same["right"]) >= 0.98


@pytest.mark.parametrize(
    "settings",
    [
        {"tie_softmax": True},
        {"num_layers": 3, "cell_clip": None, "proj_clip": None},
        {"use_skip_connections": False, "num_layers": 1, "cell_clip": 0.5},
    ],
)
@pytest.mark.parametrize("simd", [True, False])
def test_models_of_other_sizes_run_with_webassembly_and_without(settings: dict[str, object], simd: bool):
    encoder = tiny_encoder(**settings)
    engine = Engine(web_model(encoder).script, simd=simd)
    assert engine.facts["simd"] is simd
    chosen = [["猫", "吃", "鱼"], ["我"], ["你", "好", "没有", "他", "睡", "觉"]]
    least = compare_layers(engine, encoder, chosen)
    assert min(least["own"] + least["hole"]) > 0.99999
    substitutes = engine.ask("substitutes", words=chosen[0])
    assert [len(rows) for rows in substitutes] == [engine.facts["config"]["layers"] + 1] * 3
    assert all(word not in (*SPECIAL_TOKENS, "猫") for row in substitutes[0] for word in row)


def test_webassembly_and_plain_loops_agree(model: WebModel, engine: Engine):
    plain = Engine(model.script, simd=False)
    quick, slow = (each.ask("guesses", words=PHONE, place=5) for each in (engine, plain))
    for side in ("left", "right", "both"):
        assert [each["word"] for each in quick[side]["top"]] == [each["word"] for each in slow[side]["top"]]
        shares = [[each["share"] for each in found[side]["top"]] for found in (quick, slow)]
        np.testing.assert_allclose(*shares, rtol=1e-3)


def test_the_word_s_own_rank_and_share_are_those_of_the_softmax(engine: Engine, encoder: Encoder):
    parameters = {name: parameter.numpy() for name, parameter in encoder.model.named_parameters()}
    left = encoder.encode([PHONE], positions="hole")[0][-1, 5, :128]
    scores = left @ parameters["embedding_para"].T + parameters["softmax_bias"]
    own = scores[encoder.vocabulary.encode(["苹果"])[0]]
    found = engine.ask("guesses", words=PHONE, place=5)["left"]
    assert found["rank"] == pytest.approx((scores > own).sum() + 1, abs=1)
    assert found["share"] == pytest.approx(np.exp(own - np.logaddexp.reduce(scores)), rel=0.05)  # int8


@pytest.mark.parametrize("tied", [False, True])
def test_both_models_together_weigh_all_words_as_substitutes_does(tied: bool):
    encoder = tiny_encoder(tie_softmax=tied)
    engine, substitutes = Engine(web_model(encoder).script), Substitutes(encoder)
    words = ["我", "吃", "没有", "。", "鱼"]
    for place, guesses in enumerate(engine.ask("allGuesses", words=words)):
        expected = substitutes.words(words, place)
        assert [each["word"] for each in guesses["both"]["top"]] == [word for word, _ in expected]
        shares = [each["share"] for each in guesses["both"]["top"]]
        np.testing.assert_allclose(shares, [weight for _, weight in expected], rtol=1e-3, atol=1e-6)
    vectors = np.array(engine.ask("expected", words=words))
    np.testing.assert_allclose(vectors, substitutes.encode([words])[0], atol=1e-4)


def test_page_and_package_expect_the_same_ten_words(engine: Engine, rounded: Encoder):
    substitutes = Substitutes(rounded)
    for text in ("我新买了1个苹果X。", "妈妈给我打电话。", "这个词是什么意思？"):
        words = engine.ask("cut", text=text)["words"]
        for place, guesses in enumerate(engine.ask("allGuesses", words=words)):
            expected = [word for word, _ in substitutes.words(words, place)]
            assert [each["word"] for each in guesses["both"]["top"]] == expected, words[place]


def test_substitute_vectors_are_those_of_the_package(engine: Engine, encoder: Encoder):
    chosen = [encoder.words(text) for text in sentences(10)]
    for words, expected in zip(chosen, Substitutes(encoder).encode(chosen), strict=True):
        found = np.array(engine.ask("expected", words=words))
        lengths = np.linalg.norm(found, axis=1) * np.linalg.norm(expected, axis=1)
        assert ((found * expected).sum(axis=1) / lengths).min() > 0.999


def test_both_models_together_guess_words_and_their_weights_fit(engine: Engine):
    found = engine.ask("guesses", words=PHONE, place=5)["both"]
    shares = [each["share"] for each in found["top"]]
    assert shares == sorted(shares, reverse=True) and 0 < sum(shares) <= 1
    assert not {each["word"] for each in found["top"]} & set(SPECIAL_TOKENS)


def test_words_are_cut_as_the_results_file_says(engine: Engine, encoder: Encoder, repository: Path):
    written = json.loads((repository / "data/results/live.json").read_text(encoding="utf-8"))
    measured = compare_words(engine, encoder, sentences(1000))
    assert written["model"] == MODEL
    assert written["segmentation"] == pytest.approx(measured, abs=1e-9)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        (" \n\t ", []),
        ("我买了1斤苹果。", ["我", "买", "了", "1", "斤", "苹果", "。"]),
        ("iPhone13很好", ["iPhone13", "很", "好"]),
        ("3.14%和ＡＢ", ["3.14%", "和", "ＡＢ"]),
        ("你好 世界", ["你好", "世界"]),
        ("👨‍👩‍👧好", ["👨‍👩‍👧", "好"]),
        ("<script>", ["<", "script", ">"]),
        ("<S></S>", ["<", "S", ">", "<", "/", "S", ">"]),
    ],
)
def test_any_text_is_cut_and_nothing_of_it_is_lost(engine: Engine, text: str, words: list[str]):
    found = engine.ask("cut", text=text)
    assert found["words"] == words
    assert len(found["known"]) == len(words)


def test_unknown_words_are_read_as_such_and_have_no_rank(engine: Engine, encoder: Encoder):
    words = ["我", "喜歡", "蘋果", "。"]
    assert engine.ask("know", words=words)["known"] == [word in encoder.vocabulary for word in words]
    found = engine.ask("guesses", words=words, place=2)
    assert found["left"]["rank"] is None and found["both"]["share"] is None
    assert engine.ask("substitutes", words=words)[2][0] == []


def test_a_model_that_is_missing_cut_off_or_damaged_is_refused(engine: Engine):
    script = web_model(tiny_encoder()).script
    for change, reason in (
        ("elmoModel = null", "missing"),
        ("elmoModel.bytes = elmoModel.bytes.slice(0, -8)", "damaged"),
        ("elmoModel.bytes = (elmoModel.bytes[0] === 'A' ? 'B' : 'A') + elmoModel.bytes.slice(1)", "damaged"),
    ):
        with pytest.raises(JSEvalException, match=reason):
            Engine(f"{script}\n{change};")


def test_the_gap_of_a_marked_sentence_falls_on_its_own_dot(engine: Engine, encoder: Encoder):
    entry = engine.facts["senses"]["苹果"]
    text = entry["sentences"][0]["text"]
    words = encoder.words(text)
    for shares in ([0, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0.5, 0.5]):
        found = engine.ask("senses", words=words, place=words.index("苹果"), shares=shares)
        spread = np.ptp(np.array(found["points"]), axis=0).max()
        assert np.abs(np.subtract(found["own"], found["points"][0])).max() < 0.02 * spread  # vectors are int8
        assert 0 not in {near["index"] for near in found["mixed"]["nearest"]}  # it is no neighbour of itself
        for vote in (*found["rows"], found["mixed"]):
            assert sum(vote["shares"].values()) == pytest.approx(1)
            assert set(vote["shares"]) <= set(entry["senses"])


def test_the_senses_show_the_words_that_both_models_expect(engine: Engine):
    found = engine.ask("senses", words=PHONE, place=5, shares=[0, 0, 0, 1])
    both = engine.ask("guesses", words=PHONE, place=5)["both"]["top"]
    assert found["expected"] == [each["word"] for each in both][: len(found["expected"])]
    assert len(found["expected"]) >= 5


def test_the_mix_moves_the_map_as_the_scalar_mix_does(engine: Engine):
    def points(*shares: float) -> np.ndarray:
        return np.array(engine.ask("senses", words=PHONE, place=5, shares=shares)["points"])

    mixed = points(0.2, 0.3, 0.4, 0.1)
    single = [points(*shares) for shares in np.eye(4).tolist()]
    np.testing.assert_allclose(mixed, np.tensordot([0.2, 0.3, 0.4, 0.1], single, 1), atol=1e-4)
    assert all(np.abs(mixed - each).max() > 0.1 for each in single)


@pytest.mark.parametrize("row", range(4))
def test_a_row_alone_votes_as_itself(engine: Engine, row: int):
    found = engine.ask("senses", words=PHONE, place=5, shares=np.eye(4)[row].tolist())
    assert len(found["rows"]) == 4
    assert found["mixed"] == found["rows"][row]


def test_each_pair_of_examples_shares_a_word_whose_senses_are_marked(engine: Engine):
    labels = (STATIC / "labels.js").read_text(encoding="utf-8")
    for pair in engine.evaluate(f"(() => {{ {labels}; return elmoLive.examples; }})()"):
        first, second = (set(engine.ask("cut", text=text)["words"]) for text in pair)
        assert first & second & set(engine.facts["senses"]), pair


def test_gates_and_cells_are_those_of_the_formulas(engine: Engine, encoder: Encoder):
    cells = forward_cells(encoder, model_arrays(encoder.model), PHONE)
    for layer in (1, 2):
        steps = engine.ask("inside", words=PHONE, layer=layer, unit=17)
        np.testing.assert_allclose([step["cell"] for step in steps], cells[layer - 1][:, 17], atol=0.02)
        for before, step in zip([{"cell": 0.0}, *steps], steps, strict=False):
            expected = step["forget"] * before["cell"] + step["input"] * step["candidate"]
            assert step["cell"] == pytest.approx(np.clip(expected, -3, 3), abs=1e-5)


def test_the_quotation_cell_is_elsewhere_inside_a_quotation_than_outside(engine: Engine):
    cell = engine.facts["cell"]
    assert abs(cell["correlation"]) > 0.8
    words = ["老师", "说", "：", "“", "苹果", "熟", "了", "。", "”", "我们", "都", "笑", "了", "。"]
    steps = engine.ask("inside", words=words, layer=cell["layer"], unit=cell["unit"])
    values = np.sign(cell["correlation"]) * np.array([step["cell"] for step in steps])
    assert values[4:9].min() > values[[1, 2, 3, *range(10, 15)]].max()  # step 4 has read the opening mark, 9 the other


def test_a_word_is_like_itself_and_its_contexts_differ(engine: Engine):
    fruit = ["我", "买", "了", "1", "斤", "苹果", "。"]
    request = {"first": {"words": PHONE, "place": 5}, "second": {"words": fruit, "place": 5}}
    found = engine.ask("compare", **request)
    assert found["own"][0] == pytest.approx(1) and max(found["own"][1:]) < 0.99
    same = engine.ask("compare", first=request["first"], second=request["first"])
    assert same["own"] + same["hole"] == pytest.approx([1] * 6)


def test_a_page_without_workers_can_breathe_between_slices(engine: Engine):
    slices = "(() => {{ let n = 0; const g = elmo.answer({}, {}); while (!g.next().done) n++; return n; }})()"
    assert engine.evaluate(slices.format('"allGuesses"', json.dumps({"words": PHONE[:6]}))) == 4 + 3  # layers, pairs
