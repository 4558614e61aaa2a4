"""Members of the open cluster M67: one distance, one age, one metallicity.

Published: modulus 9.61 +- 0.03 (An et al. 2007, ApJ 655, 233, main-sequence fitting), E(B-V) = 0.041 +- 0.004
(Taylor 2007, AJ 133, 370). Its 4 Gyr and solar metallicity are those of the model's component thin5.
"""

from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from astropy.table import Table
from jaxtyping import Float
from scipy.special import ndtr

from galcen.catalogue.posterior import Options, Stars
from galcen.galaxy.components import COMPONENTS
from galcen.galaxy.model import Galaxy, Sightlines, extinction, number_density
from off_map import each_batch, half_width, layer, model_points, photometry

MODULUS, MODULUS_ERROR = 9.61, 0.03
E_B_V, R_V = 0.041, 3.1
MEMBER = 0.5
ZERO_POINT = 0.053  # to be added to parallaxes of Gaia DR2 [mas] (Zinn et al. 2019, ApJ 878, 136)
OWN = COMPONENTS.index("thin5")
MODULI = np.arange(8.0, 11.5, 0.005)
SEQUENCE = (7.8, 8.3, 10.0, 11.6, 12.0, 12.5, 13.0, 13.5, 14.0, 14.5, 15.0)  # Ks of the colours' bins


class Members(NamedTuple):
    """Likely members that 2MASS has."""

    lon: Float[np.ndarray, " n"]  # [deg]
    lat: Float[np.ndarray, " n"]
    mag: Float[np.ndarray, "3 n"]
    error: Float[np.ndarray, "3 n"]
    parallax: Float[np.ndarray, " n"]  # [mas]
    parallax_error: Float[np.ndarray, " n"]

    def take(self, rows: np.ndarray) -> "Members":
        """Some of the stars."""
        return Members(*(column[..., rows] for column in self))


class Combined(NamedTuple):
    """Distance moduli of single stars and of all together."""

    n: int
    modulus: float
    modulus_error: float  # from the curvature of the product of the likelihoods
    scatter: float  # of the medians of single stars
    predicted: float  # median of their half-widths
    pull_width: float


def read(path: Path) -> Members:
    """Stars with a probability of membership above one half and errors in all three bands."""
    table = Table.read(path)

    def column(name: str) -> np.ndarray:
        return np.asarray(table[name], dtype=float)

    mag = np.stack([column(f"2MASS_{band}") for band in ("J", "H", "Ks")])
    error = np.stack([column(f"2MASS_{band}_Err") for band in ("J", "H", "Ks")])
    usable = (np.isfinite(mag) & np.isfinite(error) & (error < 0.3)).all(axis=0)
    rows = usable & (column("HDBscan_MemProb") > MEMBER)
    places = (column(name) for name in ("l", "b"))
    members = Members(*places, mag, error, column("Parallax"), column("Parallax_Err"))
    return members.take(rows)


def dust(members: Members) -> Sightlines:
    """The layer, with the column that has the cluster's reddening at its distance."""
    dist = 10 ** (1 + MODULUS / 5)
    whole = layer(members.lon, members.lat, np.ones(len(members.lon)))
    a_ks = np.asarray(extinction(whole, np.full((len(members.lon), 1), dist)))[2, :, 0]
    inside = a_ks / np.asarray(whole.reddening)[2]
    return layer(members.lon, members.lat, E_B_V * R_V / inside)


def bands(members: Members, shift_j: float = 0.0) -> Stars:
    """The stars as the kernels take them, J shifted and without parallaxes."""
    shift = np.array([shift_j, 0.0, 0.0])[:, None]
    return photometry(members.mag + shift, members.error)


def with_parallax(members: Members, offset: float) -> Stars:
    """The same with parallaxes plus an offset [mas]."""
    return photometry(members.mag, members.error, members.parallax + offset, members.parallax_error)


def likelihoods(
    galaxy: Galaxy, stars: Stars, line: Sightlines, options: Options, comp: int | None
) -> Float[np.ndarray, "n_star n_modulus"]:
    """Likelihood of each star at each modulus, the Galactic prior divided out; of one component or of all."""
    dist = 10 ** (1 + MODULI / 5)
    out = np.empty((len(stars.source_id), len(MODULI)))
    chosen = slice(None) if comp is None else slice(comp, comp + 1)
    for mine, curves in each_batch(galaxy, stars, line, options):
        prior = np.asarray(number_density(galaxy, line.take(mine), curves.dist[: len(mine)]))
        for j, star in enumerate(mine):
            ratio = curves.density[chosen, j].sum(axis=0) / prior[chosen, j].sum(axis=0)
            nodes = curves.dist[j]
            out[star] = np.interp(dist, nodes, ratio / nodes**2)
    return out


def seen_fraction(
    galaxy: Galaxy, line: Sightlines, limits: tuple[float, float], error: float, comp: int | None
) -> Float[np.ndarray, " n_modulus"]:
    """Fraction of living stars that would be observed between two limits in Ks, at each modulus."""
    points = model_points(galaxy, 5)
    dist = 10 ** (1 + MODULI / 5)
    one = line.take(np.array([0]))
    a_ks = np.asarray(extinction(one, dist[None]))[2, 0]
    number = np.asarray(number_density(galaxy, one, dist[None]))[:, 0]
    share = number / number.sum(axis=0)
    if comp is not None:
        share = (np.arange(len(share)) == comp)[:, None] * np.ones_like(share)
    total = np.zeros(len(dist))
    for i in np.flatnonzero(share.sum(axis=1)):
        mine = points.comp == i
        shown = points.mag[2, mine][:, None] + MODULI + a_ks
        inside = ndtr((limits[1] - shown) / error) - ndtr((limits[0] - shown) / error)
        total += share[i] * (points.weight[mine] @ inside)
    return total


def combine(
    likelihood: Float[np.ndarray, "n_star n_modulus"], seen: Float[np.ndarray, " n_modulus"]
) -> Combined:
    """One modulus for all stars, from likelihoods of what was observed given that it was selected.

    Without the division by the fraction that is selected, faint stars being many, every star of the upper
    main sequence would rather be a nearer and fainter one.
    """
    each = likelihood / seen
    total = np.log(np.maximum(each / each.max(axis=1, keepdims=True), 1e-300)).sum(axis=0)
    best = int(total.argmax())
    curvature = -np.gradient(np.gradient(total, MODULI), MODULI)[best]
    cumulative = np.cumsum(each, axis=1)
    cumulative /= cumulative[:, -1:]
    low, middle, high = (
        np.array([np.interp(u, row, MODULI) for row in cumulative]) for u in (0.16, 0.5, 0.84)
    )
    width = (high - low) / 2
    return Combined(
        len(each),
        float(MODULI[best]),
        float(curvature**-0.5) if curvature > 0 else np.nan,
        half_width(middle),
        float(np.median(width)),
        half_width((middle - MODULI[best]) / width),
    )


def measure(
    galaxy: Galaxy,
    members: Members,
    limits: tuple[float, float],
    *,
    comp: int | None = OWN,
    floor: float = 0.1,
    offset: float | None = None,
    shift_j: float = 0.0,
) -> Combined:
    """Modulus of the members between two limits in Ks, with parallaxes if they are given an offset."""
    some = members.take((members.mag[2] > limits[0]) & (members.mag[2] < limits[1]))
    line = dust(some)
    stars = bands(some, shift_j) if offset is None else with_parallax(some, offset)
    found = likelihoods(galaxy, stars, line, Options(error_floor=floor), comp)
    return combine(found, seen_fraction(galaxy, line, limits, floor, comp))


def colours(galaxy: Galaxy, members: Members) -> list[tuple[float, float, int, float, float]]:
    """Median J-Ks of the members in bins of Ks, and that of the isochrone at the published distance."""
    points = model_points(galaxy, 20)
    mine = points.comp == OWN
    a = np.asarray(extinction(dust(members).take(np.array([0])), np.full((1, 1), 10 ** (1 + MODULUS / 5))))
    shown = points.mag[:, mine] + MODULUS + a[:, 0]
    weight, rows = points.weight[mine], []
    for low, high in pairwise(SEQUENCE):
        some = (members.mag[2] > low) & (members.mag[2] < high) & (members.error < 0.1).all(axis=0)
        model = (shown[2] > low) & (shown[2] < high)
        expected = np.average((shown[0] - shown[2])[model], weights=weight[model])
        observed = float(np.median((members.mag[0] - members.mag[2])[some]))
        rows.append((low, high, int(some.sum()), observed, float(expected)))
    return rows
