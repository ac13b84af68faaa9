"""Options that several commands share, each said once, and the kinds of value that LARK's flags have.

A command writes `max_epoch: MaxEpoch = 10`: the name is the parameter's, the default the command's own.
"""

from __future__ import annotations

import contextlib
import functools
import glob
import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from elmo.checks import LARGEST_SIZE, check_seed, short_number
from elmo.errors import InputError
from elmo.system.files import check_not_read, check_output
from elmo.system.project import data_folder

_OUTPUTS = frozenset({"output", "results"})  # options that name what is written
_MOST = {"batch_size": 1 << 17, "num_steps": 1 << 17}  # what no memory would hold is refused before anything is read
_SWITCH = "True|False"  # what help shows of one
OWN_CLIP = "the model's"  # of a clip that is not given
_TRUE, _FALSE = {"true", "1", "yes", "on"}, {"false", "0", "no", "off"}


def _boolean(value: str | bool) -> bool:
    """Read LARK's `--flag True` and `--flag False`, which mean what they say."""
    if isinstance(value, bool):
        return value
    if value.lower() in _TRUE | _FALSE:
        return value.lower() in _TRUE
    raise typer.BadParameter(f"{value!r} is neither True nor False")


class LarkCommand(TyperCommand):
    """A command whose switches can be given as LARK's, `--resume True`, or bare, `--resume`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Give a bare switch its True."""
        switches = {name for option in self.params if option.metavar == _SWITCH for name in option.opts}
        takes_arguments = any(parameter.param_type_name == "argument" for parameter in self.params)
        spelt: list[str] = []
        rest = list(args)
        while rest:
            word = rest.pop(0)
            if word == "--":
                spelt += [word, *rest]
                break
            value = rest[0].lower() if rest else ""
            is_bare = not rest or rest[0].startswith("-") or (takes_arguments and value not in _TRUE | _FALSE)
            spelt += [word, "True"] if word in switches and is_bare else [word]
        return super().parse_args(ctx, spelt)


def _clip(value: str | float | None) -> str | float | None:
    if value is None or isinstance(value, float) or value == OWN_CLIP:
        return value
    if value.lower() == "none":
        return None
    try:
        return float(value)
    except ValueError:
        raise typer.BadParameter(f"{value!r} is neither a number nor none") from None


def guarded(command: Callable[..., None], *, results_file: bool = False) -> Callable[..., None]:
    """A command that refuses numbers no computer could do anything with, and an output that is one of its inputs.

    Args:
        results_file: its output is a file: refuse at once what can't be one.
    """

    @functools.wraps(command)
    def run(*given: Any, **options: Any) -> None:
        for name, value in options.items():
            for number in value if isinstance(value, list | tuple) else [value]:
                if isinstance(number, float) and not math.isfinite(number):
                    raise InputError(f"--{name} is {number}: give a finite number")
                if isinstance(number, int) and name.endswith("seed"):
                    check_seed(number, f"--{name}")
                elif isinstance(number, int) and abs(number) > (most := _MOST.get(name, LARGEST_SIZE)):
                    raise InputError(f"--{name} is {short_number(number)}: give at most {most}")
        for name in _OUTPUTS & options.keys():
            if options[name] is not None:
                inputs = (value for other, value in options.items() if other not in _OUTPUTS)
                paths = (path for value in inputs for path in _files(value))
                check_not_read(options[name], filter(os.path.isfile, paths))
                if results_file:  # before the work, not after it
                    check_output(options[name])
        command(*given, **options)

    return run


def _files(value: Any) -> Iterator[str]:
    """What an option may name: files, globs of them; the files of a folder, or of a model that the project has."""
    for each in value if isinstance(value, list | tuple) else [value]:
        if isinstance(each, str | os.PathLike):
            path = os.fspath(each)
            for found in (path, *glob.iglob(path), str(data_folder() / "models" / path)):
                yield found
                with contextlib.suppress(OSError):  # no folder, or none that can be looked into
                    yield from (os.path.join(found, name) for name in os.listdir(found))


def flag(name: str, text: str) -> Any:
    """Option that takes True or False."""
    return typer.Option(f"--{name}", parser=_boolean, metavar=_SWITCH, help=text)


def clip_option(name: str, text: str) -> Any:
    """Option that takes a number, or none for None."""
    return typer.Option(f"--{name}", parser=_clip, metavar="FLOAT|none", help=text)


# Of commands of every kind
Shards = Annotated[list[str], typer.Argument(help="Segmented shards or globs of them.")]
Model = Annotated[str, typer.Argument(help="Model directory, checkpoint or name.")]
ModelVocabulary = Annotated[
    Path | None, typer.Option("--vocab_path", help="Vocabulary, where the model comes without.")
]
SegmenterName = Annotated[str, typer.Option("--segmenter", help="jieba, lac, or whitespace for segmented text.")]
DictionaryFile = Annotated[Path | None, typer.Option("--user_dictionary", help="Words that the segmenter keeps whole.")]
Encoding = Annotated[str, typer.Option("--encoding", help="Of the text: utf-8, or gb18030 (covers gbk and gb2312).")]
_STEPS = "none, all, or some of nfc (composed characters), width (half-width letters and digits), simplified"
Normalise = Annotated[str, typer.Option("--normalise", help=f"Spellings made alike: {_STEPS}.")]
NormaliseAsModel = Annotated[
    str | None, typer.Option("--normalise", help=f"{_STEPS}; by default as the model's text was.", show_default=False)
]
Half = Annotated[Any, flag("half", "Half precision: half the size.")]
HeldOutShards = Annotated[str, typer.Option("--test_path", help="Held-out shards.")]
ResultsFile = Annotated[Path, typer.Option("--output", "-o", help="Results file, JSON.")]
UseGpu = Annotated[Any, flag("use_gpu", "By default a GPU where there is one.")]
LearningRate = Annotated[float, typer.Option("--learning_rate")]
RandomSeed = Annotated[int, typer.Option("--random_seed")]

# Of the pretraining of language models
TrainPath = Annotated[str, typer.Option("--train_path", help="Training shards: a path or glob.")]
TestPath = Annotated[str | None, typer.Option("--test_path", help="Held-out shards for the perplexity.")]
TrainOnGpu = Annotated[Any, flag("use_gpu", "Train on a GPU; on the CPU where there is none, with a warning.")]
Local = Annotated[Any, flag("local", "One process; False where Paddle's launcher started several.")]
WarmupSteps = Annotated[int, typer.Option("--warmup_steps", help="Steps in which the learning rate rises.")]
MaxGradNorm = Annotated[float, typer.Option("--max_grad_norm", help="Clip of the gradient's global norm.")]
Amp = Annotated[
    str,
    typer.Option(
        "--amp",
        help="Precision of products: auto (bf16 on a CPU with AMX, or of AMD with AVX-512 BF16, else none), none "
        "(float32), bf16, or, on a GPU, fp16 with loss scaling. No GPU was tried.",
    ),
]
AccumulateSteps = Annotated[
    int, typer.Option("--accumulate_steps", help="Batches whose gradients are added up for one step.")
]
MaxEpoch = Annotated[int, typer.Option("--max_epoch", help="Passes over the training text.")]
Patience = Annotated[
    int, typer.Option("--patience", help="Passes without a lower held-out perplexity that end the run; 0: it goes on.")
]
ScheduleEpochs = Annotated[
    int | None,
    typer.Option("--schedule_epochs", help="Passes in which the rate falls and stages change; --max_epoch's if unset."),
]
LogInterval = Annotated[int, typer.Option("--log_interval", help="Steps between log lines.")]
SaveInterval = Annotated[int, typer.Option("--save_interval", help="Steps between checkpoints; 0: epochs only.")]
KeepCheckpoints = Annotated[
    int, typer.Option("--keep_checkpoints", help="Newest checkpoints kept, within epochs and of epochs; and the best.")
]
DevInterval = Annotated[int, typer.Option("--dev_interval", help="Steps between perplexities; 0: epochs only.")]
Resume = Annotated[Any, flag("resume", "Go on from the newest whole checkpoint in --para_save_dir, or begin.")]
ParaSaveDir = Annotated[str, typer.Option("--para_save_dir", help="Where checkpoints go.")]
LoadDir = Annotated[str | None, typer.Option("--load_dir", help="Checkpoint to go on from.")]
LoadPretrainingParams = Annotated[
    str | None, typer.Option("--load_pretraining_params", help="Model whose parameters are the start.")
]
VisualdlDir = Annotated[
    str | None, typer.Option("--visualdl_dir", help="Curves for VisualDL: visualdl --logdir DIR shows them.")
]
OverwriteCheckpoints = Annotated[Any, flag("overwrite", "Take the place of checkpoints that are there.")]
