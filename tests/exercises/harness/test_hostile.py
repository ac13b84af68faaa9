"""Whatever an answer does, a check ends soon, with one sentence that helps, and calls nothing right that is wrong."""

from __future__ import annotations

import builtins
import importlib
import os
import re
import signal
import sys
import threading
import time
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elmo.exercises import Result, check
from elmo.exercises.harness import guard
from elmo.exercises.harness.checking import Answer, exercise, known_exercises
from elmo.exercises.harness.plain import MOST_ITEMS, plain
from tests.exercises import hostile, pages

pytestmark = [
    pytest.mark.filterwarnings("ignore:coroutine:RuntimeWarning"),  # made, and thrown away with the list around it
    pytest.mark.filterwarnings("ignore:the matrix subclass"),
]

NUMBERS = [number for number in known_exercises() if int(number.split(".")[0]) < 90]
NUMBER = st.sampled_from(NUMBERS)


@exercise("98.1")
def doubled(answer: Answer, generator: np.random.Generator) -> None:
    """`doubled(x)`: x [3] doubled."""
    answer.compare(answer.array(np.arange(3.0), shape=[3]), 2 * np.arange(3.0))


@exercise("98.2")
def faulty(answer: Answer, generator: np.random.Generator) -> None:
    """`faulty()`: its checker has a mistake."""
    answer.call()
    raise ZeroDivisionError("of the checker's own")


@pytest.fixture(autouse=True)
def short_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "TIME_LIMIT", 0.5)


def assert_helps(result: Result, what: str) -> None:
    """The finding is one sentence such as the others, with a hint; the checker itself has not failed."""
    for text in (result.message, result.hint):
        assert type(text) is str and 0 < len(text) <= 400 and text.isprintable(), (what, text)
        assert not text[0].isupper() and text == text.strip(), (what, text)
    assert "checker has failed" not in result.message, (what, result.message)
    assert "\n" not in repr(result) and "\x1b" not in result._repr_html_()


def assert_wrong(number: str, answer: Any, what: str) -> Result:
    result = check(number, answer)
    assert not result, what
    assert_helps(result, what)
    return result


def solution(number: str) -> Any:
    page = next(p.stem for p in pages.SOURCES.glob(f"{int(number.split('.')[0]):02d}_*.md"))
    return pages.run(pages.solutions(page)[number], pages.starting_points(page)[number][1])


@pytest.mark.slow
@pytest.mark.parametrize("number", NUMBERS)
def test_no_hostile_answer_escapes_or_is_right(number: str, capsys: pytest.CaptureFixture[str]) -> None:
    for what, answer in hostile.ANSWERS.items():
        assert_wrong(number, answer, what)
        out, err = capsys.readouterr()
        assert len(out) + len(err) < 2200, what  # 2000 characters, and a line that says so


@pytest.mark.parametrize("number", NUMBERS)
def test_no_value_in_place_of_a_function_escapes_or_is_right(number: str) -> None:
    """A part of the values for each exercise: all of them end in one line of `Answer`, before a checker sees them."""
    for what, make in list(hostile.GIVEN.items())[NUMBERS.index(number) % 6 :: 6]:
        assert_wrong(number, make(), what)


@pytest.mark.parametrize("number", NUMBERS)
def test_an_endless_loop_ends_in_every_exercise(number: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "TIME_LIMIT", 0.05)
    begin = time.monotonic()
    result = assert_wrong(number, hostile.ENDLESS["loops"], "loops")
    assert "has not ended after 0.05 s, in line " in result.message and "`" in result.message
    assert time.monotonic() - begin < 5  # generously: some checkers import a part of Paddle first


@pytest.mark.parametrize("what", hostile.ENDLESS)
def test_every_way_of_never_ending_ends(what: str) -> None:
    begin = time.monotonic()
    result = assert_wrong("98.1", hostile.ENDLESS[what], what)
    assert time.monotonic() - begin < 10
    assert "has not ended after 0.5 s" in result.message or "without end" in what
    assert sys.getrecursionlimit() > 500


@pytest.mark.parametrize("number", NUMBERS)
def test_a_solution_with_one_wrong_place_is_wrong(number: str) -> None:
    right = solution(number)
    for what, leaf in WRONG_LEAVES.items():
        assert_wrong(number, lambda *arguments: spoilt(right(*arguments), leaf), what)  # noqa: B023


WRONG_LEAVES: dict[str, Any] = {
    "everything": lambda _: hostile.Everything(),
    "sly text": lambda _: hostile.SlyText("x"),
    "sly number": lambda value: hostile.SlyNumber(1e9),
    "None": lambda _: None,
    "a function": lambda _: len,
    "NaN": lambda _: float("nan"),
    "infinity": lambda _: float("inf"),
    "one more": lambda value: f"{value}x" if isinstance(value, str) else value + 1,
    "a list": lambda value: [[value], []],
}


def spoilt(value: Any, leaf: Any) -> Any:
    """A result whose first number or text is another."""
    if isinstance(value, np.ndarray) and value.ndim > 0:
        value = list(value)
    if isinstance(value, list | tuple):
        return [spoilt(value[0], leaf), *value[1:]]
    return leaf(value)


@pytest.mark.parametrize("number", NUMBERS)
def test_a_solution_in_other_clothes_is_right(number: str) -> None:
    class Numbers(list):
        pass

    def dressed(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            return value.tolist()
        return Numbers(map(dressed, value)) if isinstance(value, list | tuple) else value

    right = solution(number)
    assert (result := check(number, lambda *arguments: dressed(right(*arguments)))), result


@pytest.mark.parametrize("number", NUMBERS)
def test_a_solution_that_changes_its_arguments_is_told_so(number: str) -> None:
    right, changed = solution(number), []

    def careless(*arguments: Any) -> Any:
        value = right(*arguments)
        for argument in arguments:
            changed.append(grown(argument))
        return value

    result = check(number, careless)
    assert bool(result) is not any(changed) and ("your function changes" in result.message) is any(changed)


def grown(value: Any) -> bool:
    """Whether a value could be changed, and was."""
    if isinstance(value, np.ndarray) and value.flags.writeable:
        value.flat[0] = not value.flat[0]
    elif isinstance(value, list):
        value.append(value[0])
    elif isinstance(value, dict):
        value.popitem()
    elif isinstance(value, set):
        value.clear()
    else:
        return False
    return True


LEAVES = st.sampled_from([*hostile.VALUES.values(), lambda: 0.5, lambda: "我们", lambda: 3, lambda: np.ones(2)])
TREES = st.recursive(
    LEAVES,
    lambda inner: st.tuples(
        st.sampled_from([list, tuple, iter, hostile.SlyList, lambda made: hostile._objects(*made)]),
        st.lists(inner, max_size=8),
    ).map(lambda pair: lambda: pair[0]([make() for make in pair[1]])),
    max_leaves=12,
)


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(number=NUMBER, make=TREES)
def test_trees_of_hostile_values_are_wrong_in_one_sentence(number: str, make: Any) -> None:
    assert_wrong(number, lambda *_: make(), "a tree")


@settings(max_examples=60, deadline=None)
@given(make=TREES)
def test_plain_data_is_small_and_equal_to_itself_only(make: Any) -> None:
    try:
        value = plain(make())
    except BaseException as error:  # what the values raise; the guard catches it
        assert type(error) in (SystemExit, ValueError, ZeroDivisionError, TypeError)
        return
    seen, left = 0, [value]
    while left:
        item = left.pop()
        seen += 1
        assert type(item).__module__ in ("builtins", "numpy", "elmo.exercises.harness.plain"), type(item)
        left += list(item) if isinstance(item, list | tuple | set) else []
    assert seen <= MOST_ITEMS + 20


def test_ctrl_c_passes_and_leaves_everything_as_it_was() -> None:
    def state() -> tuple[object, ...]:
        switches = sys.stdin, sys.stdout, sys.stderr, builtins.input, sys.getrecursionlimit()
        return (*switches, signal.getsignal(signal.SIGINT))

    before = state()
    with pytest.raises(KeyboardInterrupt):
        check("98.1", lambda *_: signal.raise_signal(signal.SIGINT))
    assert before == state()


def test_an_interrupt_that_an_answer_raises_itself_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    result = check("98.1", hostile._raises(KeyboardInterrupt()))
    assert not result and "raises KeyboardInterrupt" in result.message


@pytest.mark.parametrize("spoil", ["len", "modules", "numpy", "next", "re", "import", "finders", "zlib", "random"])
def test_what_nothing_goes_on_without_is_put_back(spoil: str) -> None:
    def answer(*_: object) -> int:
        if spoil == "modules":
            sys.modules.clear()
        elif spoil == "numpy":
            np.asarray = None
        elif spoil == "re":
            re.sub = re.fullmatch = re.compile = None
        elif spoil == "import":
            importlib.import_module = None
        elif spoil == "finders":
            sys.meta_path.clear()
        elif spoil == "zlib":
            zlib.crc32 = None
        elif spoil == "random":
            np.random.default_rng = None
        else:
            setattr(builtins, spoil, None)
        return 0

    before = np.asarray, len, next, sys.modules["numpy"], re.sub
    result = check("98.1", answer)
    assert not result and "has failed" not in result.message
    assert before == (np.asarray, len, next, sys.modules["numpy"], re.sub)
    assert "has failed" not in check("98.1", answer).message and sys.meta_path


@pytest.mark.timeout(60)
def test_a_limit_that_a_reader_lifts_ends_in_time() -> None:
    def answer(number: int = 0, *_: object) -> int:
        sys.setrecursionlimit(10**9)
        return answer(number + 1)

    begin, limit = time.monotonic(), sys.getrecursionlimit()
    result = check("98.1", answer)
    assert not result and "calls itself without end" in result.message
    assert time.monotonic() - begin < 30 and sys.getrecursionlimit() == limit


@pytest.mark.parametrize("removed", [False, True])
def test_an_answer_that_goes_elsewhere_is_brought_back(tmp_path: Path, removed: bool) -> None:
    def answer(*_: object) -> int:
        folder = tmp_path / "elsewhere"
        folder.mkdir()
        os.chdir(folder)
        if removed:
            folder.rmdir()
        return 0

    before = os.getcwd()
    check("98.1", answer)
    assert os.getcwd() == before


def test_a_checkers_own_mistake_is_not_the_readers() -> None:
    result = check("98.2", lambda: 1)
    assert not result and "this checker has failed (ZeroDivisionError: of the checker's own)" in result.message


def test_a_time_limit_that_was_set_before_goes_on() -> None:
    rang: list[int] = []
    handler = signal.signal(signal.SIGALRM, lambda *_: rang.append(1))
    timer = signal.setitimer(signal.ITIMER_REAL, 0.1)
    try:
        check("98.1", hostile._loops)  # for half a second
        for _ in range(100):
            time.sleep(0.01)
        assert rang
    finally:
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, *timer)


def test_where_nothing_can_be_ended_it_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    stop = threading.Event()

    def loops_until_told(_: Any) -> None:
        stop.wait()

    thread = threading.Thread(target=check, args=("98.1", loops_until_told))
    thread.start()
    said = ""
    for _ in range(500):
        said += capsys.readouterr().err
        if said:
            break
        time.sleep(0.01)
    stop.set()
    thread.join()
    assert "your function has not ended after 0.5 s" in said and "restart the kernel" in said


def test_all_calls_of_a_check_share_the_time() -> None:
    begin = time.monotonic()
    result = assert_wrong("2.5", lambda *_: time.sleep(0.2) or 0, "slow")
    assert "has not ended" in result.message and time.monotonic() - begin < 3


def test_a_check_in_an_answer_is_harmless() -> None:
    assert_wrong("98.1", lambda x: check("98.1", lambda x: check("98.1", hostile._loops)), "nested")

    def checks_itself(x: Any) -> Any:
        return check("98.1", checks_itself)

    assert_wrong("98.1", checks_itself, "checks itself")
    assert check("98.1", lambda x: 2 * x)


@pytest.mark.parametrize("number", [4.2, None, [], hostile.SlyText("4.2"), hostile.Everything(), "4.2\n", "９.9", ""])
def test_an_odd_number_of_an_exercise_is_told(number: Any) -> None:
    assert_helps(check(number, lambda x: x), "number")


def test_words_say_what_happened() -> None:
    said = {what: check("98.1", hostile.ANSWERS[what]) for what in SAID}
    for what, words in SAID.items():
        assert re.search(words, repr(said[what])), said[what]


SAID = {
    "exits": r"ends the whole program \(SystemExit: goodbye\), in line \d+, `sys.exit.*with return, not with exit",
    "asks for input": r"waits for somebody to type, in line \d+.* leave out input\(\)",
    "calls itself": r"calls itself without end, in line .* which case returns",
    "runs out of memory": r"asks for more memory than there is: ",
    "raises without text": r"raises NoTextError, in line ",
    "changes its arguments": r"changes an array that it was given",
    "returns a list that holds itself": r"is a list and holds a list that holds itself",
    "returns a function": r"is a function, and numbers are asked for.* brackets behind its name missing\?",
    "returns a generator": r"is a generator, and numbers are asked for.* np.array\(list",
    "returns a coroutine": r"is a coroutine, .* leave out async",
    "returns a complex number": r"a root of a negative number\?",
    "returns a generator that never ends": r"a generator that goes on after 100000 things",
    "returns a huge array": r"has the shape \[1000000000, 1000000000\], and \[3\] is asked for",
    "returns None in a list": r"is a list and holds None",
    "returns raises in __iter__": r"looking at what your function returns ends the whole program",
}
