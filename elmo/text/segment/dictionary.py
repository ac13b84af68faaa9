"""The user's dictionary of a segmenter: reading jieba's, naming entries that come to nothing, and telling two apart.

What a model keeps of how its text was made is here too: the segmenter with its dictionary, and the normalisation.
"""

from __future__ import annotations

import hashlib
import os
import re
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from elmo.errors import InputError
from elmo.system.inputs import read_whole
from elmo.system.types import PathLike
from elmo.text import SEGMENTERS
from elmo.text.normalise import STEPS, Normaliser
from elmo.text.shards import read_text_records

_NAME_CHARS = 80  # of a name that a file gives, in a message
_SHOWN = 20  # problems of a dictionary; the others are counted
_ENTRY = re.compile(r"(.+?)( [0-9]+)?( [a-z]+)?")  # as jieba reads a line
_LAC_ENTRY = re.compile(r"(.+)/[A-Za-z]+")


def read_dictionary(path: PathLike) -> str:
    """The text of a dictionary of jieba's.

    Raises:
        InputError: it can't be read, or is not UTF-8.
    """
    try:
        return read_whole(path).decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"{path}: the user dictionary cannot be read ({error.strerror}); check the path") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: the user dictionary is not UTF-8 from byte {error.start} on; save it so") from None


def check_entries(text: str, keeps: Callable[[str], bool], path: PathLike) -> list[str]:
    """Name the entries of a dictionary of jieba's that will not be words.

    Args:
        text: of the dictionary.
        keeps: whether the segmenter keeps a word whole that stands alone.
        path: for the messages.
    """
    problems = []
    for number, line in enumerate(text.split("\n"), 1):
        entry = _ENTRY.fullmatch(line.strip())
        if entry is None:
            continue
        word = entry[1]
        if lac := _LAC_ENTRY.fullmatch(word):
            problems.append(f"{path}:{number}: {word!r} has LAC's form; jieba's is {lac[1]} nz")
        elif any(character.isspace() for character in word):
            problems.append(f"{path}:{number}: {word!r} holds white space, which no word keeps")
        elif not keeps(word):
            problems.append(
                f"{path}:{number}: jieba does not keep {word!r} whole: leave out its frequency, and all but Chinese "
                "and Latin letters, digits and + # & . _ % -"
            )
    return problems


def warn_of_entries(problems: Sequence[str], path: PathLike) -> None:
    """Warn of entries of a dictionary, a line each; of many, the first ones and how many there are."""
    for problem in problems[:_SHOWN]:
        warnings.warn(problem, stacklevel=2)
    if len(problems) > _SHOWN:
        warnings.warn(f"{path}: {len(problems) - _SHOWN:,} more such entries", stacklevel=2)


def describe_segmenter(name: str, user_dictionary: PathLike | None = None) -> dict[str, Any]:
    """What a model keeps of the segmenter of its text: its name, and name and SHA-256 of a user dictionary.

    Raises:
        InputError: the dictionary can't be read.
    """
    if user_dictionary is None:
        return {"name": name}
    try:
        data = read_whole(user_dictionary)
    except OSError as error:
        raise InputError(f"{user_dictionary}: the user dictionary cannot be read ({error.strerror})") from error
    found = {"name": os.path.basename(user_dictionary), "sha256": hashlib.sha256(data).hexdigest()}
    return {"name": name, "user_dictionary": found}


@dataclass(frozen=True)
class TextRecord:
    """How the text of a model was made, as far as its provenance says so; what is no such record counts as silence."""

    segmenter: dict[str, Any] = field(default_factory=dict)  # as `describe_segmenter` returns it
    normalise: tuple[str, ...] = ()
    is_known: bool = False

    @classmethod
    def of(cls, provenance: Mapping[str, Any]) -> Self:
        """Read the part "text" of a model's provenance."""
        text = provenance.get("text")
        if not isinstance(text, dict) or not isinstance(text.get("segmenter"), dict):
            return cls()
        given = text.get("normalise")
        return cls(text["segmenter"], tuple(step for step in STEPS if isinstance(given, list) and step in given), True)

    @property
    def usable_segmenter(self) -> str:
        """Name of the segmenter, or jieba where it is not known or the text came segmented."""
        name = self.segmenter.get("name")
        return name if isinstance(name, str) and name in SEGMENTERS and name != "whitespace" else "jieba"

    def differences(self, segmenter: Mapping[str, Any], normalise: Sequence[str]) -> list[str]:
        """What to warn of where text is made otherwise; text that comes segmented may have been made alike."""
        if not self.is_known:
            return []
        found = []
        names = self.segmenter.get("name"), segmenter.get("name")
        made_by, given = _name_segmenter(self.segmenter), _name_segmenter(segmenter)
        if "whitespace" not in names and made_by != given:
            found.append(
                f"its text was cut by {made_by}, not by {given}: words that are cut otherwise are unknown to it; give "
                "its own segmenter and user dictionary"
            )
        return found + self.other_steps(normalise)

    def other_steps(self, normalise: Sequence[str]) -> list[str]:
        """What to warn of where text is normalised otherwise."""
        if not self.is_known or self.normalise == tuple(normalise):
            return []
        taken, given = (", ".join(steps) or "none" for steps in (self.normalise, normalise))
        return [f"its text was normalised by {taken}, not by {given}: give --normalise {taken.replace(' ', '')}"]


def warn_of_shards(provenance: Mapping[str, Any], place: object, paths: Iterable[PathLike], *, words: bool) -> None:
    """Warn of shards that were made otherwise than a model's text; `words`: whether it matters to it how they are cut.

    Nothing is said where the model or the shards don't say how they were made.
    """
    made = TextRecord.of(provenance)
    for record in read_text_records(paths):
        shards = TextRecord.of({"text": record})
        if shards.is_known:
            steps = shards.normalise
            found = made.differences(shards.segmenter, steps) if words else made.other_steps(steps)
            for warning in found:
                warnings.warn(f"{place}: {warning}", stacklevel=2)


def steps_as_trained(provenance: Mapping[str, Any], place: object, normalise: Sequence[str] | None) -> tuple[str, ...]:
    """Steps of normalisation: those given, or those of the model's text; warns where they differ."""
    made = TextRecord.of(provenance)
    steps = made.normalise if normalise is None else Normaliser(normalise).steps
    for warning in made.other_steps(steps):
        warnings.warn(f"{place}: {warning}", stacklevel=3)
    return steps


def _name_segmenter(described: Mapping[str, Any]) -> str:
    dictionary = described.get("user_dictionary")
    name = str(described.get("name"))[:_NAME_CHARS]
    if not isinstance(dictionary, dict):
        return name
    return f"{name} with {str(dictionary.get('name'))[:_NAME_CHARS]} (SHA-256 {str(dictionary.get('sha256'))[:12]})"
