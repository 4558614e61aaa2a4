"""Giants of the Kepler field: distances from J, H, Ks and a parallax against the seismic ones.

Table of Huber et al. (2017, ApJ 844, 102): 2MASS, parallaxes of Gaia DR1 (TGAS), asteroseismology.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from astropy.coordinates import SkyCoord
from jaxtyping import Float, Int

from galcen.catalogue.posterior import Options, Stars
from galcen.galaxy.model import Galaxy, Sightlines, extinction, number_density
from off_map import Found, half_width, layer, model_points, photometry, posteriors

NUMAX_SUN, DNU_SUN, TEFF_SUN = 3090.0, 135.1, 5777.0  # [uHz], [uHz], [K] (Huber et al. 2011, ApJ 743, 143)
M_BOL_SUN = 4.692
"""What the Sun has with BC_V = -0.12, the zero point of Alonso et al. (1999), and V = -26.76: bolometric
corrections are used with the Sun of their own scale (Torres 2010, AJ 140, 1158)."""
MAS_PER_RSUN_PC = 9.3009  # diameter of 1 solar radius at 1 pc [mas]
LOGG_GIANT = 3.5
BRANCH_END = -1.2  # the clump is brighter in Ks
TEFF_POWER = 1.15
"""Of a seismic distance: 2.5 from radius and luminosity, -1.35 from the bolometric correction in Ks."""


class Giants(NamedTuple):
    """Columns of the table."""

    lon: Float[np.ndarray, " n"]  # [deg]
    lat: Float[np.ndarray, " n"]
    mag: Float[np.ndarray, "3 n"]
    error: Float[np.ndarray, "3 n"]
    numax: Float[np.ndarray, "2 n"]  # value and error [uHz]
    dnu: Float[np.ndarray, "2 n"]
    teff: Float[np.ndarray, "2 n"]  # [K]
    feh: Float[np.ndarray, " n"]
    parallax: Float[np.ndarray, " n"]  # [mas]
    parallax_error: Float[np.ndarray, " n"]
    state: Int[np.ndarray, " n"]  # 1 red clump, 0 giant branch, -1 not known


def read(path: Path) -> Giants:
    """The giants of the table; negative parallaxes are kept.

    An error of exactly 0 (six stars, one band each) means that there is no usable one: NaN.
    """
    table = np.genfromtxt(path, names=True, dtype=None, encoding=None)
    table = table[table["logg"] < LOGG_GIANT]
    place = SkyCoord(table["ra"], table["dec"], unit="deg").galactic
    error = np.stack([table[f"sig_{band}mag"] for band in "jhk"])
    pairs = (np.stack([table[name], table[f"sig_{name}"]]) for name in ("numax", "dnu", "teff"))
    return Giants(
        place.l.deg,
        place.b.deg,
        np.stack([table[f"{band}mag"] for band in "jhk"]),
        np.where(error > 0, error, np.nan),
        *pairs,
        table["feh"],
        table["plx"],
        table["sig_plx"],
        table["clump"],
    )


def dust(giants: Giants, scale: float = 1.0) -> Sightlines:
    """The extinction of the Kepler Input Catalog, times a number.

    A_V = 1 mag/kpc in the plane with a height of 150 pc (Brown et al. 2011, AJ 142, 112); the layer is
    164 pc high, with the same column.
    """
    return layer(giants.lon, giants.lat, scale * 0.15 / np.sin(np.radians(giants.lat)))


def colour_v_k(teff: Float[np.ndarray, " n"], feh: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """V-K (TCS) of giants: Alonso, Arribas & Martinez-Roger (1999, A&AS 140, 261), eqs. 8 and 9 solved."""

    def solve(a: tuple[float, ...]) -> Float[np.ndarray, " n"]:
        constant = a[0] + a[4] * feh + a[5] * feh**2 - 5040.0 / teff
        slope = a[1] + a[3] * feh
        return 2 * -constant / (slope + np.sqrt(slope**2 - 4 * a[2] * constant))

    blue = solve((0.5558, 0.2105, 1.981e-3, -9.965e-3, 1.325e-2, -2.726e-3))
    red = solve((0.3770, 0.3660, -3.170e-2, -3.074e-3, -2.765e-3, -2.973e-3))
    return np.where(red > 2.25, red, blue)


def bolometric_correction_k(
    teff: Float[np.ndarray, " n"], feh: Float[np.ndarray, " n"]
) -> Float[np.ndarray, " n"]:
    """BC in Ks [mag]: BC(V) of Alonso et al. (1999), eqs. 17 and 18, and their V-K.

    Their K is taken for 2MASS Ks: 0.01 mag for giants.
    """
    x = np.log10(teff) - 3.52
    cool = -5.531e-2 / x - 0.6177 + 4.420 * x - 2.669 * x**2
    cool += (0.6943 * x - 0.1071) * feh - 8.612e-3 * feh**2
    warm = -9.930e-2 / x + 2.887e-2 + 2.275 * x - 4.425 * x**2
    warm += (0.3505 * x - 5.558e-2) * feh - 5.375e-3 * feh**2
    return np.where(x < 0.14, cool, warm) + colour_v_k(teff, feh)


def seismic_radius(giants: Giants) -> Float[np.ndarray, " n"]:
    """Radius [solar] by the scaling relations, without corrections."""
    numax, dnu, teff = giants.numax[0] / NUMAX_SUN, giants.dnu[0] / DNU_SUN, giants.teff[0] / TEFF_SUN
    return numax * dnu**-2 * np.sqrt(teff)


def absolute_ks(giants: Giants) -> Float[np.ndarray, " n"]:
    """Ks at 10 pc from the seismic radius, the temperature and the bolometric correction."""
    m_bol = M_BOL_SUN - 5 * np.log10(seismic_radius(giants)) - 10 * np.log10(giants.teff[0] / TEFF_SUN)
    return m_bol - bolometric_correction_k(giants.teff[0], giants.feh)


def seismic_distance(giants: Giants, line: Sightlines) -> Float[np.ndarray, " n"]:
    """Distance [pc] of the scaling relations, with the extinction of its place."""
    dist = np.full(len(giants.lon), 1000.0)
    for _ in range(8):
        a_ks = np.asarray(extinction(line, dist[:, None]))[2, :, 0]
        dist = 10 ** (1 + 0.2 * (giants.mag[2] - absolute_ks(giants) - a_ks))
    return dist


def diameter_distance(giants: Giants, line: Sightlines) -> Float[np.ndarray, " n"]:
    """Distance [pc] from the seismic radius and the angular diameter, for comparison.

    Surface brightness of Pietrzynski et al. (2019, Nature 567, 200), calibrated with interferometry, at
    the V-K of the temperature (Johnson: Alonso et al. 1999).
    """
    v_k = (colour_v_k(giants.teff[0], giants.feh) - 0.050) / 0.993
    a_ks = np.asarray(extinction(line, seismic_distance(giants, line)[:, None]))[2, :, 0]
    v = giants.mag[2] - a_ks + v_k
    diameter = 10 ** (0.2 * (1.330 * (v_k - 2.405) + 5.869 - v))
    return MAS_PER_RSUN_PC * seismic_radius(giants) / diameter


def seismic_error(giants: Giants) -> Float[np.ndarray, " n"]:
    """Relative error of the seismic distance from those of the frequencies and the temperature."""
    numax, dnu, teff = (pair[1] / pair[0] for pair in (giants.numax, giants.dnu, giants.teff))
    return np.sqrt(numax**2 + (2 * dnu) ** 2 + (TEFF_POWER * teff) ** 2)


def clump_colour(giants: Giants, line: Sightlines) -> tuple[float, float]:
    """Median J-Ks of clump stars of about solar metallicity, and their median E(J-Ks) in the layer."""
    rows = (giants.state == 1) & (np.abs(giants.feh) < 0.2)
    a = np.asarray(extinction(line, seismic_distance(giants, line)[:, None]))[:, :, 0]
    colour, excess = giants.mag[0] - giants.mag[2], a[0] - a[2]
    return float(np.median(colour[rows])), float(np.median(excess[rows]))


def groups(giants: Giants) -> dict[str, np.ndarray]:
    """Rows of the stars that are looked at together."""
    ratio = giants.parallax / giants.parallax_error
    return {
        "all": np.ones(len(ratio), dtype=bool),
        "clump": giants.state == 1,
        "giant branch": giants.state == 0,
        "not known": giants.state == -1,
        "parallax < 2 errors": ratio < 2,
        "parallax 2 to 5 errors": (ratio >= 2) & (ratio < 5),
        "parallax > 5 errors": ratio >= 5,
    }


def compare(found: Found, dist: np.ndarray, error: np.ndarray, rows: np.ndarray) -> dict[str, float]:
    """Inferred over seismic distance, and what is left over the stated errors, of some stars."""
    low, middle, high = found.quantile[:, rows] / dist[rows]
    # The seismic error goes with the distance it is the error of.
    stated = np.hypot((high - low) / 2, error[rows] * middle)
    pull = (middle - 1) / stated
    return {
        "n": int(rows.sum()),
        "ratio": float(np.median(middle)),
        "low": float(np.percentile(middle, 16)),
        "high": float(np.percentile(middle, 84)),
        "stated": float(np.median(stated)),
        "pull": float(np.median(pull)),
        "pull_width": half_width(pull),
    }


def infer(
    galaxy: Galaxy, giants: Giants, line: Sightlines, options: Options, offset: float | None = 0.0
) -> Found:
    """Posteriors with J, H, Ks and the parallax plus `offset` [mas]; None: without parallaxes."""
    if offset is None:
        return posteriors(galaxy, photometry(giants.mag, giants.error), line, options)
    stars = photometry(giants.mag, giants.error, giants.parallax + offset, giants.parallax_error)
    return posteriors(galaxy, stars, line, options)


class Twins(NamedTuple):
    """Model giants seen as the real ones are."""

    stars: Stars
    dist: Float[np.ndarray, " n"]  # true [pc]
    m_ks: Float[np.ndarray, " n"]  # absolute Ks


def twins(galaxy: Galaxy, giants: Giants, line: Sightlines, seed: int, error: float = 0.1) -> Twins:
    """A model giant for each star: with its Ks, on its sightline, observed with its parallax error.

    What is drawn is the isochrone point; the distance follows from Ks, with probability n_i(D) D^3 per
    magnitude.
    """
    rng = np.random.default_rng(seed)
    points = model_points(galaxy, 2)
    is_giant = (points.mag[2] < 1.5) & (points.mag[0] - points.mag[2] > 0.45) & (points.mag[2] > -7)
    comp, mag, weight = points.comp[is_giant], points.mag[:, is_giant], points.weight[is_giant]
    nodes = np.geomspace(20.0, 15000.0, 400)
    number = np.asarray(number_density(galaxy, line, np.broadcast_to(nodes, (len(giants.lon), 400))))
    a = np.asarray(extinction(line, np.broadcast_to(nodes, (len(giants.lon), 400))))
    shown, dist = np.empty((3, len(giants.lon))), np.empty(len(giants.lon))
    m_ks = np.empty(len(giants.lon))
    modulus = 5 * np.log10(nodes / 10)
    for star in range(len(giants.lon)):
        where = 10 ** np.interp(giants.mag[2, star] - mag[2], modulus + a[2, star], np.log10(nodes))
        density = np.array([np.interp(where, nodes, n) for n in number[:, star]])[comp, np.arange(len(comp))]
        steps = np.cumsum(weight * density * where**3)
        pick = np.searchsorted(steps, rng.random() * steps[-1])
        dist[star], m_ks[star] = where[pick], mag[2, pick]
        here = [np.interp(dist[star], nodes, a[band, star]) for band in range(3)]
        shown[:, star] = mag[:, pick] + here + 5 * np.log10(dist[star] / 10)
    shown += rng.normal(0, error, shown.shape)
    parallax = 1000 / dist + giants.parallax_error * rng.normal(size=len(dist))
    stars = photometry(shown, np.full(shown.shape, error), parallax, giants.parallax_error)
    return Twins(stars, dist, m_ks)
