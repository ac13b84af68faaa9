"""The two ways in which a command can end badly, and the exit codes that go with them."""

_BEGINNING, _END = 1200, 600  # characters of a message: the place and what is wrong, and the next step


class ElmoError(Exception):
    """Base of the errors that are shown as one line, without a traceback; what a file holds can't make it long."""

    exit_code = 1

    def __init__(self, message: object) -> None:
        text = str(message)
        if len(text) > _BEGINNING + _END:
            text = f"{text[:_BEGINNING]} ... {text[-_END:]}"
        super().__init__(text)


class InputError(ElmoError, ValueError):
    """A bad call or bad input: the message names what, where, and the next step. Exit code 2."""

    exit_code = 2


class RunError(ElmoError, RuntimeError):
    """A run that started well and failed, such as a loss that is not finite. Exit code 1."""

    exit_code = 1
