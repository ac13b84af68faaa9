"""A model on disk: a directory of `model.safetensors` and `vocabulary.txt`, written whole or not at all.

The safetensors header says what the model is: its kind, configuration, the vocabulary's fingerprint and provenance.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from elmo.errors import InputError
from elmo.model_sizes import check_config, check_known_kind, wrong_kind
from elmo.models.packing import DTYPES, STORED_TYPES, is_scales, pack, unpack
from elmo.system.files import (
    check_can_be_made,
    check_replaceable,
    first_foreign,
    replace_directory,
    temporary_directory,
)
from elmo.system.project import data_folder
from elmo.system.types import Array, Arrays, PathLike
from elmo.text.pieces import PieceVocabulary
from elmo.text.vocabulary import Vocabulary

WEIGHTS_FILE = "model.safetensors"
VOCABULARY_FILE = "vocabulary.txt"
FORMAT = "elmo/1"


@dataclass(frozen=True)
class ModelFiles:
    """What a model directory holds."""

    kind: str  # "bilm", "masked_lm", "skipgram", ...
    config: dict[str, Any]  # sizes and settings, as the model's own class reads them
    vocabulary: Vocabulary
    arrays: Arrays  # parameters by name, float32 or float64
    provenance: dict[str, Any] = field(default_factory=dict)  # text, command, versions, scores: for people


def models_folders() -> list[Path]:
    """Where models are looked for by name."""
    return [data_folder() / "models"]


def find_model(path_or_name: PathLike) -> Path:
    """Return the directory of a model that is given by its path or by the name of one that comes with the project.

    Raises:
        InputError: there is no such directory; names those that come with the project.
    """
    given = Path(path_or_name)
    if os.path.isdir(given):
        return given
    folders = [folder for folder in models_folders() if folder.is_dir()]
    if given.parent == Path():
        for folder in folders:
            if os.path.isdir(folder / given):
                return folder / given
    known = sorted({path.name for folder in folders for path in folder.iterdir() if path.is_dir()})
    offer = f"; models that come with the project: {', '.join(known)}" if known else ""
    raise InputError(f"{path_or_name}: no such model directory{offer}")


def find_foreign(directory: Path) -> Path | None:
    """First thing in a directory that `write_model` has not written there; an empty one holds none."""
    if foreign := first_foreign(directory, (WEIGHTS_FILE, VOCABULARY_FILE)):
        return foreign
    try:
        with safe_open(str(directory / WEIGHTS_FILE), framework="numpy") as weights:
            is_ours = (weights.metadata() or {}).get("format") == FORMAT
    except (SafetensorError, OSError):
        is_ours = False
    return None if is_ours else min(directory.iterdir(), default=None)


def check_free(directory: PathLike, overwrite: bool, sources: Iterable[PathLike] = (), kind: str | None = None) -> None:
    """Refuse a place where no model (of a kind) can be written, before work is done for it; see `write_model`."""
    check_can_be_made(directory)
    check_replaceable(directory, find_foreign, overwrite=overwrite, sources=sources)
    if kind is not None:
        check_kind(Path(directory), kind)


def check_kind(directory: Path, kind: str) -> None:
    """InputError where a directory that would be replaced holds a model of another kind; not where it is damaged."""
    try:
        with safe_open(str(directory / WEIGHTS_FILE), framework="numpy") as weights:
            found_kind = (weights.metadata() or {}).get("kind")
    except (SafetensorError, OSError):
        return
    if found_kind != kind:
        raise InputError(f"{directory} holds a {found_kind} model, not one of kind {kind}: choose another place")


def write_model(
    directory: PathLike,
    files: ModelFiles,
    *,
    dtype: str = "float32",
    overwrite: bool = False,
    sources: Iterable[PathLike] = (),
) -> Path:
    """Write a model directory.

    Args:
        directory: what becomes the model directory.
        files: what it holds.
        dtype: "float32"; "float16" for half the size; or "int8" for a quarter: each row of a matrix as whole numbers
            from -127 to 127 times a factor of its own, everything else as float16.
        overwrite: take the place of a model of ours that is there, of the same kind.
        sources: what the model was read from, which is never replaced.

    Raises:
        InputError: the directory exists (and `overwrite` is false, or it holds anything that is not such a model's), or
            can't be written, or a value is not finite.
    """
    if dtype not in DTYPES:
        raise InputError(f"dtype is {dtype!r}: give one of {', '.join(DTYPES)}")
    target = Path(directory)
    check_replaceable(target, find_foreign, overwrite=overwrite, sources=sources)
    check_kind(target, files.kind)
    with np.errstate(over="ignore"):  # too large for float16: caught by the next lines
        arrays = pack(files.arrays, dtype)
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise InputError(f"{target}: {name} holds values that are not finite in {dtype}, so it was not written")
    metadata = {
        "format": FORMAT,
        "kind": files.kind,
        "config": json.dumps(files.config, sort_keys=True),
        "vocabulary_sha256": files.vocabulary.fingerprint,
        "provenance": json.dumps(files.provenance, ensure_ascii=False, sort_keys=True),
    }
    try:
        with temporary_directory(target, parents=True) as temporary:
            save_file(arrays, str(temporary / WEIGHTS_FILE), metadata)
            (temporary / WEIGHTS_FILE).chmod(0o666 & ~_umask())  # safetensors lets nobody else read it
            files.vocabulary.save(temporary / VOCABULARY_FILE)
            replace_directory(temporary, target, find_foreign, sources)
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{target}: can't be written ({reason}); choose another place") from error
    return target


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def read_model(path_or_name: PathLike, *, kind: str | None = None) -> ModelFiles:
    """Read a model directory and check that its parts belong together; nothing in it is executed.

    Args:
        path_or_name: see `find_model`.
        kind: what the caller can use, such as "bilm".

    Raises:
        InputError: a file is missing, truncated or not ours, the vocabulary is another one, a parameter is not finite.
    """
    directory = find_model(path_or_name)
    metadata = read_header(directory, kind=kind)
    read_shapes(directory, metadata)
    stored = {}
    with safe_open(str(directory / WEIGHTS_FILE), framework="numpy") as weights:
        for name in weights.keys():  # noqa: SIM118 - safe_open is not a mapping
            try:
                array = weights.get_tensor(name)
            except (TypeError, AttributeError, ValueError):  # what NumPy has no type for, such as bfloat16
                array = None
            if array is None or array.dtype not in STORED_TYPES:
                kind_of_number = weights.get_slice(name).get_dtype()
                raise InputError(
                    f"{directory / WEIGHTS_FILE}: {name} is {kind_of_number}, not F16, F32, F64 or I8; save it so"
                )
            if not np.isfinite(array).all():
                raise InputError(f"{directory / WEIGHTS_FILE}: {name} holds values that are not finite; train it again")
            stored[name] = array
    arrays = unpack(stored, directory / WEIGHTS_FILE)
    vocabulary = load_vocabulary(directory, metadata["kind"])
    check_vocabulary(vocabulary, metadata["vocabulary_sha256"], directory)
    config = json.loads(metadata["config"])
    provenance = json.loads(metadata.get("provenance", "{}"))
    return ModelFiles(metadata["kind"], config, vocabulary, arrays, provenance)


def check_vocabulary(vocabulary: Vocabulary, fingerprint: str, directory: Path) -> None:
    """InputError unless a vocabulary is the one that the header of its model names."""
    if vocabulary.fingerprint != fingerprint:
        raise InputError(
            f"{directory / VOCABULARY_FILE}: not the vocabulary this model was trained with "
            f"({len(vocabulary)} tokens, fingerprint {vocabulary.fingerprint[:12]}, "
            f"expected {fingerprint[:12]}); put the original file back"
        )


def read_shapes(directory: Path, metadata: Mapping[str, str]) -> dict[str, tuple[tuple[int, ...], str]]:
    """Shape and kind of number of every parameter, by name, from the weights' header alone.

    Args:
        directory: of the model.
        metadata: what `read_header` returned.

    Raises:
        InputError: the configuration describes a model that the file does not hold, see `elmo.model_sizes`.
    """
    path = directory / WEIGHTS_FILE
    found = {}
    with safe_open(str(path), framework="numpy") as weights:
        names = set(weights.keys())
        for name in sorted(names):
            if not is_scales(name, names):
                part = weights.get_slice(name)
                found[name] = tuple(part.get_shape()), str(part.get_dtype())
    shapes = {name: shape for name, (shape, _) in found.items()}
    check_config(metadata["kind"], json.loads(metadata["config"]), shapes, path)
    return found


def load_vocabulary(directory: Path, kind: str) -> Vocabulary:
    """Load the vocabulary of a model directory: words, or the pieces of words that a masked language model reads."""
    return (PieceVocabulary if kind == "masked_lm" else Vocabulary).load(directory / VOCABULARY_FILE)


def export_model(
    source: PathLike,
    target: PathLike,
    *,
    dtype: str = "float16",
    note: str | None = None,
    licence: str | None = None,
    overwrite: bool = False,
) -> Path:
    """Copy a model of any kind, in another precision, with a note and a licence in its provenance.

    Raises:
        InputError: as `read_model` and `write_model` do.
    """
    files = read_model(source)
    added = {name: text for name, text in (("note", note), ("licence", licence)) if text is not None}
    provenance = {**files.provenance, **added}
    files = dataclasses.replace(files, provenance=provenance)
    return write_model(target, files, dtype=dtype, overwrite=overwrite, sources=[find_model(source)])


def read_header(path_or_name: PathLike, *, kind: str | None = None) -> dict[str, str]:
    """Read what the header of a model's weights says, without the weights; raises as `read_model` does."""
    directory = find_model(path_or_name)
    path = directory / WEIGHTS_FILE
    for name in (WEIGHTS_FILE, VOCABULARY_FILE):
        if not (directory / name).is_file():
            raise InputError(f"{directory}: {name} is missing; a model directory holds it and its companion")
    try:
        with safe_open(str(path), framework="numpy") as weights:
            metadata = weights.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: truncated or not a safetensors file ({error}); copy or download it again") from None
    if metadata.get("format") != FORMAT:
        raise InputError(
            f"{path}: not a model of this package (its header has no format {FORMAT!r}); see `elmo convert`"
        )
    if kind is not None and metadata.get("kind") != kind:
        raise wrong_kind(path, str(metadata.get("kind")), kind)
    if "kind" in metadata:
        check_known_kind(metadata["kind"], path)
    try:
        for name, text in (("config", metadata["config"]), ("provenance", metadata.get("provenance", "{}"))):
            if not isinstance(json.loads(text), dict):
                raise ValueError(f"{name} is no JSON object")
        str(metadata["vocabulary_sha256"])
        str(metadata["kind"])
    except (KeyError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: its header is damaged ({error}); copy or download it again") from None
    return metadata


def load_parameters(
    layer: Any, arrays: Arrays, place: object, unused: tuple[str, ...] = (), consume: bool = False
) -> None:
    """Copy arrays into the parameters of a `paddle.nn.Layer`, by their names.

    Args:
        layer: gets them.
        arrays: what it needs, and nothing else but the unused.
        place: where they come from, to be named in an error.
        unused: how names of arrays begin that the layer has no use for.
        consume: take each array out of `arrays` once it is copied, so that a large model is in memory only once.

    Raises:
        InputError: one lacks, is too many or has another shape; names the first of them.
    """
    parameters = dict(layer.named_parameters())
    used = {name: array for name, array in arrays.items() if not (unused and name.startswith(unused))}
    check_parameters({name: tuple(parameter.shape) for name, parameter in parameters.items()}, used, place)
    for name, parameter in parameters.items():
        array = used.pop(name)
        if consume:
            del arrays[name]
        parameter.set_value(array.astype(str(parameter.dtype).removeprefix("paddle."), copy=False))


def check_parameters(expected: Mapping[str, tuple[int, ...]], arrays: Mapping[str, Array], place: object) -> None:
    """Refuse parameters that lack, are unknown or have another shape than the configuration says."""
    for name in sorted(expected.keys() | arrays.keys()):
        if name not in arrays:
            raise InputError(
                f"{place}: the parameter {name} is missing; give the sizes that the model has, or copy it again"
            )
        if name not in expected:
            raise InputError(
                f"{place}: the parameter {name} is not part of the model its configuration describes; give the sizes "
                "that the model has, or copy it again"
            )
        if tuple(arrays[name].shape) != tuple(expected[name]):
            raise InputError(
                f"{place}: {name} has shape {list(arrays[name].shape)}, the configuration says {list(expected[name])}; "
                "give the sizes that the model has, or copy it again"
            )
