"""What pages need without a network, from installed packages: MathJax, plotly.js and a Chinese web font."""

from __future__ import annotations

import base64
import importlib.util
import json
import re
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from fontTools import subset

from book.tools import BOOK, REPOSITORY

GENERATED = BOOK / "_static" / "generated"
README_PICTURE = BOOK / "images" / "two_dots.png"
_FIRST_CJK = 0x2E80  # where book.css begins to use the font: Latin text keeps the reader's own
_ALWAYS = "　、。〈〉《》「」『』【】〔〕！（），．：；？［］～￥０１２３４５６７８９"
_JSON_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})")


def make_assets() -> Path:
    """Make book/_static/generated anew and return it; MathJax is copied, the font cut to what the pages hold."""
    building = GENERATED.with_name("generated.part")
    shutil.rmtree(building, ignore_errors=True)
    copy_mathjax(building / "mathjax")
    copy_plotly(building / "plotly")
    docstrings = (REPOSITORY / "elmo").rglob("*.py")  # the reference shows them
    drawings = (BOOK / "tools/diagrams").glob("*.py")
    make_font(characters([*page_files(), *docstrings, *drawings]), building / "fonts")
    extract_figures(BOOK.glob("*.ipynb"), building / "figures")
    shutil.rmtree(GENERATED, ignore_errors=True)
    building.rename(GENERATED)
    return GENERATED


def page_files() -> list[Path]:
    """Every file whose text can reach a page."""
    pages = [path for pattern in ("*.md", "generated/*.md", "*.ipynb") for path in BOOK.glob(pattern)]
    return sorted([*pages, REPOSITORY / "_config.yml", REPOSITORY / "_toc.yml"])


def characters(files: Iterable[Path]) -> set[str]:
    r"""Chinese characters and punctuation in the files, those that JSON writes as \uXXXX among them."""
    found = set(_ALWAYS)
    for path in files:
        text = path.read_text(encoding="utf-8")
        found.update(text)
        found.update(chr(int(code, 16)) for code in _JSON_ESCAPE.findall(text))
    return {character for character in found if ord(character) >= _FIRST_CJK}


def make_font(wanted: set[str], folder: Path) -> Path:
    """Write the characters of Noto Sans SC as chinese.woff2 with its licence beside it.

    Characters that the font lacks are left to the reader's own fonts.
    """
    fonts = _package_folder("zhplot") / "fonts"
    folder.mkdir(parents=True)
    options = subset.Options(flavor="woff2", layout_features=["*"], notdef_outline=True)
    font = subset.load_font(str(fonts / "NotoSansSC-Regular.ttf"), options)
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=sorted(map(ord, wanted)))
    subsetter.subset(font)
    target = folder / "chinese.woff2"
    subset.save_font(font, str(target), options)
    shutil.copyfile(fonts / "OFL.txt", folder / "OFL.txt")
    return target


def extract_figures(notebooks: Iterable[Path], folder: Path) -> list[Path]:
    """Write each figure that has a name (mystnb: figure: name) as NAME.png, so that other pages can show it too."""
    folder.mkdir(parents=True)
    written = []
    for path in sorted(notebooks):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            name = cell["metadata"].get("mystnb", {}).get("figure", {}).get("name")
            images = [output.get("data", {}).get("image/png") for output in cell.get("outputs", [])]
            for image in filter(None, images if name else []):
                written.append(folder / f"{name}.png")
                written[-1].write_bytes(base64.b64decode("".join(image)))
    return written


def save_readme_picture() -> None:
    """Put the book's first figure where the README shows it."""
    with tempfile.TemporaryDirectory() as folder:
        extract_figures(BOOK.glob("*.ipynb"), Path(folder) / "figures")
        README_PICTURE.parent.mkdir(exist_ok=True)
        shutil.copyfile(Path(folder) / "figures" / "fig-two-dots.png", README_PICTURE)


def copy_mathjax(folder: Path) -> None:
    """Copy MathJax 3: TeX and MathML in, HTML with web fonts out, and the TeX extensions that it loads when asked."""
    package = _package_folder("mathjax") / "static" / "mathjax"
    for part in ("output/chtml/fonts/woff-v2", "input/tex/extensions"):
        shutil.copytree(package / "es5" / part, folder / part)
    shutil.copyfile(package / "es5" / "tex-mml-chtml.js", folder / "tex-mml-chtml.js")
    shutil.copyfile(package / "LICENSE", folder / "LICENSE")


def copy_plotly(folder: Path) -> None:
    """Copy plotly.js, which names its licence (MIT) in its first lines; book/_static/hover_plots.js loads it."""
    folder.mkdir(parents=True)
    shutil.copyfile(_package_folder("plotly") / "package_data" / "plotly.min.js", folder / "plotly.min.js")


def _package_folder(name: str) -> Path:
    """Folder of an installed package, found without importing it."""
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(f"the book needs the package {name}: `make book` installs it")
    return Path(spec.submodule_search_locations[0])
