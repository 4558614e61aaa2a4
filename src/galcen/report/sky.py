"""Maps of the field: star counts and extinction."""

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from galcen.galaxy.tables import CELL_DEG


def maps(
    glon: Float[np.ndarray, " n_star"],
    glat: Float[np.ndarray, " n_star"],
    excess: Float[np.ndarray, "n_lon n_lat"],
    bounds: tuple[float, float, float, float],
) -> Figure:
    """Stars per square arcminute and E(J-Ks) [mag] in cells of the extinction map.

    `bounds` are l_min, l_max, b_min, b_max [deg]; `excess` covers them.
    """
    l_min, l_max, b_min, b_max = bounds
    edges = [
        np.linspace(low, high, n + 1)
        for low, high, n in ((l_min, l_max, excess.shape[0]), (b_min, b_max, excess.shape[1]))
    ]
    counts, _, _ = np.histogram2d(glon, glat, bins=edges)
    area = (60 * CELL_DEG) ** 2 * np.cos(np.radians(0.5 * (b_min + b_max)))
    figure, axes = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    panels = (
        (counts / area, "stars per arcmin$^2$", LogNorm(vmin=max(0.3, 1 / area))),
        (excess, "E(J$-$K$_s$) [mag]", None),
    )
    for axis, (values, label, norm) in zip(axes, panels, strict=True):
        shown = np.where(values > 0, values, np.nan) if norm is not None else values
        image = axis.pcolormesh(*edges, shown.T, norm=norm, rasterized=True)
        figure.colorbar(image, ax=axis, label=label)
        axis.set(xlabel="Galactic longitude [deg]", ylabel="Galactic latitude [deg]", aspect="equal")
        axis.invert_xaxis()
        axis.grid(False)
    return figure
