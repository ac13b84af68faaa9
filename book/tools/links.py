"""Links within the built book that lead nowhere: a file that is not there, or a place that its page has not."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class _Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.places: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "a" and values.get("href"):
            self.links.append(values["href"] or "")
        self.places += [value for key in ("id", "name") if (value := values.get(key)) and (key == "id" or tag == "a")]


def faulty_links(html: Path) -> list[str]:
    """One line for each link of the book's own pages that leads nowhere, and for each id that a page has twice."""
    pages = {path: _Page(path.read_text(encoding="utf-8")) for path in own_pages(html)}
    faults = []
    for path, page in pages.items():
        name = path.relative_to(html).as_posix()
        twice = sorted({place for place in page.places if page.places.count(place) > 1})
        faults += [f"{name}: has the id {place!r} more than once" for place in twice]
        for link in dict.fromkeys(page.links):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            place = unquote(parts.fragment)  # one with "=" is for the page's script
            if not target.is_file():
                faults.append(f"{name}: {link!r} leads to no file")
            elif place and "=" not in place and target in pages and place not in pages[target].places:
                faults.append(f"{name}: {link!r} leads to no place in its page")
    return faults


def own_pages(html: Path) -> list[Path]:
    """The pages of the built book, without templates that the theme has left beside its scripts."""
    html = html.resolve()
    return [path for path in sorted(html.rglob("*.html")) if "_static" not in path.relative_to(html).parts]
