"""Where sources are seen from a place at a time, as offsets from their comparison directions."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from galcen.mapping.source_motion import RAD_PER_MAS, Observer, Offsets, coordinate_direction, triad
from galcen.mapping.space_motion import Column, SpaceMotion
from galcen.mapping.vector import Vector, dot

_NO_SUN = Vector(0.0, 0.0, 0.0)


def seen_offsets(
    source: SpaceMotion,
    years: float | Float[np.ndarray, " n_time"],
    b: Float[np.ndarray, "*n_time 3"],
    ra: Column,
    dec: Column,
) -> tuple[np.ndarray, np.ndarray]:
    """Offsets (a, d) [mas] on the tangent plane of (ra, dec) [deg], motion and parallax included.

    Parameters
    ----------
    source
        Position and motion at the reference epoch.
    years
        Time from the reference epoch [Julian year, TCB]; one for all sources, or many of a single source.
    b
        Barycentric position of the observer [au]; one for each time.
    ra, dec
        Comparison directions.

    Notes
    -----
    Light bending and aberration are left out: the plate solution takes them off.
    """
    n = len(source.ra)
    if n == 0:
        return np.zeros(0), np.zeros(0)
    # Lengths of powers of two, so that few are compiled.
    row = np.minimum(np.arange(1 << (n - 1).bit_length()), n - 1)
    places = _offsets(source.take(row), years, Vector(*np.moveaxis(np.asarray(b), -1, 0)), ra[row], dec[row])
    a, d = (np.asarray(values) for values in places)
    return (a[:n], d[:n]) if n > 1 else (a, d)


@jax.jit
def _offsets(
    source: SpaceMotion,
    years: Float[Array, "*shape"],
    place: Vector,
    ra: Float[Array, " n_star"],
    dec: Float[Array, " n_star"],
) -> tuple[Float[Array, "*shape"], Float[Array, "*shape"]]:
    """The same of arrays."""
    zero = jnp.zeros_like(source.ra)
    from_true, from_catalogue = (
        triad(jnp.radians(a), jnp.radians(d)) for a, d in ((source.ra, source.dec), (ra, dec))
    )
    direction = coordinate_direction(
        Offsets(zero, zero, source.parallax, source.pmra, source.pmdec),
        from_true,
        source.radial_velocity,
        Observer(years, place, _NO_SUN, _NO_SUN, jnp.ones(())),
    )
    depth = RAD_PER_MAS * dot(direction, from_catalogue.radial)
    return dot(direction, from_catalogue.east) / depth, dot(direction, from_catalogue.north) / depth
