r"""Extinctions that the likelihood of a star is averaged over, where one value a cell is too few.

.. math:: L_i(D) = \sum_k w_k \, L_i(D; E_k) , \qquad \sum_k w_k = 1

with E either log-normal about the value of the star's line of sight, its mean kept, or the values of the 25
sub-cells of the star's cell, where the map has them.
"""

import math
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from galcen.galaxy.extinction import law as reddening_law
from galcen.galaxy.extinction.map import cell_of
from galcen.galaxy.model import Galaxy, Sightlines

Spread = float | Literal["sub_cells"] | None

# Equal steps in ln E: the likelihood is narrower than the spread, and for a spread of 0.1 Gauss-Hermite nodes
# (widest apart at the centre) are six times less accurate for the same number. With these steps class
# probabilities are within 1e-3 of those with a fifth of them, behind E = 3 mag and for errors of 0.1 mag.
STEP, REACH, LEAST = 0.025, 4.0, 17


class Extinctions(NamedTuple):
    """A(J, H, Ks) at the distance of the red clump [mag], and their weights."""

    reddening: Float[np.ndarray, "n_node 3 n_star"]
    weight: Float[np.ndarray, " n_node"]


def has_sub_cells(galaxy: Galaxy, line: Sightlines) -> Bool[np.ndarray, " n_star"]:
    """Whether the map resolves the cell of each star, whose extinction is the map's."""
    i_lon, i_lat = cell_of(line.cell_lon_deg, line.cell_lat_deg, galaxy.reddening)
    resolved = (i_lon >= 0) & (np.asarray(galaxy.reddening.sub_index)[i_lon, i_lat] >= 0)
    return resolved if line.screen is None else resolved & np.isnan(line.screen)


def extinctions(galaxy: Galaxy, line: Sightlines, spread: Spread, resolved: bool) -> Extinctions:
    """The values for stars whose cells all have sub-cells (`resolved`), or all have none."""
    if spread == "sub_cells":
        return (
            _sub_cells(galaxy, line)
            if resolved
            else Extinctions(np.asarray(line.reddening)[None], np.ones(1))
        )
    if spread is None:
        return Extinctions(np.asarray(line.reddening)[None], np.ones(1))
    relative, weight = log_normal(float(spread))
    return Extinctions(relative[:, None, None] * np.asarray(line.reddening)[None], weight)


def log_normal(
    sigma: float, n_node: int | None = None
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Values of a log-normal variable of mean 1 and spread `sigma` in ln, and their weights."""
    if n_node is None:
        n_node = max(LEAST, 1 + 2 * math.ceil(REACH * sigma / STEP))
    score = np.linspace(-REACH, REACH, n_node)
    weight = np.exp(-0.5 * score**2)
    weight /= weight.sum()
    value = np.exp(sigma * score)
    return value / np.sum(weight * value), weight


def _sub_cells(galaxy: Galaxy, line: Sightlines) -> Extinctions:
    i_lon, i_lat = cell_of(line.cell_lon_deg, line.cell_lat_deg, galaxy.reddening)
    rows = np.asarray(galaxy.reddening.sub_index)[i_lon, i_lat]
    excess = np.asarray(galaxy.reddening.sub_cells)[rows].reshape(len(rows), -1)
    ratio = np.asarray(reddening_law.law(galaxy.law, line.cell_lon_deg, line.cell_lat_deg))
    n_node = excess.shape[1]
    return Extinctions(excess.T[:, None, :] * ratio[None], np.full(n_node, 1.0 / n_node))
