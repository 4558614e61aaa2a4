"""Errors of the five parameters over magnitude, with the goals of the mission."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from galcen.io.plate_quality_schema import KINDS
from galcen.report.source_kinds import STYLES

Columns = Mapping[str, np.ndarray]
GOALS = {
    "parallax": ((-np.inf, 12.5, 25.0), (12.5, 14.5, 125.0)),
    "pmra": ((12.5, 14.5, 125.0),),
}
"""From and to which Hw, and the error [uas, uas/yr] (Kawata et al. 2024, PASJ 76, 386)."""
PANELS = (("ra", "position, east [mas]"), ("parallax", "parallax [mas]"), ("pmra", "motion, east [mas/yr]"))
MOST_SHOWN = 20000
BIN_MAG = 0.5


def by_magnitude(stars: Columns) -> Figure:
    """Stated errors of stars, and rms of estimate minus truth in bins of Hw; table `quality_stars`."""
    figure, axes = plt.subplots(1, len(PANELS), figsize=(13, 3.8), layout="constrained")
    for axis, (name, label) in zip(axes, PANELS, strict=True):
        for kind, (colour, marker) in enumerate(STYLES):
            mine = np.flatnonzero(stars["kind"] == kind)
            if len(mine):
                _kind(axis, stars, name, mine, (colour, marker, KINDS[kind]))
        for bright, faint, goal in GOALS.get(name, ()):
            low = max(bright, axis.get_xlim()[0] if len(stars["hw"]) else 9.5)
            axis.plot([low, faint], [1e-3 * goal] * 2, color="#009E73", lw=2, label=f"goal {goal:.0f} uas")
        axis.set(xlabel="Hw [mag]", ylabel=f"error of {label}", yscale="log")
    axes[1].legend(fontsize=7)
    return figure


def _kind(axis: Axes, stars: Columns, name: str, rows: np.ndarray, look: tuple[str, str, str]) -> None:
    """Points for stated errors, a line for the true ones."""
    colour, marker, label = look
    shown = rows[:: max(1, len(rows) // MOST_SHOWN)]
    hw = stars["hw"]
    axis.plot(
        hw[shown], stars[f"{name}_error"][shown], marker, color=colour, ms=1.5, alpha=0.4, rasterized=True
    )
    place = np.floor(hw[rows] / BIN_MAG).astype(np.int64)
    bins, where, number = np.unique(place, return_inverse=True, return_counts=True)
    rms = np.sqrt(np.bincount(where, stars[f"{name}_miss"][rows] ** 2) / number)
    enough = number >= 5
    middle = (bins[enough] + 0.5) * BIN_MAG
    axis.plot(middle, rms[enough], color=colour, marker=marker, lw=1.5, ms=4, label=label)
