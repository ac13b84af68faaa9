"""`python -m book.tools.build`: the book as HTML, strictly, from the executed notebooks."""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from book.tools import REPOSITORY

BUILT = REPOSITORY / "_build"
_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_CHATTER = re.compile(r"Building prefix dict|Loading model|Dumping model|Prefix dict has been built|\s*$")  # jieba's


def build(output: Path) -> int:
    """Build the pages into output/html and return Jupyter Book's exit code; a warning is an error."""
    jupyter_book = Path(sys.executable).with_name("jupyter-book")
    command = [str(jupyter_book), "build", str(REPOSITORY), "-q", "-W", "-n", "--keep-going"]
    if output != BUILT:
        command += ["--path-output", str(output.parent)]
    environment = os.environ | {"JUPYTER_PLATFORM_DIRS": "1"}
    with subprocess.Popen(
        command,
        cwd=REPOSITORY,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        errors="replace",
    ) as process:
        for line in process.stderr or ():
            shown = _ANSI.sub("", line)
            if not _CHATTER.match(shown):
                print(shown, end="", file=sys.stderr)
    if process.returncode:  # Sphinx does not repeat the warnings of pages that it thinks done
        shutil.rmtree(output / ".doctrees", ignore_errors=True)
    return process.returncode


def main() -> int:
    """Build, and say where the first page is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=BUILT.parent, help="folder in which _build is made")
    output = parser.parse_args().output.resolve() / "_build"
    print("Building the book ...", flush=True)
    start = time.monotonic()
    code = build(output)
    index = output / "html" / "index.html"
    if code or not index.is_file():
        print("The book was not built: the messages above say why.", file=sys.stderr)
        return code or 1
    shown = index.relative_to(Path.cwd()) if index.is_relative_to(Path.cwd()) else index
    print(f"Built in {time.monotonic() - start:.0f} s. Open {shown} in a browser.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
