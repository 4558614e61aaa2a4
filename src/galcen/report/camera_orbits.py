"""The recovered camera orbit by orbit, and residuals of all orbits over the focal plane."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from galcen.report.plate_residuals import arrows

Columns = Mapping[str, np.ndarray]


def cameras_and_residuals(cameras: Columns, residuals: Columns) -> Figure:
    """Tables `compared_camera` and `compared_residuals`."""
    figure, axes = plt.subplots(1, 2, figsize=(12, 5.2), layout="constrained")
    for name, colour, label in (
        ("camera_um", "#0072B2", "whole field"),
        ("chip_um", "#D55E00", "within chips"),
    ):
        axes[0].plot(cameras["orbit"], 1e3 * cameras[name], "o", color=colour, ms=3, label=label)
    axes[0].set(xlabel="orbit", ylabel="camera found - true, rms [nm]")
    axes[0].set_ylim(bottom=0.0)
    axes[0].xaxis.get_major_locator().set_params(integer=True)
    axes[0].legend()
    arrows(
        axes[1],
        "mean residuals",
        (residuals["x"], residuals["y"]),
        (residuals["dx"], residuals["dy"]),
    )
    return figure
