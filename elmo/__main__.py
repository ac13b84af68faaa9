"""`python -m elmo` is the command `elmo`; Paddle's launcher, which knows no -m, is given the path of this file."""

import sys
from pathlib import Path

if not __package__:  # started by its path: Python then looks for modules in this folder first, where `elmo` is not
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from elmo.cli import main

if __name__ == "__main__":
    main()
