"""Posterior examples: P(D) by component of chosen stars."""

from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from galcen.report.style import GROUPS


class Example(NamedTuple):
    """One star and its posterior."""

    title: str
    dist: Float[np.ndarray, " n_dist"]  # [pc]
    density: Float[np.ndarray, "12 n_dist"]
    true_dist: float  # NaN where unknown


def examples(stars: list[Example]) -> Figure:
    """One panel a star: density of distance, normalised over all components."""
    n_row = -(-len(stars) // 3)
    figure, axes = plt.subplots(n_row, 3, figsize=(13, 3.2 * n_row), layout="constrained", squeeze=False)
    for axis, star in zip(axes.ravel(), stars, strict=False):
        total = np.trapezoid(star.density.sum(axis=0), star.dist)
        for label, (members, colour, style) in GROUPS.items():
            curve = star.density[list(members)].sum(axis=0) / total * 1000
            if np.trapezoid(curve, star.dist) > 1e-3 * 1000:
                axis.plot(star.dist / 1000, curve, color=colour, ls=style, lw=1.6, label=label)
        if np.isfinite(star.true_dist):
            axis.axvline(star.true_dist / 1000, color="#CC79A7", lw=1, label="true")
        cumulative = np.cumsum(np.gradient(star.dist) * star.density.sum(axis=0))
        low, high = np.interp([0.002, 0.998], cumulative / cumulative[-1], star.dist / 1000)
        axis.set(xlabel="distance [kpc]", ylabel="probability per kpc", title=star.title, xlim=(low, high))
        axis.title.set_size(9)
        axis.legend(fontsize=7)
    for axis in axes.ravel()[len(stars) :]:
        axis.set_visible(False)
    return figure
