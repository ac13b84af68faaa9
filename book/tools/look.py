"""`python -m book.tools.look`: every page of the built book, as a headless Chromium shows it on a telephone.

A fault is what the console reports as an error, what is wider than the screen, a plot that is not drawn, a text of a
plot that leaves the screen when its dot is touched, and one of a diagram with less than 9 pixels. Needs chromium or
chrome, and no network; CI does not run it.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tornado.websocket import WebSocketClientConnection, websocket_connect

from book.tools.build import BUILT
from book.tools.links import faulty_links, own_pages

WIDTH = 390  # pixels of a telephone
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync", "--disable-quic"),
    *("--disable-background-networking", "--disable-component-update", "--remote-debugging-port=0"),
    *("--host-resolver-rules=MAP * ~NOTFOUND", "--allow-file-access-from-files"),
)

# What sticks out of the page on the right, and whether its plots answer within the screen.
_LOOK = """(async () => {
  const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, 1000 * seconds));
  const scrolls = (node) => /auto|scroll|hidden/.test(getComputedStyle(node).overflowX);
  const width = document.documentElement.clientWidth, wide = [], plots = [];
  await window.MathJax?.startup?.promise;
  await document.fonts.ready;
  if (document.scrollingElement.scrollWidth > width) {
    for (const node of document.querySelectorAll("body *")) {
      let parent = node.parentElement;
      while (parent && parent !== document.body && !scrolls(parent)) parent = parent.parentElement;
      if (parent === document.body && node.getBoundingClientRect().right > width + 1) {
        wide.push(`${node.tagName.toLowerCase()}.${node.className}`);
      }
    }
  }
  for (const plot of document.querySelectorAll(".hover-plot")) {
    plot.scrollIntoView();
    for (let tries = 0; tries < 100 && !plot.querySelector(".main-svg .points"); tries++) await pause(0.2);
    const stage = plot.querySelector(".js-plotly-plot");
    if (!stage) { plots.push("is not drawn"); continue; }
    for (const [curve, trace] of stage.data.entries()) {
      for (let point = 0; point < trace.x.length; point++) {
        Plotly.Fx.hover(stage, [{ curveNumber: curve, pointNumber: point }]);
        await pause(0.05);
        const label = stage.querySelector(".hovertext")?.getBoundingClientRect();
        const what = trace.text[point].replaceAll("<br>", " ");
        if (!label) plots.push(`does not answer at ${what}`);
        else if (label.left < 0 || label.right > width) plots.push(`shows off the screen: ${what}`);
      }
    }
  }
  const small = [];
  for (const drawing of document.querySelectorAll("svg.diagram")) {
    const scale = drawing.getBoundingClientRect().width / drawing.viewBox.baseVal.width;
    for (const text of drawing.querySelectorAll("text, tspan")) {
      const size = scale * parseFloat(getComputedStyle(text).fontSize);
      if (size < 9) small.push(`${size.toFixed(1)} pixels: ${text.textContent}`);
    }
  }
  return JSON.stringify({ screen: width, width: document.scrollingElement.scrollWidth, wide, plots, small });
})()"""


def find_browser() -> str | None:
    """Path of a Chromium or Chrome, or None."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


class Browser:
    """A running browser, spoken to by its DevTools protocol."""

    def __init__(self, connection: WebSocketClientConnection) -> None:
        self._connection = connection
        self._numbers = itertools.count(1)
        self._events: list[dict[str, Any]] = []

    @classmethod
    @asynccontextmanager
    async def started(cls, path: str) -> AsyncIterator[Browser]:
        """Start the browser, and end it afterwards."""
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            command = [path, *_OPTIONS, f"--user-data-dir={folder}", "about:blank"]
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            try:
                lines = process.stderr or ()
                address = next(filter(None, (re.search(r"DevTools listening on (\S+)", line) for line in lines)))
                yield cls(await websocket_connect(address.group(1), max_message_size=1 << 28))
            finally:
                process.kill()
                process.wait()

    async def call(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol and return its result; events that come first are kept."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters} | ({"sessionId": session} if session else {})
        await self._connection.write_message(json.dumps(message))
        while (answer := await self._read()).get("id") != number:
            self._events.append(answer)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        result: dict[str, Any] = answer["result"]
        return result

    async def event(self, method: str) -> None:
        """Wait for an event; the others are kept."""
        while not any(event.get("method") == method for event in self._events):
            self._events.append(await self._read())

    def take_events(self) -> list[dict[str, Any]]:
        """The events since the last time."""
        events, self._events = self._events, []
        return events

    async def _read(self) -> dict[str, Any]:
        text = await self._connection.read_message()
        if text is None:
            raise RuntimeError("the browser has ended")
        message: dict[str, Any] = json.loads(text)
        return message


async def faults_of(page: Path, browser: Browser, width: int = WIDTH) -> list[str]:
    """One line for each fault of a page."""
    target = (await browser.call("Target.createTarget", url="about:blank"))["targetId"]
    session = (await browser.call("Target.attachToTarget", targetId=target, flatten=True))["sessionId"]
    for part in ("Page", "Runtime", "Log"):
        await browser.call(f"{part}.enable", session)
    screen = {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": False}
    await browser.call("Emulation.setDeviceMetricsOverride", session, **screen)
    await browser.call("Emulation.setScrollbarsHidden", session, hidden=True)
    browser.take_events()
    await browser.call("Page.navigate", session, url=page.resolve().as_uri())
    await browser.event("Page.loadEventFired")
    result = await browser.call("Runtime.evaluate", session, expression=_LOOK, awaitPromise=True, returnByValue=True)
    errors = list(console_errors(browser.take_events()))
    await browser.call("Target.closeTarget", targetId=target)
    if "exceptionDetails" in result:
        return [*errors, f"cannot be looked at: {result['exceptionDetails']['exception'].get('description')}"]
    return [*errors, *_seen(json.loads(result["result"]["value"]))]


def console_errors(events: list[dict[str, Any]]) -> Iterator[str]:
    """Exceptions, errors that scripts have logged, and what could not be loaded."""
    for event in events:
        told = event.get("params", {})
        if event.get("method") == "Runtime.exceptionThrown":
            details = told["exceptionDetails"]
            yield f"console: {details.get('exception', {}).get('description') or details['text']}"
        elif event.get("method") == "Runtime.consoleAPICalled" and told["type"] in ("error", "assert"):
            yield "console: " + " ".join(str(part.get("value", part.get("description"))) for part in told["args"])
        elif event.get("method") == "Log.entryAdded" and told["entry"]["level"] == "error":
            yield f"console: {told['entry']['text']} {told['entry'].get('url', '')}".rstrip()


def _seen(found: dict[str, Any]) -> Iterator[str]:
    if found["width"] > found["screen"]:
        wide = ", ".join(dict.fromkeys(found["wide"][-3:])) or "where?"
        yield f"is {found['width']} pixels wide on a screen of {found['screen']}: {wide}"
    yield from (f"a plot {fault}" for fault in found["plots"])
    yield from (f"a diagram has a text of {text}" for text in found["small"])


async def look(pages: list[Path], path: str, seconds: float) -> AsyncIterator[tuple[Path, list[str]]]:
    """Each page with its faults."""
    async with Browser.started(path) as browser:
        for page in pages:
            try:
                yield page, await asyncio.wait_for(faults_of(page, browser), seconds)
            except TimeoutError:
                yield page, [f"took more than {seconds:.0f} s (--timeout allows more)"]


async def _print_faults(options: argparse.Namespace, pages: list[Path], path: str) -> int:
    faults = [] if options.only else faulty_links(options.html)
    async for page, found in look(pages, path, options.timeout):
        name = page.relative_to(options.html.resolve()).as_posix()
        print(f"{name}: {len(found) or 'no'} {'fault' if len(found) == 1 else 'faults'}", flush=True)
        faults += [f"{name}: {fault}" for fault in found]
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


def main(arguments: list[str] | None = None) -> int:
    """Look at all pages, or at those that are named, and say what is wrong."""
    parser = argparse.ArgumentParser(prog="python -m book.tools.look", description=__doc__)
    parser.add_argument("--html", type=Path, default=BUILT / "html", help="the built book (default: _build/html)")
    parser.add_argument("--only", action="append", metavar="NAME", help="this page (07_pingguo)")
    parser.add_argument("--timeout", type=float, default=120, metavar="SECONDS", help="for one page (default: 120)")
    options = parser.parse_args(arguments)
    pages = [page for page in own_pages(options.html) if 'http-equiv="Refresh"' not in page.read_text(encoding="utf-8")]
    if options.only:
        pages = [page for page in pages if page.stem in options.only]
    path = find_browser()
    if path is None or not pages:
        missing = "no chromium or chrome" if path is None else f"no such page in {options.html}: run `make book`"
        print(f"There is {missing}.", file=sys.stderr)
        return 2
    return asyncio.run(_print_faults(options, pages, path))


if __name__ == "__main__":
    sys.exit(main())
