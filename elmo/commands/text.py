"""Commands from documents to the text that models learn from: `elmo preprocess`, `elmo vocab`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer

from elmo.commands.options import DictionaryFile, Encoding, Normalise, SegmenterName, Shards, flag
from elmo.errors import InputError
from elmo.system.terminal import say


def preprocess(
    inputs: Annotated[
        list[str], typer.Argument(help="Files, globs, folders (every .txt below), or - for standard input.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the shards sentence_file_*.")],
    segmenter: SegmenterName = "jieba",
    user_dictionary: DictionaryFile = None,
    model: Annotated[
        Path | None, typer.Option("--model", help="Folder of lac's model; by default the installed package's.")
    ] = None,
    normalise: Normalise = "none",
    encoding: Encoding = "utf-8",
    line_ends: Annotated[
        str,
        typer.Option(
            "--line_ends",
            help="What a line end is: a sentence's end (sentence), a space (space), nothing within Chinese (join).",
        ),
    ] = "sentence",
    max_sentence_chars: Annotated[
        int, typer.Option("--max_sentence_chars", help="Longer sentences are cut, at a comma where there is one.")
    ] = 1000,
    sentences_per_shard: Annotated[int, typer.Option("--sentences_per_shard", help="Sentences in a shard.")] = 100_000,
    workers: Annotated[int | None, typer.Option("--workers", help="Processes; by default one a core.")] = None,
    overwrite: Annotated[Any, flag("overwrite", "Take the place of shards that are there.")] = False,
) -> None:
    """Turn documents into segmented sentences, a sentence a line, words separated by a space."""
    from elmo.text.normalise import parse_steps
    from elmo.text.preprocess import preprocess as run

    given = {"user_dictionary": user_dictionary, "model": model}
    options = {name: str(path) for name, path in given.items() if path is not None}
    report = run(
        inputs,
        output,
        segmenter=segmenter,
        segmenter_options=options,
        normalise=parse_steps(normalise),
        encoding=encoding,
        line_ends=line_ends,  # type: ignore[arg-type]  # checked where it is used
        max_sentence_chars=max_sentence_chars,
        sentences_per_shard=sentences_per_shard,
        workers=workers,
        overwrite=overwrite,
    )
    for warning in report.warnings:
        say(f"warning: {warning}")
    if report.removed_control_characters:
        say(f"{report.removed_control_characters:,} control characters were removed")
    if report.cut_sentences:
        say(f"{report.cut_sentences:,} sentences were longer than {max_sentence_chars} and cut")
    say(
        f"{report.documents:,} documents, {report.sentences:,} sentences, {report.words:,} words in "
        f"{report.shards} shards in {output}  ({report.characters / max(report.seconds, 1e-9):,.0f} characters/s)"
    )


def vocab(
    shards: Shards,
    output: Annotated[Path, typer.Option("--output", "-o", help="The vocabulary file, a token a line.")],
    min_count: Annotated[int, typer.Option("--min_count", help="Words that occur less often are left out.")] = 1,
    max_size: Annotated[int | None, typer.Option("--max_size", help="Tokens at most, special ones included.")] = None,
    pieces: Annotated[
        Any, flag("pieces", "Characters and pieces of words, as a masked language model reads text.")
    ] = False,
    tagged: Annotated[Any, flag("tagged", "The words of the shards are word/tag (--pieces).")] = False,
) -> None:
    """Count words and write the vocabulary: <S>, </S>, <UNK>, then words by falling count; or --pieces."""
    from elmo.text.shards import find_shards
    from elmo.text.vocabulary import Vocabulary, count_words

    paths = [path for shard in shards for path in find_shards(shard)]
    if pieces:
        from elmo.text.pieces import PieceVocabulary
        from elmo.text.units import count_shard_words

        words = _some(count_shard_words(paths, tagged), shards)
        made = PieceVocabulary.from_words(words, min_count, max_size)
        made.save(output)
        say(f"{len(made):,} characters and pieces in {output}")
        return
    if tagged:
        raise InputError("--tagged True is for a vocabulary of --pieces True: words are counted as they stand")
    counts = _some(count_words(paths), shards)
    vocabulary = Vocabulary.from_counts(counts, min_count, max_size)
    vocabulary.save(output)
    total = sum(counts.values())
    covered = sum(count for word, count in counts.items() if word in vocabulary)
    say(f"{len(vocabulary):,} tokens in {output}; they cover {covered / total:.2%} of {total:,} words")


def _some(counts: Counter[str], shards: list[str]) -> Counter[str]:
    """The counts; InputError where there is nothing to count."""
    if not counts:
        raise InputError(f"{', '.join(shards)}: there is no word in all of it; give shards with text")
    return counts
