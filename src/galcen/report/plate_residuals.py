"""Residuals over the focal plane, before and after the plate solution."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

Columns = Mapping[str, np.ndarray]
NM_PER_UM = 1e3


def over_the_focal_plane(residuals: Columns) -> Figure:
    """Mean residuals of bins as arrows, table `quality_residuals`; each panel has its own scale."""
    figure, axes = plt.subplots(1, 2, figsize=(11, 5.6), layout="constrained")
    for axis, when, title in (
        (axes[0], "before", "nominal camera, attitude fitted"),
        (axes[1], "after", "plate solution"),
    ):
        arrows(
            axis,
            title,
            (residuals["x"], residuals["y"]),
            (residuals[f"dx_{when}"], residuals[f"dy_{when}"]),
        )
    return figure


def arrows(
    axis: Axes, title: str, place: tuple[np.ndarray, np.ndarray], shift: tuple[np.ndarray, np.ndarray]
) -> None:
    """Shifts [um] at places on the focal plane [um], with a scale and their rms."""
    x, y = (1e-3 * values for values in place)
    axis.set(xlabel="X [mm]", ylabel="Y [mm]", aspect="equal")
    if not len(x):
        axis.set_title(f"{title}: no measurements", loc="left", size=10)
        return
    rms = float(np.sqrt(np.mean(shift[0] ** 2 + shift[1] ** 2)))
    axis.set_title(f"{title}: rms {_length(rms)}", loc="left", size=10)
    unit = _round(2.0 * rms)
    half = 0.5 * max(np.ptp(x), np.ptp(y), 1.0)
    # An arrow of about twice the rms takes a fifteenth of the field.
    scale = unit / (0.14 * half)
    picture = axis.quiver(
        x, y, *shift, angles="xy", scale_units="xy", scale=scale, width=0.0025, color="#0072B2"
    )
    axis.quiverkey(picture, 0.85, 1.03, unit, _length(unit), labelpos="E", coordinates="axes")
    middle = 0.5 * (x.min() + x.max()), 0.5 * (y.min() + y.max())
    axis.set(
        xlim=(middle[0] - 1.15 * half, middle[0] + 1.15 * half),
        ylim=(middle[1] - 1.15 * half, middle[1] + 1.15 * half),
    )


def _length(um: float) -> str:
    return f"{um:.3g} um" if um >= 0.1 else f"{NM_PER_UM * um:.3g} nm"


def _round(value: float) -> float:
    """A round number at or below: 1, 2 or 5 times a power of ten."""
    if value <= 0:
        return 1.0
    power = 10.0 ** np.floor(np.log10(value))
    return float(power * max(step for step in (1, 2, 5) if step <= value / power * (1 + 1e-12)))
