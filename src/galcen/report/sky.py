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
    # Wide fields one above the other, others side by side.
    aspect = (b_max - b_min) / (l_max - l_min)
    wide = aspect < 0.7
    size = (9.0, 2 * (7.5 * aspect + 0.9)) if wide else (11.0, 5.0 * min(aspect, 1.5))
    figure, axes = plt.subplots(*((2, 1) if wide else (1, 2)), figsize=size, layout="constrained")
    density = counts / area
    seen = density[density > 0]
    panels = (
        (density, "stars per arcmin$^2$", LogNorm(*(seen.min(), seen.max()) if seen.size else (1, 10))),
        (excess, "E(J$-$K$_s$) [mag]", None),
    )
    for axis, (values, label, norm) in zip(axes, panels, strict=True):
        shown = np.where(values > 0, values, np.nan) if norm is not None else values
        image = axis.pcolormesh(*edges, shown.T, norm=norm, rasterized=True)
        figure.colorbar(image, ax=axis, label=label)
        axis.set(xlabel="Galactic longitude [deg]", ylabel="Galactic latitude [deg]", aspect="equal")
        axis.invert_xaxis()
        axis.locator_params(nbins=6)
        axis.grid(False)
    return figure
