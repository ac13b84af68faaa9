"""Commands for public corpora: `elmo data list`, `show`, `fetch`, `split`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from elmo.commands.options import flag
from elmo.system.terminal import PlainConsole, say, show

app = typer.Typer(help="Public corpora: what there is, how to get them, how they are divided.", no_args_is_help=True)


@app.command("list")
def data_list() -> None:
    """Name the public corpora, their licences, and which are there."""
    from elmo.corpora import datasets

    PlainConsole().print(datasets.corpora_table())
    show(f"place: {datasets.data_home()}")


@app.command("show")
def data_show(name: Annotated[str, typer.Argument(help="A name from `elmo data list`.")]) -> None:
    """Show a corpus's licence, sources and checksums, and check the files that are there."""
    from elmo.corpora import datasets

    print(datasets.describe_corpus(name))
    problems = datasets.verify(name, checksums=True)
    for problem in problems:
        show(f"problem: {problem}")
    raise typer.Exit(1 if problems else 0)


@app.command("fetch")
def data_fetch(
    name: Annotated[str, typer.Argument(help="A name from `elmo data list`.")],
    accept_licence: Annotated[
        Any, flag("accept_licence", "Accept the licence (`elmo data show NAME`) without a question.")
    ] = False,
) -> None:
    """Download a corpus from its publisher, after its licence was accepted; goes on where it stopped."""
    from elmo.corpora import datasets

    if accept_licence:
        say(f"licence: {datasets.find(name).licence}")
    show(datasets.fetch(name, accept_licence=accept_licence or datasets.ask))


@app.command("split")
def data_split(
    raw: Annotated[Path, typer.Argument(help="Folder of raw text, a paragraph a line; raw/ of the data home.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Gets the folders train and dev.")],
    lac: Annotated[
        Path | None, typer.Option("--lac", help="Folder of tagged corpora, whose training parts are added as text.")
    ] = None,
    pool: Annotated[
        Path | None, typer.Option("--pool", help="Folder of the pool, .txt or .txt.xz; held out in pool_dev.")
    ] = None,
) -> None:
    """Divide raw text by the fixed rules: what is scored later is never pretrained on."""
    from elmo.corpora.splits import split_raw

    report = split_raw(raw, output, lac, pool)
    of_pool = f" and {report.pool_dev:,} of the pool" if pool is not None else ""
    say(
        f"{report.train:,} paragraphs to train on, {report.dev:,} held out{of_pool}; "
        f"{report.reviews_held_out:,} reviews left out"
    )
