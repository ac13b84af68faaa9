"""Commands that make word vectors, one a word or one a word in its sentence: `elmo word2vec`, `elmo encode`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from elmo.commands.options import (
    Amp,
    DictionaryFile,
    Encoding,
    Half,
    LearningRate,
    ModelVocabulary,
    NormaliseAsModel,
    RandomSeed,
    Shards,
    UseGpu,
    flag,
)
from elmo.commands.progress import counted, say_what_is_slow
from elmo.system.terminal import say


def word2vec(
    shards: Shards,
    output: Annotated[Path, typer.Option("--output", "-o", help="Directory for the vectors.")],
    vocab_path: Annotated[
        Path | None, typer.Option("--vocab_path", help="Words to learn; by default by count.")
    ] = None,
    vector_size: Annotated[int, typer.Option("--vector_size", help="Numbers a vector.")] = 128,
    window: Annotated[int, typer.Option("--window", help="Furthest context word.")] = 5,
    negative: Annotated[int, typer.Option("--negative", help="Noise words a pair is told from.")] = 5,
    sample: Annotated[
        float, typer.Option("--sample", help="Words with more than 2.62 times this share are thinned out.")
    ] = 1e-3,
    min_count: Annotated[int, typer.Option("--min_count", help="Rarer words are left out.")] = 5,
    max_epoch: Annotated[int, typer.Option("--max_epoch", help="Passes over the text.")] = 5,
    learning_rate: LearningRate = 0.025,
    random_seed: RandomSeed = 0,
    use_gpu: UseGpu = None,
    overwrite: Annotated[Any, flag("overwrite", "Take the place of vectors that are there.")] = False,
) -> None:
    """Train word vectors: skip-gram with negative sampling."""
    from elmo import runtime
    from elmo.models import check_free
    from elmo.skipgram import train_skipgram
    from elmo.text.shards import find_shards
    from elmo.text.vocabulary import Vocabulary
    from elmo.word_vectors import SkipGramConfig

    sources: list[str | Path] = [*shards, *([] if vocab_path is None else [vocab_path])]
    check_free(output, overwrite, sources, kind="skipgram")
    config = SkipGramConfig(
        vector_size=vector_size,
        window=window,
        negative=negative,
        sample=sample,
        min_count=min_count,
        epochs=max_epoch,
        learning_rate=learning_rate,
        seed=random_seed,
    )
    runtime.select_device(use_gpu)
    vocabulary = None if vocab_path is None else Vocabulary.load(vocab_path)
    vectors = train_skipgram([path for shard in shards for path in find_shards(shard)], config, vocabulary=vocabulary)
    vectors.save(output, overwrite=overwrite)
    say(f"{len(vectors):,} vectors in {output}")


def encode(
    model: Annotated[str, typer.Argument(help="ELMo, BERT, ERNIE or word2vec: directory, checkpoint or name.")],
    sentences: Annotated[str, typer.Argument(help="File of sentences, one a line, or - for standard input.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="vectors.npz or vectors.h5")],
    layers: Annotated[
        str, typer.Option("--layers", help="all, average, the number of one layer, or several as 0,2.")
    ] = "all",
    pool: Annotated[str, typer.Option("--pool", help="none, or mean: one vector a sentence.")] = "none",
    positions: Annotated[
        str,
        typer.Option("--positions", help="own: vectors of the words; hole: of their places, without the word (ELMo)."),
    ] = "own",
    field: Annotated[
        str | None, typer.Option("--field", help="Lines are JSON objects: their field that is the sentence.")
    ] = None,
    segmenter: Annotated[
        str | None,
        typer.Option(
            "--segmenter", help="jieba, lac, or whitespace for segmented text; by default that of the model's text."
        ),
    ] = None,
    user_dictionary: DictionaryFile = None,
    normalise: NormaliseAsModel = None,
    encoding: Encoding = "utf-8",
    batch_size: Annotated[
        int, typer.Option("--batch_size", help="Sentences that are run together at most; long ones are fewer.")
    ] = 64,
    half: Half = False,
    compress: Annotated[Any, flag("compress", "Deflate the vectors: smaller, and slower to write.")] = False,
    vocab_path: ModelVocabulary = None,
    carry_state: Annotated[
        Any, flag("carry_state", "Go on from the state of the batch before, as the first ELMo programs did.")
    ] = False,
    amp: Amp = "none",
    use_gpu: UseGpu = None,
    overwrite: Annotated[Any, flag("overwrite", "Take the place of a file that is there.")] = False,
) -> None:
    """Write the vectors of each line's words: one dataset a sentence, keyed by line number from 0."""
    from elmo import runtime
    from elmo.bilm.reading import check_positions
    from elmo.encoding.any_model import load_encoder, read_sentences_of
    from elmo.encoding.vectors_file import parse_layers, write_vectors
    from elmo.nn.native.precision import choose_precision, products_in
    from elmo.text.normalise import parse_steps
    from elmo.text.vocabulary import unknown_warning

    wanted = parse_layers(layers)
    read_at = check_positions(positions)
    runtime.select_device(use_gpu)
    steps = None if normalise is None else parse_steps(normalise)
    encoder = load_encoder(
        model,
        segmenter,
        vocab_path,
        user_dictionary=user_dictionary,
        normalise=steps,
        positions=read_at,
        carry_state=carry_state,
    )
    say_what_is_slow()
    unknown = total = 0

    def encoded() -> Iterator[tuple[list[str], Any]]:
        nonlocal unknown, total
        for words, vectors in encoder.encode_stream(read_sentences_of(sentences, field, encoding), batch_size):
            unknown, total = unknown + encoder.count_unknown(words), total + len(words)
            yield words, vectors

    with products_in(choose_precision(amp)):
        count = write_vectors(
            output,
            counted(encoded(), "sentences"),
            layers=wanted,
            pool=pool,
            dtype="float16" if half else "float32",
            compress=compress,
            positions=read_at,
            model=str(model),
            overwrite=overwrite,
        )
    say(f"{count:,} sentences in {output}; {unknown / max(total, 1):.1%} of their words are unknown")
    if warning := unknown_warning(unknown, total, "the words"):
        say(f"warning: {warning}")
