r"""Stars with a good parallax: distances of Bailer-Jones et al. (2021, AJ 161, 147), classes from the model.

The distance is split normal, half of it on either side of the published median and with their 16 and 84 per
cent quantiles; what would lie at negative distances is cut off. The class follows from

.. math:: p(i | D) = p(i, D) / \sum_j p(j, D)

at that distance, evaluated there and not on a grid, which is too coarse for a narrow distribution.
"""

from typing import NamedTuple, Self

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float
from scipy.special import ndtr, ndtri

from galcen.catalogue.posterior import Data, Evaluator
from galcen.catalogue.sampling import QUANTILES, Summary
from galcen.galaxy.components import N_COMPONENT
from galcen.galaxy.model import Sightlines

MIN_PARALLAX_OVER_ERROR = 3.0
N_HALF = 48
"""Gauss-Legendre nodes in the probability of each half of the distance's distribution: class
probabilities are good to 1e-3, and to 7e-5 on average."""

_SCORE = float(ndtri(0.84))


class PublishedDistance(NamedTuple):
    """Median and 16 and 84 per cent quantile [pc] of each star; NaN without an entry."""

    low: Float[np.ndarray, " n_star"]
    median: Float[np.ndarray, " n_star"]
    high: Float[np.ndarray, " n_star"]

    def take(self, rows: np.ndarray) -> Self:
        """Some of the stars."""
        return type(self)(*(column[rows] for column in self))

    def cut(self) -> Float[np.ndarray, " n_star"]:
        """Probability of the uncut distribution below zero."""
        return ndtr(-_SCORE * self.median / (self.median - self.low))

    def at_uncut(self, p: Float[np.ndarray, "n_star n"]) -> Float[np.ndarray, "n_star n"]:
        """Distance [pc] that the uncut distribution has a probability `p` below."""
        score = ndtri(p) / _SCORE
        width = np.where(score < 0, (self.median - self.low)[:, None], (self.high - self.median)[:, None])
        return self.median[:, None] + score * width

    def quantile(self, p: Float[np.ndarray, "n_star n"]) -> Float[np.ndarray, "n_star n"]:
        """Distance [pc] with a probability `p` below; positive."""
        cut = self.cut()[:, None]
        # The smallest uniform number is 0.
        return np.maximum(self.at_uncut(np.clip(cut + p * (1 - cut), 1e-12, 1 - 1e-12)), 1.0)

    def below(self, dist: float) -> Float[np.ndarray, " n_star"]:
        """Probability of a smaller distance [pc]."""
        width = np.where(dist < self.median, self.median - self.low, self.high - self.median)
        cut = self.cut()
        return (ndtr(_SCORE * (dist - self.median) / width) - cut) / (1 - cut)


def is_usable(
    published: PublishedDistance, data: Data, ruwe: Float[np.ndarray, " n_star"], ruwe_limit: float
) -> Bool[np.ndarray, " n_star"]:
    """Stars with an entry in order, a RUWE within the limit and a parallax of at least three errors."""
    with np.errstate(invalid="ignore"):
        ordered = (
            (published.low > 0) & (published.low < published.median) & (published.median < published.high)
        )
        good = np.asarray(data.parallax * data.inverse_parallax_error) >= MIN_PARALLAX_OVER_ERROR
        return ordered & np.isfinite(published.high) & good & (ruwe <= ruwe_limit)


def infer_stars(
    evaluator: Evaluator,
    data: Data,
    line: Sightlines,
    class_index: int,
    published: PublishedDistance,
    uniform: Float[np.ndarray, "n_star 2 n_sample"],
) -> tuple[Summary, Float[np.ndarray, " n_star"]]:
    """Class probabilities, quantiles and draws of a batch of stars, and the smallest chi-square.

    Probabilities are averages of p(i | D) over the distance. The evidence is NaN: the published distance
    has the data in it already.
    """
    node, weight = _quadrature(published)
    drawn = published.quantile(uniform[:, 1])
    probability, chi2 = class_probability(
        evaluator, data, line, class_index, np.concatenate([node, drawn], axis=1)
    )
    n_node = node.shape[1]
    steps = np.cumsum(probability[:, :, n_node:], axis=0)
    comp = np.minimum((steps <= uniform[:, 0] * steps[-1]).sum(axis=0), N_COMPONENT - 1)
    n_star = len(node)
    summary = Summary(
        np.sum(probability[:, :, :n_node] * weight, axis=2),
        published.quantile(np.broadcast_to(QUANTILES, (n_star, 3))).T,
        np.full(n_star, np.nan),
        1.0 - published.below(0.95 * evaluator.options.dist_max),
        comp.T,
        drawn.T,
    )
    return summary, chi2[:, :n_node].min(axis=1)


def class_probability(
    evaluator: Evaluator,
    data: Data,
    line: Sightlines,
    class_index: int,
    dist: Float[np.ndarray, "n_star n_dist"],
) -> tuple[Float[np.ndarray, "12 n_star n_dist"], Float[np.ndarray, "n_star n_dist"]]:
    """p(i | D) at given distances [pc], and the photometric chi-square of the best model star there."""
    ln_p, chi2 = evaluator.at(data, line, class_index, dist)
    p = jnp.exp(ln_p - jnp.max(ln_p, axis=0))
    return np.asarray(p / jnp.sum(p, axis=0)), chi2


def _quadrature(
    published: PublishedDistance,
) -> tuple[Float[np.ndarray, "n_star n_node"], Float[np.ndarray, "n_star n_node"]]:
    """Distances [pc] and weights that average over the distribution; its halves meet in a kink."""
    x, w = np.polynomial.legendre.leggauss(N_HALF)
    x, w = 0.5 * (x + 1), 0.5 * w
    cut = published.cut()[:, None]
    lower = cut + (0.5 - cut) * x
    upper = np.broadcast_to(0.5 + 0.5 * x, lower.shape)
    p = np.concatenate([lower, upper], axis=1)
    weight = np.concatenate([(0.5 - cut) * w, np.broadcast_to(0.5 * w, lower.shape)], axis=1) / (1 - cut)
    return published.at_uncut(p), weight
