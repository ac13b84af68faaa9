"""The token encoder against the formulas written out in loops, and the gradients it gives."""

from __future__ import annotations

import numpy as np
import pytest

from elmo.errors import InputError
from elmo.nn.char_cnn import TokenEncoder
from elmo.runtime import paddle
from elmo.text.characters import SPECIAL_SYMBOLS, Alphabet, Lexicon, TokenEncoderConfig, make_lexicon
from elmo.text.vocabulary import SPECIAL_TOKENS, Vocabulary
from tests.parameters import draw

WORDS = ["苹果", "果", "手机", "ab", "未知的词", ""]
VOCABULARY = Vocabulary([*SPECIAL_TOKENS, "苹果", "手机"])
CHARACTERS = (*SPECIAL_SYMBOLS, *"苹果手机")


def config(**fields) -> TokenEncoderConfig:
    small = {"char_embed_size": 3, "filters": ((1, 4), (3, 5)), "num_highway": 2, "max_characters": 7}
    return TokenEncoderConfig(**{**small, "alphabet": CHARACTERS, **fields})


CONFIGS = [config(), config(alphabet="utf-8", activation="tanh"), config(word_embed_size=6, num_highway=1)]
CONFIGS += [config(char_embed_size=0, filters=(), word_embed_size=6)]


def make_encoder(sizes: TokenEncoderConfig, dtype: str = "float64", seed: int = 3) -> tuple[TokenEncoder, Lexicon]:
    encoder = TokenEncoder(sizes, len(VOCABULARY), 8)
    encoder.to(dtype=dtype)
    draw(encoder, seed)
    return encoder, make_lexicon(WORDS, VOCABULARY, Alphabet(sizes.alphabet), sizes.max_characters)[1]


def by_loops(encoder: TokenEncoder, lexicon: Lexicon) -> np.ndarray:
    """The formulas of the docstrings, word by word, position by position."""
    values = {name: parameter.numpy() for name, parameter in encoder.named_parameters()}
    rows = []
    for word_id, codes in zip(lexicon.word_ids, lexicon.codes, strict=True):
        parts = []
        if encoder.config.word_embed_size:
            parts.append(values["word_embedding"][word_id])
        if encoder.config.filters:
            features = []
            for k, (width, _) in enumerate(encoder.config.filters):
                weight, bias = values[f"convolutions.{k}.weight"], values[f"convolutions.{k}.bias"]
                window = [
                    sum(values["char_embedding"][codes[p + o]] @ weight[o] for o in range(width)) + bias
                    for p in range(len(codes) - width + 1)
                ]
                features.append(np.max(window, axis=0))
            x = np.concatenate(features)
            x = np.tanh(x) if encoder.config.activation == "tanh" else np.maximum(x, 0)
            for k in range(encoder.config.num_highway):
                part = {name: values[f"highways.{k}.{name}"] for name in ("transform_weight", "transform_bias")}
                z = x @ values[f"highways.{k}.gate_weight"] + values[f"highways.{k}.gate_bias"]
                g = 1 / (1 + np.exp(-z))
                x = g * np.maximum(x @ part["transform_weight"] + part["transform_bias"], 0) + (1 - g) * x
            parts.append(x)
        rows.append(np.concatenate(parts) @ values["projection_weight"] + values["projection_bias"])
    return np.stack(rows)


@pytest.mark.parametrize("sizes", CONFIGS)
def test_vectors_are_those_of_the_formulas(sizes: TokenEncoderConfig):
    encoder, lexicon = make_encoder(sizes)
    with paddle.no_grad():
        np.testing.assert_allclose(encoder(lexicon).numpy(), by_loops(encoder, lexicon), atol=1e-12)  # float64


@pytest.mark.parametrize("sizes", CONFIGS)
def test_gradients_are_slopes(sizes: TokenEncoderConfig):
    encoder, lexicon = make_encoder(sizes)
    weights = np.random.default_rng(4).normal(size=(len(lexicon), 8))
    (encoder(lexicon) * paddle.to_tensor(weights)).sum().backward()
    generator = np.random.default_rng(5)
    for name, parameter in encoder.named_parameters():
        value, gradient = parameter.numpy().copy(), parameter.grad.numpy()
        for index in generator.integers(0, value.size, 4):
            place = np.unravel_index(index, value.shape)
            sides = []
            for step in (1e-6, -1e-6):
                moved = value.copy()
                moved[place] += step
                parameter.set_value(moved)
                sides.append(float((by_loops(encoder, lexicon) * weights).sum()))
            parameter.set_value(value)
            # central differences of float64 are good to about 1e-8 where the slope is of order one
            assert gradient[place] == pytest.approx((sides[0] - sides[1]) / 2e-6, abs=1e-6), (name, place)


def test_windows_of_padding_that_tie_share_one_gradient():
    encoder, _ = make_encoder(config(filters=((1, 1),), num_highway=0, char_embed_size=1))
    pad = CHARACTERS.index("<pad>")
    encoder.char_embedding.set_value(np.where(np.arange(len(CHARACTERS)) == pad, 2.0, 1.0)[:, None])
    for parameter in (encoder.convolutions[0].weight, encoder.projection_weight):
        parameter.set_value(np.ones(parameter.shape))
    _, lexicon = make_lexicon(["果"], VOCABULARY, Alphabet(CHARACTERS), 7)
    encoder(lexicon.rows(np.array([2])))[0, 0].backward()
    assert encoder.char_embedding.grad.numpy()[pad, 0] == pytest.approx(1.0)  # four windows, one maximum


def test_words_of_other_characters_get_other_vectors_known_or_not():
    encoder, lexicon = make_encoder(config())
    vectors = encoder(lexicon).numpy()
    unknown_to_vocabulary = [2 + 1, 2 + 4]  # 果 and 未知的词, behind the two sentence marks
    assert np.abs(vectors[unknown_to_vocabulary[0]] - vectors[unknown_to_vocabulary[1]]).max() > 0.1


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"num_highway": -1}, "num_highway is -1"),
        ({"activation": "gelu"}, "'gelu'"),
        ({"filters": ()}, "neither filters nor word vectors"),
        ({"char_embed_size": 0}, "char_embed_size of at least 1"),
        ({"filters": ((0, 4),)}, r"\(0, 4\)"),
        ({"filters": ((9, 4),)}, "9 wide"),
        ({"alphabet": "utf-16"}, "'utf-16'"),
    ],
)
def test_sizes_that_make_no_encoder_are_refused(fields, message: str):
    with pytest.raises(InputError, match=message):
        config(**fields)


@pytest.mark.parametrize("fields", [7, {"widths": 3}, {"filters": 5}, {"alphabet": [1, 2]}])
def test_a_configuration_from_json_that_is_none_is_refused(fields):
    with pytest.raises(InputError, match="token_encoder"):
        TokenEncoderConfig.from_dict(fields)
