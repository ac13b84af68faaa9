"""Commands that score vectors and models: `elmo eval perplexity`, `masked`, `words`, `tasks`, `senses`, ..."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from elmo.commands.options import HeldOutShards, Model, ResultsFile, UseGpu, flag
from elmo.system.files import write_results
from elmo.system.project import project_data
from elmo.system.terminal import say

OWN_TASKS, OWN_SENSES, OWN_CLOZE = (project_data(name) for name in ("tasks", "senses.tsv", "cloze.tsv"))
OWN_TAGGED, OWN_PROFESSIONS = project_data("lac"), project_data("professions.tsv")
Senses = Annotated[
    Path, typer.Option("--senses", help="Marked sentences; by default data/senses.tsv.", show_default=False)
]
Reviews = Annotated[Path | None, typer.Option("--reviews", help="shopping_reviews_7cats.csv")]
MclWic = Annotated[Path | None, typer.Option("--mcl_wic", help="Chinese pairs of MCL-WiC, .data; its .gold beside it.")]
AnyModels = Annotated[list[str], typer.Argument(help="ELMo, word2vec, BERT or ERNIE: paths or names.")]
app = typer.Typer(help="Scores of word vectors and models.", no_args_is_help=True)


@app.command("perplexity")
def eval_perplexity(
    model: Model,
    test_path: HeldOutShards,
    output: ResultsFile,
    batch_size: Annotated[int, typer.Option("--batch_size", help="Sentences that are run together.")] = 64,
    common_vocabulary: Annotated[
        Path | None,
        typer.Option("--common_vocabulary", help="Another model's vocabulary: words not in both count as <UNK>."),
    ] = None,
    use_gpu: UseGpu = None,
) -> None:
    """Measure perplexity on held-out text with the full softmax, each sentence read from zero state."""
    from elmo import runtime
    from elmo.training.perplexity import evaluate_perplexity

    runtime.select_device(use_gpu)
    result = evaluate_perplexity(model, test_path, batch_size, common_vocabulary)
    write_results(output, {"model": Path(model).name, **result})
    say(
        f"perplexity {result['perplexity']:.2f}, {result['nats_per_character']:.3f} nats a character, "
        f"{result['unknown_share']:.1%} of the words unknown; results in {output}"
    )
    _warn_of_unknown(result, "test_words", "the words")


def _warn_of_unknown(result: dict[str, Any], total: str, what: str) -> None:
    """A line where a perplexity says little, because it is mostly that of unknown words."""
    from elmo.text.vocabulary import unknown_warning

    if warning := unknown_warning(result["unknown_share"] * result[total], result[total], what):
        say(f"warning: {warning}")


@app.command("masked")
def eval_masked(
    model: Annotated[str, typer.Argument(help="Directory or checkpoint of a masked language model.")],
    test_path: HeldOutShards,
    output: ResultsFile,
    tagged: Annotated[Any, flag("tagged", "The words of the shards are word/tag.")] = False,
    batch_size: Annotated[int, typer.Option("--batch_size", help="Sequences that are run together.")] = 32,
    use_gpu: UseGpu = None,
) -> None:
    """Measure the perplexity of masked characters, and of masked words, on held-out text."""
    from elmo import runtime
    from elmo.training.perplexity import evaluate_masked

    runtime.select_device(use_gpu)
    result = evaluate_masked(model, test_path, tagged=tagged, batch_size=batch_size)
    write_results(output, {"model": Path(model).name, **result})
    say(f"perplexity {result['perplexity']:.2f}, of whole words {result['word_perplexity']:.2f}; results in {output}")
    _warn_of_unknown(result, "test_characters", "the characters")


@app.command("words")
def eval_words(
    vectors: Annotated[str, typer.Argument(help="Directory or name of word vectors; with --text, of a biLM.")],
    sets: Annotated[list[Path], typer.Argument(help="Word-pair or analogy files.")],
    output: ResultsFile,
    text: Annotated[
        str | None, typer.Option("--text", help="Shards, a glob: a biLM's vectors are averaged over their sentences.")
    ] = None,
    most: Annotated[int, typer.Option("--most", help="Sentences a word at most, with --text.")] = 50,
) -> None:
    """Score word vectors on word similarity (three columns) and analogy (four words a line) sets."""
    from elmo.explore.report import evaluate_averages, evaluate_words
    from elmo.word_vectors import WordVectors

    if text is None:
        result = evaluate_words(WordVectors.load(vectors), sets)
    else:
        from elmo.encoding.encoder import load_pretrained

        result = evaluate_averages(load_pretrained(vectors), text, sets, most)
    write_results(output, {"vectors": Path(vectors).name, "sets": result})
    say(f"results in {output}")


@app.command("tasks")
def eval_tasks(
    encoder: Annotated[
        list[str] | None, typer.Option("--encoder", help="name=path of word2vec, ELMo, BERT or ERNIE; may be repeated.")
    ] = None,
    results: Annotated[Path, typer.Option("--results", help="Results file, JSON.")] = Path("tasks.json"),
    work: Annotated[
        Path, typer.Option("--work", help="Folder of the runs; goes on where it was stopped, several may share it.")
    ] = Path("task_runs"),
    corpora: Annotated[
        Path | None, typer.Option("--corpora", help="Folder of the public sets; without, our own small ones.")
    ] = None,
    data: Annotated[
        Path, typer.Option("--data", help="Folder of our own sets; by default data/tasks.", show_default=False)
    ] = OWN_TASKS,
    sets: Annotated[list[str] | None, typer.Option("--set", help="Only this one of the sets; may be repeated.")] = None,
    seeds: Annotated[int, typer.Option("--seeds", help="Runs with frozen encoders, each with a seed.")] = 5,
    fine_tuned_seeds: Annotated[
        int, typer.Option("--fine_tuned_seeds", help="Runs that change the encoder too; 0 for none.")
    ] = 3,
    train: Annotated[int, typer.Option("--train", help="Training examples of a set at most.")] = 2000,
    dev: Annotated[int, typer.Option("--dev", help="Development examples, for tuning and early stopping.")] = 500,
    test: Annotated[int, typer.Option("--test", help="Test examples.")] = 1000,
    fine_tuned_train: Annotated[
        int, typer.Option("--fine_tuned_train", help="Training examples where the encoder is changed.")
    ] = 640,
    max_epoch: Annotated[int, typer.Option("--max_epoch", help="Passes over the training examples at most.")] = 6,
    summary: Annotated[Any, flag("summary", "Train nothing, write the results of the runs there are.")] = False,
    use_gpu: UseGpu = None,
) -> None:
    """Measure encoders on five tasks: inference, similarity, named entities, sentiment, question matching."""
    from elmo import runtime
    from elmo.corpora.tasks import SetSizes
    from elmo.tasks.plan import ExperimentSettings, parse_encoders
    from elmo.tasks.results import summarise
    from elmo.tasks.runs import TasksExperiment

    settings = ExperimentSettings(
        sizes=SetSizes(train, dev, test),
        seeds=seeds,
        max_epoch=max_epoch,
        fine_tuned_seeds=fine_tuned_seeds,
        fine_tuned_train=fine_tuned_train,
    )
    runtime.select_device(use_gpu)
    experiment = TasksExperiment(
        parse_encoders(encoder or []), work, settings, corpora=corpora, data=data, sets=sets, report=say
    )
    if not summary:
        experiment.run()
    write_results(results, summarise(experiment))
    say(f"results in {results}")


@app.command("senses")
def eval_senses(
    model: Model,
    output: ResultsFile,
    senses: Senses = OWN_SENSES,
    word2vec: Annotated[str | None, typer.Option("--word2vec", help="Word vectors to compare with.")] = None,
    reviews: Reviews = None,
    mcl_wic: MclWic = None,
) -> None:
    """Score how well vectors in context tell senses apart: AUC of the cosine for same-sense pairs."""
    from elmo.encoding.encoder import load_pretrained
    from elmo.explore.report import evaluate_senses
    from elmo.word_vectors import WordVectors

    encoder = load_pretrained(model)
    space = None if word2vec is None else WordVectors.load(word2vec)
    pairs = None if mcl_wic is None else (mcl_wic, mcl_wic.with_suffix(".gold"))
    result = evaluate_senses(encoder, space, senses, reviews, mcl_wic=pairs)
    write_results(output, {"model": Path(model).name, "word2vec": word2vec and Path(word2vec).name, **result})
    say(f"results in {output}")


@app.command("forms")
def eval_forms(
    model: Model,
    output: ResultsFile,
    word2vec: Annotated[str, typer.Option("--word2vec", help="Word vectors to compare with.")],
    senses: Senses = OWN_SENSES,
    reviews: Reviews = None,
    mcl_wic: MclWic = None,
) -> None:
    """Score which vector tells senses apart: the word's own, the hole's, its substitutes', or a mean around it."""
    from elmo.encoding.encoder import load_pretrained
    from elmo.encoding.substitutes import Substitutes
    from elmo.explore.polysemy.compare_forms import compare_forms
    from elmo.word_vectors import WordVectors

    pairs = None if mcl_wic is None else (mcl_wic, mcl_wic.with_suffix(".gold"))
    encoder = load_pretrained(model)
    substitutes = Substitutes(encoder) if encoder.model.config.softmax else None
    space = WordVectors.load(word2vec)
    result = compare_forms(encoder, space, senses, reviews, pairs, substitutes=substitutes)
    write_results(output, {"model": Path(model).name, "word2vec": Path(word2vec).name, **result})
    say(f"results in {output}")


@app.command("cloze")
def eval_cloze(
    models: Annotated[list[str], typer.Argument(help="Masked language models, and biLMs if you like.")],
    output: ResultsFile,
    questions: Annotated[
        Path, typer.Option("--questions", help="Sentences with a gap; by default data/cloze.tsv.", show_default=False)
    ] = OWN_CLOZE,
    batch_size: Annotated[int, typer.Option("--batch_size", help="Sentences that are run together.")] = 32,
    use_gpu: UseGpu = None,
) -> None:
    """Ask models for missing words: probability of the whole answer, and its rank among others of its kind."""
    from elmo import runtime
    from elmo.explore.cloze import evaluate_files, lines_of

    runtime.select_device(use_gpu)
    result = evaluate_files(models, questions, batch_size=batch_size)
    write_results(output, result)
    for line in [*lines_of(result), f"results in {output}"]:
        say(line)


@app.command("probes")
def eval_probes(
    models: AnyModels,
    output: ResultsFile,
    tagged: Annotated[
        Path, typer.Option("--tagged", help="Folder of tagged sentences; by default data/lac.", show_default=False)
    ] = OWN_TAGGED,
    senses: Senses = OWN_SENSES,
    seeds: Annotated[int, typer.Option("--seeds", help="How often the sentences are dealt out into folds.")] = 3,
    use_gpu: UseGpu = None,
) -> None:
    """Probe every layer of models for parts of speech, kinds of names and senses, with control tasks."""
    from elmo import runtime
    from elmo.explore.probing.probes import evaluate_probes, lines_of

    runtime.select_device(use_gpu)
    result = evaluate_probes(models, tagged, senses, seeds=seeds)
    write_results(output, result)
    for line in [*lines_of(result), f"results in {output}"]:
        say(line)


@app.command("prejudice")
def eval_prejudice(
    models: AnyModels,
    output: ResultsFile,
    professions: Annotated[
        Path,
        typer.Option(
            "--professions",
            help="Professions, and whom a stereotype has in them; by default data/professions.tsv.",
            show_default=False,
        ),
    ] = OWN_PROFESSIONS,
    use_gpu: UseGpu = None,
) -> None:
    """Ask models whom they expect in a profession, 他 (he) or 她 (she)."""
    from elmo import runtime
    from elmo.explore.probing.prejudice import evaluate_prejudice, lines_of

    runtime.select_device(use_gpu)
    result = evaluate_prejudice(models, professions)
    write_results(output, result)
    for line in [*lines_of(result), f"results in {output}"]:
        say(line)
