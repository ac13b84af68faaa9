"""`python -m book.tools.pdf`: the built book as one PDF, with numbered pages, contents and an outline.

The articles of all pages are joined in the order of _toc.yml into one page, which a headless Chromium prints; links
between pages become links within the book. What needs a screen is left out, with a line that says where it is. It is
printed twice: the first time tells on which page a chapter begins, for the contents. No network is needed.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import html
import re
import sys
from pathlib import Path, PurePosixPath

import yaml
from bs4 import BeautifulSoup, Tag

from book.tools import REPOSITORY
from book.tools.build import BUILT
from book.tools.head import citation
from book.tools.look import Browser, find_browser

NAME = "elmo-from-the-inside.pdf"
_JOINED = "joined-for-paper.htm"  # beside the pages, so that what they load is found; no page of the book; removed
_LIVE = "On the book’s page, a model answers here in the browser: see “ELMo live”."
_HOVER = "On the book’s page, this plot can be pointed at."
_SCREEN_ONLY = "a.headerlink, script, noscript, details.hide, .toctree-wrapper, .tableofcontents-wrapper, button"
_ADDRESSES = re.compile(r"^(?:[a-z]+:|//|data:)")  # of elsewhere
_FOOTER = (
    '<div style="width:100%;margin:0 18mm;font:8pt sans-serif;color:#555;display:flex;justify-content:space-between">'
    '<span>{title}</span><span class="pageNumber"></span></div>'
)


def reading_order(toc: Path) -> list[str]:
    """Names of all pages, as _toc.yml has them."""
    contents = yaml.safe_load(toc.read_text(encoding="utf-8"))
    chapters = [chapter for part in contents["parts"] for chapter in part["chapters"]]
    return [
        contents["root"],
        *(page["file"] for chapter in chapters for page in (chapter, *chapter.get("sections", []))),
    ]


def article(text: str, page: str, pages: set[str]) -> Tag:
    """A built page's article as paper can hold it, with names and links that are good in the joined book."""
    found = BeautifulSoup(text, "html.parser").select_one("article.bd-article")
    if found is None:
        raise ValueError(f"{page}: there is no article in the built page")
    for element in found.select(_SCREEN_ONLY):
        element.decompose()
    for kind, line in ((".elmo-live", _LIVE), (".hover-plot", _HOVER)):
        for element in found.select(kind):
            replace(element, line)
    for element in found.select("details"):
        element["open"] = ""
    rename(found, page, pages)
    found["class"] = "bd-article sheet"
    found["id"] = anchor(page)
    return found


def replace(element: Tag, line: str) -> None:
    """Put a line of text in the place of an element."""
    note = BeautifulSoup(f'<p class="paper-note">{html.escape(line)}</p>', "html.parser")
    element.replace_with(note)


def anchor(page: str, name: str = "") -> str:
    """What a page, or a place in it, is called in the joined book."""
    return f"{PurePosixPath(page).name}--{name}" if name else PurePosixPath(page).name


def rename(found: Tag, page: str, pages: set[str]) -> None:
    """Make names that two pages may share a page's own, and links between pages links within the joined book."""
    for attribute in ("id", "for", "name", "aria-labelledby", "aria-describedby"):
        for element in found.select(f"[{attribute}]"):
            value = element[attribute]
            names = value if isinstance(value, list) else value.split()
            element[attribute] = " ".join(anchor(page, name) for name in names)
    folder = PurePosixPath(page).parent
    for element in found.select("a[href]"):
        address = str(element["href"])
        path, _, name = address.partition("#")
        target = (folder / path).with_suffix("").as_posix() if path else page
        if not _ADDRESSES.match(address) and target in pages:
            element["href"] = f"#{anchor(target, name)}"


def joined(folder: Path, order: list[str], begins: dict[str, int]) -> str:
    """The whole book as one page: title, contents with the page on which each chapter begins, articles."""
    present = [page for page in order if (folder / f"{page}.html").is_file()]
    texts = {page: (folder / f"{page}.html").read_text(encoding="utf-8") for page in present}
    articles = [article(texts[page], page, set(present)) for page in present]
    head = BeautifulSoup(texts[present[0]], "html.parser").head
    if head is None:
        raise ValueError(f"{present[0]}: the built page has no head")
    kept = [str(link) for link in head.select('link[rel="stylesheet"]')]
    kept += [str(script) for script in head.select("script") if "mathjax" in str(script).lower()]
    entries = "".join(_entry(part, begins) for part in articles[1:])
    fields = citation()
    title, _, subtitle = fields["title"].partition(":")
    authors = ", ".join(author["name"] for author in fields["authors"])
    return (
        '<!DOCTYPE html><html lang="en" data-theme="light"><head><meta charset="utf-8">'
        f"<title>{html.escape(title)}</title>{''.join(kept)}</head>"
        '<body class="paper"><div class="bd-content"><div class="bd-article-container">'
        f'<section class="cover"><p class="cover-title">{html.escape(title)}</p>'
        f'<p class="cover-subtitle">{html.escape(subtitle.strip().capitalize())}</p>'
        f"<p>{html.escape(authors)}</p><p>Version {fields['version']}, licence {fields['license']}</p></section>"
        f'<nav class="paper-contents"><p class="paper-contents-title">Contents</p><ol>{entries}</ol></nav>'
        f"{''.join(map(str, articles))}</div></div></body></html>"
    )


def _entry(part: Tag, begins: dict[str, int]) -> str:
    heading = part.find("h1")
    text = heading.get_text(" ", strip=True) if heading else str(part["id"])
    name = str(part["id"])
    return f'<li><a href="#{name}">{html.escape(text)}</a><span>{begins.get(name, "")}</span></li>'


async def print_page(page: Path, browser: Browser, title: str) -> bytes:
    """The PDF of a page, when its formulas are set and its fonts are there."""
    target = (await browser.call("Target.createTarget", url="about:blank"))["targetId"]
    session = (await browser.call("Target.attachToTarget", targetId=target, flatten=True))["sessionId"]
    for part in ("Page", "Runtime"):
        await browser.call(f"{part}.enable", session)
    browser.take_events()
    await browser.call("Page.navigate", session, url=page.as_uri())
    await browser.event("Page.loadEventFired")
    ready = "(async () => { await window.MathJax?.startup?.promise; await document.fonts.ready; })()"
    await browser.call("Runtime.evaluate", session, expression=ready, awaitPromise=True)
    printed = await browser.call(
        "Page.printToPDF",
        session,
        displayHeaderFooter=True,
        headerTemplate="<span></span>",
        footerTemplate=_FOOTER.format(title=html.escape(title)),
        printBackground=True,
        preferCSSPageSize=True,
        generateTaggedPDF=True,
        generateDocumentOutline=True,
    )
    await browser.call("Target.closeTarget", targetId=target)
    return base64.b64decode(printed["data"])


def first_pages(pdf: bytes, names: list[str]) -> dict[str, int]:
    """Numbers of the pages on which named places stand, counted from 1, by the names that the PDF's links lead to."""
    objects = {int(number): body for number, body in re.findall(rb"(\d+) 0 obj\s*(.*?)endobj", pdf, re.DOTALL)}
    numbers: dict[int, int] = {}
    root = next((body for body in objects.values() if re.search(rb"/Type\s*/Catalog", body)), b"")
    _count_pages(objects, _reference(root, b"Pages"), numbers)
    found = {}
    for name in names:
        place = re.search(rb"/" + re.escape(name.encode()) + rb"\s*\[\s*(\d+) 0 R", pdf)
        if place and int(place.group(1)) in numbers:
            found[name] = numbers[int(place.group(1))]
    return found


def _reference(body: bytes, key: bytes) -> int:
    found = re.search(rb"/" + key + rb"\s+(\d+) 0 R", body)
    return int(found.group(1)) if found else -1


def _count_pages(objects: dict[int, bytes], node: int, numbers: dict[int, int]) -> None:
    """Number the leaves of the PDF's tree of pages."""
    kids = re.search(rb"/Kids\s*\[(.*?)\]", objects.get(node, b""), re.DOTALL)
    if kids is None:
        numbers[node] = len(numbers) + 1
        return
    for kid in re.findall(rb"(\d+) 0 R", kids.group(1)):
        _count_pages(objects, int(kid), numbers)


async def make_pdf(folder: Path, order: list[str], browser_path: str) -> bytes:
    """Print the built book, twice: the second time its contents have page numbers."""
    title = citation()["title"].split(":")[0]
    page = folder / PurePosixPath(order[0]).parent / _JOINED
    begins: dict[str, int] = {}
    pdf = b""
    try:
        async with Browser.started(browser_path) as browser:
            for _ in range(2):
                page.write_text(joined(folder, order, begins), encoding="utf-8")
                pdf = await print_page(page.resolve(), browser, title)
                begins = first_pages(pdf, [anchor(name) for name in order])
    finally:
        page.unlink(missing_ok=True)
    return pdf


def main(arguments: list[str] | None = None) -> int:
    """Write the PDF, and say where it is."""
    parser = argparse.ArgumentParser(prog="python -m book.tools.pdf", description=__doc__)
    parser.add_argument("--html", type=Path, default=BUILT / "html", help="the built book (default: _build/html)")
    parser.add_argument("--output", type=Path, default=BUILT / "pdf" / NAME, help="the PDF to write")
    options = parser.parse_args(arguments)
    browser = find_browser()
    order = reading_order(REPOSITORY / "_toc.yml")
    if browser is None:
        print("The PDF is printed by chromium or chrome, and there is neither: install one.", file=sys.stderr)
        return 2
    if not (options.html / f"{order[0]}.html").is_file():
        print(f"There is no built book in {options.html}: run `make book`.", file=sys.stderr)
        return 2
    print("Printing the book ...", flush=True)
    pdf = asyncio.run(make_pdf(options.html, order, browser))
    options.output.parent.mkdir(parents=True, exist_ok=True)
    building = options.output.with_name(f"{options.output.name}.part")
    building.write_bytes(pdf)
    building.rename(options.output)
    print(f"Wrote {options.output} ({len(pdf) / 1e6:.1f} MB).")
    return 0


if __name__ == "__main__":
    sys.exit(main())
