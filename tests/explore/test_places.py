"""Two dimensions keep the largest spread; t-SNE says what it cannot lay out."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from elmo.errors import InputError
from elmo.explore.places import principal_components, tsne_places


def test_principal_components_keep_the_largest_spread_and_do_not_flip():
    points = np.random.default_rng(0).normal(size=(50, 5)) * [1, 9, 1, 4, 1] + 7
    places = principal_components(points)
    np.testing.assert_allclose(places.std(axis=0), [9, 4], rtol=0.3)  # the spread of 50 points is known to 10%
    np.testing.assert_allclose(np.abs(places), np.abs(principal_components(-points)), atol=1e-9)
    assert (places.max(axis=0) >= -places.min(axis=0)).all()
    assert principal_components(np.ones((3, 4))).tolist() == [[0, 0]] * 3


def test_tsne_gives_each_vector_a_place_and_says_its_perplexity():
    pytest.importorskip("sklearn", reason="t-SNE needs the extra `book`")
    places, perplexity = tsne_places(np.random.default_rng(0).normal(size=(12, 5)))
    assert places.shape == (12, 2) and perplexity == 4


def test_tsne_of_equal_vectors_is_refused():
    with pytest.raises(InputError, match="all points are the same"):
        tsne_places(np.ones((6, 3)))


def test_tsne_without_scikit_learn_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    monkeypatch.setitem(sys.modules, "sklearn.manifold", None)
    with pytest.raises(InputError, match=r"^t-SNE needs scikit-learn, which .*: pip install scikit-learn$"):
        tsne_places(np.eye(5))
