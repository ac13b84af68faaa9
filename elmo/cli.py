"""The command `elmo`: every subcommand reads its flags, calls the package, and prints; no logic of its own.

Flags have LARK's names, with underscores. Bad input prints one line and exits with 2, a failed run with 1. The
commands themselves are in `elmo.commands`.
"""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from collections.abc import Callable
from typing import Annotated, Any

import typer

import elmo
from elmo.commands import adapting, data, doctor, evaluation, lac, models, pretraining, text, vectors
from elmo.commands.options import LarkCommand, guarded
from elmo.commands.progress import shown_as_busy
from elmo.errors import ElmoError
from elmo.system.stopping import NOTHING_LEFT, STOPPED_BY_SIGNAL, stoppable
from elmo.system.terminal import complain, show

COMMANDS: tuple[Callable[..., None], ...] = (  # in the order in which `elmo --help` shows them
    text.preprocess,
    text.vocab,
    pretraining.pretrain,
    pretraining.pretrain_masked,
    adapting.adapt,
    adapting.grow,
    vectors.word2vec,
    vectors.encode,
    models.export,
    models.convert,
    models.info,
    doctor.doctor,
)
COMMAND_GROUPS = {"data": data.app, "eval": evaluation.app, "lac": lac.app}

app = typer.Typer(
    no_args_is_help=True, pretty_exceptions_enable=False, context_settings={"help_option_names": ["-h", "--help"]}
)


def _say_version(wanted: bool) -> None:
    if wanted:
        show(f"elmo {elmo.__version__}")
        raise typer.Exit


@app.callback(help=elmo.__doc__)
def _every_command(
    version: Annotated[  # is said before a command is looked for
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Say the version and stop.")
    ] = False,
) -> None:
    pass


for command in COMMANDS:
    app.command(command.__name__, cls=LarkCommand)(guarded(command))
for name, group in COMMAND_GROUPS.items():
    for each in group.registered_commands:
        if each.callback and name == "eval":
            each.callback = shown_as_busy(each.callback, f"elmo eval {each.name}")
        if each.callback:
            each.callback = guarded(each.callback, results_file=name == "eval")
        each.cls = LarkCommand
    app.add_typer(group, name=name)


def main() -> None:
    """Run the command and exit with 0, 1 for a failed run, 2 for a bad call or bad input.

    After Ctrl-C it is 130, after SIGTERM 143, after SIGHUP 129.
    """
    warnings.showwarning = _show_warning
    try:
        with stoppable():
            app(standalone_mode=True)
    except ElmoError as error:
        complain(f"elmo: {error}")
        sys.exit(error.exit_code)
    except BrokenPipeError:
        with contextlib.suppress(OSError):
            sys.stdout.close()
        sys.exit(1)
    except OSError as error:  # a name that no system takes, say, in a place where nobody thinks of it
        place = f"{str(error.filename)[:200]}: " if error.filename is not None else _lost_folder()
        complain(f"elmo: {place}{error.strerror or error}; check the path, and the room on its disk")
        sys.exit(2)
    except MemoryError as error:
        complain(f"elmo: there is not enough memory ({error or 'none is left'}): choose smaller sizes or batches")
        sys.exit(1)
    except KeyboardInterrupt:
        complain(f"elmo: interrupted; {NOTHING_LEFT}")
        sys.exit(130)
    except SystemExit as error:
        if error.code in STOPPED_BY_SIGNAL:  # Typer makes one of Ctrl-C too
            complain(f"elmo: {'interrupted' if error.code == 130 else 'stopped'}; {NOTHING_LEFT}")
        raise


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    complain(f"warning: {message}")


def _lost_folder() -> str:
    """What an error without a name may be about: the working directory, where it is gone."""
    try:
        os.getcwd()
    except OSError:
        return "the working directory: "
    return ""
