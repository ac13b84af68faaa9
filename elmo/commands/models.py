"""Commands for models as files: `elmo export`, `elmo convert`, `elmo info`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from elmo.commands.options import Half, Model, ModelVocabulary, flag
from elmo.system.terminal import say


def export(
    model: Model,
    output: Annotated[Path, typer.Argument(help="Directory for the copy.")],
    dtype: Annotated[
        str, typer.Option("--dtype", help="float32, float16, or int8 (a factor for each row of a matrix).")
    ] = "float16",
    note: Annotated[str | None, typer.Option("--note", help="A sentence for the copy's provenance.")] = None,
    licence: Annotated[str | None, typer.Option("--licence", help="Of the copy, as `elmo info` shows it.")] = None,
) -> None:
    """Copy a model out of a checkpoint, without the optimiser, for others to use."""
    from elmo.models import export_model

    export_model(model, output, dtype=dtype, note=note, licence=licence)
    say(f"{sum(path.stat().st_size for path in output.iterdir()) / 1e6:.1f} MB in {output}")


def convert(
    source: Annotated[
        str, typer.Argument(help="Model of LARK, AllenNLP, bilm-tf, ELMoForManyLangs or ours: folder, .zip, .tar.gz.")
    ],
    target: Annotated[Path, typer.Argument(help="Directory to write.")],
    to: Annotated[str, typer.Option("--to", help="elmo, or lark: one binary file a parameter.")] = "elmo",
    vocab_path: Annotated[
        Path | None, typer.Option("--vocab_path", help="Vocabulary, where the source comes without.")
    ] = None,
    half: Half = False,
    overwrite: Annotated[Any, flag("overwrite", "Take the place of a directory that is there.")] = False,
) -> None:
    """Read weights of another system, check them, and write them as a model of ours (or ours as LARK's)."""
    from elmo.convert import convert as run
    from elmo.explore.describe import describe, render

    dtype = "float16" if half else "float32"
    run(source, target, to=to, vocab_path=vocab_path, dtype=dtype, overwrite=overwrite)
    print(render(describe(target, vocab_path=vocab_path)))


def info(
    model: Annotated[str, typer.Argument(help="Model directory, checkpoint, name, or another system's model.")],
    vocab_path: ModelVocabulary = None,
) -> None:
    """Say what a model is: source, sizes, layers, vocabulary, parameters, training, licence."""
    from elmo.explore.describe import describe, render

    print(render(describe(model, vocab_path=vocab_path)))
