"""Commands for lexical analysis: `elmo lac train`, `eval`, `tag`, `experiment`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from elmo.commands.options import Amp, Encoding, Normalise, NormaliseAsModel, RandomSeed, UseGpu, flag
from elmo.commands.progress import busy, counting
from elmo.errors import InputError
from elmo.system.files import check_output, write_results
from elmo.system.terminal import PlainConsole, say

app = typer.Typer(
    help="Lexical analysis by Baidu's LAC or one of your own: words, their parts of speech, names.",
    no_args_is_help=True,
)
_Format = Annotated[
    str,
    typer.Option(
        "--format",
        help="tsv (LARK's), tagged (word/tag, as tag writes), peoples_daily (the raw file), or ud (UD Chinese GSD).",
    ),
]
_Model = Annotated[
    str | None,
    typer.Option("--model", help="Folder of LAC or of a tagger of your own; by default the installed package's LAC."),
]
_Features = Annotated[
    str | None,
    typer.Option("--features", help="Where the ELMo or word2vec lies that a tagger reads, if not where it says."),
]


@app.command("train")
def lac_train(
    save_dir: Annotated[Path, typer.Option("--save_dir", help="Gets the checkpoints, model and scores.json.")],
    train: Annotated[
        Path | None, typer.Option("--train", help="Tagged sentences; by default all three parts of data/lac.")
    ] = None,
    dev: Annotated[
        Path | None, typer.Option("--dev", help="Decides when to stop; without, all epochs are trained.")
    ] = None,
    test: Annotated[Path | None, typer.Option("--test", help="Is scored at the end.")] = None,
    form: _Format = "tsv",
    tokens: Annotated[
        str | None,
        typer.Option(
            "--tokens",
            help="What it reads: words (jieba's; the default), characters, or mixed: frequent words whole.",
        ),
    ] = None,
    normalise: Normalise = "none",
    elmo_model: Annotated[
        str | None,
        typer.Option(
            "--elmo", help="An ELMo whose vectors it reads too: of words, or, if it knows nothing else, of characters."
        ),
    ] = None,
    fine_tune: Annotated[Any, flag("fine_tune", "Train the ELMo along, in place of keeping it as it is.")] = False,
    layers: Annotated[str, typer.Option("--layers", help="ELMo's layers to mix: all, or such as 0,2.")] = "all",
    word2vec: Annotated[str | None, typer.Option("--word2vec", help="Word vectors in place of ELMo.")] = None,
    start: Annotated[
        Path | None,
        typer.Option("--start", help="Folder of Baidu's LAC: go on from its parameters, with its tokens, tags, sizes."),
    ] = None,
    embedding_size: Annotated[
        int | None, typer.Option("--embedding_size", help="Of its own token vectors; 128 if unset.")
    ] = None,
    hidden_size: Annotated[
        int | None, typer.Option("--hidden_size", help="Of each direction of a GRU; 128 if unset.")
    ] = None,
    num_layers: Annotated[int | None, typer.Option("--num_layers", help="Bidirectional GRUs; 2 if unset.")] = None,
    dropout: Annotated[float, typer.Option("--dropout", help="Before and after the GRUs.")] = 0.3,
    learning_rate: Annotated[float, typer.Option("--learning_rate", help="Adam's.")] = 1e-3,
    batch_size: Annotated[int, typer.Option("--batch_size", help="Sentences.")] = 32,
    max_epoch: Annotated[int, typer.Option("--max_epoch", help="Passes over the training sentences at most.")] = 30,
    patience: Annotated[int, typer.Option("--patience", help="Epochs without a better F1 on --dev.")] = 3,
    amp: Amp = "none",
    random_seed: RandomSeed = 0,
    use_gpu: UseGpu = None,
    resume: Annotated[Any, flag("resume", "Go on from the newest whole checkpoint in --save_dir, or begin.")] = False,
    overwrite: Annotated[Any, flag("overwrite", "Take the place of a training that is there.")] = False,
) -> None:
    """Train a tagger: BiGRU and CRF over words or characters, beside vectors of ELMo if you like."""
    from elmo import runtime
    from elmo.tagging.from_files import train_from_files
    from elmo.tagging.train import TrainSettings
    from elmo.text.normalise import parse_steps

    settings = TrainSettings(
        learning_rate=learning_rate,
        batch_size=batch_size,
        max_epoch=max_epoch,
        patience=patience,
        random_seed=random_seed,
        amp=amp,
        embedding_rate=5.0 if start is None else 1.0,  # Baidu's vectors are trained already
    )
    given = {"embedding_size": embedding_size, "hidden_size": hidden_size, "num_layers": num_layers, "dropout": dropout}
    sizes = {name: value for name, value in given.items() if value is not None}
    runtime.select_device(use_gpu)
    train_from_files(
        save_dir,
        train,
        dev,
        test,
        form=form,
        tokens=tokens,
        elmo=elmo_model,
        word2vec=word2vec,
        layers=layers,
        fine_tune=fine_tune,
        start=start,
        normalise=parse_steps(normalise),
        settings=settings,
        sizes=sizes,
        resume=resume,
        overwrite=overwrite,
        console=PlainConsole(),
        report=say,
    )
    say(f"model and scores.json in {save_dir}")


@app.command("eval")
def lac_eval(
    model: Annotated[str, typer.Argument(help="Folder of LAC or of a tagger of your own.")],
    gold: Annotated[Path, typer.Argument(help="Tagged sentences; of People's Daily the test part is taken.")],
    form: _Format = "tsv",
    features: _Features = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The scores as JSON too.")] = None,
    batch_size: Annotated[int, typer.Option("--batch_size", help="Sentences that are computed together.")] = 64,
) -> None:
    """Score a tagger on tagged sentences: precision, recall, F1, and what its tokens allow at best."""
    from elmo.tagging.from_files import evaluate_file, table

    with busy(f"tagging {gold.name}"):
        found = evaluate_file(model, gold, form=form, features=features, batch_size=batch_size, output=output)
    PlainConsole().print(table(found, gold.name))


@app.command("tag")
def lac_tag(
    text: Annotated[str, typer.Argument(help="File, a text a line, or - for standard input.")],
    model: _Model = None,
    features: _Features = None,
    user_dictionary: Annotated[
        Path | None, typer.Option("--user_dictionary", help="Words to keep whole, in lines such as 花/n 开/v.")
    ] = None,
    dictionary_rule: Annotated[
        str,
        typer.Option(
            "--dictionary_rule",
            help="longest: of its words in a text the longest, from left to right; or original: as LAC 2.1.2.",
        ),
    ] = "longest",
    normalise: NormaliseAsModel = None,
    encoding: Encoding = "utf-8",
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A file in place of standard output.")] = None,
    separator: Annotated[
        str, typer.Option("--separator", help="Between words; with another than a space, words keep their white space.")
    ] = " ",
    as_json: Annotated[Any, flag("json", "A line is a JSON object of words and tags, and keeps white space.")] = False,
    batch_size: Annotated[int, typer.Option("--batch_size", help="Lines that are computed together.")] = 64,
) -> None:
    """Cut each line into words with their tags: word/tag, separated by spaces."""
    from elmo.tagging.baidu_text import UserDictionary
    from elmo.tagging.files import tag_file
    from elmo.text.normalise import parse_steps

    dictionary: Any = user_dictionary
    if user_dictionary is not None and dictionary_rule != "longest":
        dictionary = UserDictionary(user_dictionary, rule=dictionary_rule)
    with counting("lines", shown=output is not None) as report:
        count = tag_file(
            text,
            output,
            model=model,
            features=features,
            user_dictionary=dictionary,
            as_json=as_json,
            separator=separator,
            encoding=encoding,
            normalise=None if normalise is None else parse_steps(normalise),
            batch_size=batch_size,
            report=report,
        )
    if output is not None:
        say(f"{count:,} lines in {output}")


@app.command("experiment")
def lac_experiment(
    corpora: Annotated[
        Path, typer.Option("--corpora", help="Folder of the public corpora: People's Daily, Universal Dependencies.")
    ],
    work: Annotated[
        Path, typer.Option("--work", help="Folder of the runs; goes on where it was stopped, several may share it.")
    ] = Path("lac_runs"),
    elmo_model: Annotated[str | None, typer.Option("--elmo", help="An ELMo of words.")] = None,
    word2vec: Annotated[str | None, typer.Option("--word2vec", help="Word vectors of the same text.")] = None,
    elmo_characters: Annotated[str | None, typer.Option("--elmo_characters", help="An ELMo of characters.")] = None,
    baidu: Annotated[Path | None, typer.Option("--baidu", help="Folder of Baidu's LAC, to start from.")] = None,
    only: Annotated[
        list[str] | None,
        typer.Option("--only", help="Only runs whose names hold this, such as -500-seed0; may be repeated."),
    ] = None,
    results: Annotated[
        Path | None, typer.Option("--results", help="Folder of the results files, written of the runs there are.")
    ] = None,
    summary: Annotated[Any, flag("summary", "Train nothing, write the results.")] = False,
    use_gpu: UseGpu = None,
) -> None:
    """What ELMo adds to LAC: taggers with and without it, on 500 to all sentences of People's Daily, tuned alike.

    Runs of a model that is not given are left out.
    """
    from elmo import runtime
    from elmo.tagging.experiment.runs import LacExperiment
    from elmo.tagging.experiment.summary import TABLES, Summary

    if results is None and summary:
        raise InputError("--summary writes results files: say in which folder with --results")
    files = {} if results is None else {name: check_output(results / f"{name}.json") for name in TABLES}
    runtime.select_device(use_gpu)
    given = {"elmo": elmo_model, "word2vec": word2vec, "elmo_characters": elmo_characters, "baidu": baidu}
    models = {name: path for name, path in given.items() if path is not None}
    experiment = LacExperiment(corpora, work, models, only, report=say)
    if not summary:
        experiment.run()
    if files:
        with busy("summing up"):
            tables = Summary(experiment).tables()
        for name, path in files.items():
            write_results(path, tables[name])
            say(f"{path}: {len(tables[name]['rows'])} rows")
