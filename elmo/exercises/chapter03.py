"""Checkers of chapter 3, from documents to words: the score of a route, coverage, and longest matching."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from math import exp, log, log10
from typing import Any

import numpy as np

from elmo.exercises.harness.checking import Answer, Mistake, exercise
from elmo.exercises.harness.plain import cut_line, kind_of

_COUNTS = {"他": 400, "把": 100, "球": 6, "球拍": 2, "拍": 7, "拍卖": 1, "卖": 8, "了": 900, "光": 3}
_TOTAL = 20_000


@exercise("3.3")
def route_score(answer: Answer, generator: np.random.Generator) -> None:
    """`route_score(words, counts, total)`: log-probability of a list of words, unknown ones counted as seen once."""
    routes = [text.split() for text in ("他 把 球拍 卖 了", "他 把 球 拍卖 了", "他 把 乒乓球 卖 光 了")]
    value = np.array([answer.number(route, _COUNTS, _TOTAL) for route in routes])

    def scores(count_of: Any) -> list[float]:
        return [sum(count_of(word) for word in route) for route in routes]

    def share(word: str) -> float:
        return _COUNTS.get(word, 1) / _TOTAL

    right = scores(lambda word: log(share(word)))
    answer.compare(
        value,
        right,
        [
            Mistake(
                scores(lambda word: log(_COUNTS.get(word, 1))),
                "your result lacks the total: a count is no probability yet",
                "log(count) - log(total) for each word",
            ),
            Mistake(
                scores(lambda word: log(_COUNTS.get(word, 1))) - np.log(_TOTAL),
                "you subtract log(total) once for the route",
                "every word has its own probability, so the total is subtracted once a word",
            ),
            Mistake(
                [exp(score) for score in right],
                "your result is the probability itself",
                "the sum of logarithms is asked for; a product of many small numbers becomes 0",
            ),
            Mistake(
                scores(lambda word: log10(share(word))),
                "your logarithm has base 10",
                "the book's logarithms are natural ones: math.log",
            ),
            Mistake(
                np.array(right) / log(2),
                "your logarithm has base 2",
                "the book's logarithms are natural ones: math.log",
            ),
            Mistake(
                [score / len(route) for score, route in zip(right, routes, strict=True)],
                "you take the mean over the words",
                "the sum: a route's probability is the product of its words'",
            ),
            Mistake(
                scores(lambda word: log((_COUNTS.get(word, 0) + 1) / _TOTAL)),
                "you add 1 to every count",
                "counts.get(word, 1): only an unknown word counts as seen once",
            ),
            Mistake(scores(share), "you add probabilities", "add their logarithms"),
            Mistake(
                scores(lambda word: log(share(word)) if word in _COUNTS else 0.0),
                "an unknown word costs nothing in your result",
                "counts.get(word, 1): as if it had been seen once",
            ),
            Mistake([-score for score in right], "your result has the wrong sign", "a probability is below 1"),
        ],
    )


@exercise("3.4")
def coverage(answer: Answer, generator: np.random.Generator) -> None:
    """`coverage(train, test, size)`: share of the test's tokens that are among the `size` commonest words of train."""
    train = _draw_words(generator, 400, "天地人山水火木金土日月星风雨雪")
    test = _draw_words(generator, 300, "天地人山水火木金土日月星云雷电海")
    size = 4
    value = answer.number(train, test, size)
    common = {word for word, _ in Counter(train).most_common(size)}
    right = _share(test, common)
    answer.compare(
        np.asarray(value),
        right,
        [
            Mistake(
                _share(sorted(set(test)), common),
                "your result is the share of the test's different words",
                "a word that stands there ten times counts ten times: go through all tokens of test",
            ),
            Mistake(
                _share(train, common),
                "your result is the coverage of the training text itself",
                "the words come from train, and the tokens that are counted come from test",
            ),
            Mistake(
                _share(test, {word for word, _ in Counter(test).most_common(size)}),
                "your words are the commonest of the test, which nobody has seen when the vocabulary is made",
                "Counter(train).most_common(size)",
            ),
            Mistake(
                _share(test, set(train)),
                "your vocabulary holds all words of train",
                "only the `size` commonest are in it",
            ),
            Mistake(_share(test, set(train[:size])), "you take the first words of train", "the commonest are wanted"),
            Mistake(
                right * len(test) / len(train),
                "you divide by the number of tokens of train",
                "a share of the test's tokens: divide by len(test)",
            ),
            Mistake(
                0.0,
                "no token of test is in your vocabulary",
                "most_common gives pairs (word, count): {word for word, _ in ...}",
            ),
            Mistake(
                _share(test, {word for word, _ in Counter(train).most_common()[-size:]}),
                "your words are the rarest of train",
                "most_common(size) begins with the commonest",
            ),
            Mistake(1 - right, "your result is the share that is not covered", "1 minus yours"),
            Mistake(100 * right, "your result is in per cent", "a share lies between 0 and 1"),
            Mistake(right * len(test), "your result is a number of tokens", "divide by the number of tokens of test"),
        ],
    )


@exercise("3.5")
def longest_match(answer: Answer, generator: np.random.Generator) -> None:
    """`longest_match(text, words)`: cut a text from the left into the longest words of a set, or else characters."""
    words = {"羽毛", "羽毛球", "球拍", "拍卖", "卖", "毛球", "完", "卖完", "羽"}
    texts = ("羽毛球拍卖完", "球拍卖完了", "她在卖羽毛球")
    cuts = []
    for text in texts:
        value = answer.call(text, words)
        if value is None or value is Ellipsis:
            answer.wrong("your function returns nothing yet", "its last line returns the list of words")
        cut = answer.items(value, "your result is not a list of words", 'such as ["羽毛球", "拍卖"]')
        if odd := [word for word in cut if not isinstance(word, str)]:
            answer.wrong(
                f"your result is not a list of words: it holds {kind_of(odd[0])}", 'such as ["羽毛球", "拍卖"]'
            )
        cuts.append(cut)
    from_right = [_match(text[::-1], {word[::-1] for word in words}, mirrored=True) for text in texts]
    if cuts == from_right:
        answer.wrong(f"you cut from the right: {' '.join(cuts[0])}", "begin with the first character")
    if cuts == [_match(text, {word for word in words if len(word) < 3}) for text in texts]:
        answer.wrong(
            f"your words have two characters at most: {' '.join(cuts[0])}",
            "a word can be as long as the rest of the text: range(len(text), i, -1)",
        )
    for text, cut in zip(texts, cuts, strict=True):
        _compare_words(answer, text, cut, words)


def _compare_words(answer: Answer, text: str, value: list[str], words: Collection[str]) -> None:
    right = _match(text, words)
    if value == right:
        return
    shown, joined = cut_line(" ".join(value), 80) or "nothing", "".join(value)
    if joined != text and sorted(joined) == sorted(text):
        answer.wrong(f"your words stand in another order than in the text: {shown}", "append each where it is found")
    if joined != text:
        answer.wrong(
            f"of {text} your words make {cut_line(joined, 80) or 'nothing'}: no character may be lost or doubled",
            "a character that begins no word is a word of its own",
        )
    if "" in value:
        answer.wrong("one of your words is empty", "every turn of the loop must move on by one character at least")
    if value == _match(text, words, longest=False):
        answer.wrong(
            f"you take the shortest word that fits: {shown}", "try the longest end first: range(len(text), i, -1)"
        )
    if value == list(text):
        answer.wrong("every character is a word of its own in your result", "is text[i:end] looked up in words?")
    answer.wrong(
        f"of {text} you make {shown}, and {' '.join(right)} is right", "the longest word at each place, from the left"
    )


def _match(text: str, words: Collection[str], *, longest: bool = True, mirrored: bool = False) -> list[str]:
    cut, begin = [], 0
    while begin < len(text):
        ends = range(len(text), begin, -1) if longest else range(begin + 1, len(text) + 1)
        end = next((end for end in ends if text[begin:end] in words), begin + 1)
        cut.append(text[begin:end])
        begin = end
    return [word[::-1] for word in reversed(cut)] if mirrored else cut


def _share(tokens: Sequence[str], words: Collection[str]) -> float:
    return sum(token in words for token in tokens) / len(tokens)


def _draw_words(generator: np.random.Generator, count: int, alphabet: str) -> list[str]:
    """Tokens of falling probability; the order is mixed, so that train and test differ in their common words."""
    weights = 1 / np.arange(1, len(alphabet) + 1)
    mixed = generator.permutation(list(alphabet))
    return [str(word) for word in generator.choice(mixed, size=count, p=weights / weights.sum())]
