"""What the stars of the catalogue are: classes, colours, distances, proper motions."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from galcen.galaxy.components import COMPONENTS
from galcen.report.style import GROUPS

Columns = Mapping[str, np.ndarray]


def classes(stars: Columns) -> Figure:
    """Fraction of each component: drawn, expected from the probabilities, and true where known."""
    n_star = len(stars["comp"])
    kinds = [
        ("drawn", np.bincount(stars["comp"], minlength=len(COMPONENTS)), "#0072B2", ""),
        (
            "sum of probabilities",
            np.array([stars[f"p_comp_{i}"].sum() for i in range(len(COMPONENTS))]),
            "#E69F00",
            "//",
        ),
    ]
    known = stars["true_comp"] >= 0
    if known.any():
        truth = np.bincount(stars["true_comp"][known], minlength=len(COMPONENTS)) * n_star / known.sum()
        kinds.append(("true", truth, "#999999", ".."))
    figure, axis = plt.subplots(figsize=(9, 3.6), layout="constrained")
    width = 0.8 / len(kinds)
    for k, (label, number, colour, hatch) in enumerate(kinds):
        x = np.arange(len(COMPONENTS)) + (k - (len(kinds) - 1) / 2) * width
        error = np.sqrt(number) / n_star if label != "sum of probabilities" else None
        axis.bar(
            x, number / n_star, width, yerr=error, label=label, color=colour, hatch=hatch, edgecolor="white"
        )
    axis.set_xticks(range(len(COMPONENTS)), COMPONENTS, rotation=30)
    axis.set(ylabel="fraction of the stars")
    axis.legend()
    return figure


def colour_magnitude(stars: Columns) -> Figure:
    """Observed and model colour-magnitude diagrams side by side, by drawn class."""
    figure, axes = plt.subplots(1, 2, figsize=(11, 4.8), layout="constrained", sharex=True, sharey=True)
    pick = _thin(len(stars["comp"]))
    shades = np.empty(len(COMPONENTS), dtype=object)
    for label, (members, shade, _) in GROUPS.items():
        shades[list(members)] = shade
        if np.isin(stars["comp"], list(members)).any():
            axes[0].plot([], [], ".", color=shade, label=label)
    for axis, suffix, title in ((axes[0], "", "observed"), (axes[1], "_mod", "drawn model star")):
        colour, magnitude = stars[f"mj{suffix}"] - stars[f"mks{suffix}"], stars[f"mks{suffix}"]
        # All groups at once, in the order of the catalogue: none hides another.
        axis.scatter(colour[pick], magnitude[pick], s=2, c=shades[stars["comp"][pick]], rasterized=True)
        axis.set(xlabel="J $-$ K$_s$ [mag]", title=title)
    axes[0].set_ylabel("K$_s$ [mag]")
    known = np.isfinite(stars["mj"] - stars["mks"])
    if known.any():
        colour = (stars["mj"] - stars["mks"])[known]
        low, high = np.percentile(colour, [0.2, 99.8])
        axes[0].set_xlim(low - 0.5, high + 0.5)
    axes[0].invert_yaxis()
    axes[0].legend()
    return figure


def distances_and_motions(stars: Columns) -> Figure:
    """Distances and proper motions by class, drawn (lines) and true where known (filled)."""
    figure, axes = plt.subplots(1, 3, figsize=(13, 3.8), layout="constrained")
    _histograms(axes[0], stars, "dist", "true_dist", np.linspace(0, 14, 71), "distance [kpc]", 1e-3)
    _histograms(axes[1], stars, "pml", "true_pml", np.linspace(-20, 10, 61), r"$\mu_{l*}$ [mas/yr]")
    _histograms(axes[2], stars, "pmb", "true_pmb", np.linspace(-12, 12, 61), r"$\mu_b$ [mas/yr]")
    axes[0].set_ylabel("stars per bin")
    axes[0].legend()
    return figure


def _histograms(
    axis: Axes, stars: Columns, name: str, true: str, bins: np.ndarray, label: str, scale: float = 1.0
) -> None:
    for group, (members, colour, style) in GROUPS.items():
        mine = np.isin(stars["comp"], list(members))
        if not mine.any():
            continue
        axis.hist(
            stars[name][mine] * scale, bins, histtype="step", color=colour, ls=style, lw=1.6, label=group
        )
        truly = np.isin(stars["true_comp"], list(members))
        if truly.any():
            axis.hist(stars[true][truly] * scale, bins, color=colour, alpha=0.25)
    axis.set(xlabel=label, yscale="log", ylim=(0.7, None))


def _thin(n_star: int, limit: int = 20000) -> np.ndarray:
    """At most `limit` rows, evenly spread."""
    return np.arange(n_star)[:: max(1, -(-n_star // limit))]
