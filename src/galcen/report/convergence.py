"""How the solution of all orbits converged."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

Columns = Mapping[str, np.ndarray]


def by_step(history: Columns) -> Figure:
    """Chi-square, steps of the sources, and the linear system, table `iterative_history`."""
    figure, axes = plt.subplots(1, 4, figsize=(14, 3.3), layout="constrained")
    number, n_obs = history["number"], np.maximum(history["n_obs"], 1)
    _positive(axes[0], number, history["chi2"] / (2 * n_obs), "#0072B2", "o", "chi2")
    axes[0].set(ylabel="chi2 / measured coordinates")
    for name, colour, marker in (("largest", "#D55E00", "v"), ("median", "#0072B2", "o")):
        _positive(axes[1], number, history[f"{name}_step"], colour, marker, name)
    axes[1].set(ylabel="step of a source's unknown [its error]")
    axes[1].legend(fontsize=7)
    _positive(axes[2], number, history["residual"], "#0072B2", "o", "residual")
    axes[2].set(ylabel="residual of the linear system, relative")
    axes[3].bar(number, history["n_product"], color="#0072B2")
    axes[3].set(ylabel="products with the normal matrix, or cycles")
    for axis in axes:
        axis.set_xlabel("outer step")
        axis.xaxis.get_major_locator().set_params(integer=True)
    return figure


def _positive(
    axis: Axes, number: np.ndarray, values: np.ndarray, colour: str, marker: str, label: str
) -> None:
    """Values on a logarithmic axis, which has no place for 0."""
    shown = values > 0
    axis.plot(number[shown], values[shown], marker + "-", color=colour, ms=4, label=label)
    if shown.any():
        axis.set_yscale("log")
