"""What a table's positions are, where they cannot be right ascension and declination in degrees.

In numpy alone.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float

from galcen.catalogue.motion import galactic

Angles = Float[np.ndarray, " n_star"]

MOST, FEW = 0.9, 0.1
"""Part of the stars that another reading of the angles must bring to where stars are expected; that may lie
there as they are."""


def other_reading(
    ra: Angles, dec: Angles, is_expected: Callable[[Angles, Angles], Bool[np.ndarray, " n_star"]]
) -> str:
    """What the positions look like if they are not ICRS degrees, as advice; empty where they may well be.

    Parameters
    ----------
    ra, dec
        As they were taken [deg].
    is_expected
        Which Galactic longitudes and latitudes [deg] lie where stars of the table are expected.
    """
    if not len(ra) or is_expected(*galactic(ra, dec)).mean() > FEW:
        return ""
    turned = np.where(ra > 180.0, ra - 360.0, ra)
    readings = (
        (np.abs(turned) <= 24.0, galactic(ra * 15.0, dec), "ra looks like hours: set units: {ra: hourangle}"),
        (
            (np.abs(turned) <= 2 * np.pi) & (np.abs(dec) <= np.pi / 2),
            galactic(np.degrees(ra), np.degrees(dec)),
            "the angles look like radians: set units: {ra: rad, dec: rad}",
        ),
        (
            np.abs(turned) <= 90.0,
            galactic(dec, turned),
            "ra and dec look exchanged: see the column map",
        ),
        (
            np.ones(len(ra), dtype=bool),
            (turned, dec),
            "the angles look Galactic: set frame: galactic, or give those of the ICRS",
        ),
    )
    for is_possible, place, advice in readings:
        if is_possible.all() and is_expected(*place).mean() > MOST:
            return advice
    return ""
