"""The checker of chapter 12's capstone: are a project's files there, do they belong together, are they quoted?

It looks at what can be counted. Whether the sentences are good ones and the conclusion follows, people decide.
"""

from __future__ import annotations

import html
import json
import os
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from elmo.errors import InputError
from elmo.explore.polysemy.senses import read_senses
from elmo.models import read_model
from elmo.system.types import PathLike, Record

FEWEST = 10  # marked sentences of a sense
LEAST, MOST = 60, 400  # words, or Chinese characters, of the conclusion
LICENCES = ("licence", "license", "copyright", "public domain", "许可", "版权", "授权")
_WORD = re.compile(r"[\u3400-\u9fff]|[^\W\u3400-\u9fff]+")


class MissingError(Exception):
    """A point that is not earned yet, and what to do."""


@dataclass(frozen=True)
class Line:
    """One line of the report."""

    question: str
    passed: bool
    finding: str


@dataclass(frozen=True)
class Report:
    """What the checker found; true where nothing is missing."""

    lines: list[Line]

    @property
    def points(self) -> int:
        """One for each line that passed."""
        return sum(line.passed for line in self.lines)

    def __bool__(self) -> bool:
        return self.points == len(self.lines)

    def __repr__(self) -> str:
        rows = [f"{'✓' if line.passed else '✗'} {line.question}: {line.finding}" for line in self.lines]
        return "\n".join([*rows, f"{self.points} of {len(self.lines)} points"])

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(repr(self))}</pre>"


def check_capstone(folder: PathLike) -> Report:
    """Check the files of a project: every line says what was found, or what to do. No file makes it raise.

    Args:
        folder: holds corpus.md, model/, senses.tsv, before.json, after.json, conclusion.md, as chapter 12 has it.
    """
    place = Path(folder)
    return Report([_line(question, check, place) for question, check in _QUESTIONS.items()])


def _line(question: str, check: Callable[[Path], str], place: Path) -> Line:
    try:
        return Line(question, True, check(place))
    except (MissingError, InputError) as error:
        return Line(question, False, str(error).replace(f"{place}{os.sep}", ""))
    except OSError as error:
        return Line(question, False, f"{Path(str(error.filename)).name} can't be read; write it")
    except (UnicodeDecodeError, ValueError, TypeError, LookupError, AttributeError):
        return Line(
            question, False, "a file is not what its command writes; make it again with the command of the page"
        )


def _corpus(place: Path) -> str:
    text = (place / "corpus.md").read_text(encoding="utf-8")
    count = len(_WORD.findall(text))
    if count < 30:
        raise MissingError(
            f"corpus.md has {count} words; say what the text is, where it is from, and how much of it there is"
        )
    if not any(word in text.casefold() for word in LICENCES):
        raise MissingError("corpus.md names no licence; say what you may do with the text")
    return f"{count} words"


def _model(place: Path) -> str:
    about = read_model(place / "model", kind="bilm").provenance
    if "adapted_from" not in about:
        raise MissingError("model/ was not adapted; make it with elmo adapt")
    before, after = (about["adaptation"][name] for name in ("before", "after"))
    return f"adapted from {about['adapted_from']}, held-out perplexity {before:.1f} before and {after:.1f} after"


def _senses(place: Path) -> str:
    items = read_senses(place / "senses.tsv")
    words = sorted({item.word for item in items})
    if len(words) > 1:
        raise MissingError(f"senses.tsv has {len(words)} words ({', '.join(words[:3])}); choose one")
    counts = Counter(item.sense for item in items)
    if len(counts) < 2:
        raise MissingError(f"senses.tsv has one sense of {words[0]}; mark two or more")
    rarest, count = min(counts.items(), key=lambda pair: pair[1])
    if count < FEWEST:
        raise MissingError(f"{words[0]} has {count} sentences as {rarest!r}; mark {FEWEST} or more for each sense")
    if len({item.sentence for item in items}) < len(items):
        raise MissingError("a sentence stands twice in senses.tsv; write another one")
    return f"{words[0]} in {len(counts)} senses, {len(items)} sentences"


def _measured(place: Path) -> str:
    before, after = (_word_of(place, name) for name in ("before.json", "after.json"))
    if before["word"] != after["word"] or before["senses"] != after["senses"]:
        raise MissingError("before.json and after.json were measured on different sentences; run both on senses.tsv")
    items = read_senses(place / "senses.tsv")
    kept = sum(before["senses"].values())
    if before["word"] != items[0].word or kept > len(items):
        raise MissingError("the scores are not those of senses.tsv; run both commands again")
    if kept < 0.8 * len(items):
        raise MissingError(
            f"in {len(items) - kept} sentences the segmenter cuts the word otherwise; change these sentences"
        )
    if _content(place, "after.json")["model"] != "model":
        raise MissingError("after.json is not of model/; run elmo eval senses on it")
    if before["auc"] == after["auc"]:
        raise MissingError("both files have the same scores; before.json is of the model as it was")
    return f"AUC {_shown(before)} before, {_shown(after)} after"


def _conclusion(place: Path) -> str:
    text = (place / "conclusion.md").read_text(encoding="utf-8")
    count = len(_WORD.findall(text))
    if not LEAST <= count <= MOST:
        raise MissingError(f"conclusion.md has {count} words; write {LEAST} to {MOST}")
    for name in ("before.json", "after.json"):
        estimate = _word_of(place, name)["auc"][-1]
        for part in ("value", "low", "high"):
            number = f"{estimate[part]:.2f}"
            if number not in text:
                raise MissingError(
                    f"conclusion.md does not quote {number}, the {part} of the last layer's AUC in {name}"
                )
    return f"{count} words, both scores with their intervals"


def _content(place: Path, name: str) -> Record:
    content: Record = json.loads((place / name).read_text(encoding="utf-8"))
    return content


def _word_of(place: Path, name: str) -> Record:
    """What a file of `elmo eval senses` says of its only word."""
    record: Record = _content(place, name)["systems"]["elmo"]["senses"]["words"][0]
    return record


def _shown(record: Record) -> str:
    top = record["auc"][-1]
    return f"{top['value']:.2f} [{top['low']:.2f}, {top['high']:.2f}]"


_QUESTIONS: dict[str, Callable[[Path], str]] = {
    "corpus.md says what the text is and what may be done with it": _corpus,
    "model/ is an adapted model": _model,
    "senses.tsv marks one word in two senses or more": _senses,
    "before.json and after.json score the two models on these sentences": _measured,
    "conclusion.md quotes both scores with their intervals": _conclusion,
}
