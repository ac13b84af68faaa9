"""What must be so before work begins: fields of a configuration, optional packages; what is wrong is said in a line."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Collection
from types import ModuleType
from typing import Any

from elmo.errors import InputError

LARGEST_SIZE = (1 << 31) - 1  # of anything that is counted: Paddle's and the compiled loops' ints
LARGEST_SEED = (1 << 63) - 1
MOST_LAYERS = 1000

_DISTRIBUTIONS = {"sklearn": "scikit-learn"}  # packages that pip knows by another name


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


def check_whole(config: object, *names: str, least: int = 1, most: int = LARGEST_SIZE) -> None:
    """InputError unless each of these fields is a whole number, at least 1 or at least 0, and not absurdly large."""
    for name in names:
        value = getattr(config, name)
        if type(value) is not int or value < least:
            wanted = f"a whole number{' above 0' if least else ', 0 or more'}"
            raise InputError(f"{name} is {short_number(value)}: give {wanted}")
        if value > most:
            raise InputError(f"{name} is {short_number(value)}: give at most {most:,}")


def check_seed(value: int, name: str = "random_seed") -> None:
    """InputError unless a seed is a whole number that all generators of random numbers take."""
    if type(value) is not int or value < 0:
        raise InputError(f"{name} is {short_number(value)}: give a whole number, 0 or more")
    if value > LARGEST_SEED:
        raise InputError(f"{name} is {short_number(value)}: give at most {LARGEST_SEED}")


def short_number(value: object) -> str:
    """A number for a message, however long it is."""
    if isinstance(value, int) and value.bit_length() > 128:
        return f"a number of {value.bit_length()} bits"
    return repr(value)


def check_share(config: object, *names: str) -> None:
    """InputError unless each of these fields is a number from 0 to below 1."""
    for name in names:
        value = getattr(config, name)
        if not (is_number(value) and 0 <= value < 1):
            raise InputError(f"{name} is {value!r}: give a share from 0 to below 1")


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
