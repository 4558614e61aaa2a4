"""The plate solutions orbit by orbit."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from galcen.astrometry.plate_quality import LIMIT

Columns = Mapping[str, np.ndarray]


def by_orbit(orbits: Columns) -> Figure:
    """Residuals, chi2 / dof with its scatter, and what all sources have in common; table `quality_orbits`."""
    figure, axes = plt.subplots(1, 3, figsize=(13, 3.4), layout="constrained")
    order = np.argsort(orbits["t"], kind="stable")
    t, chi2, dof = (orbits[name][order] for name in ("t", "chi2", "dof"))
    axes[0].plot(t, orbits["rms_pixel"][order], "o", color="#0072B2", ms=3)
    axes[0].set(ylabel="rms of the residuals [pixel]")
    scatter = LIMIT * np.sqrt(2.0 / dof)
    axes[1].fill_between(t, 1 - scatter, 1 + scatter, color="#DDDDDD", lw=0)
    axes[1].plot(t, chi2 / dof, "o", color="#0072B2", ms=3)
    axes[1].set(ylabel="chi2 / dof")
    for name, label, colour in (("a", "east", "#0072B2"), ("d", "north", "#D55E00")):
        values, error = (orbits[f"frame_{name}{suffix}"][order] for suffix in ("", "_error"))
        axes[2].errorbar(t, values, error, fmt="o", color=colour, ms=3, lw=0.8, label=label)
    axes[2].axhline(0.0, color="#999999", lw=0.8)
    axes[2].set(ylabel="shift of all sources [mas]")
    axes[2].legend()
    for axis in axes:
        axis.set_xlabel("Julian year")
        axis.ticklabel_format(useOffset=False)
    return figure
