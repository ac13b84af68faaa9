"""What a browser reports becomes faults; a page that is right has none."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

pytest.importorskip("tornado", reason="the browser needs the extra `book`")

from book.tools.look import console_errors, find_browser, look

PAGE = (
    '<!doctype html><html><head><meta charset="utf-8"><title>苹果</title></head><body style="margin:0">{}</body></html>'
)


def test_only_errors_of_the_console_count():
    events = [
        {"method": "Runtime.consoleAPICalled", "params": {"type": "log", "args": [{"value": "7 buttons"}]}},
        {"method": "Runtime.consoleAPICalled", "params": {"type": "error", "args": [{"value": "no mode"}]}},
        {"method": "Runtime.exceptionThrown", "params": {"exceptionDetails": {"text": "Uncaught TypeError"}}},
        {"method": "Log.entryAdded", "params": {"entry": {"level": "error", "text": "not found", "url": "a.js"}}},
        {"method": "Log.entryAdded", "params": {"entry": {"level": "info", "text": "preloaded"}}},
        {"method": "Page.loadEventFired", "params": {}},
    ]
    assert list(console_errors(events)) == [
        "console: no mode",
        "console: Uncaught TypeError",
        "console: not found a.js",
    ]


@pytest.mark.skipif(find_browser() is None, reason="there is no chromium or chrome")
def test_a_browser_finds_what_is_too_wide_and_what_fails(tmp_path: Path):
    bodies = {
        "good": '<div style="overflow-x:auto"><div style="width:900px">.</div></div>',
        "wide": '<div class="table" style="width:500px">.</div>',
        "failing": "<script>nothing.at.all()</script>",
        "missing": '<script src="nowhere.js"></script>',
        "undrawn": '<div class="hover-plot"></div>',
        "small": '<svg class="diagram" viewBox="0 0 780 20" width="390"><text y="15" font-size="12">Z</text></svg>',
    }
    pages = [tmp_path / f"{name}.html" for name in bodies]
    for page, body in zip(pages, bodies.values(), strict=True):
        page.write_text(PAGE.format(body), encoding="utf-8")

    async def found() -> dict[str, list[str]]:
        browser = find_browser()
        assert browser
        return {page.stem: faults async for page, faults in look(pages, browser, 200)}

    faults = asyncio.run(found())
    assert faults["good"] == []
    assert faults["wide"] == ["is 500 pixels wide on a screen of 390: div.table"]
    assert len(faults["failing"]) == 1 and "ReferenceError: nothing is not defined" in faults["failing"][0]
    assert len(faults["missing"]) == 1 and "nowhere.js" in faults["missing"][0]
    assert faults["undrawn"] == ["a plot is not drawn"]
    assert faults["small"] == ["a diagram has a text of 6.0 pixels: Z"]
