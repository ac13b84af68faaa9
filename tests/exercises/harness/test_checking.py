"""What every checker can say: who is right, what came back instead of an answer, and where an exception arose."""

from __future__ import annotations

import numpy as np
import pytest

from elmo.exercises import Result, check
from elmo.exercises.harness.checking import Answer, Mistake, WrongAnswerError, exercise, known_exercises


@exercise("99.1")
def double(answer: Answer, generator: np.random.Generator) -> None:
    """`double(x)`: x [3] doubled."""
    x = generator.normal(size=3)
    value = answer.array(x, shape=[3])
    answer.compare(value, 2 * x, [Mistake(x * x, "your result is x squared", "2 * x, not x ** 2")])


def told(answer: object) -> str:
    result = check("99.1", answer)
    assert not result
    return f"{result.message} | {result.hint}"


def no_return(x):
    x * 2


def raises_deep(x):
    return [element / (element - element) for element in x.tolist()]


def changes_its_argument(x):
    x *= 2
    return x


def test_a_right_answer_is_true_and_says_so():
    result = check("99.1", lambda x: x + x)
    assert result and repr(result) == "✓ 99.1 right."


def test_a_known_mistake_is_told_with_its_hint():
    result = check("99.1", lambda x: x**2)
    assert repr(result) == "✗ 99.1 your result is x squared. Where to look: 2 * x, not x ** 2."


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (no_return, "returns nothing"),
        (lambda x: ..., "returns the dots"),
        (lambda x: "two", "is text, and numbers are asked for"),
        (lambda x: [[1], [2, 3]], "whose rows differ in length"),
        (lambda x: 2 * x[:2], "has the shape [2], and [3] is asked for"),
        (lambda x: 2 * x[None], "only axes of length 1 differ"),
        (lambda x: x * np.nan, "holds NaN"),
        (lambda x: x / np.zeros(3), "holds infinity"),
        (lambda x: -2 * x, "has the wrong sign"),
        (lambda x: x * 0, "is 0 everywhere"),
        (lambda x: x * 6, "is 3 times what it should be"),
        (lambda x: 2 * x + 1, "is +1 off, the same everywhere"),
        (lambda x: np.where([True, True, False], 2 * x, x), "agrees in 2 of 3 places; at [2] it is"),
        (lambda x, y: x, "does not take the 1 arguments | it is called as `double(x)`"),
        (np.ones(3), "a function is asked for, and this is an array of shape [3]"),
        (changes_its_argument, "changes an array that it was given"),
    ],
)
def test_what_came_back_is_told_in_words(answer: object, words: str):
    given, _, hint = words.partition(" | ")
    assert given in told(answer) and hint in told(answer)


def test_an_exception_is_told_with_the_readers_own_line():
    line = raises_deep.__code__.co_firstlineno + 1
    assert told(raises_deep).startswith(
        f"your function raises ZeroDivisionError: float division by zero, in line {line}, `return [element / "
    )


def test_a_paddle_tensor_is_as_good_as_an_array():
    from elmo.runtime import paddle

    assert check("99.1", lambda x: paddle.to_tensor(2 * x))


def test_an_unknown_number_names_the_known_ones_in_one_line():
    result = check("4.99", lambda x: x)
    assert not result and "\n" not in repr(result)
    assert "4.2, 4.3" in result.message and "5.2" in result.message
    assert known_exercises().index("4.2") < known_exercises().index("5.2") < known_exercises().index("99.1")


def test_a_number_without_quotes_is_asked_for_in_quotes():
    assert 'check("4.2", ...)' in check(4.2, lambda x: x).message  # type: ignore[arg-type]


def test_a_notebook_shows_one_paragraph_with_code_in_its_own_face():
    shown = Result("4.2", False, "your `a < b` is wrong", "is it `b < a`?")._repr_html_()
    assert shown.startswith("<p>") and "<code>a &lt; b</code>" in shown and shown.endswith("<code>b &lt; a</code>?</p>")


def test_the_same_inputs_are_drawn_in_each_run():
    drawn = []
    for _ in range(2):
        check("99.1", lambda x: drawn.append(x))
    assert np.array_equal(drawn[0], drawn[1])


def test_findings_end_a_check():
    with pytest.raises(WrongAnswerError, match="too long"):
        Answer(None, double).wrong("too long")
