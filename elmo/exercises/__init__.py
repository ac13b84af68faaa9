'''Checkers for the book's exercises: `check("4.2", my_step)` says in words what is right or wrong with an answer.

How to add a chapter's checkers: write `elmo/exercises/chapterNN.py`, a function for each exercise, found by its number.

    from elmo.exercises.harness.checking import Answer, Mistake, exercise

    @exercise("4.9")
    def double(answer: Answer, generator: np.random.Generator) -> None:
        """`double(x)`: x [n] doubled."""
        x = generator.normal(size=3)
        value = answer.array(x, shape=[3])           # calls the reader's function; None, NaN, wrong shapes become words
        answer.compare(value, package_function(x), [  # what is right, then wrong variants that are recognised
            Mistake(x * x, "your result is x squared", "2 * x, not x ** 2"),
        ])

A checker returns when the answer is right, and calls `answer.wrong(message, hint)`, which raises, when it is not; most
call only `answer.array`, `answer.number` or `answer.call` and then `answer.compare`, which do so themselves. The
docstring's first line shows how the function is called, and is quoted to a reader who calls it otherwise. The
generator has a fixed seed, so a page shows the same words in each run. Choose inputs for which every mistake gives
another result than the right answer (clips that are reached, sizes that differ). Import the package's functions at the
top of the chapter's module: it is imported when one of its exercises is checked.

The reader's function runs in `answer.call` only, under a guard (`guard.py`), and what it returns arrives as plain data
(`plain.py`): whatever it does, the check ends with a sentence. So a checker never calls, iterates over or compares what
a reader has made; `answer.items` gives the things in a list. `tests/exercises/harness` tries all that readers
write, and worse, with every registered checker.

A page that checks answers imports its module in a hidden cell (`import elmo.exercises.chapter04`), so that the page
counts as stale when its checkers change. `tests/exercises/pages.py` finds starting points and solutions in the page.
'''

from __future__ import annotations

from elmo.exercises.harness.checking import Result, check

__all__ = ["Result", "check"]
