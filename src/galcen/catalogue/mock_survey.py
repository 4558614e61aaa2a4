"""What a survey sees of stars whose true values are known.

Stars are blended, saturated, too faint, scattered; detections of nothing are added. All of it depends on a
star and its cell alone, so that no result depends on how the sky is cut: blends across the edge of a cell are
left out.
"""

from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key
from scipy.spatial import KDTree
from scipy.stats import poisson

from galcen.catalogue.crossmatch import ARCSEC, unit_vectors
from galcen.catalogue.forward import NUMBER_BITS
from galcen.catalogue.motion import at_epoch
from galcen.catalogue.sampling import uniform_numbers
from galcen.threefry import normals

SPURIOUS_FROM = 1 << (NUMBER_BITS - 1)
"""Running numbers of a cell from this on are those of detections of nothing."""


class Survey(NamedTuple):
    """Depths and errors; see `galcen.config.drawn_surveys.DrawnSurvey`."""

    epoch: float
    limit: Float[np.ndarray, " 3"]  # J, H, Ks; -inf for a band that it does not have
    saturation: Float[np.ndarray, " 3"]
    error_floor: float
    error_at_limit: float
    astrometry_band: int
    astrometry_magnitude: float
    astrometry_floor: float
    position_error: float  # [mas]
    proper_motion_error: float  # [mas/yr]; NaN without
    parallax_error: float  # [mas]; NaN without
    blend_radius_arcsec: float
    spurious_fraction: float


class Sky(NamedTuple):
    """Stars as they truly are, at the epoch of the model."""

    source_id: Int[np.ndarray, " n_star"]
    cell: Int[np.ndarray, " n_star"]
    ra: Float[np.ndarray, " n_star"]  # [deg]
    dec: Float[np.ndarray, " n_star"]
    pmra: Float[np.ndarray, " n_star"]  # [mas/yr], times cos dec
    pmdec: Float[np.ndarray, " n_star"]
    parallax: Float[np.ndarray, " n_star"]  # [mas]
    mag: Float[np.ndarray, "3 n_star"]  # apparent J, H, Ks

    def take(self, rows: np.ndarray) -> "Sky":
        """Some of the stars."""
        return Sky(*(column[..., rows] for column in self))


class Seen(NamedTuple):
    """Detections; NaN where something was not measured."""

    star: Int[np.ndarray, " n_seen"]  # row of the sky, -1 for a detection of nothing
    source_id: Int[np.ndarray, " n_seen"]
    ra: Float[np.ndarray, " n_seen"]  # [deg], at the survey's epoch
    dec: Float[np.ndarray, " n_seen"]
    mag: Float[np.ndarray, "3 n_seen"]
    error: Float[np.ndarray, "3 n_seen"]
    pmra: Float[np.ndarray, " n_seen"]
    pmdec: Float[np.ndarray, " n_seen"]
    proper_motion_error: Float[np.ndarray, " n_seen"]
    parallax: Float[np.ndarray, " n_seen"]
    parallax_error: Float[np.ndarray, " n_seen"]


def photometric_error(survey: Survey, mag: Float[np.ndarray, "3 n"]) -> Float[np.ndarray, "3 n"]:
    """Error of the true magnitude [mag]: a floor and the noise of the background-limited flux.

    It grows no more from one magnitude beyond the limit on: errors of magnitudes that wide are not normal any
    more, and would lift the faintest stars over the limit.
    """
    excess = max(survey.error_at_limit**2 - survey.error_floor**2, 0.0)
    has_band = np.isfinite(survey.limit)[:, None]
    beyond = np.where(has_band, mag - np.where(has_band, survey.limit[:, None], 0.0), 0.0)
    faintness = 10 ** (0.8 * np.minimum(beyond, 1.0))
    return np.sqrt(survey.error_floor**2 + excess * faintness)


def observe(survey: Survey, root: Key[Array, ""], sky: Sky, years: float) -> Seen:
    """Detections of the stars of whole cells.

    Parameters
    ----------
    survey
        What sees them.
    root
        Stream of the survey.
    sky
        The stars, in the order of their identifiers within each cell.
    years
        From the epoch of the sky to that of the survey.
    """
    ra, dec = at_epoch(sky.ra, sky.dec, sky.pmra, sky.pmdec, years)
    mag, lost = blend(survey, sky, ra, dec)
    noise = standard_normals(root, sky.source_id, 8)
    error = photometric_error(survey, mag)
    observed = mag + error * noise[:3]
    measured = (observed <= survey.limit[:, None]) & (observed >= survey.saturation[:, None])
    rows = np.flatnonzero(measured.any(axis=0) & ~lost)
    faintness = 10 ** (0.2 * (mag[survey.astrometry_band] - survey.astrometry_magnitude))
    scale = np.maximum(faintness, survey.astrometry_floor)
    # A motion of one year by the error is a step of that error.
    ra, dec = at_epoch(ra, dec, *(survey.position_error * scale * noise[k] for k in (3, 4)), 1.0)
    pm_error, parallax_error = survey.proper_motion_error * scale, survey.parallax_error * scale
    seen = Seen(
        np.arange(len(ra)),
        sky.source_id,
        ra,
        dec,
        np.where(measured, observed, np.nan),
        np.where(measured, error, np.nan),
        sky.pmra + pm_error * noise[5],
        sky.pmdec + pm_error * noise[6],
        pm_error,
        sky.parallax + parallax_error * noise[7],
        parallax_error,
    )
    found = Seen(*(column[..., rows] for column in seen))
    return _with_spurious(survey, root, found, sky.cell[rows])


def blend(
    survey: Survey, sky: Sky, ra: np.ndarray, dec: np.ndarray
) -> tuple[Float[np.ndarray, "3 n_star"], Bool[np.ndarray, " n_star"]]:
    """Magnitudes with the light of fainter neighbours, and which stars are lost in brighter ones.

    From the brightest star down, each that is left takes up every fainter one within the radius (Huston et
    al. 2026, arXiv:2603.12219, sect. 2.6, as they describe it).
    """
    lost = np.zeros(len(ra), dtype=bool)
    if survey.blend_radius_arcsec == 0 or len(ra) < 2:
        return sky.mag, lost
    pairs = KDTree(unit_vectors(ra, dec)).query_pairs(
        survey.blend_radius_arcsec * ARCSEC, output_type="ndarray"
    )
    pairs = pairs[sky.cell[pairs[:, 0]] == sky.cell[pairs[:, 1]]]
    band = int(np.flatnonzero(np.isfinite(survey.limit))[-1])
    rank = np.empty(len(ra), dtype=np.int64)
    rank[np.lexsort((sky.source_id, sky.mag[band]))] = np.arange(len(ra))
    ranked = np.sort(rank[pairs], axis=1)
    star_of = np.argsort(rank)
    flux = 10 ** (-0.4 * sky.mag)
    for bright, faint in star_of[ranked[np.lexsort((ranked[:, 1], ranked[:, 0]))]]:
        if not (lost[bright] or lost[faint]):
            lost[faint] = True
            flux[:, bright] += flux[:, faint]
    return -2.5 * np.log10(flux), lost


def _with_spurious(survey: Survey, root: Key[Array, ""], seen: Seen, cell: np.ndarray) -> Seen:
    """Add detections of nothing: copies of the cell's detections somewhere else in it."""
    if survey.spurious_fraction == 0 or not len(cell):
        return seen
    # No identifier has this upper half: the streams are apart from those of the stars.
    root = jax.random.fold_in(root, 2**32 - 1)
    numbers, first, n_seen = np.unique(cell, return_index=True, return_counts=True)
    count = poisson.ppf(uniform_numbers(root, numbers, 1)[:, 0, 0], survey.spurious_fraction * n_seen)
    which = np.repeat(np.arange(len(numbers)), count.astype(int))
    running = np.arange(len(which)) - np.searchsorted(which, which)
    names = (numbers[which].astype(np.int64) << NUMBER_BITS) + SPURIOUS_FROM + running
    # The magnitudes of one detection at the place of another, a few arcsec aside.
    u = uniform_numbers(root, names, 1)[:, :, 0]
    rows, places = (first[which] + (u[:, k] * n_seen[which]).astype(int) for k in range(2))
    step = standard_normals(root, names, 2) * 5000.0
    ra, dec = at_epoch(seen.ra[places], seen.dec[places], step[0], step[1], 1.0)
    false = Seen(*(column[..., rows] for column in seen))
    false = false._replace(star=np.full(len(rows), -1), source_id=names, ra=ra, dec=dec)
    return Seen(*(np.concatenate(pair, axis=-1) for pair in zip(seen, false, strict=True)))


def standard_normals(
    root: Key[Array, ""], source_id: Int[np.ndarray, " n_star"], count: int
) -> Float[np.ndarray, "count n_star"]:
    """Standard normal deviates of each star, those of `jax.random.normal` in its stream."""
    out = np.empty((count, len(source_id)))
    normals(np.asarray(jax.random.key_data(root)), source_id.astype(np.int64), np.arange(count), out)
    return out
