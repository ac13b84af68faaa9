"""Checkers of chapter 5, the biLM: its two reading directions, perplexity, and the sampled softmax."""

from __future__ import annotations

from typing import Any

import numpy as np

from elmo.exercises.harness.checking import Answer, Mistake, exercise
from elmo.exercises.harness.plain import cut_line, kind_of
from elmo.nn.softmax import LogUniformSampler, sampled_softmax_loss
from elmo.runtime import paddle
from elmo.system.types import Array
from elmo.text.vocabulary import BOS, EOS

_WORDS = ["我们", "在", "树", "下", "吃", "苹果", "。"]
_NAMES = ("forward inputs", "forward targets", "backward inputs", "backward targets")


@exercise("5.2")
def directions(answer: Answer, generator: np.random.Generator) -> None:
    """`directions(words)`: returns forward inputs, forward targets, backward inputs, backward targets."""
    words = [str(word) for word in generator.permutation(_WORDS)]
    value = answer.parts(words, names=_NAMES)
    for name, part, right in zip(_NAMES, value, both_directions(words), strict=True):
        tokens = answer.items(part, f"your {name} are no list of words", "[...] with a token at each place")
        if odd := [token for token in tokens if not isinstance(token, str)]:
            answer.wrong(f"your {name} hold {kind_of(odd[0])}, and each token is text", _WHERE[name])
        if tokens != right:
            shown = cut_line(" ".join(tokens), 80) or "empty"
            answer.wrong(f"your {name} are {shown}: {_what_differs(name, tokens, words)}", _WHERE[name])


_WHERE = {
    "forward inputs": f"{BOS} w1 ... wn",
    "forward targets": f"w1 ... wn {EOS}, the inputs moved by one place",
    "backward inputs": f"{EOS} wn ... w1",
    "backward targets": f"wn ... w1 {BOS}",
}


def both_directions(words: list[str]) -> tuple[list[str], list[str], list[str], list[str]]:
    """What `elmo.text.batches.Batch` holds of a sentence, as tokens."""
    ahead = [BOS, *words, EOS]
    behind = ahead[::-1]
    return ahead[:-1], ahead[1:], behind[:-1], behind[1:]


def _what_differs(name: str, tokens: list[Any], words: list[str]) -> str:
    """What is wrong with one of the four lists, whose words are given."""
    right = dict(zip(_NAMES, both_directions(words), strict=True))
    direction, kind = name.split()
    other = right[f"{'backward' if direction == 'forward' else 'forward'} {kind}"]
    partner = right[f"{direction} {'targets' if kind == 'inputs' else 'inputs'}"]
    is_backward = direction == "backward"
    own = words[::-1] if is_backward else words
    boundary = right[name][0] if kind == "inputs" else right[name][-1]
    swapped = EOS if boundary == BOS else BOS
    if tokens == other:
        return "they are those of the other direction"
    if tokens == partner:
        return f"they are not moved: what stands at a place of the {kind} belongs to the other list"
    if tokens == own:
        return f"the boundary {boundary} is missing"
    if tokens == ([swapped, *own] if kind == "inputs" else [*own, swapped]):
        verb = "starts" if kind == "inputs" else "ends"
        return f"{swapped} stands where {boundary} belongs, since this direction {verb} there"
    if set(tokens) == {BOS, EOS, *words}:
        return "both boundaries are in it, but each list has one"
    if is_backward and [token for token in tokens if token in words] == words:
        return "this direction reads from the end, so the words stand the other way round"
    if len(tokens) != len(words) + 1:
        return f"{len(words)} words make {len(words) + 1} predictions, since the boundary is predicted, too"
    return f"right is {' '.join(right[name])}"


@exercise("5.3")
def perplexity(answer: Answer, generator: np.random.Generator) -> None:
    """`perplexity(forward, backward)`: of the losses in nats of both directions, two arrays [n]."""
    forward, backward = generator.uniform(1, 6, size=(2, 8))
    value = answer.number(forward, backward)
    mean = (forward.mean() + backward.mean()) / 2
    both = np.concatenate([forward, backward])
    mistakes = [
        Mistake(
            (np.exp(forward.mean()) + np.exp(backward.mean())) / 2,
            "you took the mean of the two perplexities",
            "the mean of the losses first, one exp at the end",
        ),
        Mistake(np.exp(both).mean(), "you took the mean of exp(loss)", "the mean first, then exp"),
        Mistake(2**mean, "you took a power of 2", "the losses are in nats: the base is e, np.exp"),
        Mistake(10**mean, "you took a power of 10", "the losses are in nats: the base is e, np.exp"),
        Mistake(
            np.exp((forward.sum() + backward.sum()) / 2),
            "you added the losses up",
            "their mean: perplexity is per word",
        ),
        Mistake(mean, "this is the mean loss", "perplexity is exp of it"),
        Mistake(np.exp(-mean), "this is one divided by the perplexity", "a loss is -log p: it has its minus already"),
        Mistake(np.exp(forward.mean()), "you used the forward direction alone", "both directions count alike"),
        Mistake(np.exp(backward.mean()), "you used the backward direction alone", "both directions count alike"),
        Mistake(np.exp(forward.mean() + backward.mean()), "you added the two means", "half of each"),
    ]
    answer.compare(np.asarray(value), np.exp(mean), mistakes)


@exercise("5.4")
def log_uniform(answer: Answer, generator: np.random.Generator) -> None:
    """`log_uniform(ids, vocab_size)`: the probability of each id [n] in one draw."""
    size = int(generator.integers(50, 100))
    ids = generator.choice(size, 6, replace=False)
    value = answer.array(ids, size, shape=[6])
    right = LogUniformSampler(size, 1).probabilities[ids]
    logs = np.log((ids + 2) / (ids + 1))
    mistakes = [
        Mistake(logs, "your probabilities don't add up to 1", "divided by log(vocab_size + 1)"),
        Mistake(
            logs / np.log(size), "you divided by log(vocab_size)", "the quotients multiply to vocab_size + 1 in all"
        ),
        Mistake(np.full(6, 1 / size), "this is the uniform distribution", "frequent words have low ids"),
        Mistake(
            1 / (ids + 1) / (1 / np.arange(1, size + 1)).sum(),
            "this is Zipf's law itself, 1 / rank",
            "the log-uniform one is a difference of logarithms, close to it",
        ),
        Mistake(
            np.log((ids + 3) / (ids + 2)) / np.log(size + 1), "your ids are moved by one", "the first id is 0, not 1"
        ),
        Mistake(
            np.log((ids + 1) / np.maximum(ids, 0.5)) / np.log(size + 1),
            "your ids are moved by one",
            "log((id + 2) / (id + 1)): the first id is 0, and log(1 / 0) would be infinite",
        ),
        Mistake(logs / np.log(size + 2), "you divided by log(vocab_size + 2)", "the last id is vocab_size - 1"),
        Mistake(
            logs / logs.sum(),
            "you divided by the sum over the ids that were given",
            "all words of the vocabulary add up to 1: log(vocab_size + 1)",
        ),
        Mistake(
            np.log(ids + 1) / np.log(size + 1),
            "this is the probability of all ids below",
            "a difference: log(id + 2) - log(id + 1)",
        ),
        Mistake(
            np.log((ids + 1) / (ids + 2)) / np.log(size + 1),
            "your probabilities are negative",
            "log((id + 2) / (id + 1))",
        ),
        Mistake(
            np.log2((ids + 2) / (ids + 1)) / np.log(size + 1),
            "you mixed two logarithms",
            "the same base above and below",
        ),
    ]
    answer.compare(value, right, mistakes)


@exercise("5.5")
def sampled_loss(answer: Answer, generator: np.random.Generator) -> None:
    """`sampled_loss(features, labels, weight, bias, candidates, expected)`: the loss in nats of each row [n]."""
    size, dim, rows = 30, 4, 6
    sampler, seed = LogUniformSampler(size, 8), int(generator.integers(1 << 30))
    candidates, num_draws = sampler.draw(np.random.default_rng(seed))
    expected = sampler.expected_count(np.arange(size), num_draws).astype(np.float64)
    features, weight, bias = (generator.normal(size=shape) for shape in ((rows, dim), (size, dim), (size,)))
    others = np.setdiff1d(np.arange(size), candidates)
    labels = np.concatenate([candidates[:3], generator.choice(others, rows - 3, replace=False)])
    value = answer.array(features, labels, weight, bias, candidates, expected, shape=[rows])
    tensors = [paddle.to_tensor(array.astype(np.float32)) for array in (features, weight, bias)]
    right = sampled_softmax_loss(
        tensors[0], paddle.to_tensor(labels), tensors[1], tensors[2], sampler, np.random.default_rng(seed), False
    ).numpy()
    parts = (features, labels, weight, bias, candidates)
    corrected = -np.log(expected)
    mistakes = [
        Mistake(
            _sampled(*parts, 0 * expected, hits=True),
            "both repairs are missing: the correction, and the accidental hits",
            "subtract log(expected) from every logit; a row's own label is no candidate",
        ),
        Mistake(
            _sampled(*parts, 0 * expected),
            "your loss equals that without the correction",
            "subtract log(expected) from every logit, the label's too",
        ),
        Mistake(
            _sampled(*parts, -corrected),
            "your correction has the wrong sign",
            "what is drawn often must count less: minus log(expected)",
        ),
        Mistake(
            _sampled(*parts, corrected, hits=True),
            "you left the accidental hits in",
            "where a candidate is the row's own label, it must not count a second time",
        ),
        Mistake(
            _sampled(*parts, corrected, label=False),
            "you corrected the candidates, and not the label",
            "the label's logit gets its own -log(expected)",
        ),
        Mistake(
            _sampled(features, labels, weight, 0 * bias, candidates, corrected),
            "your loss equals that without the bias",
            "features @ weight.T + bias",
        ),
        Mistake(
            _sampled(*parts, -expected),
            "you subtracted the expected count and not its logarithm",
            "logits are logarithms: the correction is -log(expected)",
        ),
        Mistake(
            _sampled(*parts, corrected, denominator=False),
            "your label is missing from the sum below",
            "the sum of exp runs over the label and the candidates",
        ),
        Mistake(
            _sampled(features, labels, weight, bias, np.arange(size), 0 * expected),
            "this is the full softmax",
            "only the label and the candidates are looked at",
        ),
    ]
    answer.compare(value, right, mistakes)


def _sampled(
    features: Array,
    labels: Array,
    weight: Array,
    bias: Array,
    candidates: Array,
    correction: Array,
    *,
    hits: bool = False,
    label: bool = True,
    denominator: bool = True,
) -> Array:
    """The sampled loss with any correction [vocab]; the switches make its typical mistakes."""
    logits = features @ weight.T + bias
    corrected = logits + correction
    rows = np.arange(len(labels))
    own = (corrected if label else logits)[rows, labels]
    others = corrected[:, candidates]
    if not hits:
        others = np.where(candidates == labels[:, None], -np.inf, others)
    together = np.concatenate([own[:, None], others], axis=1) if denominator else others
    return np.asarray(np.log(np.exp(together).sum(axis=1)) - own)
