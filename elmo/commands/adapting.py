"""The commands that make one model of another: `elmo adapt` and `elmo grow`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from elmo.commands.options import DictionaryFile, MaxEpoch, Model, Patience, RandomSeed, UseGpu, flag
from elmo.commands.progress import say_what_is_slow
from elmo.system.terminal import say, stderr_console


def adapt(
    model: Model,
    inputs: Annotated[
        list[str], typer.Argument(help="Texts: files, globs, folders (every .txt below), or - for standard input.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Directory for the new model.")],
    segmenter: Annotated[
        str | None,
        typer.Option("--segmenter", help="jieba, lac, or whitespace for segmented text; by default the model's own."),
    ] = None,
    user_dictionary: DictionaryFile = None,
    encoding: Annotated[str, typer.Option("--encoding", help="utf-8 or gb18030.")] = "utf-8",
    new_words: Annotated[
        int, typer.Option("--new_words", help="Frequent words of the texts that the vocabulary gets, at most.")
    ] = 0,
    learning_rate: Annotated[float, typer.Option("--learning_rate", help="Of Adam, at the beginning.")] = 0.0005,
    max_epoch: MaxEpoch = 5,
    patience: Patience = 2,
    random_seed: RandomSeed = 0,
    use_gpu: UseGpu = None,
    overwrite: Annotated[Any, flag("overwrite", "Take the place of a model that is there.")] = False,
) -> None:
    """Let an ELMo learn on from texts of a domain: from raw text to the model that predicts its held-out part best."""
    from elmo import runtime
    from elmo.adapting.adapt import adapt as run

    runtime.select_device(use_gpu)
    say_what_is_slow()
    done = run(
        model,
        inputs,
        output,
        segmenter=segmenter,
        user_dictionary=user_dictionary,
        encoding=encoding,
        new_words=new_words,
        learning_rate=learning_rate,
        max_epoch=max_epoch,
        patience=patience,
        random_seed=random_seed,
        overwrite=overwrite,
        console=stderr_console(),
    )
    say(
        f"perplexity on {done.parts.dev:,} held-out sentences: {done.before:.2f} before, {done.after:.2f} after "
        f"{done.epochs} epochs; {done.unknown_after:.1%} of their words are unknown; the model is in {output}"
    )


def grow(
    model: Model,
    output: Annotated[Path, typer.Option("--output", "-o", help="Directory for the new model.")],
    embed_size: Annotated[int, typer.Option("--embed_size", help="Size of the word vectors and projections.")],
    hidden_size: Annotated[int, typer.Option("--hidden_size", help="Cells of a layer.")],
    random_seed: RandomSeed = 0,
    overwrite: Annotated[Any, flag("overwrite", "Take the place of a model that is there.")] = False,
) -> None:
    """Make a larger ELMo that predicts what a trained one does, for elmo pretrain --load_pretraining_params."""
    from elmo.adapting.grow import grow as run

    config = run(
        model, output, embed_size=embed_size, hidden_size=hidden_size, random_seed=random_seed, overwrite=overwrite
    )
    say(f"{config.num_parameters:,} parameters, about; the model is in {output}")
