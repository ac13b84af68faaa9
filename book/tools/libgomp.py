"""`python -m book.tools.libgomp`: lend Paddle an OpenMP runtime where the system has none.

Paddle for Linux needs libgomp.so.1 and does not bring it; a minimal Debian lacks it. scikit-learn brings a copy under
another name. A link to it beside Paddle's oneDNN, which looks for its own needs there, gives the copy the name that
Paddle asks for, once oneDNN is loaded: a .pth file of this environment loads it first.
"""

from __future__ import annotations

import ctypes
import sys
import sysconfig
from pathlib import Path

ADVICE = "Paddle needs libgomp.so.1: on Debian or Ubuntu, 'apt install libgomp1'"


def lend(packages: Path) -> bool:
    """Link scikit-learn's copy and have it loaded at start-up; False when there is nothing to lend or to lend to."""
    copies = sorted(packages.glob("scikit_learn.libs/libgomp-*.so*"))
    onednn = next(iter(packages.glob("paddle/libs/libdnnl.so*")), None)
    if not copies or onednn is None:
        return False
    link = onednn.with_name("libgomp.so.1")
    link.unlink(missing_ok=True)
    link.symlink_to(Path("..") / ".." / copies[0].relative_to(packages))
    loader = f"import os, ctypes; os.path.exists({str(link)!r}) and ctypes.CDLL({str(onednn)!r})\n"
    (packages / "paddle_libgomp.pth").write_text(loader)
    return True


def main() -> int:
    """Do nothing where the system has libgomp.so.1, or where Paddle wants none."""
    if sys.platform != "linux":
        return 0
    try:
        ctypes.CDLL("libgomp.so.1")
    except OSError:
        if not lend(Path(sysconfig.get_path("platlib"))):
            print(ADVICE, file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
