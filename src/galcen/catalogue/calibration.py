"""Are posteriors right as often as they say? Ranks, reliability curves and pulls of stars of known truth.

If stars are drawn from the prior, observed with the errors that the likelihood assumes and chosen by
their observed magnitudes alone, then the true distance has a uniform rank among draws from the posterior
(Cook, Gelman & Rubin 2006; Talts et al. 2018, arXiv:1804.06788), and of the stars to which a class is
given with probability p a part p belongs to it. Both hold in any bin of observed values, but not in bins
of true ones.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.stats import kstest, norm

from galcen.galaxy.components import COMPONENTS

EDGES = (0.0, 0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0)
"""Bins of a class probability."""
LEAST_EXPECTED, LEAST_VARIANCE = 10.0, 5.0
"""A bin with less expects too few stars for a normal pull."""
N_BIN = 4

Rows = Int[np.ndarray, " n"]


class Sample(NamedTuple):
    """Stars of known truth and what was inferred of them; what is missing is NaN."""

    mag: Float[np.ndarray, "3 n_star"]  # observed J, H, Ks
    parallax: Float[np.ndarray, " n_star"]  # observed [mas]
    reddening: Float[np.ndarray, " n_star"]  # E(J-Ks) of the star's direction [mag]
    comp: Int[np.ndarray, " n_star"]  # true component
    rank: Float[np.ndarray, " n_star"]  # see `ranks`
    probability: Float[np.ndarray, "12 n_star"]


class Uniformity(NamedTuple):
    """A Kolmogorov-Smirnov test of ranks against the uniform distribution."""

    n_star: int
    statistic: float
    p_value: float


class Reliability(NamedTuple):
    """Stars in bins of the probability they were given for one class; empty bins are left out."""

    n_star: Int[np.ndarray, " n_bin"]
    expected: Float[np.ndarray, " n_bin"]  # stars of the class: sum of the probabilities
    error: Float[np.ndarray, " n_bin"]  # binomial, of the expected number
    found: Int[np.ndarray, " n_bin"]  # stars of the class

    def pulls(self) -> Float[np.ndarray, " n"]:
        """(found - expected) / error of the bins with enough stars."""
        enough = (self.expected > LEAST_EXPECTED) & (self.error**2 > LEAST_VARIANCE)
        return (self.found[enough] - self.expected[enough]) / self.error[enough]


def ranks(
    drawn: Float[np.ndarray, "n_rank n_star"],
    truth: Float[np.ndarray, " n_star"],
    jitter: Float[np.ndarray, " n_star"],
) -> Float[np.ndarray, " n_star"]:
    """Rank of the truth among the draws, over n_rank + 1; `jitter` in [0, 1) makes it continuous."""
    return ((drawn < truth).sum(axis=0) + jitter) / (len(drawn) + 1)


def quantile_bins(values: Float[np.ndarray, " n_star"], n_bin: int = N_BIN) -> list[Rows]:
    """Rows by their value, in bins of about the same number; equal values are in one bin, NaN in none."""
    known = np.flatnonzero(np.isfinite(values))
    if not len(known):
        return []
    inner = np.unique(np.quantile(values[known], np.arange(1, n_bin) / n_bin))
    place = np.searchsorted(inner, values[known], side="left")
    return [known[place == k] for k in range(len(inner) + 1) if (place == k).any()]


def magnitude_groups(sample: Sample) -> dict[str, Rows]:
    """Bins of Ks."""
    return _named("Ks", sample.mag[2])


def reddening_groups(sample: Sample) -> dict[str, Rows]:
    """Bins of the reddening."""
    return _named("E(J-Ks)", sample.reddening)


def groups(sample: Sample) -> dict[str, Rows]:
    """All stars, and bins of magnitude, reddening and colour, of stars with parallax and without J."""
    chosen = {
        "all": np.arange(len(sample.comp)),
        **magnitude_groups(sample),
        **reddening_groups(sample),
        **_named("J-Ks", sample.mag[0] - sample.mag[2]),
        "with parallax": np.flatnonzero(np.isfinite(sample.parallax)),
        "without J": np.flatnonzero(np.isnan(sample.mag[0])),
    }
    return {name: rows for name, rows in chosen.items() if len(rows)}


def _named(quantity: str, values: Float[np.ndarray, " n_star"]) -> dict[str, Rows]:
    parts = quantile_bins(values)
    return {f"{quantity} {values[rows].min():.2f} to {values[rows].max():.2f}": rows for rows in parts}


def uniformity(rank: Float[np.ndarray, " n_star"], members: Mapping[str, Rows]) -> dict[str, Uniformity]:
    """Test of each group's ranks."""
    tests = {}
    for name, rows in members.items():
        test = kstest(rank[rows], "uniform")
        tests[name] = Uniformity(len(rows), float(test.statistic), float(test.pvalue))
    return tests


def reliability(
    probability: Float[np.ndarray, " n_star"], is_class: Bool[np.ndarray, " n_star"]
) -> Reliability:
    """Expected and true members of a class, in bins of its probability."""
    place = np.clip(np.searchsorted(EDGES, probability, side="right") - 1, 0, len(EDGES) - 2)
    sums = [
        np.bincount(place, weights, minlength=len(EDGES) - 1)
        for weights in (None, probability, probability * (1 - probability), is_class)
    ]
    number, expected, variance, found = (values[sums[0] > 0] for values in sums)
    return Reliability(number, expected, np.sqrt(np.maximum(variance, 0.0)), found.astype(int))


def class_pulls(sample: Sample, rows: Rows) -> Float[np.ndarray, " n"]:
    """Pulls of every class and bin of probability, of some of the stars."""
    return np.concatenate(
        [
            reliability(sample.probability[i, rows], sample.comp[rows] == i).pulls()
            for i in range(len(COMPONENTS))
        ]
    )


def class_numbers(sample: Sample, rows: Rows) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Expected number of each component among some of the stars, its error, and the true number."""
    p = sample.probability[:, rows]
    found = np.bincount(sample.comp[rows], minlength=len(p))
    return p.sum(axis=1), np.sqrt((p * (1 - p)).sum(axis=1)), found


def worst_p_value(pulls: Float[np.ndarray, " n"]) -> float:
    """Two-sided p-value of the largest pull, were it the only one; 1 without any."""
    return float(2 * norm.sf(np.abs(pulls).max())) if len(pulls) else 1.0
