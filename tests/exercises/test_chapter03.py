"""Checkers of chapter 3: typical mistakes are named. Solutions and starting points are in `test_pages.py`."""

from __future__ import annotations

from collections import Counter
from math import exp, log, log10

import pytest

from tests.exercises.pages import run
from tests.exercises.wrong_answers import assert_named


def route(body: str) -> tuple[str, str]:
    return "3.3", f"def route_score(words, counts, total):\n    return {body}"


def covered(body: str) -> tuple[str, str]:
    return "3.4", f"def coverage(train, test, size):\n    common = top(train, size)\n    return {body}"


def matched(ends: str) -> tuple[str, str]:
    return "3.5", (
        "def longest_match(text, words):\n    cut, i = [], 0\n    while i < len(text):\n"
        f"        e = next((e for e in {ends} if text[i:e] in words), i + 1)\n"
        "        cut.append(text[i:e])\n        i = e\n    return cut"
    )


FROM_THE_RIGHT = """
def longest_match(text, words):
    cut, end = [], len(text)
    while end:
        begin = next((i for i in range(end) if text[i:end] in words), end - 1)
        cut.insert(0, text[begin:end])
        end = begin
    return cut
"""
ONLY_WORDS = """
def longest_match(text, words):
    cut, i = [], 0
    while i < len(text):
        e = next((e for e in range(len(text), i, -1) if text[i:e] in words), None)
        if e:
            cut.append(text[i:e])
        i = e or i + 1
    return cut
"""
WRONG = [
    (*route("sum(log(counts.get(w, 1)) for w in words)"), "lacks the total"),
    (*route("sum(log(counts.get(w, 1)) for w in words) - log(total)"), "once for the route"),
    (*route("exp(sum(log(counts.get(w, 1) / total) for w in words))"), "the probability itself"),
    (*route("sum(log10(counts.get(w, 1) / total) for w in words)"), "base 10"),
    (*route("sum(counts.get(w, 1) / total for w in words)"), "add probabilities"),
    (*route("sum(log(counts[w] / total) for w in words if w in counts)"), "unknown word costs nothing"),
    (*route("sum(log(counts[w] / total) for w in words)"), "raises KeyError"),
    (*route("-sum(log(counts.get(w, 1) / total) for w in words)"), "wrong sign"),
    (*covered("sum(w in common for w in sorted(set(test))) / len(set(test))"), "different words"),
    (*covered("sum(w in common for w in train) / len(train)"), "the training text itself"),
    (*covered("sum(w in top(test, size) for w in test) / len(test)"), "commonest of the test"),
    (*covered("sum(w in set(train) for w in test) / len(test)"), "all words of train"),
    (*covered("sum(w not in common for w in test) / len(test)"), "not covered"),
    (*covered("sum(w in common for w in test)"), "a number of tokens"),
    (*covered("100 * sum(w in common for w in test) / len(test)"), "per cent"),
    (*matched("range(i + 1, len(text) + 1)"), "shortest word"),
    (*matched("[]"), "every character is a word of its own"),
    ("3.5", FROM_THE_RIGHT, "from the right"),
    ("3.5", ONLY_WORDS, "no character may be lost"),
    ("3.5", "def longest_match(text, words):\n    return text", "not a list of words"),
]
HELPERS = {
    **{"log": log, "log10": log10, "exp": exp},
    "top": lambda words, size: {word for word, _ in Counter(words).most_common(size)},
}


@pytest.mark.parametrize(("number", "code", "finding"), WRONG)
def test_a_typical_mistake_is_named(number: str, code: str, finding: str) -> None:
    name = code.strip().removeprefix("def ").split("(")[0]
    assert_named(number, run(code, name, HELPERS), finding)
