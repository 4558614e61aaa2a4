"""How much a direction is reddened at most, from a small excerpt of the extinction map that is always there.

Checks of users' tables ask for it before the model is made, and need no more than a tenth of a magnitude. The
excerpt is made by `python -m galcen.io.coarse_reddening`.
"""

from importlib import resources
from pathlib import Path

import numpy as np
from jaxtyping import Float

from galcen.galaxy.extinction.map import cell_index

N_CELL = 10
"""Cells of the map along each side of a block."""

QUANTILE = 90.0
"""Of the cells of a block [per cent]: dark clouds fill only a part of some blocks."""

LON_EDGE, LAT_EDGE = -9.5, -10.0
"""Where the map begins [deg]."""

HEADER = f"""Colour excess E(J-Ks) of the bulge [mag, VVV system]: the {QUANTILE:g} per cent quantile of
blocks of {N_CELL} x {N_CELL} cells of 0.025 deg. Rows go by longitude from l = {LON_EDGE:g} deg,
columns by latitude from b = {LAT_EDGE:g} deg. Made by `python -m galcen.io.coarse_reddening` from
the table EJK_G12_S20_LR.dat of genulens (GPL-3.0): Gonzalez et al. 2012, A&A 543, A13; Surot et al.
2020, A&A 644, A140."""


def excerpt(mean: Float[np.ndarray, "n_lon n_lat"]) -> Float[np.ndarray, "n_lon_block n_lat_block"]:
    """The quantile of each block of cells of the map."""
    n_lon, n_lat = (size // N_CELL for size in mean.shape)
    blocks = np.asarray(mean).reshape(n_lon, N_CELL, n_lat, N_CELL).swapaxes(1, 2)
    return np.percentile(blocks.reshape(n_lon, n_lat, -1), QUANTILE, axis=2)


def most_excess(
    lon_deg: Float[np.ndarray, " n_star"], lat_deg: Float[np.ndarray, " n_star"]
) -> Float[np.ndarray, " n_star"]:
    """E(J-Ks) [mag] of the blocks that hold directions of the Galaxy [deg]; NaN off the map."""
    blocks = np.loadtxt(resources.files("galcen.resources") / "reddening_excerpt.csv", delimiter=",")
    wrapped = (np.asarray(lon_deg) + 180.0) % 360.0 - 180.0
    place = [cell_index(wrapped, LON_EDGE) // N_CELL, cell_index(lat_deg, LAT_EDGE) // N_CELL]
    on_map = np.ones(len(wrapped), dtype=bool)
    for index, size in zip(place, blocks.shape, strict=True):
        on_map &= (index >= 0) & (index < size)
    return np.where(on_map, blocks[tuple(np.where(on_map, index, 0) for index in place)], np.nan)


def main() -> None:
    """Make the excerpt anew."""
    from galcen.io.model_tables import read_tables  # deferred: the check itself needs no model tables

    blocks = excerpt(np.asarray(read_tables()[0].reddening.mean))
    path = Path(str(resources.files("galcen.resources") / "reddening_excerpt.csv"))
    np.savetxt(path, blocks, fmt="%.2f", delimiter=",", header=HEADER, encoding="utf-8")


if __name__ == "__main__":
    main()
