"""What is printed for people: text from outside can neither command the terminal nor pass for a line of ours.

Names of files, messages about files, and what a model's file says of itself come from others. All of it passes
`printable`; the consoles made here take nothing in a text for markup. What a command writes as data, such as tagged
text on standard output, is not touched.
"""

from __future__ import annotations

import sys
import unicodedata
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn

# Control characters and escapes, what turns the direction of writing or is not seen, line ends that are none of ours.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def printable(text: object) -> str:
    r"""Text in one line that shows every character it has: a line end becomes \n, an escape character \x1b."""
    shown = str(text)
    if shown.isascii() and shown.isprintable():
        return shown
    return "".join(
        ascii(character)[1:-1] if unicodedata.category(character) in _HIDDEN else character for character in shown
    )


class PlainConsole(Console):
    """A console that prints texts as they are, but for what `printable` changes: no markup, no :emoji:, no colours."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"markup": False, "emoji": False, "highlight": False, **options})

    def render_str(self, text: str, **options: Any) -> Text:
        """Render a text from anywhere: a line, a table's title or cell."""
        return super().render_str(printable(text), **{**options, "markup": False, "emoji": False})


def stderr_console() -> PlainConsole:
    """Console on standard error whose lines are not wrapped."""
    return PlainConsole(stderr=True, soft_wrap=True)


def bar_on_stderr(wanted: bool, *columns: ProgressColumn) -> Progress:
    """A bar on standard error, gone at the end; nothing where it is not wanted or standard error is no terminal."""
    from rich.progress import Progress  # which takes a while, and most commands show none

    console = PlainConsole(stderr=True)
    return Progress(*columns, console=console, disable=not (wanted and console.is_terminal), transient=True)


def tell(console: Console, line: str) -> None:
    """Print a line on any console, ours or another's, as it stands."""
    console.print(Text(printable(line)), highlight=False)


def say(line: object) -> None:
    """Print a line on standard error as it stands."""
    tell(stderr_console(), str(line))


def show(*lines: object) -> None:
    """Print lines on standard output, each as it stands."""
    for line in lines:
        print(printable(line))


def complain(line: object) -> None:
    """Print a line on standard error without Rich, which may not be imported or not work."""
    print(printable(line), file=sys.stderr)
