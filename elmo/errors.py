"""The two ways in which a command can end badly, and the exit codes that go with them."""


class ElmoError(Exception):
    """Base of the errors that are shown as one line, without a traceback."""

    exit_code = 1


class InputError(ElmoError, ValueError):
    """A bad call or bad input: the message names what, where, and the next step. Exit code 2."""

    exit_code = 2


class RunError(ElmoError, RuntimeError):
    """A run that started well and failed, such as a loss that is not finite. Exit code 1."""

    exit_code = 1
