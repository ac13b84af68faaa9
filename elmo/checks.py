"""What must be so before work begins: fields of a configuration, optional packages; what is wrong is said in a line."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import sys
from collections.abc import Collection, Iterator, Sized
from types import ModuleType, UnionType
from typing import Any, Protocol, Self, TypeVar

from elmo.errors import InputError

LARGEST_SIZE = (1 << 31) - 1  # of anything that is counted: Paddle's and the compiled loops' ints
LARGEST_SEED = (1 << 63) - 1
MOST_LAYERS = 1000

_DISTRIBUTIONS = {"sklearn": "scikit-learn"}  # packages that pip knows by another name


class Configuration(Protocol):
    """A model's configuration, such as `elmo.bilm_config.BiLMConfig`."""

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> Self:
        """Make one of the fields as JSON keeps them; InputError where they are none."""
        ...


C = TypeVar("C", bound=Configuration)


def check_names(fields: Collection[str], kind: type[Any], what: str, required: Collection[str] = ()) -> None:
    """Refuse names that are no field of the dataclass, and the lack of a required one.

    Args:
        fields: names that are given.
        kind: a dataclass.
        what: how the message names it, such as "the biLM configuration".
        required: names that must be given.

    Raises:
        InputError: names the field.
    """
    known = {field.name for field in dataclasses.fields(kind)}
    if unknown := sorted(set(fields) - known):
        raise InputError(f"{what} has the unknown field {unknown[0]!r}; known are {sorted(known)}")
    for name in required:
        if name not in fields:
            raise InputError(f"{what} lacks {name}")


@contextlib.contextmanager
def configuration_of(place: object) -> Iterator[None]:
    """Let the InputError of a configuration that comes from a file name the file, and say what to do."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{place}: its configuration is damaged ({error}); copy or download it again") from None


def config_of_file(kind: type[C], fields: dict[str, Any], vocabulary: Sized, place: object) -> C:
    """The configuration that a model's file holds; InputError where it is none, or of another vocabulary.

    Args:
        kind: its class; where that has a `vocab_size`, this is how many tokens the vocabulary must have.
        fields: as the file has them.
        vocabulary: of the model.
        place: is named in an error.
    """
    with configuration_of(place):
        config = kind.from_dict(fields)
    size = getattr(config, "vocab_size", len(vocabulary))
    if size != len(vocabulary):
        raise InputError(f"{place}: the vocabulary has {len(vocabulary)} tokens, the model {size}")
    return config


def check_whole(config: object, *names: str, least: int = 1, most: int = LARGEST_SIZE) -> None:
    """InputError unless each of these fields is a whole number, not below the least, and not absurdly large."""
    for name in names:
        value = getattr(config, name)
        if type(value) is not int or value < least:
            wanted = f"a whole number{f' above {least - 1}' if least else ', 0 or more'}"
            raise InputError(f"{name} is {short_number(value)}: give {wanted}")
        if value > most:
            raise InputError(f"{name} is {short_number(value)}: give at most {most:,}")


def check_batch_size(batch_size: int) -> None:
    """InputError unless a batch has room for a sentence."""
    if batch_size < 1:
        raise InputError(f"batch_size is {batch_size}: give a whole number above 0")


def check_positive(config: object, *names: str, or_zero: bool = False, or_none: bool = False) -> None:
    """InputError unless each of these fields is a finite number above 0 or, where they may be so, 0 or None."""
    for name in names:
        value = getattr(config, name)
        is_fine = is_number(value) and 0 <= value <= sys.float_info.max and (value or or_zero)
        if not is_fine and not (value is None and or_none):
            wanted = f"a number{', 0 or more' if or_zero else ' above 0'}{', or none' if or_none else ''}"
            raise InputError(f"{name} is {short_number(value)}: give {wanted}")


def check_seed(value: int, name: str = "random_seed") -> None:
    """InputError unless a seed is a whole number that all generators of random numbers take."""
    if type(value) is not int or value < 0:
        raise InputError(f"{name} is {short_number(value)}: give a whole number, 0 or more")
    if value > LARGEST_SEED:
        raise InputError(f"{name} is {short_number(value)}: give at most {LARGEST_SEED}")


def is_count(text: str) -> bool:
    """Whether a text is a whole number of up to nine digits, 0 or more; `int` has a limit of digits, too."""
    return text.isascii() and text.isdecimal() and len(text) < 10


def short_number(value: object) -> str:
    """A number for a message, however long it is."""
    if isinstance(value, int) and value.bit_length() > 128:
        return f"a number of {value.bit_length()} bits"
    return repr(value)


def check_share(config: object, *names: str, or_all: bool = False) -> None:
    """InputError unless each of these fields is a number from 0 to below 1, or to 1."""
    for name in names:
        value = getattr(config, name)
        if not (is_number(value) and 0 <= value <= 1 and (value < 1 or or_all)):
            wanted = "a share from 0 to 1" if or_all else "a share from 0 to below 1"
            raise InputError(f"{name} is {short_number(value)}: give {wanted}")


def check_choice(config: object, name: str, choices: Collection[str]) -> None:
    """InputError unless the field is one of some names."""
    value = getattr(config, name)
    if not isinstance(value, str) or value not in choices:
        raise InputError(f"{name} is {value!r}: give one of {', '.join(choices)}")


def check_choices(config: object, name: str, choices: Collection[str]) -> None:
    """InputError unless the field is a tuple of some of these names."""
    value = getattr(config, name)
    if not isinstance(value, tuple) or any(each not in choices for each in value):
        raise InputError(f"{name} is {value!r}: give a list of some of {', '.join(choices)}")


def check_type(config: object, name: str, kind: type | UnionType, wanted: str) -> None:
    """InputError unless the field is of a type; `wanted` says what to give."""
    value = getattr(config, name)
    if not isinstance(value, kind):
        raise InputError(f"{name} is {value!r}: give {wanted}")


def check_flag(config: object, *names: str) -> None:
    """InputError unless each of these fields is true or false."""
    for name in names:
        if type(getattr(config, name)) is not bool:
            raise InputError(f"{name} is {getattr(config, name)!r}: give true or false")


def optional_module(name: str, what: str) -> ModuleType:
    """Import a module of a package that not everybody has.

    Args:
        name: the module, such as "scipy.stats".
        what: what needs it, as the message begins.

    Raises:
        InputError: the package is not installed; says how to get it.
    """
    package = name.partition(".")[0]
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != package:
            raise
        package = _DISTRIBUTIONS.get(package, package)
        raise InputError(f"{what} needs {package}, which is not installed: pip install {package}") from None


def is_number(value: object) -> bool:
    """Whether a value is an int or a float, and no bool."""
    return isinstance(value, int | float) and not isinstance(value, bool)
