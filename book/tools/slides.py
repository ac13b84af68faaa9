"""`make slides`: slides for teaching, made from the executed chapters; plain HTML that needs no network.

A chapter's slides are its question, what one will be able to do, the predictions, every figure and diagram with its
caption, and the summary, in the order of the page. Arrow keys go on and back; printing gives one slide a page.
"""

from __future__ import annotations

import html
import re
import shutil
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat

from book.tools import BOOK, REPOSITORY
from book.tools.diagrams import DIAGRAMS

FOLDER = REPOSITORY / "_build" / "slides"
LISTS = ("What you will be able to do", "Predict before you run", "Summary")  # sections whose points are a slide
_HEADING = re.compile(r"^(#{1,3}) (.+)$")
_POINT = re.compile(r"^(?:[-*]|\d+\.) (.+)$")
_DIAGRAM = re.compile(r"^```\{diagram\} (\S+)\n(?::\w+:[^\n]*\n)*(.*?)^```$", re.MULTILINE | re.DOTALL)
_GLUED = re.compile(r"\{glue:\w+\}`([^`]+)`")
_ROLE = re.compile(r"\{[\w:]+\}`(?:([^`<]+?) ?<[^`>]+>|([^`]*))`")
_IMAGES = ("image/svg+xml", "image/png")

STYLE = """
:root { color-scheme: light dark; --ink: #1b1b1b; --paper: #fff; --mark: #0b5fa5 }
@media (prefers-color-scheme: dark) { :root { --ink: #eee; --paper: #16181c; --mark: #7cc0ff } }
html { scroll-snap-type: y mandatory }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 1.5rem/1.4 system-ui, "Noto Sans SC", "PingFang SC", "Microsoft YaHei", sans-serif }
section { box-sizing: border-box; min-height: 100vh; padding: 4vh 6vw; scroll-snap-align: start;
  display: flex; flex-direction: column; justify-content: center; break-after: page }
h1, h2 { color: var(--mark); line-height: 1.2; margin: 0 0 .6em }
li { margin: .5em 0 }
figure { margin: 0; display: flex; flex-direction: column; align-items: center }
figure img, figure > svg { max-width: 100%; max-height: 66vh; background: #fff; width: auto }
figure > svg { width: min(100%, 90vh) }
figcaption { font-size: 1.1rem; max-width: 60em; margin-top: .8em }
footer { font-size: .9rem; opacity: .7; margin-top: 1em }
a { color: var(--mark) }
@media print { section { min-height: 0; height: 100vh } }
"""
SCRIPT = """
addEventListener("keydown", event => {
  const step = {ArrowRight: 1, PageDown: 1, " ": 1, ArrowLeft: -1, PageUp: -1}[event.key];
  if (!step || event.ctrlKey || event.altKey || event.metaKey) return;
  const slides = [...document.querySelectorAll("section")];
  const now = slides.findIndex(slide => slide.getBoundingClientRect().bottom > innerHeight / 2);
  const next = slides[Math.min(Math.max(now + step, 0), slides.length - 1)];
  event.preventDefault();
  next.scrollIntoView();
});
"""


@dataclass(frozen=True)
class Slide:
    """A heading, and what stands below it as HTML."""

    heading: str
    body: str


def slides_of(notebook: Any) -> list[Slide]:
    """The slides of an executed chapter, in the order of its page; the first has its title and its question."""
    values = glued_values(notebook)
    slides: list[Slide] = []
    heading = ""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            text = _GLUED.sub(lambda match: values.get(match[1], "–"), cell.source)
            for found, part in _sections(text, heading):
                heading = found
                if not slides:
                    slides.append(Slide(heading, f"<p>{marked_up(_first_paragraph(part))}</p>"))
                elif heading in LISTS and (points := _points(part)):
                    slides.append(Slide(heading, f"<ul>{points}</ul>"))
                slides += [Slide(heading, body) for body in _diagrams(part)]
        elif cell.cell_type == "code":
            slides += [Slide(heading, body) for body in _figures(cell)]
    return slides


def glued_values(notebook: Any) -> dict[str, str]:
    """The values that cells have pasted into the text, by their names."""
    found = {}
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            name = output.get("metadata", {}).get("scrapbook", {}).get("name")
            text = output.get("data", {}).get("application/papermill.record/text/plain")
            if name and text is not None:
                found[str(name)] = str(text).strip("'\"")
    return found


def marked_up(text: str) -> str:
    """HTML of a line of MyST: roles become their text; code, emphasis and links stay, of links the text."""
    text = _ROLE.sub(lambda match: match[1] or match[2], text)
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", html.escape(text, quote=False))
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(_code(part) if part.startswith("`") else _emphasis(part) for part in parts).replace("\n", " ")


def _code(part: str) -> str:
    return f"<code>{part.strip('`')}</code>"


def _emphasis(part: str) -> str:
    part = re.sub(r"\*\*([^*]+)\*\*", r"<strong>\1</strong>", part)
    return re.sub(r"\*([^*\s][^*]*)\*", r"<em>\1</em>", part)


def _sections(text: str, heading: str) -> Iterator[tuple[str, str]]:
    """Headings and the text below each; the first text may go on under the heading of an earlier cell."""
    part: list[str] = []
    for line in text.split("\n"):
        if match := _HEADING.match(line):
            if any(part):
                yield heading, "\n".join(part).strip()
            heading, part = match[2], []
        else:
            part.append(line)
    yield heading, "\n".join(part).strip()


def _first_paragraph(part: str) -> str:
    return part.split("\n\n")[0]


def _points(part: str) -> str:
    found = (_POINT.match(line) for line in part.split("\n"))
    return "".join(f"<li>{marked_up(match[1])}</li>" for match in found if match)


def _diagrams(part: str) -> Iterator[str]:
    for name, caption in _DIAGRAM.findall(part):
        yield _figure(DIAGRAMS[name]().markup(f"slide-{name}"), caption.strip())


def _figures(cell: Any) -> Iterator[str]:
    shown = cell.metadata.get("mystnb", {})
    caption = str(shown.get("figure", {}).get("caption", "")).strip()
    alt = html.escape(str(shown.get("image", {}).get("alt", "")))
    for output in cell.get("outputs", []):
        data = output.get("data", {})
        kind = next((kind for kind in _IMAGES if kind in data), None)
        if kind == "image/png" and caption:
            source = "".join(data[kind].split())
            yield _figure(f'<img alt="{alt}" src="data:image/png;base64,{source}">', caption)
        elif kind and caption:
            yield _figure(data[kind], caption)


def _figure(drawn: str, caption: str) -> str:
    return f"<figure>{drawn}<figcaption>{marked_up(caption)}</figcaption></figure>"


def page(title: str, slides: Iterable[Slide], style: str = STYLE) -> str:
    """A page of slides that stands alone."""
    sections = "\n".join(_section(title, number, slide) for number, slide in enumerate(slides, 1))
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{style}</style></head>\n'
        f"<body>\n{sections}\n<script>{SCRIPT}</script></body></html>\n"
    )


def _section(title: str, number: int, slide: Slide) -> str:
    heading = f"h{1 if number == 1 else 2}"
    return (
        f'<section id="slide-{number}"><{heading}>{marked_up(slide.heading)}</{heading}>{slide.body}'
        f"<footer>{html.escape(title)} · {number}</footer></section>"
    )


def make_slides(notebooks: Iterable[Path], folder: Path = FOLDER) -> Path:
    """Write a page for each executed chapter and one that lists them; return that."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    style = STYLE + (BOOK / "_static" / "diagrams.css").read_text(encoding="utf-8")
    rows = []
    for path in sorted(notebooks):
        slides = slides_of(nbformat.read(path, as_version=4))
        title = slides[0].heading
        (folder / f"{path.stem}.html").write_text(page(title, slides, style), encoding="utf-8")
        rows.append(f'<li><a href="{path.stem}.html">{html.escape(title)}</a>, {len(slides)} slides</li>')
    index = folder / "index.html"
    listed = Slide("ELMo from the inside: slides", f"<ul>{''.join(rows)}</ul>")
    index.write_text(page("ELMo from the inside", [listed], style), encoding="utf-8")
    return index


def main() -> int:
    """Make the slides of all executed chapters."""
    index = make_slides(BOOK.glob("[0-9][0-9]_*.ipynb"))
    print(f"slides: {index.relative_to(REPOSITORY)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
