"""Checkpoints of LARK's ELMo (Baidu, Paddle 1.4, 2019): a directory of variable files becomes a biLM of ours, and back.

LARK names the layers' LSTMPs `lstmp_0`, `lstmp_1`, ... as they are built: all of the forward direction, then all of the
backward one. Its gate order is ours, so nothing is permuted. Clips and dropout stand in its code, not in the files.
"""

from __future__ import annotations

import dataclasses
import os
import re
import stat
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from elmo.convert.fluid import FluidHeader, read_header, read_variable, write_variable
from elmo.convert.safety import check_finite, check_memory, check_named_vocabulary, inside
from elmo.errors import InputError
from elmo.models import VOCABULARY_FILE, ModelFiles, check_parameters
from elmo.system.files import (
    check_can_be_made,
    check_replaceable,
    first_foreign,
    replace_directory,
    temporary_directory,
)
from elmo.system.types import PathLike, Shape
from elmo.text.vocabulary import Vocabulary

_EMBEDDING, _FIRST_GATE = "embedding_para", "fw_layer1_gate_w"
_SOFTMAX = ("softmax_weight", "softmax_bias")
_VOCABULARIES = (VOCABULARY_FILE, "vocabulary_min5k.txt", "vocab.txt")
_COMBINED = "__params__"  # the usual name where all variables were saved into one file
_CLIP, _DROPOUT = 3.0, 0.1  # LARK's defaults, which its released model was trained with
_GATE = re.compile(r"[fb]w_layer([1-9][0-9]*)_gate_w")
# Whatever is called so would change what the model computes; optimiser state has a further ending (`..._moment_0`).
_LIKE_A_PARAMETER = re.compile(r"[fb]w_layer[0-9]+_gate_[a-z]+|lstmp_[0-9]+\.[a-z]+_[0-9]+")
_LONGEST_WORD = 4096  # bytes a vocabulary may hold for each of its words
_NAMED_LEFTOVERS = 3


class _Parameter(NamedTuple):
    name: str  # ours
    shape: Shape  # ours
    stored: tuple[Shape, ...]  # shapes that the file may have, LARK's own first


def is_lark(directory: PathLike) -> bool:
    """Whether a directory looks like a checkpoint of LARK's ELMo, by its file names alone."""
    return any(os.path.lexists(os.path.join(directory, name)) for name in (_EMBEDDING, _FIRST_GATE))


def read_lark(directory: PathLike, vocab_path: PathLike | None = None) -> ModelFiles:
    """Read a checkpoint directory as LARK saves it; all headers are checked before any parameter is loaded.

    Args:
        vocab_path: the vocabulary it was trained with, a word a line; not needed where the directory holds it.

    Raises:
        InputError: a parameter is missing, damaged, not finite or does not fit the others; the vocabulary is missing or
            has another size; there is not enough memory.
    """
    source = Path(directory)
    names = _list_names(source)
    num_layers, softmax = _count_layers(source, names), any(name in names for name in _SOFTMAX)
    headers = {name: read_header(inside(source, name)) for name in _parameter_names(source, names, num_layers, softmax)}
    parameters = _check_headers(source, headers, num_layers, softmax)
    vocab_size, embed_size = headers[_EMBEDDING].shape
    vocabulary = _read_vocabulary(source, names, vocab_path, vocab_size)
    check_memory(4 * sum(header.size for header in headers.values()), source)
    arrays: dict[str, npt.NDArray[Any]] = {}
    for name, parameter in parameters.items():
        array = read_variable(source / name, headers[name].shape)
        if name == "softmax_weight" and array.shape != parameter.shape:
            array = array.T
        with np.errstate(over="ignore"):  # a float64 too large for float32: caught by the next lines
            arrays[parameter.name] = np.ascontiguousarray(array, dtype=np.float32).reshape(parameter.shape)
        check_finite({parameter.name: arrays[parameter.name]}, source / name)
    config = {
        "vocab_size": vocab_size,
        "embed_size": embed_size,
        "hidden_size": headers[_FIRST_GATE].shape[1] // 4,
        "num_layers": num_layers,
        "cell_clip": _CLIP,
        "proj_clip": _CLIP,
        "dropout": _DROPOUT,
        "bos_id": vocabulary.bos_id,
        "eos_id": vocabulary.eos_id,
        "use_skip_connections": True,
        "softmax": softmax,
        "token_encoder": None,
    }
    provenance = {
        "source": "LARK",
        "converted_from": _printable(os.path.basename(os.path.abspath(source))),
        "licence": "not stated in the files",
        "notes": _notes(names - headers.keys() - set(_VOCABULARIES), softmax),
    }
    return ModelFiles("bilm", config, vocabulary, arrays, provenance)


def write_lark(
    files: ModelFiles, directory: PathLike, overwrite: bool = False, sources: Iterable[PathLike] = ()
) -> Path:
    """Write a biLM as a directory that LARK's code loads, with its vocabulary as `vocabulary.txt`.

    Warns where the model's clips are not 3, which LARK's code would apply.

    Args:
        overwrite: replace another checkpoint that was written so, or an empty directory.
        sources: what the model was read from, which is never replaced.

    Raises:
        InputError: the format can't hold the model, the directory exists already, or it can't be written.
    """
    target = Path(directory)
    check_free_for_lark(target, overwrite, sources)
    if files.config.get("tie_softmax") and _EMBEDDING in files.arrays:  # LARK keeps two matrices
        files = dataclasses.replace(files, arrays={**files.arrays, _SOFTMAX[0]: files.arrays[_EMBEDDING]})
    parameters = _exportable(files, target)
    clips = {name: files.config.get(name) for name in ("cell_clip", "proj_clip")}
    if any(value != _CLIP for value in clips.values()):
        told = " and ".join(f"{name} {value}" for name, value in clips.items())
        warnings.warn(
            f"{target}: the model's {told} are not part of the format: LARK's code applies {_CLIP} to both, "
            "so its vectors will differ",
            stacklevel=2,
        )
    try:
        with temporary_directory(target, parents=True) as temporary:
            for name, parameter in parameters.items():
                with np.errstate(over="ignore"):
                    array = np.asarray(files.arrays[parameter.name], dtype=np.float32).reshape(parameter.stored[0])
                check_finite({parameter.name: array}, target)
                write_variable(temporary / name, array)
            files.vocabulary.save(temporary / VOCABULARY_FILE)
            replace_directory(temporary, target, _find_foreign, sources)
    except OSError as error:
        raise InputError(f"{target}: can't be written ({error.strerror}); choose another place") from error
    return target


def _parameters(vocab: int, embed: int, hidden: int, num_layers: int, softmax: bool) -> dict[str, _Parameter]:
    """Describe every parameter, by the name of its file."""
    gates = 4 * hidden
    table = {_EMBEDDING: _Parameter(_EMBEDDING, (vocab, embed), ((vocab, embed),))}
    for direction, (prefix, ours) in enumerate((("fw", "forward_layers"), ("bw", "backward_layers"))):
        for layer in range(num_layers):
            lstmp, to = f"lstmp_{direction * num_layers + layer}", f"{ours}.{layer}"
            square = (embed, gates)
            table[f"{prefix}_layer{layer + 1}_gate_w"] = _Parameter(f"{to}.input_weight", square, (square,))
            table[f"{lstmp}.w_0"] = _Parameter(f"{to}.recurrent_weight", square, (square,))
            table[f"{lstmp}.w_1"] = _Parameter(f"{to}.projection_weight", (hidden, embed), ((hidden, embed),))
            table[f"{lstmp}.b_0"] = _Parameter(f"{to}.bias", (gates,), ((1, gates), (gates,)))
    if softmax:
        weight, bias = _SOFTMAX
        table[weight] = _Parameter(weight, (vocab, embed), ((vocab, embed), (embed, vocab)))
        table[bias] = _Parameter(bias, (vocab,), ((vocab,), (1, vocab), (vocab, 1)))
    return table


def _list_names(source: Path) -> set[str]:
    """Return the names in a checkpoint directory; InputError where it can't be one."""
    if source.is_file():
        raise InputError(f"{source}: {_single_file_advice()}")
    try:
        names = set(os.listdir(source))
    except OSError as error:
        raise InputError(f"{source}: can't be read ({error.strerror}); give LARK's checkpoint directory") from None
    if not is_lark(source):
        if _COMBINED in names:
            raise InputError(f"{source / _COMBINED}: {_single_file_advice()}")
        raise InputError(f"{source}: holds no {_EMBEDDING}; give LARK's checkpoint directory, one file a parameter")
    return names


def _single_file_advice() -> str:
    return (
        "parameters in one file are not supported; load it with Paddle 1.x, save it with fluid.io.save_persistables "
        "without a filename, and give that directory"
    )


def _count_layers(source: Path, names: set[str]) -> int:
    numbers = {int(match[1]) for name in names if len(name) < 32 and (match := _GATE.fullmatch(name))}
    count = 0
    while count + 1 in numbers:
        count += 1
    if count == 0:
        raise InputError(f"{source}: {_FIRST_GATE} is missing; copy the whole checkpoint directory again")
    return count


def _parameter_names(source: Path, names: set[str], num_layers: int, softmax: bool) -> list[str]:
    """Return the files to be read; InputError for one that is missing or has no place in such a model."""
    wanted = list(_parameters(1, 1, 1, num_layers, softmax))
    layers = f"{num_layers} layer{'s' if num_layers > 1 else ''} in each direction"
    for name in wanted:
        if name not in names and name in _SOFTMAX:
            other = _SOFTMAX[1 - _SOFTMAX.index(name)]
            raise InputError(f"{source}: {other} is there but {name} is missing; copy both, or remove the one")
        if name not in names:
            last = next(gate for way in "fb" if (gate := f"{way}w_layer{num_layers}_gate_w") in names)
            raise InputError(
                f"{source}: {name} is missing, by {last} the model has {layers}; copy the whole checkpoint again"
            )
    for name in sorted(names - set(wanted)):
        if _LIKE_A_PARAMETER.fullmatch(name):
            raise InputError(
                f"{source}: {_printable(name)} has no place in a model of {layers} (fw_layer1 and bw_layer1 onwards, "
                f"lstmp_0 to lstmp_{2 * num_layers - 1}); copy the whole checkpoint of one model into a new directory"
            )
    return wanted


def _check_headers(
    source: Path, headers: dict[str, FluidHeader], num_layers: int, softmax: bool
) -> dict[str, _Parameter]:
    """Find the sizes of the model and compare every file with them."""
    for name, header in headers.items():
        if header.dtype.kind != "f":
            raise InputError(f"{source / name}: holds {header.dtype.name} where a parameter is float32; copy it again")
    for name in (_EMBEDDING, _FIRST_GATE):
        if len(headers[name].shape) != 2:
            raise InputError(f"{source / name}: has shape {list(headers[name].shape)} where a matrix is needed")
    (vocab, embed), (_, gates) = headers[_EMBEDDING].shape, headers[_FIRST_GATE].shape
    if gates % 4:
        raise InputError(f"{source / _FIRST_GATE}: has {gates} columns, which are no four gates; copy it again")
    parameters = _parameters(vocab, embed, gates // 4, num_layers, softmax)
    for name, parameter in parameters.items():
        if headers[name].shape not in parameter.stored:
            raise InputError(
                f"{source / name}: has shape {list(headers[name].shape)}, but {_EMBEDDING} {[vocab, embed]} and "
                f"{_FIRST_GATE} {list(headers[_FIRST_GATE].shape)} call for {list(parameter.stored[0])}; "
                "copy the whole checkpoint of one model"
            )
    return parameters


def _read_vocabulary(source: Path, names: set[str], vocab_path: PathLike | None, vocab_size: int) -> Vocabulary:
    present = [name for name in _VOCABULARIES if name in names]
    if vocab_path is None:
        if len(present) != 1:
            found = f"holds {' and '.join(present)}" if present else "holds no vocabulary"
            raise InputError(
                f"{source}: {found}; give the one of {vocab_size} words that it was trained with by --vocab_path "
                "(that of LARK's released model is vocabulary_min5k.txt, of 52445)"
            )
        path = inside(source, present[0])
    else:
        path = Path(vocab_path)
    try:
        status = os.stat(path)
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: can't be read ({getattr(error, 'strerror', error)}); give a vocabulary by --vocab_path"
        ) from None
    if not stat.S_ISREG(status.st_mode):
        raise InputError(f"{path}: is not a regular file; give a vocabulary by --vocab_path")
    if status.st_size > vocab_size * _LONGEST_WORD:
        raise InputError(f"{path}: {status.st_size} bytes are too many for the {vocab_size} words of {source}")
    vocabulary = Vocabulary.load(path)
    if len(vocabulary) != vocab_size:
        raise InputError(
            f"{path}: has {len(vocabulary)} words, {source / _EMBEDDING} has {vocab_size}; "
            "give the vocabulary that it was trained with by --vocab_path"
        )
    if len(present) == 1:
        own_path = inside(source, present[0])
        check_named_vocabulary(source, vocab_path, lambda: Vocabulary.load(own_path), Vocabulary.load)
    return vocabulary


def _notes(leftovers: set[str], softmax: bool) -> list[str]:
    notes = [f"cell_clip, proj_clip {_CLIP} and dropout {_DROPOUT} are LARK's defaults; the files don't hold them"]
    if not softmax:
        notes.append("the files hold no softmax, so the model gives vectors but no perplexity")
    if leftovers:
        some = [_printable(name) for name in sorted(leftovers)[:_NAMED_LEFTOVERS]]
        some += ["..."] if len(leftovers) > _NAMED_LEFTOVERS else []
        notes.append(f"files not read, for they are no parameters of the model: {len(leftovers)} ({', '.join(some)})")
    return notes


def _printable(name: str) -> str:
    """Return a file name as text that any file can hold: one that is not UTF-8 comes as lone surrogates."""
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in name)


def check_free_for_lark(directory: PathLike, overwrite: bool, sources: Iterable[PathLike] = ()) -> None:
    """Refuse a place where no checkpoint can be written, before work is done for it; see `write_lark`."""
    check_can_be_made(directory)
    check_replaceable(directory, _find_foreign, overwrite=overwrite, sources=sources)


def _find_foreign(directory: Path) -> Path | None:
    """First thing in a directory that is not one of the files that `write_lark` writes."""
    names = os.listdir(directory)
    written = {name for name in names if _LIKE_A_PARAMETER.fullmatch(name)}
    foreign = first_foreign(directory, {*written, _EMBEDDING, *_SOFTMAX, VOCABULARY_FILE})
    return foreign or (directory / min(names) if names and not is_lark(directory) else None)


def _exportable(files: ModelFiles, target: Path) -> dict[str, _Parameter]:
    """Return the parameters to be written; InputError for a model that LARK's network is not."""
    config, known = files.config, files.vocabulary
    sizes: list[Any] = [config.get(name) for name in ("vocab_size", "embed_size", "hidden_size", "num_layers")]
    reason = None
    if files.kind != "bilm":
        reason = f"a {files.kind} model is not a biLM"
    elif not all(type(size) is int and size > 0 for size in sizes) or sizes[3] > len(files.arrays):
        reason = f"its configuration gives the sizes {sizes}"
    elif config.get("token_encoder") is not None:
        reason = "it makes its word vectors from characters, LARK's looks them up"
    elif not config.get("use_skip_connections", True) and sizes[3] > 1:
        reason = "its layers have no skip connections, LARK's have"
    elif (config.get("bos_id"), config.get("eos_id")) != (known.bos_id, known.eos_id):
        reason = "its bos_id and eos_id are not those of <S> and </S>, by which LARK finds them"
    elif sizes[0] != len(known):
        reason = f"its vocabulary has {len(known)} words, its configuration says {sizes[0]}"
    if reason is not None:
        raise InputError(f"{target}: LARK's format can't hold this model: {reason}; keep it as it is")
    parameters = _parameters(sizes[0], sizes[1], sizes[2], sizes[3], bool(config.get("softmax", True)))
    check_parameters({parameter.name: parameter.shape for parameter in parameters.values()}, files.arrays, target)
    return parameters
