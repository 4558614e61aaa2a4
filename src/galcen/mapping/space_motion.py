"""Sources in uniform space motion: their parameters at another epoch, and small offsets on the sky.

In numpy, and so in float64 whatever the settings of JAX.

References
----------
ESA (1997), SP-1200, vol. 1, sect. 1.5.5; Butkevich & Lindegren (2014), A&A 570, A62, sect. 4.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from galcen.constants import KM_S_PER_MAS_YR_KPC
from galcen.mapping.source_motion import RAD_PER_MAS

Column = Float[np.ndarray, " n_star"]


class SpaceMotion(NamedTuple):
    """Position and motion of sources at one epoch, ICRS, as the solar system's barycentre sees them."""

    ra: Column  # [deg]
    dec: Column
    parallax: Column  # [mas]
    pmra: Column  # [mas/yr], times cos dec
    pmdec: Column
    radial_velocity: Column  # [km/s]

    def take(self, rows: np.ndarray) -> "SpaceMotion":
        """Some of the sources."""
        return SpaceMotion(*(column[rows] for column in self))


class Triads(NamedTuple):
    """Unit vectors at directions: east and north on the sky, and radial."""

    east: Float[np.ndarray, "3 n_star"]
    north: Float[np.ndarray, "3 n_star"]
    radial: Float[np.ndarray, "3 n_star"]


def triads(ra: Column, dec: Column) -> Triads:
    """Triads at directions [deg]."""
    ra, dec = np.radians(ra), np.radians(dec)
    sin_ra, cos_ra, sin_dec, cos_dec = np.sin(ra), np.cos(ra), np.sin(dec), np.cos(dec)
    return Triads(
        np.stack([-sin_ra, cos_ra, np.zeros_like(sin_dec)]),
        np.stack([-sin_dec * cos_ra, -sin_dec * sin_ra, cos_dec]),
        np.stack([cos_dec * cos_ra, cos_dec * sin_ra, sin_dec]),
    )


def propagated(source: SpaceMotion, years: Column | float) -> SpaceMotion:
    r"""The sources some Julian years later, with perspective effects.

    .. math:: b(t) = b_0 (1 + \mu_r t) + \mu t

    in units of the distance at the first epoch, with the radial motion :math:`\mu_r = v_r \varpi / A`.
    Light-time effects are left out. A source without motion stays where it is, to rounding.
    """
    at = triads(source.ra, source.dec)
    radial = RAD_PER_MAS * source.radial_velocity * source.parallax / KM_S_PER_MAS_YR_KPC
    velocity = (
        RAD_PER_MAS * (source.pmra * at.east + source.pmdec * at.north) + radial * at.radial
    )  # [distance at the first epoch / yr]
    place = at.radial + velocity * years
    # From offsets, not from the vector: a source at rest keeps its position and parallax to the last bit.
    depth = 1.0 + radial * years
    across = RAD_PER_MAS * np.hypot(source.pmra, source.pmdec) * years
    nearness = 1.0 / np.hypot(depth, across)
    ra, dec = displaced(source.ra, source.dec, source.pmra * years / depth, source.pmdec * years / depth)
    direction, now = place * nearness, triads(ra, dec)
    parallax = source.parallax * nearness
    away = nearness * (velocity * direction).sum(axis=0)  # [1/yr]
    with np.errstate(divide="ignore", invalid="ignore"):
        receding = away / (RAD_PER_MAS * parallax) * KM_S_PER_MAS_YR_KPC
    return SpaceMotion(
        ra,
        dec,
        parallax,
        nearness * (velocity * now.east).sum(axis=0) / RAD_PER_MAS,
        nearness * (velocity * now.north).sum(axis=0) / RAD_PER_MAS,
        np.where(source.parallax > 0, receding, source.radial_velocity),
    )


def displaced(ra: Column, dec: Column, a: Column, d: Column) -> tuple[Column, Column]:
    """Right ascension and declination [deg] at offsets (a, d) [mas] on the tangent plane of a direction.

    Exact; the linear form errs by 2.7 uas where both offsets are 1 arcsec.
    """
    east, north = RAD_PER_MAS * a, RAD_PER_MAS * d
    sin_dec, cos_dec = np.sin(np.radians(dec)), np.cos(np.radians(dec))
    outward, upward = cos_dec - north * sin_dec, sin_dec + north * cos_dec
    moved_ra = (ra + np.degrees(np.arctan2(east, outward))) % 360.0
    # The remainder of a tiny negative angle rounds to 360.
    moved_ra = np.where(moved_ra == 360.0, 0.0, moved_ra)
    moved_dec = np.degrees(np.arctan2(upward, np.hypot(outward, east)))
    return np.where(east == 0, ra % 360.0, moved_ra), np.where((east == 0) & (north == 0), dec, moved_dec)


def offsets(ra: Column, dec: Column, from_ra: Column, from_dec: Column) -> tuple[Column, Column]:
    """Offsets (a, d) [mas] of directions [deg] on the tangent plane of others: what `displaced` undoes.

    Infinite or of the wrong sign 90 deg away and beyond.
    """
    # Differences of angles keep what the components of unit vectors would round off.
    d_ra, d_dec = np.radians(ra - from_ra), np.radians(dec - from_dec)
    dec, from_dec = np.radians(dec), np.radians(from_dec)
    half = 2.0 * np.sin(d_ra / 2) ** 2
    depth = np.cos(d_dec) - np.cos(dec) * np.cos(from_dec) * half
    a = np.cos(dec) * np.sin(d_ra)
    d = np.sin(d_dec) + np.cos(dec) * np.sin(from_dec) * half
    return a / depth / RAD_PER_MAS, d / depth / RAD_PER_MAS
