"""Every diagram can be read: well-formed, with an alt text, its letters large enough, inside, and on nothing else."""

from __future__ import annotations

import asyncio
import itertools
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

pytest.importorskip("myst_nb", reason="the book needs the extra `book`")

from book.tools import BOOK, REPOSITORY
from book.tools.diagrams import DIAGRAMS, labels, masking, walks
from book.tools.diagrams.__main__ import STYLE, write_diagram
from book.tools.diagrams.kit import LEAST_TEXT, WIDTH, Box, Drawing, Point
from book.tools.diagrams.walks import MOST_FRAMES, WALKS
from book.tools.look import Browser, find_browser

SVG = "{http://www.w3.org/2000/svg}"
NARROWEST = 342  # pixels that a figure has on a page 390 wide
PAGE = """# A page

{{numref}}`fig-cell` shows a cell.

```{{diagram}} {name}
:name: fig-cell
A *cell*, and what $c$ is.
```
"""


DRAWINGS = {
    **{name: draw() for name, draw in DIAGRAMS.items()},
    **{f"{name}-{frame.choice}": frame.drawing for name, walk in WALKS.items() for frame in walk().frames},
}


@pytest.fixture(params=DRAWINGS)
def drawing(request: pytest.FixtureRequest) -> Drawing:
    return DRAWINGS[request.param]


def overlap(first: Box, second: Box, slack: float = 1.5) -> bool:
    return (
        min(first.right, second.right) - max(first.left, second.left) > slack
        and min(first.bottom, second.bottom) - max(first.top, second.top) > slack
    )


def crosses(segment: tuple[Point, Point], box: Box, slack: float = 2.5) -> bool:
    """Whether a segment passes through a box that is made smaller by the slack."""
    (from_x, from_y), (to_x, to_y) = segment
    for share in (number / 40 for number in range(41)):
        x, y = from_x + share * (to_x - from_x), from_y + share * (to_y - from_y)
        if box.left + slack < x < box.right - slack and box.top + slack < y < box.bottom - slack:
            return True
    return False


def test_it_is_well_formed_and_says_what_it_shows(drawing: Drawing):
    root = ElementTree.fromstring(drawing.markup("one"))
    assert root.tag == f"{SVG}svg" and root.get("role") == "img"
    title, alt = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert title is not None and title.text and alt is not None and alt.text and len(alt.text) > 60
    assert root.get("aria-labelledby") == f"{title.get('id')} {alt.get('id')}"


def test_no_text_is_smaller_than_nine_pixels_on_a_telephone(drawing: Drawing):
    assert {label.text: label.least for label in drawing.labels if label.least < LEAST_TEXT - 1e-9} == {}
    assert LEAST_TEXT * NARROWEST / WIDTH > 9


def test_every_label_lies_inside(drawing: Drawing):
    outside = [
        label.text
        for label in drawing.labels
        if label.place.left < 0
        or label.place.right > WIDTH
        or label.place.top < 0
        or label.place.bottom > drawing.height
    ]
    assert outside == []


def test_no_label_lies_on_another(drawing: Drawing):
    pairs = itertools.combinations(drawing.labels, 2)
    assert [(one.text, other.text) for one, other in pairs if overlap(one.place, other.place)] == []


def test_no_line_crosses_a_label(drawing: Drawing):
    crossed = [
        (label.text, segment)
        for label in drawing.labels
        for segment in drawing.segments
        if crosses(segment, label.place)
    ]
    assert crossed == []


def test_colours_are_the_themes(drawing: Drawing):
    markup = drawing.markup("one")
    assert not re.search(r"#[0-9a-fA-F]{3,6}|rgb|style=", markup)


def test_every_diagram_that_a_page_names_is_drawn():
    for path in [*BOOK.glob("*.md"), *BOOK.glob("src/*.md")]:
        for kind, name in re.findall(r"^`{3,}\{(diagram|walk)\} (\S+)", path.read_text(encoding="utf-8"), re.MULTILINE):
            assert name in (DIAGRAMS if kind == "diagram" else WALKS), f"{path.name}: {kind} {name}"


def test_no_two_figures_of_drawings_have_one_name():
    pattern = re.compile(r"^`{3,}\{(?:diagram|walk)\} \S+\n:name: (\S+)", re.MULTILINE)
    sources = [*BOOK.glob("*.md"), *BOOK.glob("src/*.md")]
    names = [name for path in sources for name in pattern.findall(path.read_text(encoding="utf-8"))]
    assert sorted(names) == sorted(set(names)), "the strict build would warn of a duplicate label"


@pytest.mark.parametrize("name", WALKS)
def test_steps_can_be_chosen_by_keyboard_and_without_a_script(name: str):
    walk = WALKS[name]()
    markup = walk.markup(f"walk-{name}")
    buttons = re.findall(r'<input type="radio" name="([^"]+)" id="([^"]+)"', markup)
    assert {group for group, _ in buttons} == {f"walk-{name}"}
    assert [identifier for _, identifier in buttons] == re.findall(r'<label for="([^"]+)"', markup)
    assert len(buttons) == len(walk.frames) <= MOST_FRAMES
    assert markup.count('checked="checked"') == 1 and "<script" not in markup
    identifiers = re.findall(r'id="([^"]+)"', markup)
    assert len(identifiers) == len(set(identifiers))
    style = STYLE.read_text(encoding="utf-8")
    assert f"input:nth-of-type({MOST_FRAMES}):checked" in style and f"div:nth-of-type({MOST_FRAMES})" in style


def test_the_lattice_has_the_packages_best_path():
    from elmo.nn.crf import viterbi
    from elmo.nn.gru import Packing

    table = np.array([labels.START, labels.STOP, *labels.TRANSITIONS])
    path = viterbi(np.array(labels.EMISSIONS), table, Packing([len(labels.TOKENS)]))
    found = labels.viterbi()
    assert path.tolist() == found.path == [0, 1, 1]
    steps = sum(labels.TRANSITIONS[old][new] for old, new in itertools.pairwise(found.path))
    emissions = sum(row[label] for row, label in zip(labels.EMISSIONS, found.path, strict=True))
    assert found.score == pytest.approx(labels.START[0] + emissions + steps + labels.STOP[1])


def test_the_steps_of_attention_are_its_formula():
    queries, keys, values = map(np.array, (walks.QUERIES, walks.KEYS, walks.VALUES))
    scores = queries @ keys.T / np.sqrt(2)
    weights = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    for token, (row, shares, output) in enumerate(map(walks.attend, range(len(queries)))):
        np.testing.assert_allclose(row, scores[token])
        np.testing.assert_allclose(shares, weights[token])
        np.testing.assert_allclose(output, weights[token] @ values)


def test_what_is_masked_fits_the_budget_and_cuts_no_word():
    budget = round(0.15 * len(masking.SENTENCE))
    assert {len(hidden) for hidden in masking.HIDDEN.values()} == {budget}
    words = (*masking.FIRST_LINE, *masking.SECOND_LINE)
    for word, end in zip(words, itertools.accumulate(map(len, words)), strict=True):
        for stage in ("words", "entities"):
            hidden = [place for place in masking.HIDDEN[stage] if end - len(word) <= place < end]
            assert len(hidden) in (0, len(word)), word
            assert stage == "words" or word not in masking.ENTITIES or len(hidden) <= budget / 2


def test_a_diagram_stands_alone_in_both_themes(tmp_path: Path):
    light = write_diagram("lstmp-cell", tmp_path).read_text(encoding="utf-8")
    dark = write_diagram("lstmp-cell", tmp_path, "dark").read_text(encoding="utf-8")
    assert ElementTree.fromstring(light).find(f"{SVG}style") is not None and light != dark


def build_page(folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    """Build one page strictly, as the book is built."""
    folder.mkdir()
    (folder / "index.md").write_text(text, encoding="utf-8")
    (folder / "conf.py").write_text(
        f"import sys\nsys.path.insert(0, {str(REPOSITORY)!r})\n"
        "extensions = ['myst_nb', 'book.tools.diagrams.directive']\n"
        "myst_enable_extensions = ['dollarmath']\nnumfig = True\n"
        f"html_static_path = [{str(BOOK / '_static')!r}]\n",
        encoding="utf-8",
    )
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "-n", str(folder), str(folder / "html")]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_a_page_has_it_as_a_numbered_figure_that_can_be_referred_to(tmp_path: Path):
    done = build_page(tmp_path / "page", PAGE.format(name="lstmp-cell"))
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "page" / "html" / "index.html").read_text(encoding="utf-8")
    assert re.search(r'<figure class="[^"]*diagram-figure[^"]*" id="fig-cell">\s*<svg [^>]*viewBox', page)
    assert '<a class="reference internal" href="#fig-cell"><span class="std std-numref">Fig. 1</span></a>' in page
    assert '<span class="caption-number">Fig. 1 </span><span class="caption-text">A <em>cell</em>' in page


def test_a_name_that_nobody_has_drawn_is_a_warning_that_lists_the_others(tmp_path: Path):
    done = build_page(tmp_path / "page", PAGE.format(name="perpetuum-mobile"))
    assert done.returncode != 0
    assert "there is no diagram 'perpetuum-mobile': give one of" in done.stderr and "lstmp-cell" in done.stderr


@pytest.mark.skipif(find_browser() is None, reason="there is no chromium or chrome")
def test_the_arrow_keys_go_from_step_to_step_and_one_step_is_seen(tmp_path: Path):
    page = tmp_path / "page.html"
    walk = WALKS["attention"]()
    style = STYLE.read_text(encoding="utf-8")
    page.write_text(f"<meta charset=utf-8><style>{style}</style>{walk.markup('walk')}", encoding="utf-8")
    seen = (
        "[...document.querySelectorAll('.frames > div')].map((each) => getComputedStyle(each).visibility)"
        ".map((each, number) => each === 'visible' ? number : '').join('')"
    )

    async def look() -> list[str]:
        path = find_browser()
        assert path
        async with Browser.started(path) as browser:
            target = (await browser.call("Target.createTarget", url="about:blank"))["targetId"]
            session = (await browser.call("Target.attachToTarget", targetId=target, flatten=True))["sessionId"]
            await browser.call("Page.enable", session)
            await browser.call("Page.navigate", session, url=page.as_uri())
            await browser.event("Page.loadEventFired")

            async def evaluate(expression: str) -> str:
                found = await browser.call("Runtime.evaluate", session, expression=expression, returnByValue=True)
                return str(found["result"].get("value"))

            steps = [await evaluate(seen)]
            await evaluate("document.querySelector('input:checked').focus()")
            for _ in range(2):
                for kind in ("rawKeyDown", "keyUp"):
                    key = {"key": "ArrowRight", "code": "ArrowRight", "windowsVirtualKeyCode": 39}
                    await browser.call("Input.dispatchKeyEvent", session, type=kind, **key)
                steps.append(await evaluate(seen))
            return steps

    assert asyncio.run(look()) == [str(walk.first), str(walk.first + 1), str(walk.first + 2)]
