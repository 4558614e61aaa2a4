"""How well the surveys of a simulated sky were put together, by magnitude and tile."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

Bins = Mapping[str, np.ndarray]
BANDS = (("mj", "J", "#0072B2"), ("mh", "H", "#E69F00"), ("mks", "Ks", "#D55E00"))


def by_magnitude(bins: Bins, band: str, faint: float) -> Figure:
    """Completeness, contamination and bias over magnitude: the whole field, and each tile as a thin line."""
    low = np.unique(bins["mag_low"])
    middle = (low + np.append(low[1:], faint)) / 2
    total, tiles = _sums(bins), [_part(bins, tile) for tile in np.unique(bins["tile"])]
    figure, axes = plt.subplots(1, 3, figsize=(11, 3.4), layout="constrained")
    for part, style in [(tile, {"lw": 0.5, "alpha": 0.3}) for tile in tiles] + [(total, {"lw": 2.0})]:
        axes[0].plot(middle, _ratio(part["n_found"], part["n_true"]), color="#0072B2", **style)
    _complete(axes[0], band)
    for name, of, label, colour in (
        ("n_false", "n_star", "false matches", "#D55E00"),
        ("n_duplicate", "n_true", "duplicates", "#0072B2"),
        ("n_spurious", "n_star", "spurious", "#000000"),
    ):
        for tile in tiles:
            axes[1].plot(middle, _ratio(tile[name], tile[of]), color=colour, lw=0.5, alpha=0.3)
        axes[1].plot(middle, _ratio(total[name], total[of]), color=colour, lw=2, label=label)
    axes[1].set(xlabel=f"{band} [mag]", ylabel="fraction")
    axes[1].legend()
    for column, label, colour in BANDS:
        mean, error = _bias(total, column)
        axes[2].errorbar(middle, mean, error, color=colour, label=label, lw=1.5)
    axes[2].set(xlabel=f"true {band} [mag]", ylabel="mean of observed - true [mag]")
    axes[2].legend()
    return figure


def table(bins: Bins, band: str) -> tuple[list[str], list[list[str]], str]:
    """Head, rows and note of the numbers by magnitude of the whole field."""
    head = [band, "true", "complete", "in catalogue", "false matches", "duplicates", "spurious"]
    head += [f"bias {label}" for _, label, _ in BANDS]
    total, low = _sums(bins), np.unique(bins["mag_low"])
    bias = [_bias(total, column) for column, _, _ in BANDS]
    rows = [
        [
            f"{low[i]:.2f}",
            f"{total['n_true'][i]:,}",
            f"{_ratio(total['n_found'], total['n_true'])[i]:.4f}",
            f"{total['n_star'][i]:,}",
            *(f"{total[name][i]:,}" for name in ("n_false", "n_duplicate", "n_spurious")),
            *(f"{mean[i]:+.4f} ({error[i]:.4f})" for mean, error in bias),
        ]
        for i in range(len(low))
    ]
    return (
        head,
        rows,
        "By the bright edge of each bin; bias is the mean of observed minus true magnitude, and its error.",
    )


def _complete(axis: Axes, band: str) -> None:
    axis.set(xlabel=f"true {band} [mag]", ylabel="completeness", ylim=(None, 1.01))


def _part(bins: Bins, tile: int) -> dict[str, np.ndarray]:
    mine = bins["tile"] == tile
    return {name: values[mine] for name, values in bins.items()}


def _sums(bins: Bins) -> dict[str, np.ndarray]:
    """Numbers of all tiles together."""
    low, place = np.unique(bins["mag_low"], return_inverse=True)
    return {
        name: np.bincount(place, values, len(low)).astype(values.dtype)
        for name, values in bins.items()
        if name not in ("tile", "mag_low")
    }


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)


def _bias(total: Bins, column: str) -> tuple[np.ndarray, np.ndarray]:
    """Mean of observed minus true magnitude, and its standard error."""
    n = total[f"n_{column}"]
    mean = _ratio(total[f"sum_{column}"], n)
    variance = np.maximum(_ratio(total[f"sum2_{column}"], n) - mean**2, 0.0)
    return mean, np.sqrt(_ratio(variance, n))
