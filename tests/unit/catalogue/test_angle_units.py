"""Positions in hours, radians or another frame are recognised by where stars are expected."""

import numpy as np
import pytest
from astropy.coordinates import SkyCoord

from galcen.catalogue.angle_units import other_reading

RNG = np.random.default_rng(4)
FIELD = SkyCoord(RNG.uniform(-2, 2, 50), RNG.uniform(-1, 1, 50), unit="deg", frame="galactic")
RA, DEC = FIELD.icrs.ra.deg, FIELD.icrs.dec.deg


def is_expected(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """Within the field."""
    return (np.abs(lon) < 3) & (np.abs(lat) < 3)


@pytest.mark.parametrize(
    ("ra", "dec", "words"),
    [
        (RA, DEC, ""),
        (RA - 360, DEC, ""),
        (RA / 15, DEC, "hours"),
        (np.radians(RA), np.radians(DEC), "radians"),
        (FIELD.l.deg, FIELD.b.deg, "Galactic"),
        (DEC % 360, np.clip(RA - 360, -90, 90), ""),
        # Stars that are truly elsewhere: the Pleiades, and the south Galactic pole.
        (np.full(20, 56.75), np.full(20, 24.1), ""),
        (np.full(20, 12.86), np.full(20, -27.1), ""),
        (np.empty(0), np.empty(0), ""),
    ],
)
def test_readings(ra, dec, words):
    advice = other_reading(ra, dec, is_expected)
    assert (words in advice) if words else (advice == "")


def test_exchanged_coordinates():
    """In a field where both are declinations."""
    place = SkyCoord(np.full(20, 40.0), np.full(20, 61.0), unit="deg").galactic

    def near(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
        return (np.abs(lon - place.l.wrap_at("180d").deg[0]) < 1) & (np.abs(lat - place.b.deg[0]) < 1)

    assert other_reading(np.full(20, 40.0), np.full(20, 61.0), near) == ""
    assert "exchanged" in other_reading(np.full(20, 61.0), np.full(20, 40.0), near)
