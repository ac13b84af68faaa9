"""A pickle read without unpickling: an interpreter that knows tensors, and refuses whatever makes anything else."""

from __future__ import annotations

import io
import math
import pickletools
from dataclasses import dataclass
from typing import Any

import numpy as np

_MAX_DIMENSIONS = 16
_MAX_SIZE = 1 << 40
BFLOAT16 = "torch BFloat16Storage"
STORAGES = {
    "torch FloatStorage": "<f4",
    "torch DoubleStorage": "<f8",
    "torch HalfStorage": "<f2",
    BFLOAT16: "<u2",  # NumPy has no such number: becomes float32, of which it is the upper half
    "torch LongStorage": "<i8",
    "torch IntStorage": "<i4",
    "torch ShortStorage": "<i2",
    "torch CharStorage": "<i1",
    "torch ByteStorage": "<u1",
    "torch BoolStorage": "?",
}
_DICT, _TENSOR, _PARAMETER = (
    "collections OrderedDict",
    "torch._utils _rebuild_tensor_v2",
    "torch._utils _rebuild_parameter",
)
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_LITERALS = {"BININT", "BININT1", "BININT2", "LONG1", "BINUNICODE", "SHORT_BINUNICODE"}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


class RefusedError(ValueError):
    """A file that is whole and holds what is not read: the message says what to do."""


@dataclass(frozen=True)
class _Name:
    text: str  # a class or function the pickle asks for, "module name": only its name, never the thing


@dataclass(frozen=True)
class Storage:
    """Where values lie in the file, by their key."""

    key: str
    kind: str  # of STORAGES
    num_values: int

    @property
    def num_bytes(self) -> int:
        """Size of the values."""
        return self.num_values * np.dtype(STORAGES[self.kind]).itemsize


@dataclass(frozen=True)
class StoredTensor:
    """A tensor as the pickle describes it: a view of a storage."""

    storage: Storage
    offset: int  # this and the strides count values
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def interpret(pickle: io.BytesIO, storages: dict[str, Storage]) -> object:
    """Value of the next pickle; the storages it names are added to `storages`.

    The standard library's tokenizer, which executes nothing, and the two dozen operations that a state_dict needs. This
    is safer than a `pickle.Unpickler` with a `find_class`, and hardly longer: nothing here can call, import or set an
    attribute, each argument is looked at, values are only shared, never multiplied, and only strings are hashed.
    """
    stack: list[Any] = []
    marks: list[int] = []
    memo: dict[int, Any] = {}

    def pop(count: int) -> list[Any]:
        if len(stack) < count:
            raise ValueError("its pickle takes what was never put")
        taken = stack[len(stack) - count :]
        del stack[len(stack) - count :]
        return taken

    def pop_to_mark() -> list[Any]:
        return pop(max(len(stack) - marks.pop(), 0))

    argument: Any
    for opcode, argument, _ in pickletools.genops(pickle):
        operation = opcode.name
        if operation in _LITERALS:
            stack.append(argument)
        elif operation in ("BINPUT", "LONG_BINPUT"):
            memo[argument] = stack[-1]
        elif operation == "MEMOIZE":
            memo[len(memo)] = stack[-1]
        elif operation in ("BINGET", "LONG_BINGET"):
            stack.append(memo[argument])
        elif operation in _CONSTANTS:
            stack.append(_CONSTANTS[operation])
        elif operation in _TUPLES:
            stack.append(tuple(pop(_TUPLES[operation])))
        elif operation == "MARK":
            marks.append(len(stack))
        elif operation == "TUPLE":
            stack.append(tuple(pop_to_mark()))
        elif operation == "EMPTY_DICT":
            stack.append({})
        elif operation == "EMPTY_LIST":
            stack.append([])
        elif operation in ("SETITEM", "SETITEMS"):
            pairs = pop(2) if operation == "SETITEM" else pop_to_mark()
            _set_items(stack[-1], pairs)
        elif operation in ("APPEND", "APPENDS"):
            items = pop(1) if operation == "APPEND" else pop_to_mark()
            if not isinstance(stack[-1], list):
                raise ValueError("its pickle appends to what is no list")
            stack[-1].extend(items)
        elif operation == "GLOBAL":
            stack.append(_name(str(argument)))
        elif operation == "STACK_GLOBAL":
            module, name = pop(2)
            stack.append(_name(f"{module} {name}" if isinstance(module, str) and isinstance(name, str) else "?"))
        elif operation == "BINPERSID":
            storage = _storage(*pop(1))
            if storages.setdefault(storage.key, storage) != storage:
                raise ValueError(f"storage {shown(storage.key)} is described in two ways")
            stack.append(storage)
        elif operation == "REDUCE":
            stack.append(_rebuild(*pop(2)))
        elif operation == "BUILD":  # a state_dict's versions of its modules
            pop(1)
            if not isinstance(stack[-1], dict):
                raise RefusedError("sets the attributes of what is no dictionary: not executed; save its state_dict")
        elif operation == "STOP":
            return pop(1)[0]
        elif operation not in ("PROTO", "FRAME"):
            what = f"{operation} {argument}" if operation == "INST" else operation
            raise RefusedError(f"asks for {shown(what)}, which no tensor needs: not executed; save its state_dict")
    raise ValueError("its pickle has no end")


def _name(text: str) -> _Name:
    if text not in STORAGES and text not in (_DICT, _TENSOR, _PARAMETER):
        asked = shown(text.replace(" ", "."))
        raise RefusedError(
            f"asks for {asked}, which is no tensor: not executed; save only its state_dict with torch.save"
        )
    return _Name(text)


def _set_items(target: object, pairs: list[Any]) -> None:
    if not isinstance(target, dict) or len(pairs) % 2:
        raise ValueError("its pickle sets an item of what is no dictionary")
    for key, value in zip(pairs[::2], pairs[1::2], strict=True):
        if not isinstance(key, str) or key in target:
            raise ValueError("its pickle has a key that is no name, or one name twice")
        target[key] = value


def _storage(identifier: object) -> Storage:
    """Storage named by ("storage", kind, key, device, number of values) and, in the older format, None."""
    if not isinstance(identifier, tuple) or len(identifier) not in (5, 6) or identifier[5:] not in ((), (None,)):
        raise ValueError("its pickle names what is no storage")
    _, kind, key, _, num_values = identifier[:5]
    if not isinstance(kind, _Name) or kind.text not in STORAGES or not isinstance(key, str):
        raise ValueError("its pickle names what is no storage")
    if type(num_values) is not int or not 0 <= num_values <= _MAX_SIZE:
        raise ValueError(f"storage {shown(key)} claims an impossible number of values")
    return Storage(key, kind.text, num_values)


def _rebuild(function: object, arguments: object) -> object:
    """What the one dictionary and the two functions that make a tensor would have made."""
    if not isinstance(function, _Name) or not isinstance(arguments, tuple):
        raise ValueError("its pickle calls what is no function")
    if function.text == _DICT and not arguments:
        return {}
    if function.text == _PARAMETER and arguments and isinstance(arguments[0], StoredTensor):
        return arguments[0]
    if function.text != _TENSOR or len(arguments) < 4 or not isinstance(arguments[0], Storage):
        raise ValueError(f"its pickle calls {function.text.replace(' ', '.')} with what makes no tensor")
    storage, offset, shape, strides = arguments[:4]
    if (
        not isinstance(shape, tuple)
        or not isinstance(strides, tuple)
        or len(shape) != len(strides)
        or len(shape) > _MAX_DIMENSIONS
        or not all(type(number) is int and 0 <= number <= _MAX_SIZE for number in (offset, *shape, *strides))
    ):
        raise ValueError("a tensor has impossible sizes")
    last = offset + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    num_values = math.prod(shape)
    if num_values and (last >= storage.num_values or num_values > storage.num_values):
        raise ValueError(
            f"a tensor of shape {list(shape)} reaches outside its storage of {storage.num_values:,} values"
        )
    return StoredTensor(storage, offset, shape, strides)


def tensors_of(value: object) -> dict[str, StoredTensor]:
    """Return the tensors of a state_dict by name; refuses anything else."""
    if not isinstance(value, dict) or not value:
        raise RefusedError("holds no dictionary of tensors; save a model's state_dict with torch.save")
    for name, tensor in value.items():
        if not name.isprintable() or len(name) > 200:
            raise ValueError(f"a tensor has an impossible name, {shown(name)}")
        if not isinstance(tensor, StoredTensor):
            raise RefusedError(f"{shown(name)} in it is no tensor; save only the model's state_dict with torch.save")
    return value


def shown(text: str) -> str:
    """Return text from a file as a message can have it."""
    """Text of a file as it may stand in a message of one line."""
    return text if text.isprintable() and len(text) <= 100 else repr(text[:100])
