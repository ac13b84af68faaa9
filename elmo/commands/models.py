"""Commands for models as files: `elmo export`, `elmo convert`, `elmo info`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from elmo.commands.options import Half, Model, ModelVocabulary, flag
from elmo.errors import InputError
from elmo.system.terminal import say


def export(
    model: Model,
    target: Annotated[Path | None, typer.Argument(help="Directory for the copy; or say --output.")] = None,
    to: Annotated[str, typer.Option("--to", help="elmo, or web: a page that works by itself, in int8.")] = "elmo",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="As TARGET; of a page, also a file that ends in .html.")
    ] = None,
    dtype: Annotated[
        str | None,
        typer.Option("--dtype", help="float32, float16 (default), or int8 (a factor for each row of a matrix)."),
    ] = None,
    note: Annotated[str | None, typer.Option("--note", help="A sentence for the copy's provenance.")] = None,
    licence: Annotated[str | None, typer.Option("--licence", help="Of the copy, as `elmo info` shows it.")] = None,
    overwrite: Annotated[Any, flag("overwrite", "Take the place of a model or page that is there.")] = False,
    senses: Annotated[
        Path | None, typer.Option("--senses", help="Of a page: marked sentences, such as data/senses.tsv.")
    ] = None,
    word2vec: Annotated[str | None, typer.Option("--word2vec", help="Of a page: word vectors to stand beside.")] = None,
) -> None:
    """Copy a model out of a checkpoint, without the optimiser, for others to use; or make a web page of a biLM."""
    from elmo.models import export_model

    if (target is None) == (output is None):
        raise InputError("say once where to write: elmo export MODEL --output folder/")
    place = target or output or Path()
    _check_export_options(
        to, {"dtype": dtype, "note": note, "licence": licence}, {"senses": senses, "word2vec": word2vec}
    )
    if to == "web":
        from elmo.web.export import export_web

        num_bytes = export_web(model, place, senses=senses, word_vectors=word2vec, overwrite=overwrite)
    else:
        export_model(model, place, dtype=dtype or "float16", note=note, licence=licence, overwrite=overwrite)
        num_bytes = sum(path.stat().st_size for path in place.iterdir())
    say(f"{num_bytes / 1e6:.1f} MB in {place}")


def _check_export_options(to: str, of_copies: dict[str, Any], of_pages: dict[str, Any]) -> None:
    """Refuse options that would change nothing."""
    if to not in ("elmo", "web"):
        raise InputError(f"--to is {to!r}: give elmo or web")
    for name, value in (of_copies if to == "web" else of_pages).items():
        if value is not None:
            raise InputError(f"--{name} is for --to {'elmo' if to == 'web' else 'web'}: leave it out")


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
    from elmo.explore.describe import describe_model, render

    dtype = "float16" if half else "float32"
    run(source, target, to=to, vocab_path=vocab_path, dtype=dtype, overwrite=overwrite)
    print(render(describe_model(target, vocab_path=vocab_path)))


def info(
    model: Annotated[str, typer.Argument(help="Model directory, checkpoint, name, or another system's model.")],
    vocab_path: ModelVocabulary = None,
) -> None:
    """Say what a model is: source, sizes, layers, vocabulary, parameters, training, licence."""
    from elmo.explore.describe import describe_model, render

    print(render(describe_model(model, vocab_path=vocab_path)))
