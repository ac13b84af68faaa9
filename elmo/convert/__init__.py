"""Weights from other systems: what a source is, how it becomes a model of ours, and how one of ours becomes theirs.

| system | what it is given as |
|---|---|
| LARK (Baidu, 2019) | a directory of one binary file a parameter, and its vocabulary |
| AllenNLP, bilm-tf (2018) | a directory of options.json, weights in HDF5, and perhaps a vocabulary |
| ELMoForManyLangs (HIT, 2018) | a directory of config.json, two PyTorch pickles, and dictionaries |
| Hugging Face (BERT, ERNIE) | a directory of config.json, weights of safetensors or PyTorch, and tokens |

Each may come packed as .zip or .tar.gz. Nothing in a source is ever executed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from elmo.convert.allennlp import is_allennlp, read_allennlp
from elmo.convert.archive import unpacked
from elmo.convert.hugging_face import is_hugging_face, read_hugging_face
from elmo.convert.lark import check_free_for_lark, is_lark, read_lark, write_lark
from elmo.convert.manylangs import is_manylangs, read_manylangs
from elmo.convert.safety import check_named_vocabulary
from elmo.errors import InputError
from elmo.model_sizes import wrong_kind
from elmo.models import (
    VOCABULARY_FILE,
    WEIGHTS_FILE,
    ModelFiles,
    check_free,
    find_model,
    load_vocabulary,
    read_header,
    read_model,
    read_shapes,
    write_model,
)
from elmo.system.types import PathLike

FORMATS = ("elmo", "lark")  # what `convert` writes


def read_any(source: PathLike, *, kind: str | None = None, vocab_path: PathLike | None = None) -> ModelFiles:
    """Read a model of ours or of another system.

    Args:
        source: a directory, an archive, or the name of a model that comes with the project.
        kind: what the caller can use, such as "bilm".
        vocab_path: the vocabulary, for a source that comes without one; of one that has it, the same.

    Raises:
        InputError: it is missing, damaged or dangerous, its parts disagree, or no system is known to write such files.
    """
    if os.path.isfile(source):
        with unpacked(Path(source)) as directory:
            return _read(directory, kind, vocab_path, Path(source).name)
    return _read(find_model(source), kind, vocab_path, os.path.basename(os.path.realpath(source)))


def read_config(source: PathLike, *, kind: str | None = None, vocab_path: PathLike | None = None) -> dict[str, Any]:
    """Read a model's configuration, of ours from the header alone; raises as `read_any`."""
    if not os.path.isfile(source):
        directory = find_model(source)
        if (directory / WEIGHTS_FILE).exists() and not is_hugging_face(directory):
            metadata = read_header(directory, kind=kind)
            read_shapes(directory, metadata)
            own = load_vocabulary(directory, metadata["kind"])
            check_named_vocabulary(source, vocab_path, lambda: own, type(own).load)
            config: dict[str, Any] = json.loads(metadata["config"])
            return config
    return read_any(source, kind=kind, vocab_path=vocab_path).config


def _foreign_reader(directory: Path) -> Callable[[Path, PathLike | None], ModelFiles] | None:
    """Return what reads the directory, None where it is a model of ours or unknown."""
    if is_hugging_face(directory):
        return read_hugging_face
    if (directory / WEIGHTS_FILE).exists():
        return None
    if is_manylangs(directory):
        return _manylangs
    if is_allennlp(directory):
        return read_allennlp
    if is_lark(directory) or (directory / "__params__").exists():  # the latter is told what it lacks
        return read_lark
    return None


def _manylangs(directory: Path, vocab_path: PathLike | None) -> ModelFiles:
    if vocab_path is not None:
        raise InputError(f"{directory}: comes with its dictionaries: leave {vocab_path} out")
    return read_manylangs(directory)


def _read(directory: Path, kind: str | None, vocab_path: PathLike | None, name: str) -> ModelFiles:
    reader = _foreign_reader(directory)
    if reader is None:
        if (directory / "conf/word.dic").is_file():
            raise InputError(f"{directory}: is Baidu's LAC: elmo.Lac.from_pretrained opens it, or elmo.from_pretrained")
        if not any((directory / ours).exists() for ours in (WEIGHTS_FILE, VOCABULARY_FILE)):
            raise InputError(
                f"{directory}: holds no model of this package ({WEIGHTS_FILE}), of LARK (embedding_para, "
                "fw_layer1_gate_w), of AllenNLP (options.json and weights in HDF5), of ELMoForManyLangs "
                "(config.json, encoder.pkl) or of Hugging Face (config.json, vocab.txt); give the folder that does"
            )
        files = read_model(directory, kind=kind)
        check_named_vocabulary(name, vocab_path, lambda: files.vocabulary, type(files.vocabulary).load)
        return files
    found = "masked_lm" if reader is read_hugging_face else "bilm"
    if kind not in (None, found):
        raise wrong_kind(directory, found, kind)
    files = reader(directory, vocab_path)
    files.provenance["converted_from"] = name
    return files


def convert(
    source: PathLike,
    target: PathLike,
    *,
    to: str = "elmo",
    vocab_path: PathLike | None = None,
    dtype: str = "float32",
    overwrite: bool = False,
) -> ModelFiles:
    """Read a model with `read_any` and write it in our format, or as a LARK checkpoint; returns what was written.

    Args:
        source: see `read_any`.
        target: the directory to write; it appears whole or not at all.
        to: "elmo" or "lark".
        vocab_path: see `read_any`.
        dtype: "float16" halves the size (our format only).
        overwrite: take the place of a directory that was written so; never of the source.

    Raises:
        InputError: the source can't be read, or the target can't hold it or is there already.
    """
    if to not in FORMATS:
        raise InputError(f"to is {to!r}: give one of {', '.join(FORMATS)}")
    if to == "lark" and dtype != "float32":
        raise InputError("LARK's files hold float32: leave half precision out")
    sources = [Path(source) if os.path.isfile(source) else find_model(source)]
    sources += [] if vocab_path is None else [Path(vocab_path)]
    check = check_free_for_lark if to == "lark" else check_free
    check(target, overwrite, sources)
    files = read_any(source, vocab_path=vocab_path)
    if to == "lark":
        write_lark(files, target, overwrite=overwrite, sources=sources)
    else:
        write_model(target, files, dtype=dtype, overwrite=overwrite, sources=sources)
    return files
