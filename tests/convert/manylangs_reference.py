"""ELMoForManyLangs without PyTorch, for tests: its files written by hand, and its forward pass in NumPy."""

from __future__ import annotations

import io
import pickle
import random
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from elmo.models import ModelFiles
from elmo.system.types import Array

KINDS = {"<f4": "Float", "<f8": "Double", "<f2": "Half", "<i8": "Long", "<i4": "Int", "<i2": "Short", "|i1": "Char"}
KINDS |= {"|u1": "Byte", "|b1": "Bool"}


def text(value: str) -> bytes:
    """Pickle operation that puts a string."""
    encoded = value.encode("utf-8", "surrogatepass")
    return b"X" + len(encoded).to_bytes(4, "little") + encoded


def number(value: int) -> bytes:
    """Pickle operation that puts a whole number."""
    return pickle.dumps(value, 2)[2:-1]


def several(*items: bytes) -> bytes:
    """Pickle operations that put a tuple."""
    return b"(" + b"".join(items) + b"t"


def name(module: str, attribute: str) -> bytes:
    """Pickle operation that asks for a class or function."""
    return f"c{module}\n{attribute}\n".encode()


ORDERED_DICT = name("collections", "OrderedDict") + b")R"
VERSIONS = b"}" + text("_metadata") + ORDERED_DICT + text("") + b"}" + text("version") + b"K\1sssb"


def storage(kind: str, key: str, num_values: int, *, legacy: bool = False) -> bytes:
    """Reference to a storage: in the older format with one more field."""
    view = [b"N"] if legacy else []
    fields = [text("storage"), name("torch", f"{kind}Storage"), text(key), text("cpu"), number(num_values), *view]
    return several(*fields) + b"Q"


def tensor(base: bytes, offset: int, shape: Sequence[int], strides: Sequence[int]) -> bytes:
    """Call that makes a tensor."""
    sizes = [several(*map(number, values)) for values in (shape, strides)]
    return (
        name("torch._utils", "_rebuild_tensor_v2") + several(base, number(offset), *sizes, b"\x89", ORDERED_DICT) + b"R"
    )


def state_dict(items: Mapping[str, bytes]) -> bytes:
    """Pickle of an ordered dictionary with the versions that a module's state_dict carries."""
    pairs = b"".join(text(key) + value for key, value in items.items())
    return b"\x80\2" + ORDERED_DICT + b"(" + pairs + b"u" + VERSIONS + b"."


def zip_file(data: bytes, storages: Mapping[str, bytes], *, order: str | None = "little") -> bytes:
    """Checkpoint of PyTorch 1.6 or later."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", data)
        if order is not None:
            archive.writestr("archive/byteorder", order)
        for key, raw in storages.items():
            archive.writestr(f"archive/data/{key}", raw)
        archive.writestr("archive/version", "3\n")
    return buffer.getvalue()


def legacy_file(data: bytes, storages: Mapping[str, tuple[int, bytes]], *, little_endian: bool = True) -> bytes:
    """Checkpoint of PyTorch before 1.6; a storage is its number of values and they."""
    system = {"protocol_version": 1001, "little_endian": little_endian, "type_sizes": {"short": 2, "int": 4, "long": 4}}
    head = [pickle.dumps(value, 2) for value in (0x1950A86A20F9469CFC6C, 1001, system)]
    values = [count.to_bytes(8, "little") + raw for count, raw in storages.values()]
    return b"".join([*head, data, pickle.dumps(list(storages), 2), *values])


def checkpoint(arrays: Mapping[str, Array], *, legacy: bool = False) -> bytes:
    """Checkpoint of C-contiguous arrays, each with a storage of its own."""
    items: dict[str, bytes] = {}
    raw: dict[str, tuple[int, bytes]] = {}
    for index, (label, array) in enumerate(arrays.items()):
        key = str(94573022509968 + index) if legacy else str(index)
        strides = [stride // array.itemsize for stride in array.strides]
        base = storage(KINDS[array.dtype.str], key, array.size, legacy=legacy)
        items[label] = tensor(base, 0, array.shape, strides)
        raw[key] = (array.size, array.tobytes())
    data = state_dict(items)
    return legacy_file(data, raw) if legacy else zip_file(data, {key: values for key, (_, values) in raw.items()})


def damaged(good: bytes, generator: random.Random, pieces: Sequence[bytes]) -> bytes:
    """Content of a file with one or a few changes: a bit flipped, a piece put in, bytes left out, the end missing."""
    content = bytearray(good)
    for _ in range(generator.choice([1, 1, 2, 4])):
        place = generator.randrange(len(content) + 1)
        action = generator.randrange(4)
        if action == 0 and place < len(content):
            content[place] ^= 1 << generator.randrange(8)
        elif action == 1:
            content[place:place] = generator.choice(pieces)
        elif action == 2:
            del content[place : place + generator.choice([1, 4, 30])]
        else:
            del content[place:]
    return bytes(content)


def batches(num_words: Sequence[int], batch_size: int, seed: int) -> Iterator[list[int]]:
    """Indexes of the sentences of each batch in the order in which ELMoForManyLangs runs them.

    Sentences are sorted by falling length, those of one length stay in their order; the sorted list is cut into
    batches; the batches are shuffled with Python's own `random`.
    """
    ordered = sorted(range(len(num_words)), key=lambda index: -num_words[index])
    groups = [ordered[start : start + batch_size] for start in range(0, len(ordered), batch_size)]
    random.Random(seed).shuffle(groups)
    yield from groups


class Reference:
    """The forward pass, in float64, on a model in our form; carries its state from batch to batch.

    Rows: a batch is sorted by falling length (stable), and row r of it goes on from what row r of the batch before
    left, in every layer and in both directions, each at the end of its own reading. A smaller batch leaves the other
    rows' state as it is; a row that was never used begins with zeros. The state is the projection before the residual,
    and the cell.
    """

    def __init__(self, files: ModelFiles) -> None:
        self.config: dict[str, Any] = files.config
        self.encoder: dict[str, Any] = files.config["token_encoder"]
        self.vocabulary = files.vocabulary
        self.arrays = {label: array.astype(np.float64) for label, array in files.arrays.items()}
        self.codes = {symbol: code for code, symbol in enumerate(self.encoder["alphabet"])}
        self.states: dict[tuple[int, str, int], tuple[Array, Array]] = {}

    def encode(self, sentences: Sequence[Sequence[str]]) -> list[Array]:
        """Arrays [layers + 1, words, 2 x embed] of one batch, without the sentences' begin and end."""
        cut = self.encoder["max_characters"] - 2  # a word is cut before it is looked up, too
        framed = [["<S>", *(word[:cut] for word in sentence), "</S>"] for sentence in sentences]
        results: list[Array] = [np.empty(0)] * len(framed)
        for row, index in enumerate(sorted(range(len(framed)), key=lambda i: -len(framed[i]))):
            tokens = np.array([self._token(word) for word in framed[index]])
            directions = [self._run(tokens, row, "forward"), self._run(tokens[::-1], row, "backward")]
            layers = zip(directions[0], (layer[::-1] for layer in directions[1]), strict=True)
            results[index] = np.array([np.concatenate(pair, axis=1) for pair in layers])[:, 1:-1]
        return results

    def _token(self, word: str) -> Array:
        parts = []
        if self.encoder["word_embed_size"]:
            parts.append(self.arrays["token_encoder.word_embedding"][self.vocabulary.encode([word])[0]])
        if self.encoder["char_embed_size"]:
            parts.append(self._characters(word))
        weight, bias = (self.arrays[f"token_encoder.projection_{part}"] for part in ("weight", "bias"))
        return np.concatenate(parts) @ weight + bias

    def _characters(self, word: str) -> Array:
        marks = {"<S>": ["<bos>"], "</S>": ["<eos>"]}
        symbols = ["<bow>", *marks.get(word, word), "<eow>"]
        symbols += ["<pad>"] * (self.encoder["max_characters"] - len(symbols))  # always so many, whatever the batch
        codes = [self.codes.get(symbol, self.codes["<oov>"]) for symbol in symbols]
        vectors = self.arrays["token_encoder.char_embedding"][codes]
        maxima = []
        for k in range(len(self.encoder["filters"])):
            weight = self.arrays[f"token_encoder.convolutions.{k}.weight"]
            windows = [vectors[start : start + len(weight)] for start in range(len(vectors) - len(weight) + 1)]
            responses = np.tensordot(np.array(windows), weight, axes=2)
            maxima.append(responses.max(axis=0) + self.arrays[f"token_encoder.convolutions.{k}.bias"])
        row: Array = np.concatenate(maxima)
        row = np.maximum(row, 0) if self.encoder["activation"] == "relu" else np.tanh(row)
        for k in range(self.encoder["num_highway"]):
            parts = ("transform_weight", "transform_bias", "gate_weight", "gate_bias")
            transform, transform_bias, gate, gate_bias = (
                self.arrays[f"token_encoder.highways.{k}.{part}"] for part in parts
            )
            share = _sigmoid(row @ gate + gate_bias)
            row = share * np.maximum(row @ transform + transform_bias, 0) + (1 - share) * row
        return row

    def _run(self, tokens: Array, row: int, direction: str) -> list[Array]:
        """Outputs of every layer of a direction in its own reading order, the tokens first."""
        config, layers = self.config, [tokens]
        for k in range(config["num_layers"]):
            prefix = f"{direction}_layers.{k}."
            hidden, cell = self.states.get(
                (row, direction, k), (np.zeros(config["embed_size"]), np.zeros(config["hidden_size"]))
            )
            outputs = []
            for token in layers[-1]:
                gates = token @ self.arrays[prefix + "input_weight"] + hidden @ self.arrays[prefix + "recurrent_weight"]
                candidate, input_, forget, output = np.split(gates + self.arrays[prefix + "bias"], 4)
                cell = _clip(_sigmoid(forget) * cell + _sigmoid(input_) * np.tanh(candidate), config["cell_clip"])
                hidden = (_sigmoid(output) * np.tanh(cell)) @ self.arrays[prefix + "projection_weight"]
                hidden = _clip(hidden, config["proj_clip"])
                outputs.append(hidden)
            self.states[row, direction, k] = hidden, cell
            layers.append(np.array(outputs) + (layers[-1] if k else 0))
        return layers


def _sigmoid(values: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-values)))


def _clip(values: Array, limit: float | None) -> Array:
    return values if limit is None else np.clip(values, -limit, limit)
