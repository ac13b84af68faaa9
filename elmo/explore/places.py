"""Vectors of many numbers laid out in two dimensions, for plots."""

from __future__ import annotations

import numpy as np

from elmo.checks import optional_module
from elmo.errors import InputError
from elmo.system.types import Vectors


def tsne_places(points: Vectors, *, seed: int = 0, perplexity: float | None = None) -> tuple[Vectors, float]:
    """Lay vectors [n, dim] out by t-SNE on their cosines: their places [n, 2], and the perplexity that was used.

    van der Maaten and Hinton 2008, "Visualizing data using t-SNE". An illustration, not evidence.

    Args:
        perplexity: how many neighbours a point has, roughly; by default 30, or a third of fewer than 90 points.

    Raises:
        InputError: fewer than 4 points, all points equal, a perplexity of n or more, or no scikit-learn.
    """
    vectors = np.asarray(points)
    size = len(vectors)
    if size < 4:
        raise InputError(f"t-SNE of {size} points shows nothing: give 4 or more")
    if np.ptp(vectors, axis=0).max() <= 1e-6 * np.abs(vectors).max():
        raise InputError("all points are the same, and t-SNE would draw noise: score them instead")
    if perplexity is None:
        perplexity = max(2.0, min(30.0, size / 3))
    if not 1 <= perplexity < size:
        raise InputError(f"perplexity is {perplexity:g} for {size} points: give 1 or more, and less than {size}")
    manifold = optional_module("sklearn.manifold", "t-SNE")
    tsne = manifold.TSNE(metric="cosine", init="random", perplexity=perplexity, random_state=seed)
    return np.asarray(tsne.fit_transform(vectors)), perplexity


def principal_components(points: Vectors) -> Vectors:
    """The first two principal components [n, 2]; in each, the largest number is positive."""
    centred = points - points.mean(axis=0)
    left, sizes, _ = np.linalg.svd(centred.astype(np.float64), full_matrices=False)
    places = np.zeros((len(points), 2))
    places[:, : min(2, len(sizes))] = (left * sizes)[:, :2]
    signs = np.sign(places[np.abs(places).argmax(axis=0), [0, 1]])
    return np.asarray(places * np.where(signs == 0, 1, signs))
