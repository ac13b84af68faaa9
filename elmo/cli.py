"""The command `elmo`: every subcommand reads its flags, calls the package, and prints; no logic of its own.

Flags have LARK's names, with underscores. Bad input prints one line and exits with 2, a failed run with 1.
"""

from __future__ import annotations

import contextlib
import sys
import warnings
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

import elmo
from elmo.errors import ElmoError, InputError

app = typer.Typer(
    help=elmo.__doc__,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
data_app = typer.Typer(
    help="Public corpora: what there is, how to get them, how they are divided.", no_args_is_help=True
)
eval_app = typer.Typer(help="Scores of word vectors and models.", no_args_is_help=True)
lac_app = typer.Typer(
    help="Lexical analysis by Baidu's LAC or one of your own: words, their parts of speech, names.",
    no_args_is_help=True,
)
app.add_typer(data_app, name="data")
app.add_typer(eval_app, name="eval")
app.add_typer(lac_app, name="lac")

_TRUE, _FALSE = {"true", "1", "yes", "on"}, {"false", "0", "no", "off"}


def _boolean(value: str | bool) -> bool:
    """Read LARK's `--flag True` and `--flag False`, which mean what they say."""
    if isinstance(value, bool):
        return value
    if value.lower() in _TRUE | _FALSE:
        return value.lower() in _TRUE
    raise typer.BadParameter(f"{value!r} is neither True nor False")


def _clip(value: str | float | None) -> float | None:
    if value is None or isinstance(value, float):
        return value
    if value.lower() == "none":
        return None
    try:
        return float(value)
    except ValueError:
        raise typer.BadParameter(f"{value!r} is neither a number nor none") from None


def _flag(name: str, text: str) -> Any:
    return typer.Option(f"--{name}", parser=_boolean, metavar="True|False", help=text)


def _clip_option(name: str, text: str) -> Any:
    return typer.Option(f"--{name}", parser=_clip, metavar="FLOAT|none", help=text)


def _console(stderr: bool = True) -> Console:
    return Console(stderr=stderr, soft_wrap=True, highlight=False)


@app.command()
def preprocess(
    inputs: Annotated[
        list[str], typer.Argument(help="Files, globs, folders (every .txt below), or - for standard input.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the shards sentence_file_*.")],
    segmenter: Annotated[
        str, typer.Option("--segmenter", help="jieba, lac, or whitespace for segmented text.")
    ] = "jieba",
    user_dictionary: Annotated[
        Path | None, typer.Option("--user_dictionary", help="Words that jieba or lac keeps whole.")
    ] = None,
    model: Annotated[
        Path | None, typer.Option("--model", help="Folder of lac's model; by default the installed package's.")
    ] = None,
    encoding: Annotated[str, typer.Option("--encoding", help="utf-8 or gb18030.")] = "utf-8",
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
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Take the place of shards that are there.")] = False,
) -> None:
    """Turn documents into segmented sentences, a sentence a line, words separated by a space."""
    from elmo.text.preprocess import preprocess as run

    given = {"user_dictionary": user_dictionary, "model": model}
    options = {name: str(path) for name, path in given.items() if path is not None}
    report = run(
        inputs,
        output,
        segmenter=segmenter,
        segmenter_options=options,
        encoding=encoding,
        line_ends=line_ends,  # type: ignore[arg-type]  # checked where it is used
        max_sentence_chars=max_sentence_chars,
        sentences_per_shard=sentences_per_shard,
        workers=workers,
        overwrite=overwrite,
    )
    console = _console()
    for warning in report.warnings:
        console.print(f"warning: {warning}", markup=False)
    if report.removed_control_characters:
        console.print(f"{report.removed_control_characters:,} control characters were removed", markup=False)
    if report.cut_sentences:
        console.print(f"{report.cut_sentences:,} sentences were longer than {max_sentence_chars} and cut", markup=False)
    console.print(
        f"{report.documents:,} documents, {report.sentences:,} sentences, {report.words:,} words in "
        f"{report.shards} shards in {output}  ({report.characters / max(report.seconds, 1e-9):,.0f} characters/s)",
        markup=False,
    )


@app.command()
def vocab(
    shards: Annotated[list[str], typer.Argument(help="Segmented shards or globs of them.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The vocabulary file, a token a line.")],
    min_count: Annotated[int, typer.Option("--min_count", help="Words that occur less often are left out.")] = 1,
    max_size: Annotated[int | None, typer.Option("--max_size", help="Tokens at most, special ones included.")] = None,
    pieces: Annotated[
        Any, _flag("pieces", "Characters and pieces of words, as a masked language model reads text.")
    ] = False,
    tagged: Annotated[Any, _flag("tagged", "The words of the shards are word/tag (--pieces).")] = False,
) -> None:
    """Count words and write the vocabulary: <S>, </S>, <UNK>, then words by falling count; or --pieces."""
    from elmo.text.corpus import find_shards
    from elmo.text.vocabulary import Vocabulary, count_words

    if pieces:
        from elmo.text.pieces import PieceVocabulary
        from elmo.text.units import count_shard_words

        words = count_shard_words([path for shard in shards for path in find_shards(shard)], tagged)
        made = PieceVocabulary.from_words(words, min_count, max_size)
        made.save(output)
        _console().print(f"{len(made):,} characters and pieces in {output}", markup=False)
        return
    if tagged:
        raise InputError("--tagged True is for a vocabulary of --pieces True: words are counted as they stand")
    counts = count_words([path for shard in shards for path in find_shards(shard)])
    vocabulary = Vocabulary.from_counts(counts, min_count, max_size)
    vocabulary.save(output)
    total = sum(counts.values())
    covered = sum(count for word, count in counts.items() if word in vocabulary)
    _console().print(
        f"{len(vocabulary):,} tokens in {output}; they cover {covered / max(total, 1):.2%} of {total:,} words",
        markup=False,
    )


@app.command()
def pretrain(
    train_path: Annotated[str, typer.Option("--train_path", help="Training shards: a path or glob.")],
    vocab_path: Annotated[str, typer.Option("--vocab_path", help="Vocabulary, a token a line.")],
    test_path: Annotated[str | None, typer.Option("--test_path", help="Held-out shards for the perplexity.")] = None,
    learning_rate: Annotated[float, typer.Option("--learning_rate")] = 0.2,
    use_gpu: Annotated[Any, _flag("use_gpu", "Train on a GPU; on the CPU where there is none, with a warning.")] = None,
    all_train_tokens: Annotated[
        int | None, typer.Option("--all_train_tokens", help="Words in the training shards; counted and checked.")
    ] = None,
    local: Annotated[Any, _flag("local", "One process; False where Paddle's launcher started several.")] = True,
    batch_size: Annotated[int, typer.Option("--batch_size", help="Parallel streams of sentences, on each rank.")] = 128,
    embed_size: Annotated[int, typer.Option("--embed_size", help="Word vectors and LSTMP outputs.")] = 512,
    hidden_size: Annotated[int, typer.Option("--hidden_size", help="LSTMP cells.")] = 4096,
    num_layers: Annotated[int, typer.Option("--num_layers", help="LSTMP layers a direction.")] = 2,
    num_steps: Annotated[int, typer.Option("--num_steps", help="Tokens of each stream in a batch.")] = 20,
    dropout: Annotated[float, typer.Option("--dropout")] = 0.1,
    lr_schedule: Annotated[
        str, typer.Option("--lr_schedule", help="constant, or cosine: down to a hundredth at the end.")
    ] = "constant",
    warmup_steps: Annotated[int, typer.Option("--warmup_steps", help="Steps in which the learning rate rises.")] = 0,
    max_grad_norm: Annotated[float, typer.Option("--max_grad_norm", help="Clip of the gradient's global norm.")] = 10.0,
    cell_clip: Annotated[Any, _clip_option("cell_clip", "Clip of the cells.")] = 3.0,
    proj_clip: Annotated[Any, _clip_option("proj_clip", "Clip of the projections.")] = 3.0,
    tie_softmax: Annotated[Any, _flag("tie_softmax", "The softmax's weights are the word vectors.")] = False,
    token_encoder: Annotated[
        str, typer.Option("--token_encoder", help="word (look ids up) or char_cnn (read every word's characters).")
    ] = "word",
    alphabet: Annotated[
        str, typer.Option("--alphabet", help="What char_cnn reads: characters of the training text, or utf-8 (bytes).")
    ] = "characters",
    accumulate_steps: Annotated[
        int, typer.Option("--accumulate_steps", help="Batches whose gradients are added up for one step.")
    ] = 1,
    amp: Annotated[
        str, typer.Option("--amp", help="none; on a GPU bf16, or fp16 with loss scaling (neither tested on one).")
    ] = "none",
    max_epoch: Annotated[int, typer.Option("--max_epoch", help="Passes over the training text.")] = 10,
    optim: Annotated[str, typer.Option("--optim", help="adagrad, sgd, adam or rmsprop.")] = "adagrad",
    sample_softmax: Annotated[Any, _flag("sample_softmax", "Sampled softmax in training.")] = True,
    n_negative_samples_batch: Annotated[int, typer.Option("--n_negative_samples_batch", help="Its candidates.")] = 8000,
    shuffle: Annotated[Any, _flag("shuffle", "A new order of sentences each epoch.")] = True,
    reset_states: Annotated[
        Any, _flag("reset_states", "Streams between two sentences at a batch's end go on from zero state.")
    ] = True,
    log_interval: Annotated[int, typer.Option("--log_interval", help="Steps between log lines.")] = 100,
    save_interval: Annotated[
        int, typer.Option("--save_interval", help="Steps between checkpoints; 0: epochs only.")
    ] = 10000,
    keep_checkpoints: Annotated[
        int, typer.Option("--keep_checkpoints", help="Newest checkpoints within epochs that are kept.")
    ] = 3,
    resume: Annotated[
        Any, _flag("resume", "Go on from the newest whole checkpoint in --para_save_dir, or begin.")
    ] = False,
    dev_interval: Annotated[
        int, typer.Option("--dev_interval", help="Steps between perplexities; 0: epochs only.")
    ] = 10000,
    para_save_dir: Annotated[str, typer.Option("--para_save_dir", help="Where checkpoints go.")] = "checkpoints",
    load_dir: Annotated[str | None, typer.Option("--load_dir", help="Checkpoint to go on from.")] = None,
    load_pretraining_params: Annotated[
        str | None, typer.Option("--load_pretraining_params", help="Model whose parameters are the start.")
    ] = None,
    random_seed: Annotated[int, typer.Option("--random_seed")] = 0,
    visualdl_dir: Annotated[
        str | None, typer.Option("--visualdl_dir", help="Curves for VisualDL: visualdl --logdir DIR shows them.")
    ] = None,
    update_method: Annotated[str, typer.Option("--update_method", help="nccl2, the only one left.")] = "nccl2",
    overwrite: Annotated[Any, _flag("overwrite", "Take the place of checkpoints that are there.")] = False,
) -> None:
    """Pretrain a biLM; the flags are LARK's."""
    if update_method != "nccl2":
        raise InputError(f"update_method is {update_method!r}: parameter servers are gone, give nccl2 or leave it out")
    from elmo import ranks, runtime
    from elmo.objectives import PretrainSettings
    from elmo.pretrain import pretrain as run
    from elmo.pretrain import token_encoder_sizes

    device = runtime.select_device(use_gpu)
    joined = ranks.join(local)
    console = _console()
    if joined.rank == 0:
        several = f", {joined.world_size} ranks" if joined.world_size > 1 else ""
        console.print(f"training on {device}{several}", markup=False)
    settings = PretrainSettings(
        batch_size=batch_size,
        num_steps=num_steps,
        learning_rate=learning_rate,
        lr_schedule=lr_schedule,
        warmup_steps=warmup_steps,
        optim=optim,
        max_grad_norm=max_grad_norm,
        accumulate_steps=accumulate_steps,
        amp=amp,
        max_epoch=max_epoch,
        sample_softmax=sample_softmax,
        n_negative_samples_batch=n_negative_samples_batch,
        shuffle=shuffle,
        reset_states=reset_states,
        random_seed=random_seed,
        log_interval=log_interval,
        save_interval=save_interval,
        keep_checkpoints=keep_checkpoints,
        dev_interval=dev_interval,
    )
    sizes: dict[str, Any] = {
        "embed_size": embed_size,
        "hidden_size": hidden_size,
        "num_layers": num_layers,
        "dropout": dropout,
        "cell_clip": cell_clip,
        "proj_clip": proj_clip,
        "tie_softmax": tie_softmax,
        "token_encoder": token_encoder_sizes(token_encoder, alphabet),
    }
    run(
        train_path,
        vocab_path,
        test_path=test_path,
        sizes=sizes,
        settings=settings,
        para_save_dir=para_save_dir,
        load_dir=load_dir,
        load_pretraining_params=load_pretraining_params,
        resume=resume,
        all_train_tokens=all_train_tokens,
        overwrite=overwrite,
        console=console,
        ranks=joined,
        visualdl_dir=visualdl_dir,
    )


@app.command("pretrain_masked")
def pretrain_masked(
    train_path: Annotated[str, typer.Option("--train_path", help="Training shards: a path or glob.")],
    vocab_path: Annotated[str, typer.Option("--vocab_path", help="Made by elmo vocab --pieces True.")],
    test_path: Annotated[str | None, typer.Option("--test_path", help="Held-out shards for the perplexity.")] = None,
    masking: Annotated[
        str,
        typer.Option(
            "--masking",
            help="bert (characters), ernie (characters, words, entities, a third of the run each), or such a list.",
        ),
    ] = "bert",
    tagged: Annotated[
        Any, _flag("tagged", "The words of the shards are word/tag: what `elmo lac tag` writes.")
    ] = False,
    hidden_size: Annotated[int, typer.Option("--hidden_size", help="Size of a vector.")] = 256,
    num_layers: Annotated[int, typer.Option("--num_layers", help="Transformer blocks.")] = 6,
    num_heads: Annotated[int, typer.Option("--num_heads", help="Heads of the attention.")] = 4,
    intermediate_size: Annotated[int, typer.Option("--intermediate_size", help="Inside a block.")] = 1024,
    max_length: Annotated[int, typer.Option("--max_length", help="Tokens of a sequence, with [CLS] and [SEP].")] = 128,
    hidden_act: Annotated[str, typer.Option("--hidden_act", help="gelu, or relu as in ERNIE 1.0.")] = "gelu",
    dropout: Annotated[float, typer.Option("--dropout", help="Of vectors and of attention.")] = 0.1,
    batch_size: Annotated[int, typer.Option("--batch_size", help="Sequences, on each rank.")] = 16,
    accumulate_steps: Annotated[
        int, typer.Option("--accumulate_steps", help="Batches whose gradients are added up for one step.")
    ] = 1,
    learning_rate: Annotated[float, typer.Option("--learning_rate")] = 5e-4,
    lr_schedule: Annotated[str, typer.Option("--lr_schedule", help="constant, or cosine.")] = "cosine",
    warmup_steps: Annotated[int, typer.Option("--warmup_steps", help="Steps in which the learning rate rises.")] = 1000,
    max_grad_norm: Annotated[float, typer.Option("--max_grad_norm", help="Clip of the gradient's global norm.")] = 1.0,
    optim: Annotated[str, typer.Option("--optim", help="adam, adagrad, sgd or rmsprop.")] = "adam",
    amp: Annotated[str, typer.Option("--amp", help="none; on a GPU bf16, or fp16 with loss scaling.")] = "none",
    max_epoch: Annotated[int, typer.Option("--max_epoch", help="Passes over the training text.")] = 10,
    shuffle: Annotated[Any, _flag("shuffle", "A new order of sequences each epoch.")] = True,
    log_interval: Annotated[int, typer.Option("--log_interval", help="Steps between log lines.")] = 100,
    save_interval: Annotated[
        int, typer.Option("--save_interval", help="Steps between checkpoints; 0: epochs only.")
    ] = 10000,
    keep_checkpoints: Annotated[
        int, typer.Option("--keep_checkpoints", help="Newest checkpoints within epochs that are kept.")
    ] = 3,
    dev_interval: Annotated[
        int, typer.Option("--dev_interval", help="Steps between perplexities; 0: epochs only.")
    ] = 10000,
    resume: Annotated[
        Any, _flag("resume", "Go on from the newest whole checkpoint in --para_save_dir, or begin.")
    ] = False,
    para_save_dir: Annotated[str, typer.Option("--para_save_dir", help="Where checkpoints go.")] = "checkpoints",
    load_dir: Annotated[str | None, typer.Option("--load_dir", help="Checkpoint to go on from.")] = None,
    load_pretraining_params: Annotated[
        str | None, typer.Option("--load_pretraining_params", help="Model whose parameters are the start.")
    ] = None,
    random_seed: Annotated[int, typer.Option("--random_seed")] = 0,
    use_gpu: Annotated[Any, _flag("use_gpu", "Train on a GPU; on the CPU where there is none, with a warning.")] = None,
    local: Annotated[Any, _flag("local", "One process; False where Paddle's launcher started several.")] = True,
    visualdl_dir: Annotated[
        str | None, typer.Option("--visualdl_dir", help="Curves for VisualDL: visualdl --logdir DIR shows them.")
    ] = None,
    overwrite: Annotated[Any, _flag("overwrite", "Take the place of checkpoints that are there.")] = False,
) -> None:
    """Pretrain a masked language model over characters: BERT, or ERNIE 1.0."""
    from elmo import ranks, runtime
    from elmo.masked_objective import MaskedSettings, parse_masking
    from elmo.masked_objective import pretrain_masked as run

    device = runtime.select_device(use_gpu)
    joined = ranks.join(local)
    console = _console()
    if joined.rank == 0:
        several = f", {joined.world_size} ranks" if joined.world_size > 1 else ""
        console.print(f"training on {device}{several}", markup=False)
    settings = MaskedSettings(
        batch_size=batch_size,
        accumulate_steps=accumulate_steps,
        learning_rate=learning_rate,
        lr_schedule=lr_schedule,
        warmup_steps=warmup_steps,
        max_grad_norm=max_grad_norm,
        optim=optim,
        amp=amp,
        max_epoch=max_epoch,
        shuffle=shuffle,
        log_interval=log_interval,
        save_interval=save_interval,
        keep_checkpoints=keep_checkpoints,
        dev_interval=dev_interval,
        random_seed=random_seed,
        stages=parse_masking(masking),
        tagged=tagged,
    )
    sizes: dict[str, Any] = {
        "hidden_size": hidden_size,
        "num_layers": num_layers,
        "num_heads": num_heads,
        "intermediate_size": intermediate_size,
        "max_length": max_length,
        "hidden_act": hidden_act,
        "dropout": dropout,
        "attention_dropout": dropout,
    }
    run(
        train_path,
        vocab_path,
        test_path=test_path,
        sizes=sizes,
        settings=settings,
        para_save_dir=para_save_dir,
        load_dir=load_dir,
        load_pretraining_params=load_pretraining_params,
        resume=resume,
        overwrite=overwrite,
        console=console,
        ranks=joined,
        visualdl_dir=visualdl_dir,
    )


@app.command()
def word2vec(
    shards: Annotated[list[str], typer.Argument(help="Segmented shards or globs of them.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Directory for the vectors.")],
    vocab_path: Annotated[
        Path | None, typer.Option("--vocab_path", help="Words to learn; by default by count.")
    ] = None,
    vector_size: Annotated[int, typer.Option("--vector_size", help="Numbers a vector.")] = 128,
    window: Annotated[int, typer.Option("--window", help="Furthest context word.")] = 5,
    negative: Annotated[int, typer.Option("--negative", help="Noise words a pair is told from.")] = 5,
    sample: Annotated[
        float, typer.Option("--sample", help="Words more frequent than this share are thinned out.")
    ] = 1e-3,
    min_count: Annotated[int, typer.Option("--min_count", help="Rarer words are left out.")] = 5,
    max_epoch: Annotated[int, typer.Option("--max_epoch", help="Passes over the text.")] = 5,
    learning_rate: Annotated[float, typer.Option("--learning_rate")] = 0.025,
    random_seed: Annotated[int, typer.Option("--random_seed")] = 0,
    use_gpu: Annotated[Any, _flag("use_gpu", "By default a GPU where there is one.")] = None,
    overwrite: Annotated[Any, _flag("overwrite", "Take the place of vectors that are there.")] = False,
) -> None:
    """Train word vectors: skip-gram with negative sampling."""
    from elmo import runtime
    from elmo.skipgram import SkipGramConfig, train_skipgram
    from elmo.text.corpus import find_shards
    from elmo.text.vocabulary import Vocabulary

    if output.exists() and not overwrite:
        raise InputError(f"{output} exists already: choose another --output, or give --overwrite True")
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
    _console().print(f"{len(vectors):,} vectors in {output}", markup=False)


@app.command()
def encode(
    model: Annotated[str, typer.Argument(help="Model directory, checkpoint or name.")],
    sentences: Annotated[str, typer.Argument(help="File of sentences, one a line, or - for standard input.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="vectors.npz or vectors.h5")],
    layers: Annotated[str, typer.Option("--layers", help="all, average, or the number of one layer.")] = "all",
    segmenter: Annotated[
        str, typer.Option("--segmenter", help="jieba, lac, or whitespace for segmented text.")
    ] = "jieba",
    batch_size: Annotated[int, typer.Option("--batch_size")] = 64,
    half: Annotated[Any, _flag("half", "Half precision: half the size.")] = False,
    vocab_path: Annotated[
        Path | None, typer.Option("--vocab_path", help="Vocabulary, where the model comes without.")
    ] = None,
    carry_state: Annotated[
        Any, _flag("carry_state", "Go on from the state of the batch before, as the first ELMo programs did.")
    ] = False,
    use_gpu: Annotated[Any, _flag("use_gpu", "By default a GPU where there is one.")] = None,
    overwrite: Annotated[Any, _flag("overwrite", "Take the place of a file that is there.")] = False,
) -> None:
    """Write the contextual vectors of each line: one dataset a sentence, keyed by line number from 0."""
    from elmo import runtime
    from elmo.encoder import StatefulEncoder, load_pretrained
    from elmo.text.corpus import read_lines
    from elmo.vectors_file import parse_layers, write_vectors

    wanted = parse_layers(layers)
    runtime.select_device(use_gpu)
    encoder = load_pretrained(model, segmenter, vocab_path)
    stream = (StatefulEncoder(encoder) if carry_state else encoder).encode_stream
    encoded = stream(read_lines(sentences), batch_size)
    dtype = "float16" if half else "float32"
    count = write_vectors(output, encoded, layers=wanted, dtype=dtype, model=str(model), overwrite=overwrite)
    _console().print(f"{count:,} sentences in {output}", markup=False)


@app.command()
def export(
    model: Annotated[str, typer.Argument(help="Model directory, checkpoint or name.")],
    output: Annotated[Path, typer.Argument(help="Directory for the copy.")],
    dtype: Annotated[
        str, typer.Option("--dtype", help="float32, float16, or int8 (a factor for each row of a matrix).")
    ] = "float16",
    note: Annotated[str | None, typer.Option("--note", help="A sentence for the copy's provenance.")] = None,
    licence: Annotated[str | None, typer.Option("--licence", help="Of the copy, as `elmo info` shows it.")] = None,
) -> None:
    """Copy a model out of a checkpoint, without the optimiser, for others to use."""
    from elmo.model_files import export_model

    export_model(model, output, dtype=dtype, note=note, licence=licence)
    _console().print(f"{sum(path.stat().st_size for path in output.iterdir()) / 1e6:.1f} MB in {output}", markup=False)


@app.command()
def convert(
    source: Annotated[
        str, typer.Argument(help="Model of LARK, AllenNLP, bilm-tf, ELMoForManyLangs or ours: folder, .zip, .tar.gz.")
    ],
    target: Annotated[Path, typer.Argument(help="Directory to write.")],
    to: Annotated[str, typer.Option("--to", help="elmo, or lark: one binary file a parameter.")] = "elmo",
    vocab_path: Annotated[
        Path | None, typer.Option("--vocab_path", help="Vocabulary, where the source comes without.")
    ] = None,
    half: Annotated[Any, _flag("half", "Half precision: half the size.")] = False,
    overwrite: Annotated[Any, _flag("overwrite", "Take the place of a directory that is there.")] = False,
) -> None:
    """Read weights of another system, check them, and write them as a model of ours (or ours as LARK's)."""
    from elmo.convert import convert as run
    from elmo.convert.describe import describe, render

    dtype = "float16" if half else "float32"
    run(source, target, to=to, vocab_path=vocab_path, dtype=dtype, overwrite=overwrite)
    print(render(describe(target, vocab_path=vocab_path)))


@app.command()
def info(
    model: Annotated[str, typer.Argument(help="Model directory, checkpoint, name, or another system's model.")],
    vocab_path: Annotated[
        Path | None, typer.Option("--vocab_path", help="Vocabulary, where the model comes without.")
    ] = None,
) -> None:
    """Say what a model is: source, sizes, layers, vocabulary, parameters, training, licence."""
    from elmo.convert.describe import describe, render

    print(render(describe(model, vocab_path=vocab_path)))


@app.command()
def doctor() -> None:
    """Say what this machine has, what is wrong, and what to do."""
    from elmo.doctor import examine, render

    report = examine()
    print(render(report))
    if not report.problems:
        from elmo.nn import native

        print(f"compiled loops: {native.status()}")
    raise typer.Exit(1 if report.problems else 0)


@data_app.command("list")
def data_list() -> None:
    """Name the public corpora, their licences, and which are there."""
    from elmo.text import datasets

    Console().print(datasets.table())
    print(f"place: {datasets.data_home()}")


@data_app.command("show")
def data_show(name: Annotated[str, typer.Argument(help="A name from `elmo data list`.")]) -> None:
    """Show a corpus's licence, sources and checksums, and check the files that are there."""
    from elmo.text import datasets

    print(datasets.describe(name))
    problems = datasets.verify(name, checksums=True)
    for problem in problems:
        print(f"problem: {problem}")
    raise typer.Exit(1 if problems else 0)


@data_app.command("fetch")
def data_fetch(
    name: Annotated[str, typer.Argument(help="A name from `elmo data list`.")],
    accept_licence: Annotated[
        Any, _flag("accept_licence", "Accept the licence (`elmo data show NAME`) without a question.")
    ] = False,
) -> None:
    """Download a corpus from its publisher, after its licence was accepted; goes on where it stopped."""
    from elmo.text import datasets

    if accept_licence:
        _console().print(f"licence: {datasets.find(name).licence}", markup=False)
    print(datasets.fetch(name, accept_licence=accept_licence or datasets.ask))


@data_app.command("split")
def data_split(
    raw: Annotated[Path, typer.Argument(help="Folder of raw text, a paragraph a line; raw/ of the data home.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Gets the folders train and dev.")],
    lac: Annotated[
        Path | None, typer.Option("--lac", help="Folder of tagged corpora, whose training parts are added as text.")
    ] = None,
) -> None:
    """Divide raw text by the fixed rules: what is scored later is never pretrained on."""
    from elmo.text.splits import split_raw

    report = split_raw(raw, output, lac)
    _console().print(
        f"{report.train:,} paragraphs to train on, {report.dev:,} held out; "
        f"{report.reviews_held_out:,} reviews left out",
        markup=False,
    )


@eval_app.command("perplexity")
def eval_perplexity(
    model: Annotated[str, typer.Argument(help="Model directory, checkpoint or name.")],
    test_path: Annotated[str, typer.Option("--test_path", help="Held-out shards.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Results file, JSON.")],
    batch_size: Annotated[int, typer.Option("--batch_size", help="Parallel streams of sentences.")] = 64,
    use_gpu: Annotated[Any, _flag("use_gpu", "By default a GPU where there is one.")] = None,
) -> None:
    """Measure perplexity on held-out text with the full softmax."""
    from elmo import runtime
    from elmo.explore.evaluate import write_results
    from elmo.pretrain import evaluate_perplexity

    runtime.select_device(use_gpu)
    result = evaluate_perplexity(model, test_path, batch_size)
    write_results(output, {"model": Path(model).name, **result})
    _console().print(f"perplexity {result['perplexity']:.2f}; results in {output}", markup=False)


@eval_app.command("masked")
def eval_masked(
    model: Annotated[str, typer.Argument(help="Directory or checkpoint of a masked language model.")],
    test_path: Annotated[str, typer.Option("--test_path", help="Held-out shards.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Results file, JSON.")],
    tagged: Annotated[Any, _flag("tagged", "The words of the shards are word/tag.")] = False,
    batch_size: Annotated[int, typer.Option("--batch_size", help="Sequences that are run together.")] = 32,
    use_gpu: Annotated[Any, _flag("use_gpu", "By default a GPU where there is one.")] = None,
) -> None:
    """Measure the perplexity of masked characters, and of masked words, on held-out text."""
    from elmo import runtime
    from elmo.explore.evaluate import write_results
    from elmo.masked_objective import evaluate_masked

    runtime.select_device(use_gpu)
    result = evaluate_masked(model, test_path, tagged=tagged, batch_size=batch_size)
    write_results(output, {"model": Path(model).name, **result})
    _console().print(
        f"perplexity {result['perplexity']:.2f}, of whole words {result['word_perplexity']:.2f}; results in {output}",
        markup=False,
    )


@eval_app.command("words")
def eval_words(
    vectors: Annotated[str, typer.Argument(help="Directory or name of word vectors; with --text, of a biLM.")],
    sets: Annotated[list[Path], typer.Argument(help="Word-pair or analogy files.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Results file, JSON.")],
    text: Annotated[
        str | None, typer.Option("--text", help="Shards, a glob: a biLM's vectors are averaged over their sentences.")
    ] = None,
    most: Annotated[int, typer.Option("--most", help="Sentences a word at most, with --text.")] = 50,
) -> None:
    """Score word vectors on word similarity (three columns) and analogy (four words a line) sets."""
    from elmo.explore.evaluate import evaluate_averages, evaluate_words, write_results
    from elmo.skipgram import WordVectors

    if text is None:
        result = evaluate_words(WordVectors.load(vectors), sets)
    else:
        from elmo.encoder import load_pretrained

        result = evaluate_averages(load_pretrained(vectors), text, sets, most)
    write_results(output, {"vectors": Path(vectors).name, "sets": result})
    _console().print(f"results in {output}", markup=False)


@eval_app.command("tasks")
def eval_tasks(
    encoder: Annotated[
        list[str] | None,
        typer.Option("--encoder", help="name=path of word2vec, ELMo, BERT or ERNIE; may be repeated."),
    ] = None,
    results: Annotated[Path, typer.Option("--results", help="Results file, JSON.")] = Path("data/results/tasks.json"),
    work: Annotated[
        Path, typer.Option("--work", help="Folder of the runs; goes on where it was stopped, several may share it.")
    ] = Path("task_runs"),
    corpora: Annotated[
        Path | None, typer.Option("--corpora", help="Folder of the public sets; without, our own small ones.")
    ] = None,
    data: Annotated[Path, typer.Option("--data", help="Folder of our own sets.")] = Path("data/tasks"),
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
    ] = 1000,
    max_epoch: Annotated[int, typer.Option("--max_epoch", help="Passes over the training examples at most.")] = 6,
    summary: Annotated[
        bool, typer.Option("--summary", help="Train nothing, write the results of the runs there are.")
    ] = False,
    use_gpu: Annotated[Any, _flag("use_gpu", "By default a GPU where there is one.")] = None,
) -> None:
    """Measure encoders on five tasks: inference, similarity, named entities, sentiment, question matching."""
    from elmo import runtime
    from elmo.explore.evaluate import write_results
    from elmo.tasks.experiment import Experiment
    from elmo.tasks.experiment_plan import ExperimentSettings, parse_encoders
    from elmo.tasks.task_data import Sizes
    from elmo.tasks.task_results import summarise

    settings = ExperimentSettings(
        sizes=Sizes(train, dev, test),
        seeds=seeds,
        max_epoch=max_epoch,
        fine_tuned_seeds=fine_tuned_seeds,
        fine_tuned_train=fine_tuned_train,
    )
    runtime.select_device(use_gpu)
    console = _console()
    experiment = Experiment(
        parse_encoders(encoder or []),
        work,
        settings,
        corpora=corpora,
        data=data,
        sets=sets,
        report=lambda line: console.print(line, markup=False),
    )
    if not summary:
        experiment.run()
    write_results(results, summarise(experiment))
    console.print(f"results in {results}", markup=False)


@eval_app.command("senses")
def eval_senses(
    model: Annotated[str, typer.Argument(help="Model directory, checkpoint or name.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Results file, JSON.")],
    senses: Annotated[Path, typer.Option("--senses", help="Marked sentences.")] = Path("data/senses.tsv"),
    word2vec: Annotated[str | None, typer.Option("--word2vec", help="Word vectors to compare with.")] = None,
    reviews: Annotated[Path | None, typer.Option("--reviews", help="shopping_reviews_7cats.csv")] = None,
    mcl_wic: Annotated[
        Path | None, typer.Option("--mcl_wic", help="Chinese pairs of MCL-WiC, .data; its .gold beside it.")
    ] = None,
) -> None:
    """Score how well vectors in context tell senses apart: AUC of the cosine for same-sense pairs."""
    from elmo.encoder import load_pretrained
    from elmo.explore.evaluate import evaluate_senses, write_results
    from elmo.skipgram import WordVectors

    encoder = load_pretrained(model)
    space = None if word2vec is None else WordVectors.load(word2vec)
    pairs = None if mcl_wic is None else (mcl_wic, mcl_wic.with_suffix(".gold"))
    result = evaluate_senses(encoder, space, senses, reviews, mcl_wic=pairs)
    write_results(output, {"model": Path(model).name, "word2vec": word2vec and Path(word2vec).name, **result})
    _console().print(f"results in {output}", markup=False)


@eval_app.command("cloze")
def eval_cloze(
    models: Annotated[list[str], typer.Argument(help="Masked language models, and biLMs if you like.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Results file, JSON.")],
    questions: Annotated[Path, typer.Option("--questions", help="Sentences with a gap.")] = Path("data/cloze.tsv"),
    batch_size: Annotated[int, typer.Option("--batch_size", help="Sentences that are run together.")] = 32,
    use_gpu: Annotated[Any, _flag("use_gpu", "By default a GPU where there is one.")] = None,
) -> None:
    """Ask models for missing words: probability of the whole answer, and its rank among others of its kind."""
    from elmo import runtime
    from elmo.explore.cloze import evaluate_files, lines_of
    from elmo.explore.evaluate import write_results

    runtime.select_device(use_gpu)
    result = evaluate_files(models, questions, batch_size=batch_size)
    write_results(output, result)
    for line in [*lines_of(result), f"results in {output}"]:
        _console().print(line, markup=False)


_Format = Annotated[
    str, typer.Option("--format", help="tsv (LARK's), peoples_daily (the raw file), or ud (CoNLL of UD Chinese GSD).")
]
_LacModel = Annotated[
    str | None,
    typer.Option("--model", help="Folder of LAC or of a tagger of your own; by default the installed package's LAC."),
]
_LacFeatures = Annotated[
    str | None,
    typer.Option("--features", help="Where the ELMo or word2vec lies that a tagger reads, if not where it says."),
]


@lac_app.command("train")
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
        str, typer.Option("--tokens", help="What the network reads: words (of jieba) or characters.")
    ] = "words",
    elmo_model: Annotated[str | None, typer.Option("--elmo", help="An ELMo whose vectors it reads too.")] = None,
    fine_tune: Annotated[Any, _flag("fine_tune", "Train the ELMo along, in place of keeping it as it is.")] = False,
    layers: Annotated[str, typer.Option("--layers", help="ELMo's layers to mix: all, or such as 0,2.")] = "all",
    word2vec: Annotated[str | None, typer.Option("--word2vec", help="Word vectors in place of ELMo.")] = None,
    embedding_size: Annotated[int, typer.Option("--embedding_size", help="Of its own token vectors.")] = 128,
    hidden_size: Annotated[int, typer.Option("--hidden_size", help="Of each direction of a GRU.")] = 128,
    num_layers: Annotated[int, typer.Option("--num_layers", help="Bidirectional GRUs.")] = 2,
    dropout: Annotated[float, typer.Option("--dropout", help="Before and after the GRUs.")] = 0.3,
    learning_rate: Annotated[float, typer.Option("--learning_rate", help="Adam's.")] = 1e-3,
    batch_size: Annotated[int, typer.Option("--batch_size", help="Sentences.")] = 32,
    max_epoch: Annotated[int, typer.Option("--max_epoch", help="Passes over the training sentences at most.")] = 30,
    patience: Annotated[int, typer.Option("--patience", help="Epochs without a better F1 on --dev.")] = 3,
    random_seed: Annotated[int, typer.Option("--random_seed")] = 0,
    use_gpu: Annotated[Any, _flag("use_gpu", "By default a GPU where there is one.")] = None,
    resume: Annotated[Any, _flag("resume", "Go on from the newest whole checkpoint in --save_dir, or begin.")] = False,
    overwrite: Annotated[Any, _flag("overwrite", "Take the place of a training that is there.")] = False,
) -> None:
    """Train a tagger: BiGRU and CRF over words or characters, beside vectors of ELMo if you like."""
    from elmo import runtime
    from elmo.tasks.tagger_command import train_from_files
    from elmo.tasks.train_tagger import TrainSettings

    settings = TrainSettings(
        learning_rate=learning_rate,
        batch_size=batch_size,
        max_epoch=max_epoch,
        patience=patience,
        random_seed=random_seed,
    )
    sizes = {
        "embedding_size": embedding_size,
        "hidden_size": hidden_size,
        "num_layers": num_layers,
        "dropout": dropout,
    }
    runtime.select_device(use_gpu)
    console = _console()
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
        settings=settings,
        sizes=sizes,
        resume=resume,
        overwrite=overwrite,
        console=Console(),
        report=lambda line: console.print(line, markup=False),
    )
    console.print(f"model and scores.json in {save_dir}", markup=False)


@lac_app.command("eval")
def lac_eval(
    model: Annotated[str, typer.Argument(help="Folder of LAC or of a tagger of your own.")],
    gold: Annotated[Path, typer.Argument(help="Tagged sentences; of People's Daily the test part is taken.")],
    form: _Format = "tsv",
    features: _LacFeatures = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The scores as JSON too.")] = None,
    batch_size: Annotated[int, typer.Option("--batch_size", help="Sentences that are computed together.")] = 64,
) -> None:
    """Score a tagger on tagged sentences: precision, recall, F1, and what its tokens allow at best."""
    from elmo.tasks.tagger_command import evaluate_file, table

    found = evaluate_file(model, gold, form=form, features=features, batch_size=batch_size, output=output)
    Console().print(table(found, gold.name))


@lac_app.command("tag")
def lac_tag(
    text: Annotated[str, typer.Argument(help="UTF-8 file, a text a line, or - for standard input.")],
    model: _LacModel = None,
    features: _LacFeatures = None,
    user_dictionary: Annotated[
        Path | None, typer.Option("--user_dictionary", help="Words to keep whole, in lines such as 花/n 开/v.")
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A file in place of standard output.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="A line is a JSON object of words and tags, and keeps white space.")
    ] = False,
    batch_size: Annotated[int, typer.Option("--batch_size", help="Lines that are computed together.")] = 64,
) -> None:
    """Cut each line into words with their tags: word/tag, separated by spaces."""
    from elmo.tasks.lac_command import tag_file

    options: dict[str, Any] = {"features": features, "user_dictionary": user_dictionary, "batch_size": batch_size}
    count = tag_file(text, output, model=model, as_json=as_json, **options)
    if output is not None:
        _console().print(f"{count:,} lines in {output}", markup=False)


def main() -> None:
    """Run the command and exit with 0, 1 for a failed run, 2 for a bad call or bad input, 130 after Ctrl-C."""
    warnings.showwarning = _show_warning
    try:
        app(standalone_mode=True)
    except ElmoError as error:
        print(f"elmo: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print("elmo: interrupted", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        with contextlib.suppress(OSError):
            sys.stdout.close()
        sys.exit(1)


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    print(f"warning: {message}", file=sys.stderr)
