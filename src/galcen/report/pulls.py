"""Pulls against the normal distribution that they should have."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import stats

from galcen.io.plate_quality_schema import KINDS
from galcen.mapping.catalogue_covariance import PARAMETERS
from galcen.report.source_kinds import STYLES

Columns = Mapping[str, np.ndarray]
EDGES = np.linspace(-5.0, 5.0, 26)
ESTIMATES = (("-", "marginal errors"), (":", "variational inference"))


def of_positions(histogram: Columns) -> Figure:
    """Pulls of the positions in the orbits, table `quality_histogram`: a panel for each class present."""
    present = [k for k in range(len(KINDS)) if histogram["n"][histogram["kind"] == k].sum()]
    figure, axes = _panels(len(present))
    for axis, kind in zip(axes, present, strict=False):
        for estimate, (style, label) in enumerate(ESTIMATES):
            mine = (histogram["kind"] == kind) & (histogram["estimate"] == estimate)
            low, number = histogram["low"][mine], histogram["n"][mine]
            if number.sum():
                edges = np.append(low, 2 * low[-1] - low[-2])
                density = number / number.sum() / np.diff(edges)
                axis.stairs(density, edges, color=STYLES[kind][0], ls=style, lw=1.5, label=label)
        _normal(axis, f"{KINDS[kind]}: {histogram['n'][histogram['kind'] == kind].sum():,}")
        axis.legend(fontsize=7)
    return figure


def of_motions(stars: Columns) -> Figure:
    """Pulls of the five parameters, table `quality_stars`: a panel for each, a line for each class."""
    figure, axes = _panels(len(PARAMETERS))
    for axis, name in zip(axes, PARAMETERS, strict=True):
        pull = stars[f"{name}_miss"] / stars[f"{name}_error"]
        for kind, (colour, _) in enumerate(STYLES):
            mine = np.clip(pull[stars["kind"] == kind], EDGES[0], EDGES[-1])
            if len(mine):
                density = np.histogram(mine, EDGES)[0] / len(mine) / np.diff(EDGES)
                axis.stairs(density, EDGES, color=colour, lw=1.2, label=f"{KINDS[kind]}, {len(mine):,}")
        _normal(axis, name)
    if len(stars["kind"]):
        axes[0].legend(fontsize=6, loc="upper left")
    return figure


def _panels(count: int) -> tuple[Figure, np.ndarray]:
    width = max(count, 1)
    figure, axes = plt.subplots(
        1, width, figsize=(min(4.2 * width, 14), 3.2), layout="constrained", squeeze=False, sharey=True
    )
    axes[0, 0].set_ylabel("density")
    figure.supxlabel("(estimate - truth) / error", size=10)
    return figure, axes[0]


def _normal(axis: Axes, title: str) -> None:
    x = np.linspace(EDGES[0], EDGES[-1], 201)
    axis.plot(x, stats.norm.pdf(x), color="#999999", lw=1.0, zorder=0)
    axis.set(xlim=(EDGES[0], EDGES[-1]), title=title)
    axis.title.set_size(9)
