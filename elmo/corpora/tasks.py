"""Data of the five tasks on which ERNIE was measured: public sets that stand in for its own (`own_sets` has ours).

Parts share nothing that would give answers away: examples that have a sentence, premise or paragraph in common are one
group, and a group is in one part only.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import numpy as np

from elmo.checks import check_whole
from elmo.corpora.tables import read_table
from elmo.corpora.tagged import Tagged
from elmo.errors import InputError
from elmo.system.inputs import read_whole
from elmo.system.types import PathLike
from elmo.text.sentences import split_sentences
from elmo.text.shards import read_lines

INFERENCE = ("entailment", "neutral", "contradiction")
ENTITIES = ("PER", "LOC", "ORG")
LARGEST_GROUP = 10  # examples of a group that are used: some questions of BQ are in hundreds of pairs
_BLOCK = 20  # sentences of MSRA that stand together: neighbours are often of one article


@dataclass(frozen=True)
class Labelled:
    """A text, or a pair of texts, with a label."""

    texts: tuple[str, ...]
    label: str


@dataclass(frozen=True)
class Paragraph:
    """Sentences, and questions that one or more of them answer."""

    sentences: tuple[str, ...]
    questions: tuple[tuple[str, tuple[int, ...]], ...]  # a question, and the numbers of the sentences that answer it


Example = Labelled | Paragraph | Tagged


@dataclass(frozen=True)
class SetSizes:
    """Examples of each part at most; fewer if there are fewer."""

    train: int = 2000
    dev: int = 500
    test: int = 1000

    def __post_init__(self) -> None:
        check_whole(self, "train", "dev", "test")


@dataclass(frozen=True)
class TaskData:
    """One set of one task, divided."""

    name: str  # of the set, such as ocnli
    task: str  # inference, similarity, sentiment, entities or matching
    labels: tuple[str, ...]  # that examples have, or tags; none where sentences are ranked
    train: list[Example]
    dev: list[Example]
    test: list[Example]

    @property
    def fingerprint(self) -> str:
        """SHA-256, in hexadecimal, of all examples in their order."""
        parts = [[dataclasses.astuple(example) for example in part] for part in (self.train, self.dev, self.test)]
        return hashlib.sha256(json.dumps([self.task, self.labels, parts]).encode()).hexdigest()


Grouped = tuple[Example, str]  # an example, and the name of its group


def one_of(value: str, known: Sequence[str], place: str, what: str = "label") -> str:
    """The value, if it is a known one; InputError names the place and those that are."""
    if value not in known:
        raise InputError(f"{place}: the {what} is {value!r}: give one of {', '.join(known)}")
    return value


# Public sets. Each reader yields examples with their groups, in the file's order.


def read_ocnli(path: PathLike) -> Iterator[Grouped]:
    """Natural language inference (OCNLI, Hu et al. 2020); a group is a premise. Pairs without a label are left out."""
    for number, line in enumerate(read_lines(path), 1):
        try:
            item = json.loads(line)
            pair, label = (str(item["sentence1"]), str(item["sentence2"])), item["label"]
        except (ValueError, KeyError, TypeError, RecursionError):
            raise InputError(
                f"{path}:{number}: no JSON object with sentence1, sentence2 and label; give OCNLI's .json"
            ) from None
        if label != "-":  # the annotators did not agree
            yield Labelled(pair, one_of(label, INFERENCE, f"{path}:{number}")), pair[0]


def read_pairs(path: PathLike, columns: Sequence[str] | None, delimiter: str) -> Iterator[Grouped]:
    """Pairs of questions with 1 for the same meaning, 0 for another; a group is what shared questions hold together."""
    header = ("first", "second", "label")
    if columns is None:
        found = []
        for number, line in enumerate(read_lines(path), 1):
            row = line.removeprefix("\ufeff").split(delimiter)
            if len(row) != len(header) or not all(field.strip() for field in row):
                raise InputError(f"{path}:{number}: {len(row)} fields: give two texts and 1 or 0, separated by a tab")
            found.append((number, row))
    else:
        found = list(read_table(path, columns, "pair", delimiter=delimiter))
    root: dict[str, str] = {}

    def find(text: str) -> str:
        while root.setdefault(text, text) != text:
            root[text] = root[root[text]]
            text = root[text]
        return text

    for number, (first, second, label) in found:
        one_of(label, ("1", "0"), f"{path}:{number}")
        root[find(first)] = find(second)
    for _, (first, second, label) in found:
        yield Labelled((first, second), label), find(first)


def read_waimai(path: PathLike) -> Iterator[Grouped]:
    """Reviews of delivered food, 1 for good, 0 for bad (waimai_10k); what is there twice is a group."""
    for number, (label, review) in read_table(path, ("label", "review"), "review", delimiter=","):
        yield Labelled((review,), one_of(label, ("1", "0"), f"{path}:{number}")), review


def read_msra(path: PathLike) -> Iterator[Grouped]:
    """Names of people, places and organisations (MSRA, SIGHAN 2006), a character and its tag a line."""
    known = {"O", *(f"{begin}-{tag}" for begin in "BI" for tag in ENTITIES)}
    words: list[str] = []
    tags: list[str] = []
    count = 0
    for number, line in enumerate([*read_lines(path), ""], 1):
        if not line.strip():
            if words:
                yield Tagged(words, tags, f"{path}:{number}"), f"block {count // _BLOCK}"
                words, tags, count = [], [], count + 1
            continue
        character, _, label = line.partition("\t")
        if label not in known or not character:
            raise InputError(f"{path}:{number}: {line[:20]!r} is no character, tab and tag such as B-LOC; correct it")
        if label.startswith("I-") and tags and tags[-1] == label[2:]:
            words[-1] += character
        else:
            words.append(character)
            tags.append(label[2:] or "O")


def read_cmrc(path: PathLike) -> Iterator[Grouped]:
    """Paragraphs and questions of CMRC 2018 (Cui et al. 2019): which sentence has the answer?

    Left out are questions whose answer is not in the paragraph or reaches beyond one sentence, and paragraphs of one.
    """
    try:
        articles = json.loads(read_whole(path))["data"]
        paragraphs = [paragraph for article in articles for paragraph in article["paragraphs"]]
        for paragraph in paragraphs:
            context = "".join(str(paragraph["context"]).split())
            sentences = [("".join(sentence.split())) for sentence in split_sentences(str(paragraph["context"]))]
            ends = list(accumulate(map(len, sentences)))
            if "".join(sentences) != context or len(sentences) < 2:
                continue
            questions = []
            for asked in paragraph["qas"]:
                answers = ["".join(str(answer["text"]).split()) for answer in asked["answers"]]
                found = {i for i, sentence in enumerate(sentences) for a in answers if a and a in sentence}
                for answer in asked["answers"]:  # of sentences that have the words, the one that is meant
                    begin = len("".join(str(paragraph["context"])[: int(answer["answer_start"])].split()))
                    meant = next((i for i, end in enumerate(ends) if begin < end), -1)
                    found = {meant} if meant in found else found
                if found and str(asked["question"]).strip():
                    questions.append((str(asked["question"]), tuple(sorted(found))))
            if questions:
                yield Paragraph(tuple(sentences), tuple(questions)), str(paragraph["context"])
    except OSError as error:
        raise InputError(f"{path}: can't be read ({error.strerror}); give CMRC 2018's file") from None
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):  # a place of 1e999, say
        raise InputError(f"{path}: not the JSON of CMRC 2018 (data, paragraphs, qas, answers); give its file") from None


def divide(examples: Sequence[Grouped], sizes: SetSizes, seed: int = 0) -> tuple[list[Example], ...]:
    """Train, dev and test: groups are drawn by chance, the test part first, so that it does not depend on the others.

    Of a group at most `LARGEST_GROUP` examples are taken. Where there are too few for all parts, each gets its share.
    """
    generator = np.random.default_rng(seed)
    groups: dict[str, list[Example]] = {}
    for index in generator.permutation(len(examples)):
        example, group = examples[index]
        members = groups.setdefault(group, [])
        if len(members) < LARGEST_GROUP and example not in members:
            members.append(example)
    wanted = [sizes.test, sizes.dev, sizes.train]
    share = min(1.0, sum(map(len, groups.values())) / sum(wanted))
    parts: list[list[Example]] = [[], [], []]
    upcoming = iter([groups[name] for name in groups])
    for part, most in zip(parts, wanted, strict=True):
        while len(part) < max(1, int(most * share)):
            members = next(upcoming, [])
            if not members:
                break
            part += members
        del part[most:]
    test, dev, train = parts
    return train, dev, test


BINARY = ("0", "1")
_PUBLIC: dict[str, tuple[str, str, tuple[str, ...], Callable[[Path], Iterator[Grouped]]]] = {
    "ocnli": ("inference", "nli/ocnli_train_10k.json", INFERENCE, read_ocnli),
    "lcqmc": ("similarity", "similarity/lcqmc_dev.tsv", BINARY, lambda path: read_pairs(path, None, "\t")),
    "bq": (
        "similarity",
        "similarity/bq_dev.csv",
        BINARY,
        lambda path: read_pairs(path, ("sentence1", "sentence2", "label"), ","),
    ),
    "msra": ("entities", "ner/msra_ner.txt", ENTITIES, read_msra),
    "waimai": ("sentiment", "sentiment/waimai_10k.csv", BINARY, read_waimai),
    "cmrc": ("matching", "qa/cmrc2018_trial.json", (), read_cmrc),
}
PUBLIC_SETS = tuple(_PUBLIC)


def read_public(corpora: PathLike, name: str, sizes: SetSizes | None = None) -> TaskData:
    """Read and divide one of `PUBLIC_SETS` below the folder of the corpora; InputError names what is wrong."""
    task, file, labels, read = _PUBLIC[one_of(name, PUBLIC_SETS, os.fspath(corpora), "set")]
    path = Path(corpora) / file
    train, dev, test = divide(list(read(path)), sizes or SetSizes())
    if not (train and dev and test):
        raise InputError(f"{path}: too few examples for a training, development and test part; give the whole file")
    return TaskData(name, task, labels, train, dev, test)
