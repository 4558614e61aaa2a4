"""The camera that was found beside the true one."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from galcen.report.plate_residuals import arrows

Columns = Mapping[str, np.ndarray]


def true_and_found(camera: Columns) -> Figure:
    """Shifts of pixels about the nominal camera, table `quality_camera`: true, found, and the difference."""
    figure, axes = plt.subplots(1, 3, figsize=(13, 4.8), layout="constrained")
    true, found = ((camera[f"dx_{what}"], camera[f"dy_{what}"]) for what in ("true", "found"))
    difference = found[0] - true[0], found[1] - true[1]
    for axis, shift, title in zip(
        axes, (true, found, difference), ("true", "found", "found - true"), strict=True
    ):
        arrows(axis, title, (camera["x"], camera["y"]), shift)
    return figure
