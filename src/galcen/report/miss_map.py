"""Estimate minus truth over the field."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from galcen.mapping.catalogue_covariance import PARAMETERS

Columns = Mapping[str, np.ndarray]
PER_BIN = 30
"""Sources in a bin of the map, about."""
MOST_BINS = 48
UNITS = ("mas", "mas", "mas", "mas/yr", "mas/yr")


def over_the_field(sources: Columns) -> Figure:
    """Weighted means of estimate minus truth in bins of the sky, table `compared_sources`."""
    figure, axes = plt.subplots(1, len(PARAMETERS), figsize=(15, 3.4), layout="constrained", sharey=True)
    for axis, name, unit in zip(axes, PARAMETERS, UNITS, strict=True):
        axis.set(title=f"{name} [{unit}]", xlabel="east [deg]", aspect="equal")
        axis.title.set_size(9)
        axis.grid(visible=False)
        axis.invert_xaxis()
        if not len(sources["x"]):
            continue
        edges, mean, error = _binned(sources, name)
        seen = np.isfinite(mean)
        limit = 3.0 * float(np.sqrt(np.median(error[seen] ** 2)))
        picture = axis.pcolormesh(*edges, mean.T, cmap="RdBu_r", vmin=-limit, vmax=limit)
        figure.colorbar(picture, ax=axis, orientation="horizontal", shrink=0.9)
    axes[0].set_ylabel("north [deg]")
    return figure


def _binned(sources: Columns, name: str) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray, np.ndarray]:
    """Edges of the bins, weighted means with NaN where there are no sources, and errors of the means."""
    place = [sources["x"], sources["y"]]
    side = int(np.clip(np.sqrt(len(place[0]) / PER_BIN), 1, MOST_BINS))
    edges = [np.linspace(v.min() - 1e-9, v.max() + 1e-9, side + 1) for v in place]
    weight = sources[f"{name}_error"] ** -2.0
    total, *_ = np.histogram2d(*place, edges, weights=weight)
    moment, *_ = np.histogram2d(*place, edges, weights=weight * sources[f"{name}_miss"])
    with np.errstate(divide="ignore", invalid="ignore"):
        return (edges[0], edges[1]), moment / total, np.where(total > 0, total, np.nan) ** -0.5
