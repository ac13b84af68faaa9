"""Training a tagger and scoring one on files of tagged sentences, as `elmo lac train` and `elmo lac eval` do."""

from __future__ import annotations

import dataclasses
import json
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from elmo.corpora.lark_tsv import read_tsv
from elmo.corpora.peoples_daily import read_peoples_daily
from elmo.corpora.tagged import COARSE, LAC_TAGS, NAMES, Tagged
from elmo.corpora.universal_dependencies import read_ud
from elmo.encoding.features import ElmoFeatures, Features, WordVectorFeatures
from elmo.errors import InputError
from elmo.models import check_free
from elmo.system.files import check_not_read, writable_file
from elmo.system.locks import alone_in
from elmo.system.project import project_data
from elmo.system.types import PathLike
from elmo.tagging.baidu import Lac, tags_of
from elmo.tagging.baidu_files import read_lac
from elmo.tagging.baidu_text import LacReader, read_tokens
from elmo.tagging.examples import normalise_gold, place_of
from elmo.tagging.files import load_tagger, written_whole
from elmo.tagging.projection import OTHER, project, word_chunks
from elmo.tagging.score import ChunkCounts, Score, count_chunks, oracle
from elmo.tagging.tagger import KIND, Tagger
from elmo.tagging.train import TrainSettings, check_save_dir, train_tagger
from elmo.text.shards import read_lines
from elmo.text.units import read_words

FORMATS = {  # and what a file of each is
    "tsv": "LARK's `token token<TAB>tag tag` a line",
    "tagged": "`word/tag word/tag` a line, as `elmo lac tag` writes it",
    "peoples_daily": "the raw file of People's Daily, January 1998",
    "ud": "CoNLL-U of UD Chinese GSD",
}
MODEL, SCORES = "model", "scores.json"  # in the folder of a training


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """Scores of a tagger on gold sentences, by rows: all, segmentation, words, PER, LOC, ORG, TIME, and coarse."""

    sentences: int
    tokens: int  # that the tagger reads
    straddling: int  # of them hold characters of several gold words
    scores: dict[str, Score]
    best_possible: dict[str, Score]  # that any tags of these tokens can reach, in each row by itself

    def as_json(self) -> dict[str, Any]:
        """All of it as JSON can hold it."""
        fields: dict[str, Any] = dataclasses.asdict(self)
        for name in ("scores", "best_possible"):
            fields[name] = {row: score._asdict() for row, score in getattr(self, name).items()}
        return fields


def read_gold(path: PathLike, form: str = "tsv", part: str = "test") -> list[Tagged]:
    """Read tagged sentences.

    Args:
        path: the file.
        form: "tsv" (LARK's, of words or pieces of them), "peoples_daily" or "ud", see `elmo.corpora`; or "tagged".
        part: what to take of People's Daily, which is one file: train, dev or test.

    Raises:
        InputError: the form is unknown; the file can't be read or is malformed, naming the line and what is expected.
    """
    if form not in FORMATS:
        raise InputError(f"format is {form!r}: give one of {', '.join(FORMATS)}")
    try:
        return _read_gold(path, form, part)
    except InputError as error:
        if not os.path.isfile(path):
            raise
        raise InputError(f"{error} (--format {form} is {FORMATS[form]}{_offer(path, form)})") from None


def _offer(path: PathLike, form: str) -> str:
    """Name the format that a file seems to have, if it is another one."""
    try:
        first = next((line for line in read_lines(path) if line.strip()), "")
    except InputError:
        return ""
    words = first.split()
    is_tagged = "\t" not in first and len(words) > 0 and all(word.rpartition("/")[0] for word in words)
    looks_like = "tagged" if is_tagged else "tsv" if first.count("\t") == 1 else form
    return "" if looks_like == form else f"; this looks like --format {looks_like}"


def _read_tagged(path: PathLike) -> list[Tagged]:
    """Sentences of word/tag; empty lines are passed over."""
    sentences = []
    for number, read in enumerate(read_words(path, True), 1):
        place = f"{path}:{number}"
        if bad := next((f"{word}/{tag}" for word, tag in read if not word or not tag), None):
            raise InputError(f"{place}: {bad!r} lacks its {'tag' if bad.endswith('/') else 'word'}; give word/tag")
        if read:
            sentences.append(Tagged([word for word, _ in read], [tag for _, tag in read], place))
    if not sentences:
        raise InputError(f"{path}: has no sentence")
    return sentences


def _read_gold(path: PathLike, form: str, part: str) -> list[Tagged]:
    if form == "peoples_daily":
        return read_peoples_daily(path, (part,))
    if form == "ud":
        return read_ud(path)
    if form == "tagged":
        return _read_tagged(path)
    sentences = []
    for read in read_tsv(path):
        chunks = [("".join(tokens), tag) for tokens, tag in read.chunks()]
        sentences.append(Tagged([word for word, _ in chunks], [tag for _, tag in chunks], read.place))
    return sentences


def evaluate_tagger(model: Lac | Tagger, tokens: Sequence[Sequence[str]], gold: Sequence[Tagged]) -> Evaluation:
    """Score what a tagger makes of the text of gold sentences.

    Args:
        model: the tagger.
        tokens: what it reads of each sentence.
        gold: the sentences.

    Raises:
        InputError: a gold sentence is not as `elmo.tagging.projection` needs it; names its place.
    """
    if isinstance(model, Tagger) and model.normalise.steps:
        gold = normalise_gold(gold, model.normalise)
    words, tags = [sentence.words for sentence in gold], [sentence.tags for sentence in gold]
    straddling = 0
    for sentence, read in zip(gold, tokens, strict=True):
        try:
            straddling += project(sentence.words, sentence.tags, read).straddling
        except InputError as error:
            raise InputError(f"{place_of(sentence)}: {error}") from None
    tagged = model.tag([sentence.text for sentence in gold])
    counts = count_chunks(
        [word_chunks(*each) for each in zip(words, tags, strict=True)], [word_chunks(*each) for each in tagged]
    )
    return Evaluation(len(gold), sum(map(len, tokens)), straddling, _rows(counts), _rows(oracle(words, tags, tokens)))


def _rows(counts: ChunkCounts) -> dict[str, Score]:
    groups = {tag: tag if tag in NAMES else "words" for tag in (*LAC_TAGS, *counts.tags) if tag != OTHER}
    views = {"all": counts.tagged(), "segmentation": counts.segmentation(), **counts.by_group(groups)}
    if set(counts.tags) & set(COARSE):  # for a corpus that tells other classes apart than the training's
        views["coarse"] = counts.collapse(COARSE).tagged()
    return {name: view.score() for name, view in views.items()}


def table(evaluation: Evaluation, title: str) -> Table:
    """Precision, recall and F1 in percent, beside the F1 that the tokens allow."""
    share = evaluation.straddling / max(evaluation.tokens, 1)
    made = Table(
        title=title,
        caption=f"{evaluation.sentences:,} sentences, {evaluation.tokens:,} tokens; {evaluation.straddling:,} of them "
        f"({share:.1%}) hold characters of several words",
    )
    made.add_column("")
    for name in ("gold", "precision", "recall", "F1", "possible F1"):
        made.add_column(name, justify="right")
    for name, score in evaluation.scores.items():
        shares = (*score[:3], evaluation.best_possible[name].f1)
        shown = [f"{100 * value:.2f}" for value in shares] if score.gold or score.predicted else ["-"] * 4
        made.add_row(name, f"{score.gold:,}", *shown)
    return made


def evaluate_file(
    model: PathLike | None,
    path: PathLike,
    *,
    form: str = "tsv",
    part: str = "test",
    features: PathLike | None = None,
    batch_size: int = 64,
    output: PathLike | None = None,
) -> Evaluation:
    """Score Baidu's LAC or a tagger of ours on a file.

    Args:
        model, features, batch_size: see `elmo.tagging.files.load_tagger`.
        path, form, part: see `read_gold`.
        output: gets the scores as JSON; appears whole or not at all.

    Raises:
        InputError: model, file or output are not what they should be.
    """
    gold = read_gold(path, form, part)
    tagger = load_tagger(model, features=features, batch_size=batch_size)
    texts = [sentence.text for sentence in gold]
    if isinstance(tagger, Tagger):
        tokens = tagger.tokens(texts)
    else:
        reader = LacReader(read_lac(model))
        tokens = [read_tokens(reader, "".join(text.split()))[1] for text in texts]
    evaluation = evaluate_tagger(tagger, tokens, gold)
    if output is not None:
        name = "lac" if model is None else Path(model).name
        _write_json(output, {"model": name, "file": Path(path).name, **evaluation.as_json()})
    return evaluation


def make_wanted_features(
    elmo: str | None, word2vec: str | None, layers: str, fine_tune: bool
) -> tuple[Features | None, str | None]:
    """Features that stay as they are, or the name of an ELMo to be fine-tuned, or neither.

    Args:
        elmo, word2vec: names or paths.
        layers: of ELMo: "all", or numbers from 0 separated by commas.
        fine_tune: train the ELMo along.

    Raises:
        InputError: they contradict one another, or a model can't be loaded.
    """
    if elmo is not None and word2vec is not None:
        raise InputError("--elmo and --word2vec are both given: choose one")
    if elmo is None and (fine_tune or layers != "all"):
        raise InputError(f"--{'fine_tune' if fine_tune else 'layers'} is about ELMo: give --elmo too")
    if fine_tune and layers != "all":
        raise InputError("--fine_tune True takes all layers of ELMo: leave --layers out")
    if word2vec is not None:
        return WordVectorFeatures(word2vec), None
    if elmo is None or fine_tune:
        return None, elmo
    numbers = None if layers == "all" else layers.split(",")
    if numbers is not None and not all(re.fullmatch("[0-9]{1,9}", number) for number in numbers):
        raise InputError(f"--layers is {layers!r}: give all, or numbers such as 0,2")
    return ElmoFeatures(elmo, None if numbers is None else [int(number) for number in numbers]), None


@alone_in("save_dir")
def train_from_files(
    save_dir: PathLike,
    train: PathLike | None = None,
    dev: PathLike | None = None,
    test: PathLike | None = None,
    *,
    form: str = "tsv",
    tokens: str | None = None,
    elmo: str | None = None,
    word2vec: str | None = None,
    layers: str = "all",
    fine_tune: bool = False,
    start: PathLike | None = None,
    normalise: Sequence[str] = (),
    settings: TrainSettings | None = None,
    sizes: dict[str, Any] | None = None,
    resume: bool = False,
    overwrite: bool = False,
    console: Console | None = None,
    report: Callable[[str], None] = lambda line: None,
) -> dict[str, Evaluation]:
    """Train a tagger from files; write `model` and `scores.json` into a folder, beside the checkpoints.

    Args:
        save_dir: the folder; must not hold another training unless `overwrite`.
        train, dev, test: see `read_gold`; without `train` all three are the project's own small set. `dev` decides when
            to stop, and it and `test` are scored.
        form: of all three files.
        tokens, normalise, settings, sizes, resume: see `elmo.tagging.train.train_tagger`.
        elmo, word2vec, layers, fine_tune: see `make_wanted_features`.
        start: folder of Baidu's LAC, to go on from its parameters; then the tags are its own.
        overwrite: take the place of a training that is there.
        console: gets a table of the scores, of `test` if there is one.
        report: is told of each epoch.

    Returns:
        the scores on "dev" and "test", as far as they are given.

    Raises:
        InputError: bad files or settings. RunError: the run failed. KeyboardInterrupt: `resume` goes on.
    """
    if start is not None and tokens is not None:
        raise InputError(
            f"--tokens {tokens} is given, and --start reads text as Baidu's LAC does: leave one of them out"
        )
    folder = Path(save_dir)
    check_save_dir(folder, resume=resume, overwrite=overwrite)
    for name, what in ((MODEL, "a model"), (SCORES, SCORES)):
        if not (resume or overwrite) and os.path.lexists(folder / name):
            raise InputError(f"{folder} holds {what} already: choose another --save_dir, or give --overwrite True")
    inputs = [path for path in (train, dev, test, elmo, word2vec, start) if path is not None]
    check_free(folder / MODEL, True, inputs, kind=KIND)
    check_not_read(writable_file(folder / SCORES), inputs)
    if train is None:
        if form != "tsv":
            raise InputError(f"--format {form} is given without a file: give --train too")
        own_set = project_data("lac")
        train = own_set / "train.tsv"
        dev = dev or own_set / "dev.tsv"
        test = test or own_set / "test.tsv"
    lac = None if start is None else read_lac(start)
    gold = read_gold(train, form, "train")
    paths = {"dev": dev, "test": test}
    held_out = {part: read_gold(path, form, part) for part, path in paths.items() if path is not None}
    features, fine_tuned = make_wanted_features(elmo, word2vec, layers, fine_tune)
    tagger = train_tagger(
        gold,
        held_out.get("dev"),
        tags=_tags_of(gold, held_out.get("dev", [])) if lac is None else tags_of(lac),
        tokens=tokens or "words",
        normalise=normalise,
        features=features,
        fine_tune=fine_tuned,
        start=lac,
        settings=settings,
        sizes=sizes,
        save_dir=folder,
        resume=resume,
        overwrite=overwrite,
        report=report,
    )
    tagger.save(folder / MODEL, overwrite=True)
    evaluations = {}
    for part, sentences in held_out.items():
        tokens_of_texts = tagger.tokens([sentence.text for sentence in sentences])
        evaluations[part] = evaluate_tagger(tagger, tokens_of_texts, sentences)
    epochs = tagger.provenance["history"]
    scores = {part: evaluation.as_json() for part, evaluation in evaluations.items()}
    read_as = tagger.network.config.tokens
    _write_json(folder / SCORES, {"tokens": read_as, "elmo": elmo, "word2vec": word2vec, **scores, "epochs": epochs})
    if console is not None and evaluations:
        part = list(evaluations)[-1]
        console.print(table(evaluations[part], f"{part}: {Path(paths[part] or '').name}"))
    return evaluations


def _tags_of(*parts: Sequence[Tagged]) -> list[str]:
    """LAC's tags, or, where a corpus has others, its own."""
    tags = {tag for part in parts for sentence in part for tag in sentence.tags}
    return list(LAC_TAGS) if tags <= set(LAC_TAGS) else sorted(tags)


def _write_json(path: PathLike, content: dict[str, Any]) -> None:
    with written_whole(path) as write:
        write((json.dumps(content, ensure_ascii=False, indent=1) + "\n").encode())
