"""Stars of the inner Galaxy with six coordinates: their motions against draws from the model.

APOGEE giants with Gaia's proper motions, outside of abs(l) < 10 and abs(b) < 10 deg. The table has no
photometry; a selection by [Fe/H] > -0.8 and R < 5 kpc shows in it.
"""

from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from galcen.catalogue.velocity import phase_space
from galcen.galaxy.components import BAR, THICK, THIN
from galcen.galaxy.frame import position
from galcen.galaxy.model import Galaxy, number_density
from galcen.random import stage_key
from off_map import layer, model_points

KM_S = 4.740470463533  # [km/s] per mas/yr and kpc
H_LIMIT = 12.2  # of APOGEE's main survey [mag]; without extinction, 0.1 to 0.3 mag here
LON_EDGES = (-36, -25, -15, 0, 15, 25, 37)
LAT_EDGES = (-27, -11, 0, 11, 32)
DIST_EDGES = (3.0, 4.5, 6.0, 8.0, 13.0)  # [kpc]
R_EDGES = (1, 2, 3, 4, 5)  # [kpc]
LEAST = 60  # stars of a bin
SHARES = {"thin discs": THIN, "thick disc": range(THICK, THICK + 1), "bar": range(BAR, BAR + 1)}
ALPHA_POOR, ALPHA_RICH = 0.15, 0.25  # [alpha/Fe] below and above which stars are thin and thick disc


class Sample(NamedTuple):
    """Columns of the table."""

    lon: Float[np.ndarray, " n"]  # [deg]
    lat: Float[np.ndarray, " n"]
    dist: Float[np.ndarray, "2 n"]  # value and error [kpc]
    pml: Float[np.ndarray, "2 n"]  # [mas/yr], times cos b
    pmb: Float[np.ndarray, "2 n"]
    v_los: Float[np.ndarray, "2 n"]  # [km/s]
    alpha: Float[np.ndarray, " n"]  # [alpha/Fe]


class Draws(NamedTuple):
    """Model stars at the places of the real ones, observed with their errors."""

    dist: Float[np.ndarray, "n_draw n"]  # [kpc]
    pml: Float[np.ndarray, "n_draw n"]
    pmb: Float[np.ndarray, "n_draw n"]
    v_los: Float[np.ndarray, "n_draw n"]
    mix: Float[np.ndarray, "12 n"]  # probabilities of the components


def read(path: Path) -> Sample:
    """Stars with proper motions better than 0.5 mas/yr."""
    columns = np.genfromtxt(path, skip_header=1, usecols=range(15)).T
    lon, lat, dist, e_dist, pml, e_pml, pmb, e_pmb, _, v_los, e_v_los, _, _, _, alpha = columns
    pairs = ((dist, e_dist), (pml, e_pml), (pmb, e_pmb), (v_los, e_v_los))
    sample = Sample(lon, lat, *(np.stack(pair) for pair in pairs), alpha)
    good = (e_pml < 0.5) & (e_pmb < 0.5)
    return Sample(*(column[..., good] for column in sample))


def giant_fraction(galaxy: Galaxy, dist: Float[np.ndarray, " n"]) -> Float[np.ndarray, "12 n"]:
    """Fraction of the living stars of each component that APOGEE can see at a distance [kpc]."""
    points = model_points(galaxy, 10)
    limit = H_LIMIT - 5 * np.log10(100 * dist)
    out = np.zeros((12, len(dist)))
    for i in range(12):
        mine = np.flatnonzero(points.comp == i)
        order = mine[np.argsort(points.mag[1, mine])]
        out[i] = np.interp(limit, points.mag[1, order], np.cumsum(points.weight[order]))
    return out


def component_mix(
    galaxy: Galaxy, sample: Sample, comps: range | None = None, *, giants: bool = True
) -> Float[np.ndarray, "12 n"]:
    """Probabilities of the components at each place, by number of stars that are seen or of all."""
    line = layer(sample.lon, sample.lat, np.zeros(len(sample.lon)))
    number = np.asarray(number_density(galaxy, line, 1000 * sample.dist[0][:, None]))[:, :, 0]
    if giants:
        number = number * giant_fraction(galaxy, sample.dist[0])
    if comps is not None:
        number = number * np.isin(np.arange(12), comps)[:, None]
    return number / number.sum(axis=0)


def draw(
    galaxy: Galaxy,
    sample: Sample,
    mix: Float[np.ndarray, "12 n"],
    *,
    n_draw: int = 8,
    seed: int = 0,
    scale: float = 1.0,
) -> Draws:
    """Velocities drawn at the observed places; then distances, motions and velocities get their errors.

    With a `scale` the true distances are the observed ones times it.
    """
    rng = np.random.default_rng(seed)
    n = len(sample.lon)
    lon, lat = np.radians(sample.lon), np.radians(sample.lat)
    parts = []
    for i in range(n_draw):
        comp = (rng.random(n) < np.cumsum(mix, axis=0)).argmax(axis=0)
        names = np.arange(n) + i * n
        true = phase_space(
            galaxy, stage_key(seed, "real_stars"), names, comp, lon, lat, 1000 * scale * sample.dist[0]
        )
        noise = rng.normal(size=(4, n))
        parts.append(
            (
                sample.dist[0] + sample.dist[1] * noise[0],
                true.pml + sample.pml[1] * noise[1],
                true.pmb + sample.pmb[1] * noise[2],
                true.radial_velocity + sample.v_los[1] * noise[3],
            )
        )
    return Draws(*(np.stack(column) for column in zip(*parts, strict=True)), mix)


def slowed(galaxy: Galaxy, sample: Sample, draws: Draws, lag: float) -> Draws:
    """The draws with a rotation that is slower by `lag` [km/s] wherever they are."""
    lon, lat, dist = np.radians(sample.lon), np.radians(sample.lat), sample.dist[0]
    x, y, _ = (np.asarray(a) for a in position(galaxy.frame, lon, lat, 1000 * dist))
    v_x, v_y = lag * y / np.hypot(x, y), -lag * x / np.hypot(x, y)
    v_l = v_x * np.sin(lon) + v_y * np.cos(lon)
    outward = -v_x * np.cos(lon) + v_y * np.sin(lon)
    return draws._replace(
        pml=draws.pml + v_l / (KM_S * dist),
        pmb=draws.pmb - outward * np.sin(lat) / (KM_S * dist),
        v_los=draws.v_los + outward * np.cos(lat),
    )


def bins(sample: Sample, draws: Draws, rows: np.ndarray) -> Float[np.ndarray, "n_bin 3 5"]:
    """Mean and dispersion of v_l, v_b, v_los in bins of observed l, b and distance.

    Returns
    -------
    For each bin with enough stars and each velocity [km/s]: observed and drawn mean, observed and drawn
    dispersion, number of stars.
    """
    seen = [KM_S * sample.pml[0] * sample.dist[0], KM_S * sample.pmb[0] * sample.dist[0], sample.v_los[0]]
    drawn = [KM_S * draws.pml * draws.dist, KM_S * draws.pmb * draws.dist, draws.v_los]
    cell = _cells(sample.lon, LON_EDGES) * 100 + _cells(sample.lat, LAT_EDGES) * 10
    cell = np.where(rows, cell, -1000)
    mine = cell + _cells(sample.dist[0], DIST_EDGES)
    theirs = cell + _cells(draws.dist, DIST_EDGES)
    out = []
    for name in np.unique(mine[mine >= 0]):
        a, b = mine == name, theirs == name
        if a.sum() >= LEAST:
            pairs = zip(seen, drawn, strict=True)
            out.append([(x[a].mean(), y[b].mean(), x[a].std(), y[b].std(), a.sum()) for x, y in pairs])
    return np.array(out)


def _cells(values: np.ndarray, edges: tuple[float, ...]) -> np.ndarray:
    """Index of the bin of each value; far below 0 outside."""
    index = np.searchsorted(edges, values, side="right") - 1
    return np.where((index >= 0) & (index < len(edges) - 1), index, -10000)


def summary(found: Float[np.ndarray, "n_bin 3 5"]) -> dict[str, dict[str, float]]:
    """How many bins agree, of each velocity."""
    out = {}
    for k, name in enumerate(("v_l", "v_b", "v_los")):
        mean, drawn_mean, sigma, drawn_sigma, n = found[:, k].T
        excess, ratio = drawn_mean - mean, drawn_sigma / sigma
        error = sigma / np.sqrt(n)
        out[name] = {
            "bins": len(found),
            "excess": float(np.median(excess)),
            "rms": float(np.sqrt(np.mean(excess**2))),
            "within": float(np.mean(np.abs(excess) < 10)),
            "within_errors": float(np.mean(np.abs(excess) < 10 + 2 * error)),
            "ratio": float(np.median(ratio)),
            "ratio_within": float(np.mean(np.abs(ratio - 1) < 0.15)),
            "ratio_within_errors": float(np.mean(np.abs(ratio - 1) < 0.15 + 2 * ratio / np.sqrt(2 * n))),
        }
    return out


def galactocentric(
    galaxy: Galaxy,
    sample: Sample,
    dist: Float[np.ndarray, "... n"],
    pml: Float[np.ndarray, "... n"],
    pmb: Float[np.ndarray, "... n"],
    v_los: Float[np.ndarray, "... n"],
) -> tuple[np.ndarray, np.ndarray]:
    """Radius in the plane [kpc], and v_phi, v_R, v_Z [km/s], of what was observed.

    The directions of increasing l, b and distance in the left-handed frame are orthonormal: the inverse is
    a sum.
    """
    lon, lat = np.radians(sample.lon), np.radians(sample.lat)
    x, y, _ = (np.asarray(a) for a in position(galaxy.frame, lon, lat, 1000 * dist))
    sin_l, cos_l, sin_b, cos_b = np.sin(lon), np.cos(lon), np.sin(lat), np.cos(lat)
    v_l, v_b = KM_S * pml * dist, KM_S * pmb * dist
    u, v, w = galaxy.frame.sun_velocity
    v_x = v_l * sin_l + v_b * cos_l * sin_b - v_los * cos_l * cos_b - u
    v_y = v_l * cos_l - v_b * sin_l * sin_b + v_los * sin_l * cos_b + v
    v_z = v_b * cos_b + v_los * sin_b + w
    r = np.hypot(x, y)
    return r / 1000, np.stack([(v_y * x - v_x * y) / r, (v_x * x + v_y * y) / r, v_z])


def rotation(
    galaxy: Galaxy, sample: Sample, draws: Draws, rows: np.ndarray
) -> list[tuple[int, int, np.ndarray, np.ndarray]]:
    """Means and dispersions of v_phi, v_R, v_Z in bins of the radius that is observed.

    Draws pass through the same distance errors, which mix the radii.

    Returns
    -------
    Lower edge [kpc], number of stars, observed and drawn means and dispersions, (2, 3).
    """
    r, seen = galactocentric(galaxy, sample, *(a[0] for a in sample[2:6]))
    r_drawn, drawn = galactocentric(galaxy, sample, *draws[:4])
    out = []
    for low, high in pairwise(R_EDGES):
        a = rows & (r > low) & (r < high)
        b = rows & (r_drawn > low) & (r_drawn < high)
        pair = (np.stack([v.mean(axis=-1), v.std(axis=-1)]) for v in (seen[:, a], drawn[:, b]))
        out.append((low, int(a.sum()), *pair))
    return out


def populations(sample: Sample) -> dict[str, tuple[np.ndarray, range | None]]:
    """Stars by their chemistry, and the components that stand for them."""
    return {
        "all": (np.ones(len(sample.lon), dtype=bool), None),
        "alpha-poor": (sample.alpha < ALPHA_POOR, THIN),
        "alpha-rich": (sample.alpha > ALPHA_RICH, range(THICK, THICK + 1)),
    }
