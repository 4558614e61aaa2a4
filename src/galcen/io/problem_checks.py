"""Whether the columns of a problem file can be true together: wrong units, signs, orders and conventions.

Every refusal names the dataset and asks what was probably mistaken. Predictions of the whole model are
compared with the measurements in `galcen.stages.problem_prediction`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from galcen.bounds import BOUNDS
from galcen.errors import SchemaError
from galcen.io.row_checks import stand_ins

BARYCENTRE_AU = 0.02
"""Largest distance of the Sun from the barycentre, with a margin."""

OFF_PLANE_AU = 0.05
"""Farthest from the plane of the Earth's orbit at its distance from the Sun; Spitzer was within 0.02."""

EARTH_BETA = 0.99365e-4
"""Mean velocity of the Earth [c], 29.79 km/s."""

OBLIQUITY = np.radians(23.4392911)
"""Of the ecliptic, J2000 [rad]."""

WIDEST_OFFSET_DEG = 1.0
"""Largest error of a pointing that the priors of attitudes may ask to be allowed for."""

PRIORS = (
    (("a", "d"), (1e-3, 1e5), 1e5, "mas"),
    (("parallax",), (1e-3, 1e3), BOUNDS["parallax"].high, "mas"),
    (("pma", "pmd"), (1e-3, 2e4), BOUNDS["pmra"].high, "mas/yr"),
)
"""Unknowns of a source, smallest and largest width of their priors, largest mean, and the unit."""

Columns = Mapping[str, np.ndarray]


class Seen(NamedTuple):
    """Measurements, a row each."""

    exposure: Int[np.ndarray, " n_obs"]
    source: Int[np.ndarray, " n_obs"]
    chip: Int[np.ndarray, " n_obs"]
    pixel: Float[np.ndarray, "2 n_obs"]


def check_observer(path: Path, exposures: Columns) -> None:
    """The observer's place, velocity and time belong together.

    Raises
    ------
    SchemaError
        Place and direction from the Sun differ by more than the Sun's motion about the barycentre; at the
        Earth's distance from the Sun, the place is not in the plane of its orbit, the velocity is not that of
        the orbit, or the time does not go with it.
    """
    place, sun = exposures["b_au"], exposures["sun_dist_au"][:, None] * exposures["sun_to_observer"]
    apart = np.linalg.norm(place - sun, axis=1)
    bad = apart > BARYCENTRE_AU
    if bad.any():
        row = int(np.argmax(bad))
        raise SchemaError(
            f"{path}: exposures, row {row}: b_au and sun_dist_au x sun_to_observer are {apart[row]:.3g} au "
            "apart, "
            f"expected {BARYCENTRE_AU} at most ({np.count_nonzero(bad)} such); {_why_apart(place, sun)}"
        )
    distance = np.linalg.norm(place, axis=1)
    if len(place) and (abs(distance - 1.0) < 0.1).all():
        _check_plane(path, exposures)
        _check_motion(path, exposures)
        _check_time(path, exposures)


def _why_apart(place: Float[np.ndarray, "n_exp 3"], sun: Float[np.ndarray, "n_exp 3"]) -> str:
    """The question that fits."""

    def fits(other: np.ndarray) -> bool:
        return bool((np.linalg.norm(place - other, axis=1) <= BARYCENTRE_AU).mean() > 0.5)

    if fits(-sun):
        return "does sun_to_observer point from the observer to the Sun, or b_au from the observer away?"
    if fits(np.stack(_to_ecliptic(sun), axis=1)) or bool(
        (np.linalg.norm(np.stack(_to_ecliptic(place), axis=1) - sun, axis=1) < 0.02).all()
    ):
        return "is one of them in ecliptic coordinates? Both are along the axes of the ICRS"
    if fits(sun[::-1]):
        return "are the rows of one in another order?"
    ratio = np.median(np.linalg.norm(place, axis=1) / np.linalg.norm(sun, axis=1))
    if not 0.9 < ratio < 1.1:
        return "au are expected of both: is one in km, or about another centre?"
    return "is one of them in another order or along other axes? Both are along the axes of the ICRS"


def _to_ecliptic(vectors: Float[np.ndarray, "n 3"]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    x, y, z = vectors.T
    return x, np.cos(OBLIQUITY) * y + np.sin(OBLIQUITY) * z, np.cos(OBLIQUITY) * z - np.sin(OBLIQUITY) * y


def _from_ecliptic(vectors: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
    """Vectors along the axes of the ICRS, if they were given along those of the ecliptic."""
    x, y, z = vectors.T
    sin, cos = np.sin(OBLIQUITY), np.cos(OBLIQUITY)
    return np.stack([x, cos * y - sin * z, sin * y + cos * z], axis=1)


def _check_plane(path: Path, exposures: Columns) -> None:
    """The place is near the plane of the Earth's orbit; at L2 it is within 0.01 au of it."""
    off = abs(_to_ecliptic(exposures["b_au"])[2])
    bad = off > OFF_PLANE_AU
    if bad.any():
        row = int(np.argmax(bad))
        raise SchemaError(
            f"{path}: exposures/b_au, row {row}: lies {off[row]:.2f} au off the plane of the Earth's orbit "
            f"({np.count_nonzero(bad)} such), expected {OFF_PLANE_AU} at most; are b_au and "
            "sun_to_observer in ecliptic or Galactic coordinates, or are axes exchanged or one sign "
            "reversed? Both are along the axes of the ICRS"
        )


def _check_motion(path: Path, exposures: Columns) -> None:
    """The velocity is that of the Earth; that of a satellite adds a quarter at most."""
    x, y, _ = _to_ecliptic(exposures["b_au"])
    u, v, w = _to_ecliptic(exposures["beta"])
    speed = np.linalg.norm(exposures["beta"], axis=1)
    if not (speed > 0).any():
        return
    along = (x * v - y * u)[speed > 0] / speed[speed > 0]
    if along.min() < 0.7:
        raise SchemaError(
            f"{path}: exposures/beta: its component along the Earth's motion at b_au is "
            f"{along.min():.2f} of it in one exposure, expected about 1; is a sign reversed (of beta, or of "
            "b_au with sun_to_observer), is it in ecliptic coordinates, or are its rows in another order?"
        )
    ratio = np.median(speed[speed > 0]) / EARTH_BETA
    if not 0.7 < ratio < 1.4:
        raise SchemaError(
            f"{path}: exposures/beta: the median velocity is {ratio:.3g} times that of the Earth, where b_au "
            "is at its distance from the Sun; expected about 1: is it in units of c?"
        )
    tilt = abs(w).max() / EARTH_BETA
    if tilt > 0.3:
        raise SchemaError(
            f"{path}: exposures/beta: {tilt:.2f} of the Earth's velocity is across the plane of its orbit in "
            "one exposure, expected 0.3 at most; is beta in ecliptic coordinates? It is along the "
            "axes of the ICRS"
        )


def _check_time(path: Path, exposures: Columns) -> None:
    """The Earth's place goes round once a year; its eccentricity makes 2 deg of difference."""
    x, y, _ = _to_ecliptic(exposures["b_au"])
    phase = np.arctan2(y, x) - 2 * np.pi * exposures["t_yr"]
    steadiness = abs(np.exp(1j * phase).mean())
    if steadiness < 0.95:
        raise SchemaError(
            f"{path}: exposures/t_yr: does not go with b_au, which must go round the Sun once a year (a "
            "constant "
            f"phase of both is right to {steadiness:.2f}, expected 1); is t_yr in days or months, or are "
            "the rows of "
            "one in another order?"
        )


def check_priors(path: Path, sources: Columns) -> None:
    """Priors of the sources are plausible, each and together.

    Raises
    ------
    SchemaError
        A width or mean is none that a star can have, or means scatter far less than their widths.
    """
    mean, sigma = sources["prior_mean"], sources["prior_sigma"]
    at = 0
    for names, (low, high), largest, unit in PRIORS:
        column = slice(at, at := at + len(names))
        where = f"{path}: sources/prior_sigma, {' and '.join(names)}"
        bad = ~((sigma[:, column] >= low) & (sigma[:, column] <= high))
        if bad.any():
            row, k = np.argwhere(bad)[0]
            raise SchemaError(
                f"{where}, row {row}: {sigma[row, column][k]:g}, expected {low:g} to {high:g} {unit} "
                f"({np.count_nonzero(bad)} such); is it in micro-arcseconds, arcsec or radians?"
            )
        _check_means(path, names, mean[:, column], largest, unit)
    for k, name in ((2, "parallax"), (3, "pma"), (4, "pmd")):
        _check_scatter(path, name, mean[:, k], sigma[:, k])
        _refuse_stand_ins(f"{path}: sources/prior_mean, {name}", mean[:, k])
    _refuse_stand_ins(f"{path}: sources/rv_km_s", sources["rv_km_s"])
    speeds = np.abs(sources["rv_km_s"][sources["rv_km_s"] != 0])
    if len(speeds) and np.median(speeds) > 800.0:
        raise SchemaError(
            f"{path}: sources/rv_km_s: half of the stars are faster than {np.median(speeds):.0f}, expected "
            "a few "
            "hundred km/s; is it in m/s?"
        )


def _refuse_stand_ins(where: str, values: Float[np.ndarray, " n_src"]) -> None:
    """Refuse numbers by which archives mark missing values."""
    known = values != 0
    for value, archive, at in stand_ins(values, known, np.zeros_like(known)):
        raise SchemaError(
            f"{where}, row {int(np.argmax(at))}: {value:.10g} stands for no value in {archive} "
            f"({np.count_nonzero(at)} such); give 0 where nothing is known, with a wide prior_sigma"
        )


def _check_means(path: Path, names: tuple[str, ...], mean: np.ndarray, high: float, unit: str) -> None:
    where = f"{path}: sources/prior_mean, {' and '.join(names)}"
    bad = ~(np.abs(mean) <= high)
    if bad.any():
        row, k = np.argwhere(bad)[0]
        raise SchemaError(
            f"{where}, row {row}: {mean[row, k]:g}, expected {-high:g} to {high:g} {unit} "
            f"({np.count_nonzero(bad)} such); is it in micro-arcseconds, or the coordinate itself?"
        )
    usual = {"a": np.inf, "parallax": 50.0, "pma": 1000.0}[names[0]]
    known = np.abs(mean[mean != 0])
    if len(known) and np.median(known) > usual:
        raise SchemaError(
            f"{where}: {np.median(known):g} {unit} in the median of those that are not 0, expected "
            f"{usual:g} at "
            "most; is it in micro-arcseconds?"
        )


def _check_scatter(path: Path, name: str, mean: np.ndarray, sigma: np.ndarray) -> None:
    """Catalogue values scatter by their errors at least."""
    values, place, count = np.unique(mean, return_index=True, return_counts=True)
    own = place[(count == 1) & (values != 0)]
    if len(own) < 10:
        return
    scatter = np.median(np.abs(mean[own] - np.median(mean[own])) / sigma[own])
    if scatter < 0.03:
        raise SchemaError(
            f"{path}: sources/prior_mean, {name}: the values of {len(own)} stars scatter by {scatter:.2g} of "
            "prior_sigma in the median, expected 0.7 or more of measured values; is prior_sigma in "
            "micro-arcseconds, "
            "or prior_mean in arcsec?"
        )


def check_pixels(path: Path, lengths: Mapping[str, float], chips: Columns, seen: Seen) -> None:
    """Measurements lie on chips that do not overlap, and their origin is the centre of the chip.

    Raises
    ------
    SchemaError
        A pixel is nearer to the centre of another chip, or all are counted from a corner.
    """
    if not len(seen.chip):
        return
    n = len(seen.chip)
    if n >= 20 and (seen.pixel > -0.75).all():
        raise SchemaError(
            f"{path}: observations/nx_pix and ny_pix: none of {n} is below 0, expected pixels from the "
            "centre of the "
            "chip; are they counted from a corner?"
        )
    pitch = _pitch(chips["chip_centre_um"]) / lengths["pixel_um"]
    limit = 0.55 * pitch
    bad = np.abs(seen.pixel).max(axis=0) > limit
    if bad.any():
        row = int(np.argmax(bad))
        raise SchemaError(
            f"{path}: observations/nx_pix, ny_pix: {seen.pixel[0, row]:g}, {seen.pixel[1, row]:g} in "
            "exposure "
            f"{seen.exposure[row]} of source {seen.source[row]}, expected {-limit:.0f} to {limit:.0f}, for "
            "chips are "
            f"{pitch:.4g} pixels apart ({np.count_nonzero(bad)} such); {_why_off(seen, pitch)}"
        )
    used = np.abs(chips["chip_centre_um"]).max() + 0.5 * pitch * lengths["pixel_um"]
    if np.isfinite(used) and not 0.3 < used / lengths["L_um"] < 1.5:
        raise SchemaError(
            f"{path}: attribute L_um is {lengths['L_um']:g}, but the chips reach to {used:.0f} um; "
            "expected half the "
            "side of the square of the Legendre polynomials [um]: is it in mm or pixels?"
        )


def _pitch(centres: Float[np.ndarray, "n_chip 2"]) -> float:
    """Smallest distance of two chips along the axis where they are further apart; inf of a single chip."""
    apart = np.abs(centres[:, None] - centres).max(axis=2)
    np.fill_diagonal(apart, np.inf)
    return float(apart.min())


def _why_off(seen: Seen, pitch: float) -> str:
    extent = np.abs(seen.pixel).max()
    if pitch < 16:
        return "is chip_centre_um in mm or pixels?"
    if np.quantile(seen.pixel, 0.01) > -0.05 * pitch:
        return "are pixels counted from a corner? They are from the centre of the chip"
    if extent > 4 * pitch:
        return "are pixels in um? Is pixel_um the side of a pixel?"
    return "are pixels counted from a corner, or do chip_centre_um and pixel_um not belong to the detector?"


def check_field(
    path: Path,
    lengths: Mapping[str, float],
    exposures: Columns,
    sources: Columns,
    chips: Columns,
    seen: Seen,
) -> None:
    """Sources lie in the field of the exposures that they were measured in.

    Raises
    ------
    SchemaError
        One lies outside, or behind the telescope.
    """
    if not len(seen.source):
        return
    pitch = _pitch(chips["chip_centre_um"])
    side = pitch if np.isfinite(pitch) else 2 * np.abs(seen.pixel).max() * lengths["pixel_um"]
    reach = np.linalg.norm(chips["chip_centre_um"], axis=1).max() + side / np.sqrt(2)
    limit = 1.5 * np.degrees(np.arctan(reach / lengths["F_um"])) + WIDEST_OFFSET_DEG
    pointing = exposures["ra_deg"][seen.exposure], exposures["dec_deg"][seen.exposure]
    star = sources["ra_deg"][seen.source], sources["dec_deg"][seen.source]
    apart = _separation(star, pointing)
    bad: Bool[np.ndarray, " n_obs"] = ~(apart <= limit)
    if bad.any():
        row = int(np.argmax(bad))
        behind = ", behind the telescope" if apart[row] > 90 else ""
        raise SchemaError(
            f"{path}: sources, row {seen.source[row]}: {apart[row]:.3g} deg from the pointing of exposure "
            f"{seen.exposure[row]}, where it was measured{behind}; expected {limit:.2f} at most "
            f"({np.count_nonzero(bad)} such measurements); {_why_outside(star, pointing, limit)}"
        )


Direction = tuple[np.ndarray, np.ndarray]


def _separation(one: Direction, other: Direction) -> Float[np.ndarray, " n"]:
    """Angle between directions (ra, dec), all [deg]."""
    (ra, dec), (ra0, dec0) = (tuple(map(np.radians, at)) for at in (one, other))
    half = np.sin((dec - dec0) / 2) ** 2 + np.cos(dec) * np.cos(dec0) * np.sin((ra - ra0) / 2) ** 2
    return np.degrees(2 * np.arcsin(np.sqrt(np.clip(half, 0, 1))))


def _why_outside(star: Direction, pointing: Direction, limit: float) -> str:
    """The question that fits: what, if it were so, would bring the sources into the fields."""

    def fits(one: Direction, other: Direction) -> bool:
        return bool((_separation(one, other) <= limit).all())

    readings = {
        "ra_deg in radians": lambda ra, dec: (np.degrees(ra), dec),
        "ra_deg in hours": lambda ra, dec: (15 * ra, dec),
        "dec_deg in radians": lambda ra, dec: (ra, np.degrees(dec)),
        "ra_deg and dec_deg in radians": lambda ra, dec: (np.degrees(ra), np.degrees(dec)),
        "the sign of dec_deg reversed": lambda ra, dec: (ra, -dec),
        "ra_deg and dec_deg exchanged": lambda ra, dec: (dec, ra),
    }
    for words, read in readings.items():
        if fits(read(*star), pointing):
            return f"is in sources {words}?"
        if fits(star, read(*pointing)):
            return f"is in exposures {words}?"
        if fits(read(*star), read(*pointing)):
            return f"is in both sources and exposures {words}?"
    return (
        "are sources or exposures in another frame or unit than degrees of the ICRS, or do "
        "observations/source and "
        "observations/exposure count rows from 1 or in another order?"
    )
