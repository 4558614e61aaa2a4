"""The camera that was found beside the true one."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from galcen.astrometry.camera_quality import Places, without_chips
from galcen.report.plate_residuals import arrows

Columns = Mapping[str, np.ndarray]


def true_and_found(camera: Columns) -> Figure:
    """Shifts of pixels about the nominal camera, table `quality_camera`: true, found, and the difference.

    The last panel is the difference without a linear function for each chip.
    """
    figure, axes = plt.subplots(2, 2, figsize=(10.5, 10), layout="constrained")
    true, found = (np.stack([camera[f"d{axis}_{what}"] for axis in "xy"]) for what in ("true", "found"))
    places = Places(camera["chip"], np.stack([camera["nx"], camera["ny"]]))
    panels = {
        "true": true,
        "found": found,
        "found - true": found - true,
        "the same within chips": without_chips(found - true, places, camera["n_obs"]),
    }
    for axis, (title, shift) in zip(axes.ravel(), panels.items(), strict=True):
        arrows(axis, title, (camera["x"], camera["y"]), (shift[0], shift[1]))
    return figure
