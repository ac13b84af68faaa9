"""Models of ELMoForManyLangs (Che et al., 2018), whose Chinese ELMo reads both words and their characters.

Source: the released models and their program, HIT-SCIR/ELMoForManyLangs. A model is a directory of config.json and the
sizes it names, encoder.pkl, token_embedder.pkl, and the dictionaries word.dic and char.dic.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from elmo.convert.safety import check_finite, check_memory, inside, read_json
from elmo.convert.torch_pickle import read_tensors, tensor_shapes
from elmo.errors import InputError
from elmo.models import ModelFiles
from elmo.system.inputs import read_whole
from elmo.system.types import Array, PathLike, Shape
from elmo.text.vocabulary import BOS, EOS, SPECIAL_TOKENS, UNK, Vocabulary, invalid_utf8

_PARTS = ("encoder", "token_embedder")
_DICTIONARY_BYTES = 16 << 20  # the released ones have 2 MB
_FULL_WIDTH_SPACE = "\u3000"
_ENTRY = re.compile(r"(?:(?P<token>[^\t]*)\t)?(?P<id>[0-9]{1,9})", re.ASCII)
_GATES = (2, 0, 1, 3)  # theirs: input, forget, candidate, output; ours: candidate, input, forget, output
_TOKEN_NAMES = {"<bos>": BOS, "<eos>": EOS, "<oov>": UNK}
_SYMBOLS = ("<bos>", "<eos>", "<bow>", "<eow>", "<pad>", "<oov>")
_MAX_SIZE, _MAX_LAYERS = 1 << 20, 100


def is_manylangs(directory: PathLike) -> bool:
    """Whether a directory looks like a model of ELMoForManyLangs."""
    return all(os.path.lexists(Path(directory) / f"{part}.pkl") for part in _PARTS)


def read_manylangs(directory: PathLike) -> ModelFiles:
    """Read a model of ELMoForManyLangs; nothing in its files is executed.

    Parameters get our names and places: matrices are transposed to [in, out]; the gates are reordered; the weights of a
    highway's gate change their sign, since their gate multiplies what is carried on; the names of the symbols for word
    begin and word end are exchanged, as in their program, which pads every word to `max_characters` symbols.

    Raises:
        InputError: a file is missing, damaged, dangerous or too large; or the files disagree with one another.
    """
    directory = Path(directory)
    config_path = _sizes_path(directory)
    config = _read_config(config_path)
    tokens = _read_dictionary(inside(directory, "word.dic")) if config["word_dim"] else []
    symbols = _read_dictionary(inside(directory, "char.dic")) if config["char_dim"] else []
    arrays = _read_arrays(directory, config, len(tokens), len(symbols))
    vocabulary = _make_vocabulary(tokens, directory / "word.dic")
    return ModelFiles(
        kind="bilm",
        config={
            "vocab_size": len(vocabulary),
            "embed_size": config["projection_dim"],
            "hidden_size": config["dim"],
            "num_layers": config["n_layers"],
            "cell_clip": config["cell_clip"],
            "proj_clip": config["proj_clip"],
            "dropout": config["dropout"],
            "bos_id": vocabulary.bos_id,
            "eos_id": vocabulary.eos_id,
            "use_skip_connections": True,
            "softmax": False,
            "token_encoder": {
                "alphabet": _make_alphabet(symbols, directory / "char.dic") if symbols else "utf-8",
                "char_embed_size": config["char_dim"],
                "filters": config["filters"],
                "num_highway": config["n_highway"],
                "activation": config["activation"],
                "max_characters": config["max_characters_per_token"],
                "word_embed_size": config["word_dim"],
            },
        },
        vocabulary=vocabulary,
        arrays=arrays,
        provenance={
            "source": "ELMoForManyLangs",
            "converted_from": directory.resolve().name,
            "licence": "not stated in the files",
            "notes": [
                "<bos>, <eos> and <oov> of word.dic are called <S>, </S> and <UNK>",
                "<bow> and <eow> of char.dic are exchanged, as in the program that trained the model",
                "the softmax is not among the files: the model encodes, it gives no perplexity",
            ],
        },
    )


def _sizes_path(directory: Path) -> Path:
    """File of the model's sizes, by the name that config.json gives it: often a path on its authors' machine."""
    place = inside(directory, "config.json")
    given = read_json(place).get("config_path")
    name = PurePosixPath(given.replace("\\", "/")).name if isinstance(given, str) else ""
    if not name or name == "..":
        raise InputError(
            f"{place}: config_path is {repr(given)[:100]}, which names no file; give the name of the model's sizes"
        )
    for candidate in (name, f"configs/{name}"):
        if os.path.lexists(directory / candidate):
            return inside(directory, candidate)
    raise InputError(
        f"{directory}: the sizes of the model, which config.json calls {name[:100]!r}, are missing; "
        "put that file, from configs/ of ELMoForManyLangs, beside config.json"
    )


def _read_config(path: Path) -> dict[str, Any]:
    """Read and check the sizes; all in one flat dictionary, with no filters where there are no characters."""
    value = read_json(path)

    def look_up(section: str, key: str) -> Any:
        fields = value.get(section)
        if not isinstance(fields, dict) or key not in fields:
            raise InputError(f"{path}: {section} lacks {key}; give the configuration the model was trained with")
        return fields[key]

    def refused(what: str, given: object, allowed: str) -> InputError:
        return InputError(f"{path}: {what} is {repr(given)[:100]}, not {allowed}; give the model's own configuration")

    def whole(what: str, given: object, least: int, most: int = _MAX_SIZE) -> int:
        if type(given) is not int or not least <= given <= most:
            raise refused(what, given, f"a whole number from {least} to {most:,}")
        return given

    def number(what: str, given: Any) -> float:
        if type(given) not in (int, float) or not 0 <= given <= _MAX_SIZE:
            raise refused(what, given, f"a number from 0 to {_MAX_SIZE:,}")
        return float(given)

    for section, known in (("encoder", "elmo"), ("token_embedder", "cnn")):
        if str(look_up(section, "name")).lower() != known:
            raise refused(f"{section}.name", look_up(section, "name"), f"{known!r}, the only kind that is read")
    config: dict[str, Any] = {
        "projection_dim": whole("projection_dim", look_up("encoder", "projection_dim"), 1),
        "dim": whole("dim", look_up("encoder", "dim"), 1),
        "n_layers": whole("n_layers", look_up("encoder", "n_layers"), 1, _MAX_LAYERS),
        "dropout": number("dropout", value.get("dropout", 0.0)),
    }
    if config["dropout"] >= 1:
        raise refused("dropout", value["dropout"], "below 1")
    for key in ("cell_clip", "proj_clip"):
        given = look_up("encoder", key)
        config[key] = (number(key, given) or None) if given is not None else None  # they don't clip at 0
    for key, least in (("word_dim", 0), ("char_dim", 0), ("max_characters_per_token", 3)):
        config[key] = whole(key, look_up("token_embedder", key), least)
    if not config["word_dim"] and not config["char_dim"]:
        raise refused("word_dim and char_dim", 0, "above 0, either of them")
    config |= {"filters": [], "n_highway": 0, "activation": "relu"}
    if config["char_dim"]:
        config["n_highway"] = whole("n_highway", look_up("token_embedder", "n_highway"), 0, _MAX_LAYERS)
        config["activation"] = look_up("token_embedder", "activation")
        if config["activation"] not in ("relu", "tanh"):
            raise refused("activation", config["activation"], "relu or tanh")
        filters = look_up("token_embedder", "filters")
        if not isinstance(filters, list) or not 1 <= len(filters) <= _MAX_LAYERS:
            raise refused("filters", filters, "a list of [width, number]")
        for pair in filters:
            if not isinstance(pair, list) or len(pair) != 2:
                raise refused("a filter", pair, "[width, number]")
            whole("a filter's width", pair[0], 1, config["max_characters_per_token"])
            whole("a filter's number", pair[1], 1)
            config["filters"].append(list(pair))
    return config


def _read_dictionary(path: Path) -> list[str]:
    """Read lines of a token, a tab and its id, in any order; returns the tokens by id.

    A white-space token stands in the file as it is. Only where a line has no token is it the full-width space, which a
    program stripped, as ELMoForManyLangs itself takes it.
    """
    try:
        if path.stat().st_size > _DICTIONARY_BYTES:
            raise InputError(
                f"{path}: {path.stat().st_size:,} bytes are too many for a dictionary; give the model's own"
            )
        lines = read_whole(path).decode().removesuffix("\n").split("\n")
    except UnicodeDecodeError as error:
        raise invalid_utf8(path, error) from None
    except OSError as error:
        raise InputError(f"{path}: can't be read ({error.strerror}); copy it again") from None
    tokens: list[str | None] = [None] * len(lines)
    first: dict[str, int] = {}
    for number, line in enumerate(lines, 1):
        entry = _ENTRY.fullmatch(line.removesuffix("\r"))
        if entry is None:
            raise InputError(f"{path}:{number}: {line[:100]!r} is not a token, a tab and its id; copy the file again")
        token, token_id = entry["token"] or _FULL_WIDTH_SPACE, int(entry["id"])
        if "\r" in token:
            raise InputError(f"{path}:{number}: {token[:100]!r} contains a line end; copy the file again")
        if token in first:
            raise InputError(
                f"{path}:{number}: {token[:100]!r} stands already in line {first[token]}; copy the file again"
            )
        if token_id >= len(lines) or tokens[token_id] is not None:
            reason = "is given twice" if token_id < len(lines) else f"is not below {len(lines)}, the number of lines"
            raise InputError(f"{path}:{number}: the id {token_id} {reason}; copy the file again")
        first[token] = number
        tokens[token_id] = token
    return [token for token in tokens if token is not None]  # all: as many ids as lines, each once


def _make_vocabulary(tokens: list[str], path: Path) -> Vocabulary:
    """Words by id under our names; without words of its own (characters only), the three special tokens."""
    if not tokens:
        return Vocabulary(SPECIAL_TOKENS)
    if missing := [token for token in _TOKEN_NAMES if token not in tokens]:
        raise InputError(f"{path}: lacks {missing[0]}, which a dictionary of ELMoForManyLangs has; copy it again")
    # A word that happens to look like one of our special tokens takes the free name.
    names = _TOKEN_NAMES | {token: name for name, token in _TOKEN_NAMES.items()}
    return Vocabulary((names.get(token, token) for token in tokens), source=path)


def _make_alphabet(symbols: list[str], path: Path) -> list[str]:
    """Symbols by code; the first code of a word, which their program looks up as <eow>, is our <bow>."""
    if missing := [symbol for symbol in _SYMBOLS if symbol not in symbols]:
        raise InputError(f"{path}: lacks {missing[0]}, which a dictionary of ELMoForManyLangs has; copy it again")
    exchanged = {"<bow>": "<eow>", "<eow>": "<bow>"}
    return [exchanged.get(symbol, symbol) for symbol in symbols]


def _shapes(config: dict[str, Any], num_tokens: int, num_symbols: int) -> dict[str, dict[str, Shape]]:
    """Shape of every tensor that the sizes ask for, by file and by their name."""
    embed, hidden, filters = config["projection_dim"], config["dim"], config["filters"]
    parts = sum(count for _, count in filters)
    encoder: dict[str, Shape] = {}
    for _, _, layer in _layers(config):
        encoder |= {
            f"{layer}.input_linearity.weight": (4 * hidden, embed),
            f"{layer}.state_linearity.weight": (4 * hidden, embed),
            f"{layer}.state_linearity.bias": (4 * hidden,),
            f"{layer}.state_projection.weight": (embed, hidden),
        }
    embedder: dict[str, Shape] = {"projection.weight": (embed, config["word_dim"] + parts), "projection.bias": (embed,)}
    if config["word_dim"]:
        embedder["word_emb_layer.embedding.weight"] = (num_tokens, config["word_dim"])
    if config["char_dim"]:
        embedder["char_emb_layer.embedding.weight"] = (num_symbols, config["char_dim"])
    for k, (width, count) in enumerate(filters):
        embedder[f"convolutions.{k}.weight"] = (count, config["char_dim"], width)
        embedder[f"convolutions.{k}.bias"] = (count,)
    for k in range(config["n_highway"]):
        embedder[f"highways._layers.{k}.weight"] = (2 * parts, parts)
        embedder[f"highways._layers.{k}.bias"] = (2 * parts,)
    return {"encoder": encoder, "token_embedder": embedder}


def _layers(config: dict[str, Any]) -> Iterator[tuple[str, int, str]]:
    """Direction, number and their name of each LSTM layer."""
    for direction in ("forward", "backward"):
        for k in range(config["n_layers"]):
            yield direction, k, f"{direction}_layer_{k}"


def _read_arrays(directory: Path, config: dict[str, Any], num_tokens: int, num_symbols: int) -> dict[str, Array]:
    """Read both files, compare them with the sizes first, and bring the tensors into our form."""
    shapes = _shapes(config, num_tokens, num_symbols)
    paths = {part: inside(directory, f"{part}.pkl") for part in _PARTS}
    for part, path in paths.items():
        _check_shapes(shapes[part], tensor_shapes(path), path)
    check_memory(4 * sum(math.prod(shape) for part in shapes.values() for shape in part.values()), directory)
    arrays = _token_encoder(_read_part(paths["token_embedder"]), config)
    return arrays | _lstm_layers(_read_part(paths["encoder"]), config)


def _read_part(path: Path) -> dict[str, Array]:
    tensors: dict[str, Array] = {}
    for name, tensor in read_tensors(path).items():
        if tensor.dtype.kind != "f":
            raise InputError(f"{path}: {name} holds {tensor.dtype} numbers, not real ones; save it as float32")
        with np.errstate(over="ignore"):  # too large for float32: infinite, and refused
            tensors[name] = tensor.astype(np.float32, copy=False)
    check_finite(tensors, path)
    return tensors


def _check_shapes(expected: dict[str, Shape], found: dict[str, Shape], path: Path) -> None:
    for name in sorted(expected.keys() | found.keys()):
        if name not in found:
            raise InputError(
                f"{path}: the tensor {name} is missing, which its configuration asks for; download it again"
            )
        if name not in expected:
            raise InputError(f"{path}: its configuration has no tensor {name}; put the two of one model together")
        if found[name] != expected[name]:
            raise InputError(
                f"{path}: {name} has shape {list(found[name])}, its configuration and dictionaries say "
                f"{list(expected[name])}; put the files of one model together"
            )


def _token_encoder(tensors: dict[str, Array], config: dict[str, Any]) -> dict[str, Array]:
    arrays = {
        "projection_weight": tensors["projection.weight"].T,  # parts in the same order: word, characters
        "projection_bias": tensors["projection.bias"],
    }
    if config["word_dim"]:
        arrays["word_embedding"] = tensors["word_emb_layer.embedding.weight"]
    if config["char_dim"]:
        arrays["char_embedding"] = tensors["char_emb_layer.embedding.weight"]
    for k in range(len(config["filters"])):
        arrays[f"convolutions.{k}.weight"] = tensors[f"convolutions.{k}.weight"].transpose(2, 1, 0)
        arrays[f"convolutions.{k}.bias"] = tensors[f"convolutions.{k}.bias"]
    for k in range(config["n_highway"]):
        transform_weight, gate_weight = np.split(tensors[f"highways._layers.{k}.weight"], 2)
        transform_bias, gate_bias = np.split(tensors[f"highways._layers.{k}.bias"], 2)
        arrays[f"highways.{k}.transform_weight"] = transform_weight.T
        arrays[f"highways.{k}.transform_bias"] = transform_bias
        arrays[f"highways.{k}.gate_weight"] = -gate_weight.T  # 1 - sigmoid(x) = sigmoid(-x)
        arrays[f"highways.{k}.gate_bias"] = -gate_bias
    return {f"token_encoder.{name}": np.ascontiguousarray(array) for name, array in arrays.items()}


def _lstm_layers(tensors: dict[str, Array], config: dict[str, Any]) -> dict[str, Array]:
    """Bring the LSTM layers, most of a model, into our form; takes each tensor out of `tensors`, to hold it once."""

    def in_our_order(name: str) -> Array:
        gates = np.split(tensors.pop(name), 4)
        return np.ascontiguousarray(np.concatenate([gates[gate] for gate in _GATES]).T)

    arrays = {}
    for direction, k, layer in _layers(config):
        ours = f"{direction}_layers.{k}"
        arrays[f"{ours}.input_weight"] = in_our_order(f"{layer}.input_linearity.weight")
        arrays[f"{ours}.recurrent_weight"] = in_our_order(f"{layer}.state_linearity.weight")
        arrays[f"{ours}.bias"] = in_our_order(f"{layer}.state_linearity.bias")
        arrays[f"{ours}.projection_weight"] = np.ascontiguousarray(tensors.pop(f"{layer}.state_projection.weight").T)
    return arrays
