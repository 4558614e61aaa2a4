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
            (residuals["x"], residuals["y"]),
            (residuals[f"dx_{when}"], residuals[f"dy_{when}"]),
        )
        axis.set_title(title)
    return figure


def arrows(axis: Axes, place: tuple[np.ndarray, np.ndarray], shift: tuple[np.ndarray, np.ndarray]) -> None:
    """Shifts [um] at places on the focal plane [um], with a scale and their rms."""
    x, y = (1e-3 * values for values in place)
    length = np.hypot(*shift)
    rms = float(np.sqrt(np.mean(length**2))) if len(length) else 0.0
    unit = _round(2.0 * rms)
    # A twentieth of the field for an arrow of twice the rms.
    field = max((np.ptp(values) for values in (x, y)), default=0.0) if len(x) else 0.0
    picture = axis.quiver(
        x,
        y,
        *shift,
        angles="xy",
        scale_units="xy",
        scale=unit / max(0.07 * field, 1e-3),
        width=0.0025,
        color="#0072B2",
    )
    if rms > 0:
        axis.quiverkey(picture, 0.78, 1.03, unit, _length(unit), labelpos="E", coordinates="axes")
    text = f"rms {_length(rms)}" if len(x) else "no measurements"
    axis.text(0.0, 1.03, text, transform=axis.transAxes, fontsize=9)
    axis.set(xlabel="X [mm]", ylabel="Y [mm]", aspect="equal")


def _length(um: float) -> str:
    return f"{um:.3g} um" if um >= 0.1 else f"{NM_PER_UM * um:.3g} nm"


def _round(value: float) -> float:
    """A round number at or below: 1, 2 or 5 times a power of ten."""
    if value <= 0:
        return 1.0
    power = 10.0 ** np.floor(np.log10(value))
    return float(power * max(step for step in (1, 2, 5) if step <= value / power * (1 + 1e-12)))
