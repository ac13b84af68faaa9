"""Commands that train language models: `elmo pretrain`, `elmo pretrain_masked`.

Their flags have the names of what they fill: fields of the settings and of the configuration, arguments of the run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from elmo.commands.options import (
    OWN_CLIP,
    AccumulateSteps,
    Amp,
    DevInterval,
    KeepCheckpoints,
    LearningRate,
    LoadDir,
    LoadPretrainingParams,
    Local,
    LogInterval,
    MaxEpoch,
    MaxGradNorm,
    OverwriteCheckpoints,
    ParaSaveDir,
    Patience,
    RandomSeed,
    Resume,
    SaveInterval,
    ScheduleEpochs,
    TestPath,
    TrainOnGpu,
    TrainPath,
    VisualdlDir,
    WarmupSteps,
    clip_option,
    flag,
)
from elmo.commands.progress import say_what_is_slow
from elmo.errors import InputError
from elmo.system.terminal import stderr_console, tell

if TYPE_CHECKING:
    from elmo.training.ranks import Ranks

_OWN = "By default that of the model to start from, without one "


def pretrain(
    train_path: TrainPath,
    vocab_path: Annotated[str, typer.Option("--vocab_path", help="Vocabulary, a token a line.")],
    test_path: TestPath = None,
    learning_rate: LearningRate = 0.2,
    use_gpu: TrainOnGpu = None,
    all_train_tokens: Annotated[
        int | None, typer.Option("--all_train_tokens", help="Words in the training shards; counted and checked.")
    ] = None,
    local: Local = True,
    batch_size: Annotated[int, typer.Option("--batch_size", help="Parallel streams of sentences, on each rank.")] = 128,
    embed_size: Annotated[
        int | None, typer.Option("--embed_size", help=f"Word vectors and LSTMP outputs. {_OWN}512.")
    ] = None,
    hidden_size: Annotated[int | None, typer.Option("--hidden_size", help=f"LSTMP cells. {_OWN}4096.")] = None,
    num_layers: Annotated[
        int | None, typer.Option("--num_layers", help=f"LSTMP layers in each direction. {_OWN}2.")
    ] = None,
    num_steps: Annotated[int, typer.Option("--num_steps", help="Tokens of each stream in a batch.")] = 20,
    dropout: Annotated[float | None, typer.Option("--dropout", help=f"Of each layer's inputs. {_OWN}0.1.")] = None,
    lr_schedule: Annotated[
        str, typer.Option("--lr_schedule", help="constant, or cosine: down to a hundredth at the end.")
    ] = "constant",
    warmup_steps: WarmupSteps = 0,
    max_grad_norm: MaxGradNorm = 10.0,
    cell_clip: Annotated[Any, clip_option("cell_clip", f"Clip of the cells. {_OWN}3.")] = OWN_CLIP,
    proj_clip: Annotated[Any, clip_option("proj_clip", f"Clip of the projections. {_OWN}3.")] = OWN_CLIP,
    tie_softmax: Annotated[
        Any, flag("tie_softmax", f"The softmax's weights are the word vectors. {_OWN}False.")
    ] = None,
    token_encoder: Annotated[
        str, typer.Option("--token_encoder", help="word (look ids up) or char_cnn (read every word's characters).")
    ] = "word",
    alphabet: Annotated[
        str, typer.Option("--alphabet", help="What char_cnn reads: characters of the training text, or utf-8 (bytes).")
    ] = "characters",
    accumulate_steps: AccumulateSteps = 1,
    amp: Amp = "auto",
    max_epoch: MaxEpoch = 10,
    patience: Patience = 0,
    schedule_epochs: ScheduleEpochs = None,
    optim: Annotated[str, typer.Option("--optim", help="adagrad, sgd, adam or rmsprop.")] = "adagrad",
    sample_softmax: Annotated[Any, flag("sample_softmax", "Sampled softmax in training.")] = True,
    n_negative_samples_batch: Annotated[int, typer.Option("--n_negative_samples_batch", help="Its candidates.")] = 8000,
    shuffle: Annotated[Any, flag("shuffle", "A new order of sentences each epoch.")] = True,
    reset_states: Annotated[
        Any, flag("reset_states", "Streams between two sentences at a batch's end go on from zero state.")
    ] = True,
    log_interval: LogInterval = 100,
    save_interval: SaveInterval = 10000,
    keep_checkpoints: KeepCheckpoints = 3,
    resume: Resume = False,
    dev_interval: DevInterval = 10000,
    para_save_dir: ParaSaveDir = "checkpoints",
    load_dir: LoadDir = None,
    load_pretraining_params: LoadPretrainingParams = None,
    random_seed: RandomSeed = 0,
    visualdl_dir: VisualdlDir = None,
    update_method: Annotated[str, typer.Option("--update_method", help="nccl2, the only one left.")] = "nccl2",
    overwrite: OverwriteCheckpoints = False,
) -> None:
    """Pretrain a biLM; the flags are LARK's."""
    if update_method != "nccl2":
        raise InputError(f"update_method is {update_method!r}: parameter servers are gone, give nccl2 or leave it out")
    from elmo.training.bilm import pretrain as run
    from elmo.training.bilm import token_encoder_sizes
    from elmo.training.settings import PretrainSettings

    console, ranks = _begin(use_gpu, local)
    settings = PretrainSettings(
        batch_size=batch_size,
        learning_rate=learning_rate,
        optim=optim,
        lr_schedule=lr_schedule,
        warmup_steps=warmup_steps,
        max_grad_norm=max_grad_norm,
        accumulate_steps=accumulate_steps,
        amp=amp,
        max_epoch=max_epoch,
        patience=patience,
        schedule_epochs=schedule_epochs,
        shuffle=shuffle,
        random_seed=random_seed,
        log_interval=log_interval,
        save_interval=save_interval,
        keep_checkpoints=keep_checkpoints,
        dev_interval=dev_interval,
        num_steps=num_steps,
        sample_softmax=sample_softmax,
        n_negative_samples_batch=n_negative_samples_batch,
        reset_states=reset_states,
    )
    given = {
        "embed_size": embed_size,
        "hidden_size": hidden_size,
        "num_layers": num_layers,
        "dropout": dropout,
        "tie_softmax": tie_softmax,
        "token_encoder": token_encoder_sizes(token_encoder, alphabet),
    }
    sizes = {name: size for name, size in given.items() if size is not None}
    sizes |= {name: clip for name, clip in (("cell_clip", cell_clip), ("proj_clip", proj_clip)) if clip != OWN_CLIP}
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
        ranks=ranks,
        visualdl_dir=visualdl_dir,
    )


def pretrain_masked(
    train_path: TrainPath,
    vocab_path: Annotated[str, typer.Option("--vocab_path", help="Made by elmo vocab --pieces True.")],
    test_path: TestPath = None,
    masking: Annotated[
        str,
        typer.Option(
            "--masking",
            help="bert (characters), ernie (characters for two thirds of the run, then words, then entities), or a "
            "list such as characters,words,entities, which have equal shares.",
        ),
    ] = "bert",
    tagged: Annotated[Any, flag("tagged", "The words of the shards are word/tag: what `elmo lac tag` writes.")] = False,
    hidden_size: Annotated[int | None, typer.Option("--hidden_size", help=f"Size of a vector. {_OWN}256.")] = None,
    num_layers: Annotated[int | None, typer.Option("--num_layers", help=f"Transformer blocks. {_OWN}6.")] = None,
    num_heads: Annotated[int | None, typer.Option("--num_heads", help=f"Heads of the attention. {_OWN}4.")] = None,
    intermediate_size: Annotated[
        int | None, typer.Option("--intermediate_size", help=f"Inside a block. {_OWN}1024.")
    ] = None,
    max_length: Annotated[
        int | None, typer.Option("--max_length", help=f"Tokens of a sequence, with [CLS] and [SEP]. {_OWN}128.")
    ] = None,
    hidden_act: Annotated[
        str | None, typer.Option("--hidden_act", help="gelu, or relu as in ERNIE 1.0; that of the model to start from.")
    ] = None,
    dropout: Annotated[float | None, typer.Option("--dropout", help=f"Of vectors and of attention. {_OWN}0.1.")] = None,
    batch_size: Annotated[int, typer.Option("--batch_size", help="Sequences, on each rank.")] = 16,
    accumulate_steps: AccumulateSteps = 1,
    learning_rate: LearningRate = 5e-4,
    lr_schedule: Annotated[str, typer.Option("--lr_schedule", help="constant, or cosine.")] = "cosine",
    warmup_steps: WarmupSteps = 1000,
    max_grad_norm: MaxGradNorm = 1.0,
    optim: Annotated[str, typer.Option("--optim", help="adam, adagrad, sgd or rmsprop.")] = "adam",
    amp: Amp = "auto",
    max_epoch: MaxEpoch = 10,
    patience: Patience = 0,
    schedule_epochs: ScheduleEpochs = None,
    shuffle: Annotated[Any, flag("shuffle", "A new order of sequences each epoch.")] = True,
    log_interval: LogInterval = 100,
    save_interval: SaveInterval = 10000,
    keep_checkpoints: KeepCheckpoints = 3,
    dev_interval: DevInterval = 10000,
    resume: Resume = False,
    para_save_dir: ParaSaveDir = "checkpoints_masked",
    load_dir: LoadDir = None,
    load_pretraining_params: LoadPretrainingParams = None,
    random_seed: RandomSeed = 0,
    use_gpu: TrainOnGpu = None,
    local: Local = True,
    visualdl_dir: VisualdlDir = None,
    overwrite: OverwriteCheckpoints = False,
) -> None:
    """Pretrain a masked language model over characters: BERT, or ERNIE 1.0."""
    from elmo.training.masked import MaskedSettings, parse_masking
    from elmo.training.masked import pretrain_masked as run

    console, ranks = _begin(use_gpu, local)
    settings = MaskedSettings(
        batch_size=batch_size,
        learning_rate=learning_rate,
        optim=optim,
        lr_schedule=lr_schedule,
        warmup_steps=warmup_steps,
        max_grad_norm=max_grad_norm,
        accumulate_steps=accumulate_steps,
        amp=amp,
        max_epoch=max_epoch,
        patience=patience,
        schedule_epochs=schedule_epochs,
        shuffle=shuffle,
        random_seed=random_seed,
        log_interval=log_interval,
        save_interval=save_interval,
        keep_checkpoints=keep_checkpoints,
        dev_interval=dev_interval,
        tagged=tagged,
        stages=parse_masking(masking),
    )
    given = {
        "hidden_size": hidden_size,
        "num_layers": num_layers,
        "num_heads": num_heads,
        "intermediate_size": intermediate_size,
        "max_length": max_length,
        "hidden_act": hidden_act,
        "dropout": dropout,
        "attention_dropout": dropout,
    }
    sizes = {name: size for name, size in given.items() if size is not None}
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
        ranks=ranks,
        visualdl_dir=visualdl_dir,
    )


def _begin(use_gpu: bool | None, local: bool) -> tuple[Console, Ranks]:
    """Choose the device, join the other ranks, and let the first of them say so."""
    from elmo import runtime
    from elmo.training import ranks

    device = runtime.select_device(use_gpu)
    joined = ranks.join(local)
    console = stderr_console()
    if joined.rank == 0:
        several = f", {joined.world_size} ranks" if joined.world_size > 1 else ""
        tell(console, f"training on {device}{several}")
        say_what_is_slow()
    return console, joined
