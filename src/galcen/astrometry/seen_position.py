"""Where sources are seen from a place at a time, as offsets from their comparison directions."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from galcen.mapping.source_motion import RAD_PER_MAS, Observer, Offsets, coordinate_direction, triad
from galcen.mapping.space_motion import Column, SpaceMotion
from galcen.mapping.vector import Vector, dot

_NO_SUN = Vector(0.0, 0.0, 0.0)


def seen_offsets(
    source: SpaceMotion,
    years: Float[np.ndarray, "*shape"],
    b: Float[np.ndarray, "*shape 3"],
    ra: Column,
    dec: Column,
) -> tuple[np.ndarray, np.ndarray]:
    """Offsets (a, d) [mas] on the tangent plane of (ra, dec) [deg], motion and parallax included.

    Parameters
    ----------
    source
        Position and motion at the reference epoch.
    years
        Time from the reference epoch [Julian year, TCB]; broadcasts with the sources.
    b
        Barycentric position of the observer [au]; (3,), or one for each time.
    ra, dec
        Comparison directions.

    Notes
    -----
    Light bending and aberration are left out: the plate solution takes them off.
    """
    place = Vector(*np.moveaxis(np.asarray(b), -1, 0))
    zero = np.zeros_like(source.ra)
    from_true, from_catalogue = (
        triad(jnp.radians(a), jnp.radians(d)) for a, d in ((source.ra, source.dec), (ra, dec))
    )
    direction = coordinate_direction(
        Offsets(zero, zero, source.parallax, source.pmra, source.pmdec),
        from_true,
        source.radial_velocity,
        Observer(years, place, _NO_SUN, _NO_SUN, 1.0),
    )
    depth = RAD_PER_MAS * dot(direction, from_catalogue.radial)
    return (
        np.asarray(dot(direction, from_catalogue.east) / depth),
        np.asarray(dot(direction, from_catalogue.north) / depth),
    )
