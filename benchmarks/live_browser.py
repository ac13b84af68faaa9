"""How quick the page "ELMo live" is in a headless Chromium."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from book.tools.look import Browser

_READY = """new MutationObserver((_, observer) => {
  if (!document.querySelector(".guesses")) return;
  window.readyAt = performance.now();
  observer.disconnect();
}).observe(document, { childList: true, subtree: true });"""
_WAIT = """(async () => {
  while (!window.readyAt) await new Promise((resolve) => setTimeout(resolve, 20));
  return window.readyAt;
})()"""
_TYPE = """(async () => {
  const field = document.querySelector("textarea"), lists = document.querySelector(".lists");
  const start = performance.now();
  field.value = TEXT;
  field.dispatchEvent(new Event("input", { bubbles: true }));
  await new Promise((resolve) => new MutationObserver(resolve).observe(lists, { childList: true }));
  return performance.now() - start;
})()"""


async def page_times(browser: Browser, page: Path, texts: Sequence[str], slower: int = 1) -> dict[str, float]:
    """Milliseconds until the page has its first guesses, and, as a median, from typing a sentence to its guesses.

    Args:
        browser: a running one.
        page: index.html of an export.
        texts: sentences of about twenty words.
        slower: how many times slower than this machine; Chromium slows only a page, so that there is no worker then.
    """
    target = (await browser.call("Target.createTarget", url="about:blank"))["targetId"]
    session = (await browser.call("Target.attachToTarget", targetId=target, flatten=True))["sessionId"]
    await browser.call("Page.enable", session)
    before = _READY + ("delete window.Worker;" if slower > 1 else "")
    await browser.call("Page.addScriptToEvaluateOnNewDocument", session, source=before)
    if slower > 1:
        await browser.call("Emulation.setCPUThrottlingRate", session, rate=slower)
    await browser.call("Page.navigate", session, url=page.as_uri())

    async def evaluate(expression: str) -> float:
        found: dict[str, Any] = await browser.call(
            "Runtime.evaluate", session, expression=expression, awaitPromise=True, returnByValue=True
        )
        return float(found["result"]["value"])

    ready = await evaluate(_WAIT)
    typed = [await evaluate(_TYPE.replace("TEXT", json.dumps(text))) for text in texts]
    await browser.call("Target.closeTarget", targetId=target)
    return {"ready": ready, "typed": statistics.median(typed)}
