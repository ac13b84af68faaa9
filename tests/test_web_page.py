"""The page "ELMo live" in a headless Chromium: types, points, reads, and fails in one line."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("tornado", reason="the browser needs the extra `book`")

from book.tools.live import MODEL, SENSES, WORD_VECTORS
from book.tools.look import Browser, console_errors, find_browser
from elmo.web.export import MODEL_FILE, export_web

pytestmark = [pytest.mark.slow, pytest.mark.skipif(find_browser() is None, reason="there is no chromium or chrome")]

PATIENCE = 60  # seconds: a busy machine is slow, and how fast a page is, is measured elsewhere
VIEWS = ("guesses", "senses", "substitutes", "inside", "compare")
LISTS = (
    "[...document.querySelectorAll('.guesses')]"
    ".map((list) => [...list.querySelectorAll('.guess')].map((guess) => guess.textContent))"
)
WORDS = "[...document.querySelectorAll('.word')].map((each) => each.textContent)"
CHOSEN = "document.querySelector('.word[aria-pressed=true]')?.textContent"
MESSAGE = "document.querySelector('.message').textContent"


class Page:
    """A page in a browser, and what it has asked for."""

    def __init__(self, browser: Browser, session: str) -> None:
        self.browser, self.session = browser, session
        self.events: list[dict[str, Any]] = []

    async def evaluate(self, expression: str) -> Any:
        found = await self.browser.call(
            "Runtime.evaluate", self.session, expression=expression, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    async def until(self, expression: str) -> Any:
        """Wait until an expression is true, and return it."""
        for _ in range(PATIENCE * 20):
            if value := await self.evaluate(expression):
                return value
            await asyncio.sleep(0.05)
        raise AssertionError(f"never true: {expression}; the page says {await self.evaluate(MESSAGE)!r}")

    async def type(self, text: str) -> None:
        """Put the text into the field as if typed."""
        await self.evaluate(
            f"(() => {{ const field = document.querySelector('textarea'); field.value = {json.dumps(text)};"
            " field.dispatchEvent(new Event('input', { bubbles: true })); })()"
        )

    async def click(self, selector: str) -> None:
        await self.evaluate(f"document.querySelector({json.dumps(selector)}).click()")

    async def press(self, key: str) -> None:
        for kind in ("keyDown", "keyUp"):
            await self.browser.call("Input.dispatchKeyEvent", self.session, type=kind, key=key, code=key)

    async def point(self, selector: str) -> None:
        """Move the mouse onto an element."""
        box = await self.evaluate(
            f"(() => {{ const node = document.querySelector({json.dumps(selector)}); node.scrollIntoView();"
            " const box = node.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
        await self.browser.call("Input.dispatchMouseEvent", self.session, type="mouseMoved", x=box[0], y=box[1])

    def faults(self) -> list[str]:
        """Errors of the console, and addresses outside the disk that were asked for."""
        self.events += self.browser.take_events()
        asked = [
            event["params"]["request"]["url"]
            for event in self.events
            if event.get("method") == "Network.requestWillBeSent"
        ]
        return [
            *console_errors(self.events),
            *(url for url in asked if not url.startswith(("file:", "blob:", "data:"))),
        ]


@asynccontextmanager
async def opened(path: Path, fragment: str = "", before: str = "", width: int = 1280) -> AsyncIterator[Page]:
    browser_path = find_browser()
    assert browser_path
    async with Browser.started(browser_path) as browser:
        target = (await browser.call("Target.createTarget", url="about:blank"))["targetId"]
        session = (await browser.call("Target.attachToTarget", targetId=target, flatten=True))["sessionId"]
        for part in ("Page", "Runtime", "Log", "Network"):
            await browser.call(f"{part}.enable", session)
        screen = {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": False}
        await browser.call("Emulation.setDeviceMetricsOverride", session, **screen)
        if before:
            await browser.call("Page.addScriptToEvaluateOnNewDocument", session, source=before)
        browser.take_events()
        await browser.call("Page.navigate", session, url=path.as_uri() + fragment)
        await browser.event("Page.loadEventFired")
        yield Page(browser, session)


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), 4 * PATIENCE))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("live") / "page"
    export_web(MODEL, folder, senses=SENSES, word_vectors=WORD_VECTORS)
    return folder


def test_a_reader_types_points_and_reads_and_nothing_leaves_the_page(folder: Path):
    async def test() -> None:
        async with opened(folder / "index.html") as page:
            first = await page.until(f"{LISTS}.length === 3 && {LISTS}")
            assert [len(words) for words in first] == [10, 10, 10]
            await page.type("小米发布了新手机。")
            await page.until(f"{WORDS}.join(' ') === '小米 发布 了 新手机 。'")
            await page.point(".word:nth-child(4)")
            await page.until(f"{CHOSEN} === '新手机'")
            await page.until("document.querySelector('.rank').textContent.startsWith('新手机 has rank')")
            assert await page.evaluate(LISTS) != first
            assert page.faults() == []

    run(test)


def test_every_view_answers_in_both_languages_and_on_a_telephone(folder: Path):
    answers = {
        "guesses": ".guesses ol",
        "senses": ".votes",
        "substitutes": ".columns li",
        "inside": ".steps",
        "compare": ".votes",
    }

    async def test() -> None:
        async with opened(folder / "index.html", "#s=我买了1斤苹果。&lang=zh", width=390) as page:
            assert await page.until(f"{CHOSEN} === '苹果'")
            assert await page.evaluate("document.querySelector('.elmo-live').lang") == "zh-Hans"
            for number, view in enumerate(VIEWS, 1):
                await page.click(f"[role=tab]:nth-child({number})")
                await page.until(f"!!document.querySelector('.panel {answers[view]}')")
                width = await page.evaluate("document.scrollingElement.scrollWidth")
                assert width <= 390, view
            assert await page.evaluate("document.querySelector('[role=tab]').textContent") == "两个模型猜词"
            assert page.faults() == []

    run(test)


def test_the_map_names_what_is_near_and_the_star_moves_with_the_sentence(folder: Path):
    star = "document.querySelector('.map .star')?.style.transform"

    async def test() -> None:
        async with opened(folder / "index.html", "#s=我买了1斤苹果。&view=senses") as page:
            before = await page.until(star)
            text = await page.evaluate("document.querySelector('.map').getAttribute('aria-label')")
            assert text.startswith("Map of") and "fruit" in text
            mix = "[...document.querySelectorAll('.sliders label')].map((each) => each.innerText.replace(/\\s+/g, ' '))"
            assert await page.evaluate(mix) == ["Layer 0 0%", "Layer 1 0%", "Layer 2 0%", "Expected words 100%"]
            still = await page.evaluate("document.querySelector('.map.one').innerHTML")
            await page.type("苹果发布了新手机。")
            await page.until(f"{star} !== {json.dumps(before)}")
            assert await page.evaluate("document.querySelector('.map.one').innerHTML") == still  # word2vec
            moved = await page.evaluate(star)
            await page.evaluate(
                "(() => { const slider = document.querySelector('input[type=range]'); slider.value = 100;"
                " slider.dispatchEvent(new Event('input')); })()"
            )
            await page.until(f"{star} !== {json.dumps(moved)}")
            assert page.faults() == []

    run(test)


def test_words_tabs_and_boundaries_work_by_keyboard(folder: Path):
    async def test() -> None:
        async with opened(folder / "index.html", "#s=小米发布了新手机。&w=0") as page:
            await page.until(f"{CHOSEN} === '小米'")
            await page.evaluate("document.querySelector('.word').focus()")
            await page.press("ArrowRight")
            await page.until(f"{CHOSEN} === '发布'")
            await page.press("End")
            await page.until(f"{CHOSEN} === '。'")
            await page.evaluate("document.querySelector('[role=tab]').focus()")
            await page.press("ArrowRight")
            assert await page.evaluate("document.activeElement.textContent") == "Which sense?"
            await page.click(".tools button")
            await page.until("document.querySelectorAll('.seam').length === 8")
            await page.evaluate("document.querySelector('.seam').focus()")
            assert await page.evaluate("document.activeElement.ariaLabel") == "Cut after 小"
            await page.evaluate("document.activeElement.click()")
            await page.until("document.querySelectorAll('.seam.open').length === 5")
            await page.click(".tools button")
            await page.until(f"{WORDS}.join(' ') === '小 米 发布 了 新手机 。'")
            assert page.faults() == []

    run(test)


def test_html_that_is_typed_is_shown_as_text(folder: Path):
    evil = "<img src=x onerror='window.struck = 1'><script>window.struck = 1</script>苹果"

    async def test() -> None:
        async with opened(folder / "index.html") as page:
            await page.until(f"{LISTS}.length")
            await page.type(evil)
            await page.until(f"{WORDS}.includes('script')")
            for number in range(1, len(VIEWS) + 1):
                await page.click(f"[role=tab]:nth-child({number})")
                await asyncio.sleep(0.3)
            assert await page.evaluate("[window.struck, document.querySelectorAll('.elmo-live img').length]") == [
                None,
                0,
            ]
            assert page.faults() == []

    run(test)


def test_nothing_and_far_too_much_are_answered_in_a_line(folder: Path):
    async def test() -> None:
        async with opened(folder / "index.html") as page:
            await page.until(f"{LISTS}.length")
            await page.type("  ")
            await page.until(f"{MESSAGE}.startsWith('Type a sentence')")
            assert await page.evaluate("document.querySelector('.panel').hidden")
            await page.type("喜歡😀 Ω " + "我吃苹果，" * 125)  # 500 words and more
            await page.until(f"{MESSAGE} === 'The page reads only the first 200 words.'")
            assert await page.evaluate(f"{WORDS}.length") == 200
            assert page.faults() == []

    run(test)


@pytest.mark.parametrize(
    "without",
    [
        "delete window.Worker",
        "window.Worker = class { constructor() { throw new Error('not from the disk'); } }",
        "delete window.WebAssembly; delete window.Worker",
        "Object.defineProperty(window, 'localStorage', { get() { throw new Error('switched off'); } })",
    ],
)
def test_the_page_does_without_what_a_browser_may_refuse(folder: Path, without: str):
    async def test() -> None:
        async with opened(folder / "index.html", before=without) as page:
            lists = await page.until(f"{LISTS}.length === 3 && {LISTS}")
            assert len(lists[0]) == 10
            await page.click(".language")
            await page.until("document.querySelector('.guesses h4').textContent === '从左读'")
            assert page.faults() == []

    run(test)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda file: file.unlink(), "can't be read"),
        (lambda file: file.write_bytes(file.read_bytes()[:100_000]), "is damaged or cut off"),
        (lambda file: file.write_text(file.read_text()[:-1000] + '"};'), "is damaged or cut off"),
        (lambda file: file.write_text(""), "is damaged or cut off"),
    ],
)
def test_weights_that_are_missing_or_cut_off_give_a_line_that_says_what_to_do(
    folder: Path, tmp_path: Path, damage: Callable[[Path], object], message: str
):
    shutil.copytree(folder, tmp_path / "page")
    damage(tmp_path / "page" / MODEL_FILE)

    async def test() -> None:
        async with opened(tmp_path / "page/index.html") as page:
            said = await page.until(f"document.querySelector('.failed') && {MESSAGE}")
            assert message in said and MODEL_FILE in said and "again" in said and "\n" not in said

    run(test)


def test_the_small_form_reads_the_model_only_when_it_is_touched(folder: Path, tmp_path: Path):
    shutil.copytree(folder, tmp_path / "page")
    front = tmp_path / "page/index.html"
    small = '<div class="elmo-live" data-small data-more="live.html" data-sentence="小米发布了新手机。">'
    front.write_text(front.read_text().replace('<div class="elmo-live">', small))

    async def test() -> None:
        async with opened(front) as page:
            await page.until(f"{MESSAGE}.startsWith('Type a sentence or choose')")
            assert not [event for event in page.browser.take_events() if MODEL_FILE in json.dumps(event)]
            await page.click(".chip:nth-of-type(2)")
            assert [len(words) for words in await page.until(f"{LISTS}.length === 3 && {LISTS}")] == [5, 5, 5]
            assert await page.evaluate("document.querySelector('.more a').getAttribute('href')") == "live.html"
            assert page.faults() == []

    run(test)
