"""True positions as an orbit sees them."""

import erfa
import numpy as np

from galcen.astrometry.seen_position import seen_offsets
from galcen.mapping.source_motion import RAD_PER_MAS
from galcen.mapping.space_motion import SpaceMotion, triads

N = 200
B = np.array([0.62, -0.71, -0.31])


def stars(rng):
    """A nearby, fast population, and comparison directions up to 1 arcsec away."""
    ra, dec = rng.uniform(0, 360, N), rng.uniform(-80, 80, N)
    motion = SpaceMotion(
        ra,
        dec,
        rng.uniform(0, 20, N),
        rng.normal(0, 100, N),
        rng.normal(0, 100, N),
        rng.normal(0, 100, N),
    )
    step = rng.uniform(-1, 1, (2, N)) / 3600
    return motion, ra + step[0] / np.cos(np.radians(dec)), dec + step[1]


def test_agrees_with_erfa():
    """Offsets are those of ERFA's pmpx, projected with the triad of the comparison direction, to 0.01 uas."""
    motion, ra, dec = stars(np.random.default_rng(1))
    years = -7.3
    direction = erfa.pmpx(
        np.radians(motion.ra),
        np.radians(motion.dec),
        RAD_PER_MAS * motion.pmra / np.cos(np.radians(motion.dec)),
        RAD_PER_MAS * motion.pmdec,
        1e-3 * motion.parallax,
        motion.radial_velocity,
        years,
        B,
    ).T
    at = triads(ra, dec)
    depth = RAD_PER_MAS * (direction * at.radial).sum(axis=0)
    a, d = seen_offsets(motion, np.float64(years), B, ra, dec)
    np.testing.assert_allclose(a, (direction * at.east).sum(axis=0) / depth, rtol=0, atol=1e-5)
    np.testing.assert_allclose(d, (direction * at.north).sum(axis=0) / depth, rtol=0, atol=1e-5)


def test_many_times_of_one_star_are_the_same_as_each_alone():
    """Times broadcast, to rounding."""
    motion, ra, dec = stars(np.random.default_rng(2))
    t, b = np.linspace(-2, 2, 7), np.linspace(B, -B, 7)
    one = motion.take(np.array([3]))
    together = seen_offsets(one, t, b, ra[3:4], dec[3:4])
    for k in range(len(t)):
        alone = seen_offsets(one, t[k], b[k], ra[3:4], dec[3:4])
        np.testing.assert_allclose([v[k] for v in together], np.ravel(alone), rtol=0, atol=1e-7)


def test_a_still_source_stays_where_it_is():
    """Without motion and parallax the offset is that of the directions, whenever and from wherever."""
    zero = np.zeros(1)
    still = SpaceMotion(np.array([266.4]), np.array([-28.9]), zero, zero, zero, zero)
    a, d = seen_offsets(still, np.array([-3.0, 5.0]), np.array([B, -B]), still.ra, still.dec)
    np.testing.assert_allclose(np.stack([a, d]), 0.0, atol=1e-7)
