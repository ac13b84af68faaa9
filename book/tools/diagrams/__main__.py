"""`python -m book.tools.diagrams`: every diagram as an SVG file that stands alone, such as for slides."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from xml.etree import ElementTree

from book.tools import BOOK
from book.tools.diagrams import DIAGRAMS

STYLE = BOOK / "_static" / "diagrams.css"


def write_diagram(name: str, folder: Path, theme: str = "light") -> Path:
    """Write NAME.svg with its style inside, in the colours of a theme, light or dark."""
    root = DIAGRAMS[name]().svg(f"diagram-{name}")
    style = ElementTree.Element("style")
    style.text = STYLE.read_text(encoding="utf-8").replace(f'html[data-theme="{theme}"] ', "")
    root.insert(2, style)
    path = folder / f"{name}.svg"
    path.write_text(ElementTree.tostring(root, encoding="unicode"), encoding="utf-8")
    return path


def main() -> int:
    """Write them all."""
    parser = argparse.ArgumentParser(prog="python -m book.tools.diagrams", description=__doc__)
    parser.add_argument("folder", type=Path, help="where the files are written")
    parser.add_argument("--theme", choices=("light", "dark"), default="light")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    for name in DIAGRAMS:
        print(write_diagram(name, options.folder, options.theme))
    return 0


if __name__ == "__main__":
    sys.exit(main())
