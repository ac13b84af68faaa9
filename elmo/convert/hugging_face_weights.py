"""The parameters of a model in Hugging Face's layout, however they are stored: one safetensors file, several with an
index, or a PyTorch checkpoint, whole or in parts. All of them are asked for names and shapes before anything is loaded.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from elmo.convert.safety import inside, read_json
from elmo.convert.torch_pickle import read_tensors, tensor_shapes
from elmo.errors import InputError
from elmo.models import WEIGHTS_FILE
from elmo.system.types import Array

Shape = tuple[int, ...]

TORCH_FILE = "pytorch_model.bin"
INDEX = ".index.json"  # behind the name of the file that is in parts
STORED = (WEIGHTS_FILE, WEIGHTS_FILE + INDEX, TORCH_FILE, TORCH_FILE + INDEX)  # the first that is there is read
_FLOATS = {"F16": "float16", "F32": "float32", "F64": "float64"}
_NUMPY_NAMES = {"int64": "I64", "int32": "I32"}


class Parameters:
    """Shapes of all parameters by name, and each of them when it is asked for.

    Args:
        place: the file that is named in errors.
        shapes: of all.
        parts: what reads each parameter.
    """

    def __init__(self, place: Path, shapes: dict[str, Shape], parts: dict[str, Any]) -> None:
        self.place, self.shapes, self._parts = place, shapes, parts

    def check_type(self, name: str) -> None:
        """InputError unless a parameter is of numbers that are read."""
        kind = self._parts[name].kind(name)
        if kind not in _FLOATS:
            raise InputError(f"{self.place}: {name} is {kind}, not F16, F32 or F64; save it so")

    def array(self, name: str) -> Array:
        """Values of a parameter as float32."""
        return np.asarray(self._parts[name].array(name)).astype(np.float32)


class _Safe:
    """An open safetensors file."""

    def __init__(self, file: Any) -> None:
        self.file = file
        self.shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118

    def kind(self, name: str) -> str:
        return str(self.file.get_slice(name).get_dtype())

    def array(self, name: str) -> Array:
        array: Array = self.file.get_tensor(name)
        return array


class _Torch:
    """A PyTorch checkpoint, of which all tensors are read once one is asked for."""

    def __init__(self, path: Path) -> None:
        self.path, self.shapes = path, tensor_shapes(path)
        self._tensors: dict[str, Array] | None = None

    def kind(self, name: str) -> str:
        dtype = str(self._read()[name].dtype)
        kinds = {numpy: kind for kind, numpy in _FLOATS.items()} | _NUMPY_NAMES
        return kinds.get(dtype, dtype)

    def array(self, name: str) -> Array:
        return self._read()[name]

    def _read(self) -> dict[str, Array]:
        if self._tensors is None:
            self._tensors = read_tensors(self.path)
        return self._tensors


def find_weights(directory: Path) -> str | None:
    """Name of what holds the parameters in a directory; None if nothing that is read does."""
    return next((name for name in STORED if (directory / name).exists()), None)


@contextlib.contextmanager
def opened_parameters(directory: Path, name: str) -> Iterator[Parameters]:
    """The parameters that the file of a name holds, or the files that it names.

    Raises:
        InputError: a file is missing, leads out of the directory, is damaged, or lacks what the index says it holds.
    """
    path = inside(directory, name)
    try:
        with contextlib.ExitStack() as stack:
            files = _index(path) if name.endswith(INDEX) else {name: None}
            shapes: dict[str, Shape] = {}
            parts: dict[str, Any] = {}
            for file, promised in files.items():
                part = _open(inside(directory, file), stack)
                names = part.shapes.keys() if promised is None else promised
                if missing := sorted(set(names) - part.shapes.keys()):
                    raise InputError(f"{path}: says that {file} holds {missing[0]}: it does not; download it again")
                shapes |= {each: part.shapes[each] for each in names}
                parts |= dict.fromkeys(names, part)
            yield Parameters(path, shapes, parts)
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: truncated or not a safetensors file ({error}); download it again") from None


def _open(path: Path, stack: contextlib.ExitStack) -> _Safe | _Torch:
    if path.suffix == ".safetensors":
        return _Safe(stack.enter_context(safe_open(str(path), framework="numpy")))
    return _Torch(path)


def _index(path: Path) -> dict[str, list[str] | None]:
    """Names of parameters by the file that holds them."""
    places = read_json(path).get("weight_map")
    if not isinstance(places, dict) or not places or not all(isinstance(file, str) for file in places.values()):
        raise InputError(f"{path}: has no weight_map from parameters to files; download it again")
    suffix = Path(path.name.removesuffix(INDEX)).suffix
    files: dict[str, list[str] | None] = {}
    for name, file in places.items():
        if not file.endswith(suffix):
            raise InputError(f"{path}: says that {name} is in {file[:200]!r}: no {suffix} file; download it again")
        files[file] = [*(files.get(file) or []), name]
    return files
