"""Positions of stars at another epoch, and in Galactic coordinates.

In numpy alone: what needs no more than this starts at once.
"""

import numpy as np
from jaxtyping import Float

from galcen.constants import ICRS_TO_GALACTIC

Column = Float[np.ndarray, " n_star"]

MAS = np.radians(1.0 / 3.6e6)


def at_epoch(
    ra: Column, dec: Column, pmra: Column, pmdec: Column, years: Column | float
) -> tuple[Column, Column]:
    r"""Right ascension and declination [deg] after some years of uniform motion.

    The star moves in a straight line across the line of sight (ESA 1997, SP-1200, vol. 1, eq. 1.2.16
    without parallax and radial velocity):

    .. math:: \hat r' \propto \hat r + (\hat p \mu_{\alpha*} + \hat q \mu_\delta) t

    A star without proper motion (NaN) stays where it is, to the last bit.

    Parameters
    ----------
    ra, dec
        Position [deg].
    pmra, pmdec
        Proper motion [mas/yr], the former times cos dec.
    years
        Time [Julian years].
    """
    known = np.isfinite(pmra) & np.isfinite(pmdec)
    east, north = (np.where(known, pm, 0.0) * MAS * years for pm in (pmra, pmdec))
    sin_dec, cos_dec = np.sin(np.radians(dec)), np.cos(np.radians(dec))
    # Along the star's own meridian, its right ascension changes by the angle to it.
    outward, upward = cos_dec - north * sin_dec, sin_dec + north * cos_dec
    moved_ra = (ra + np.degrees(np.arctan2(east, outward))) % 360.0
    moved_dec = np.degrees(np.arctan2(upward, np.hypot(outward, east)))
    moves = known & ((east != 0) | (north != 0))
    return np.where(moves, moved_ra, ra), np.where(moves, moved_dec, dec)


def galactic(ra: Column, dec: Column) -> tuple[Column, Column]:
    """Galactic longitude (-180 to 180) and latitude [deg] of ICRS positions [deg]."""
    ra, dec = np.radians(ra), np.radians(dec)
    direction = (np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec))
    # Written out: a matrix product may add in another order for another number of stars.
    x, y, z = (sum(t * part for t, part in zip(row, direction, strict=True)) for row in ICRS_TO_GALACTIC)
    return np.degrees(np.arctan2(y, x)), np.degrees(np.arctan2(z, np.hypot(x, y)))


def separation(ra: Column, dec: Column, other_ra: Column, other_dec: Column) -> Column:
    """Angle between pairs of positions [arcsec], by the haversine, which keeps small angles."""
    half = [np.sin(np.radians(b - a) / 2) ** 2 for a, b in ((dec, other_dec), (ra, other_ra))]
    chord = half[0] + np.cos(np.radians(dec)) * np.cos(np.radians(other_dec)) * half[1]
    return np.degrees(2 * np.arcsin(np.sqrt(np.minimum(chord, 1.0)))) * 3600.0
