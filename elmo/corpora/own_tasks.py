"""Our own small sets of the five tasks, in data/tasks: tables with a header, whose first column is train or test."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from elmo.corpora.tables import read_table
from elmo.corpora.tagged import Tagged
from elmo.corpora.tasks import BINARY, ENTITIES, INFERENCE, Example, Labelled, Paragraph, SetSizes, TaskData, one_of
from elmo.errors import InputError
from elmo.system.types import PathLike


def _read_labelled(path: PathLike, columns: Sequence[str], labels: Sequence[str]) -> Iterator[tuple[str, Example]]:
    for number, (part, *texts, label) in read_table(path, ("part", *columns, "label"), "example"):
        yield part, Labelled(tuple(texts), one_of(label, labels, f"{path}:{number}"))


def _read_entities(path: PathLike) -> Iterator[tuple[str, Example]]:
    for number, (part, tagged) in read_table(path, ("part", "tagged"), "sentence"):
        pairs = [word.rpartition("/") for word in tagged.split()]
        for word, _, tag in pairs:
            one_of(tag if word else "", ("O", *ENTITIES), f"{path}:{number}", f"tag of {word or tag!r}")
        words, tags = [word for word, _, _ in pairs], [tag for _, _, tag in pairs]
        yield part, Tagged(words, tags, f"{path}:{number}")


def _read_matching(path: PathLike) -> Iterator[tuple[str, Example]]:
    columns = ("part", "question_id", "question", "candidate", "label")
    questions: dict[str, tuple[str, str, list[str], list[int]]] = {}
    last = ""
    for number, (part, name, question, candidate, label) in read_table(path, columns, "candidate"):
        place = f"{path}:{number}"
        if name != last and name in questions:
            raise InputError(f"{place}: question {name} was asked before; let its candidates stand together")
        _, asked, candidates, right = questions.setdefault(name, (part, question, [], []))
        if asked != question or questions[name][0] != part:
            raise InputError(f"{place}: question {name} has another text or part than above; correct it")
        if one_of(label, ("1", "0"), place) == "1":
            right.append(len(candidates))
        candidates.append(candidate)
        last = name
    for name, (part, question, candidates, right) in questions.items():
        if not 0 < len(right) < len(candidates):
            raise InputError(f"{path}: question {name} needs a candidate with label 1 and one with 0; correct it")
        yield part, Paragraph(tuple(candidates), ((question, tuple(right)),))


def _own(path: Path, task: str, labels: tuple[str, ...], read: Callable[[Path], Any], sizes: SetSizes) -> TaskData:
    """Divide by the file's own parts; the last training ones, which are related to the fewest others, are for dev."""
    parts: dict[str, list[Example]] = {"train": [], "test": []}
    for part, example in read(path):
        parts[one_of(part, tuple(parts), str(path), "part")].append(example)
    for part, examples in parts.items():
        if len(examples) < 2:
            raise InputError(f"{path}: {len(examples)} examples of the part {part}: give two or more")
    last = max(1, len(parts["train"]) // 5)
    train, dev = parts["train"][:-last], parts["train"][-last:]
    return TaskData(task, task, labels, train[: sizes.train], dev[: sizes.dev], parts["test"][: sizes.test])


_OWN: dict[str, tuple[tuple[str, ...], Callable[[Path], Iterator[tuple[str, Example]]]]] = {
    "inference": (INFERENCE, lambda path: _read_labelled(path, ("premise", "hypothesis"), INFERENCE)),
    "similarity": (BINARY, lambda path: _read_labelled(path, ("first", "second"), BINARY)),
    "sentiment": (BINARY, lambda path: _read_labelled(path, ("text",), BINARY)),
    "entities": (ENTITIES, _read_entities),
    "matching": ((), _read_matching),
}
OWN_SETS = tuple(_OWN)


def read_own(folder: PathLike, name: str, sizes: SetSizes | None = None) -> TaskData:
    """Read one of `OWN_SETS` from the folder of its table; InputError names file and line of what is wrong."""
    labels, read = _OWN[one_of(name, OWN_SETS, os.fspath(folder), "set")]
    return _own(Path(folder) / f"{name}.tsv", name, labels, read, sizes or SetSizes())
