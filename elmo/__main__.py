"""`python -m elmo` is the command `elmo`; Paddle's launcher, which knows no -m, is given the path of this file."""

import sys
from pathlib import Path

if not __package__:  # started by its path: Python then looks for modules in this folder first, where `elmo` is not
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from elmo.system.stopping import NOTHING_LEFT


def main() -> None:
    """Run the command; Ctrl-C while its modules are imported ends it with 130, as later."""
    try:
        from elmo import cli
    except KeyboardInterrupt:
        print(f"elmo: interrupted; {NOTHING_LEFT}", file=sys.stderr)
        sys.exit(130)
    cli.main()


if __name__ == "__main__":
    main()
