"""ELMo as AllenAI publishes it: options in JSON and weights in HDF5, from allenai/bilm-tf and AllenNLP.

Their LSTM takes [x, h] in one matrix with the gates input, candidate, forget, output, and adds 1 to the forget gate
when it runs; ours has two matrices, the gates candidate, input, forget, output, and the 1 in its bias.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from elmo.checks import is_number
from elmo.convert.allennlp.weights import ModelReader, check_unused
from elmo.convert.hdf5 import Hdf5File
from elmo.convert.safety import check_finite, check_named_vocabulary, inside, read_json
from elmo.errors import InputError
from elmo.models import ModelFiles
from elmo.system.inputs import read_whole
from elmo.system.types import PathLike
from elmo.text.vocabulary import SPECIAL_TOKENS, Vocabulary, invalid_utf8

_CHARACTER_COUNTS = (261, 262)  # in training, and with the row for "no token" that their code adds after reading
_IGNORED_TOKEN = "!!!MAXTERMID"  # their vocabulary's reader passes over it
_MAX_SIZE, _MAX_LAYERS, _MAX_FILTERS, _MAX_CHARACTERS = 1 << 24, 64, 512, 1000
_MAX_VOCABULARY_BYTES = 1 << 30


def is_allennlp(directory: Path) -> bool:
    """Whether a directory has the files of such a model: options in JSON, and HDF5."""
    try:
        names = _names(directory)
    except InputError:
        return False
    return any(_is_options(name) for name in names) and any(_is_hdf5(name) for name in names)


def read_allennlp(directory: Path, vocab_path: PathLike | None = None) -> ModelFiles:
    """Read a model of bilm-tf or AllenNLP.

    Args:
        directory: holds one options file (`*options.json`), one file of weights (`*weights*.hdf5`, or the only .hdf5),
            perhaps a vocabulary (`vocab*.txt`) and perhaps the softmax's weights (`*softmax*weights*.hdf5`).
        vocab_path: the vocabulary, if it is elsewhere. A model of characters needs none; one of word ids does.

    Raises:
        InputError: a file is missing, damaged or leads elsewhere; a dataset is missing, is not part of the model or
            has another shape than the options say; the parameters don't fit in memory, or are not finite.
    """
    directory = Path(directory)
    names = _names(directory)
    options_path = inside(directory, _one(directory, [name for name in names if _is_options(name)], "options file"))
    weights_path, softmax_path = _weights_paths(directory, names)
    found = [name for name in names if re.fullmatch(r"vocab.*\.txt", name.lower())]
    named = vocab_path
    if vocab_path is None:
        vocab_path = inside(directory, _one(directory, found, "vocabulary, or name it")) if found else None
    config = _read_options(options_path)
    vocabulary, num_missing = _read_vocabulary(vocab_path)
    if len(found) == 1:
        check_named_vocabulary(
            directory, named, lambda: _read_vocabulary(inside(directory, found[0]))[0], lambda _: vocabulary
        )
    notes = [] if vocab_path else ["no vocabulary came with the weights"]
    if num_missing and vocab_path:
        notes.append(f"{', '.join(vocabulary.tokens[-num_missing:])} added to the vocabulary")
    num_tokens = None if num_missing else len(vocabulary)
    if config["token_encoder"] is None and num_tokens is None:
        raise InputError(
            f"{vocab_path or directory}: the model looks up word ids, so it needs its vocabulary, with "
            f"{', '.join(SPECIAL_TOKENS)} in it; give the one it was trained with"
        )
    config |= {"vocab_size": len(vocabulary), "bos_id": vocabulary.bos_id, "eos_id": vocabulary.eos_id}

    with Hdf5File(weights_path) as weights, Hdf5File(softmax_path or weights_path) as softmax_weights:
        reader = ModelReader(config, weights, num_tokens)
        notes += reader.plan_softmax(softmax_weights)
        others = check_unused(weights)
        arrays = reader.read()
    if others:
        shown = ", ".join(repr(name) for name in others[:10])
        notes.append(f"datasets that are no parameters: {shown}{', ...' if len(others) > 10 else ''}")
    check_finite(arrays, weights_path)
    provenance = {
        "source": "AllenNLP / bilm-tf",
        "converted_from": directory.resolve().name,
        "licence": "not stated in the files",
        "notes": notes,
    }
    return ModelFiles("bilm", config, vocabulary, dict(arrays), provenance)


# Files


def _names(directory: Path) -> list[str]:
    try:
        return sorted(name for name in os.listdir(directory) if not name.startswith("."))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{directory}: can't be read ({reason}); give the directory of a model") from None


def _is_options(name: str) -> bool:
    return name.lower().endswith("options.json")


def _is_hdf5(name: str) -> bool:
    return name.lower().endswith((".hdf5", ".h5"))


def _one(directory: Path, names: list[str], what: str) -> str:
    if len(names) != 1:
        found = f"more than one file could be it: {', '.join(names[:5])}" if names else "there is none"
        raise InputError(f"{directory}: {found}; keep exactly one {what}")
    return names[0]


def _weights_paths(directory: Path, names: list[str]) -> tuple[Path, Path | None]:
    """Return the model's weights and, if they are apart, the softmax's."""
    files = [name for name in names if _is_hdf5(name)]
    weights = [name for name in files if "weights" in name.lower()]
    softmax = [name for name in weights if "softmax" in name.lower()]
    weights = [name for name in weights if name not in softmax] or (files if len(files) == 1 else [])
    return (
        inside(directory, _one(directory, weights, "file of weights (*weights*.hdf5)")),
        inside(directory, _one(directory, softmax, "file of softmax weights")) if softmax else None,
    )


def _read_vocabulary(path: PathLike | None) -> tuple[Vocabulary, int]:
    """Read a vocabulary as bilm-tf does, each line stripped; returns it and how many special tokens had to be added."""
    tokens: list[str] = []
    if path is not None:
        path = Path(path)
        try:
            if not path.is_file() or path.stat().st_size > _MAX_VOCABULARY_BYTES:
                raise InputError(f"{path}: is no file, or too large a one; give a vocabulary of one token a line")
            lines = read_whole(path).decode().removeprefix("\ufeff").split("\n")
        except UnicodeDecodeError as error:
            raise invalid_utf8(path, error) from None
        except OSError as error:
            raise InputError(f"{path}: can't be read ({error.strerror}); give a vocabulary") from None
        while lines and not lines[-1].strip("\r"):
            lines.pop()
        tokens = [line.strip() or line.strip("\r") for line in lines]  # a token may be one wide space
        tokens = [token for token in tokens if token != _IGNORED_TOKEN]
    known = set(tokens)
    missing = [token for token in SPECIAL_TOKENS if token not in known]
    return Vocabulary([*tokens, *missing], source=path), len(missing)


# Options


def _read_options(path: Path) -> dict[str, Any]:
    """Read the options as a configuration of ours, all but what the vocabulary and the weights say."""
    options = read_json(path)

    def value(*keys: str, default: object = None) -> Any:
        found: Any = options
        for key in keys:
            found = found.get(key) if isinstance(found, Mapping) else None
        return default if found is None else found

    def check(is_right: bool, wanted: str, *keys: str) -> None:
        if not is_right:
            shown = repr(value(*keys))
            shown = shown if len(shown) < 80 else f"{shown[:80]}..."
            raise InputError(f"{path}: {'.'.join(keys)} is {shown}: {wanted}, as the model was trained with")

    def whole(low: int, high: int, *keys: str, default: int | None = None) -> int:
        number = value(*keys, default=default)
        check(_is_whole(number, low, high), f"give a whole number from {low:,} to {high:,}", *keys)
        return int(number)

    def clip(*keys: str) -> float | None:
        number = value(*keys)
        check(number is None or (is_number(number) and 0 < number <= 1e9), "give a positive number or null", *keys)
        return None if number is None else float(number)

    def flag(*keys: str, default: bool) -> bool:
        given = value(*keys, default=default)
        check(isinstance(given, bool), "give true or false", *keys)
        return bool(given)

    hidden_size = whole(1, _MAX_SIZE, "lstm", "dim")
    embed_size = whole(1, _MAX_SIZE, "lstm", "projection_dim")
    check(embed_size <= hidden_size, f"give at most lstm.dim, {hidden_size}", "lstm", "projection_dim")
    check(flag("bidirectional", default=True), "only models of both directions can be read", "bidirectional")
    dropout = value("dropout", default=0.0)
    check(is_number(dropout) and 0 <= dropout < 1, "give a number from 0 to below 1", "dropout")
    token_encoder = None
    if "char_cnn" in options:
        count = value("char_cnn", "n_characters")
        check(count in _CHARACTER_COUNTS, "only models of UTF-8 bytes (261) can be read", "char_cnn", "n_characters")
        activation = value("char_cnn", "activation")
        check(activation in ("relu", "tanh"), "give 'relu' or 'tanh'", "char_cnn", "activation")
        max_characters = whole(3, _MAX_CHARACTERS, "char_cnn", "max_characters_per_token")
        filters = value("char_cnn", "filters")
        check(
            isinstance(filters, list)
            and 0 < len(filters) <= _MAX_FILTERS
            and all(isinstance(pair, list) and len(pair) == 2 for pair in filters)
            and all(_is_whole(width, 1, max_characters) and _is_whole(count, 1, _MAX_SIZE) for width, count in filters),
            f"give a list of [width, number of filters], widths up to {max_characters}",
            "char_cnn",
            "filters",
        )
        token_encoder = {
            "alphabet": "utf-8",
            "char_embed_size": whole(1, _MAX_SIZE, "char_cnn", "embedding", "dim"),
            "filters": filters,
            "num_highway": whole(0, _MAX_LAYERS, "char_cnn", "n_highway", default=0),
            "activation": activation,
            "max_characters": max_characters,
            "word_embed_size": 0,
        }
    return {
        "embed_size": embed_size,
        "hidden_size": hidden_size,
        "num_layers": whole(1, _MAX_LAYERS, "lstm", "n_layers", default=1),
        "cell_clip": clip("lstm", "cell_clip"),
        "proj_clip": clip("lstm", "proj_clip"),
        "dropout": float(dropout),
        "use_skip_connections": flag("lstm", "use_skip_connections", default=False),
        "softmax": False,
        "token_encoder": token_encoder,
    }


def _is_whole(value: object, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
