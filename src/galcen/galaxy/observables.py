"""From velocities to proper motions and radial velocities, and between Galactic and ICRS axes."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from galcen.constants import ICRS_TO_GALACTIC, MAS_YR_PER_KM_S_PC
from galcen.galaxy.frame import Frame

_TURN = np.array(ICRS_TO_GALACTIC)

Angle = Float[Array, " n"]


def observables(
    frame: Frame, lon: Angle, lat: Angle, dist: Float[Array, " n"], velocity: Float[Array, "3 n"]
) -> tuple[Float[Array, " n"], Float[Array, " n"], Float[Array, " n"]]:
    """Proper motions mu_l (times cos b) and mu_b [mas/yr] and radial velocity [km/s].

    Parameters
    ----------
    frame
        Motion of the Sun.
    lon, lat
        Galactic coordinates [rad].
    dist
        Distance [pc].
    velocity
        Galactocentric velocity in the left-handed model frame [km/s].

    Notes
    -----
    The tilt of 0.18 deg between the model frame and the IAU frame is left out; it is below
    0.02 mas/yr at the centre.
    """
    u, v, w = frame.sun_velocity
    # The model's X points away from the centre, U towards it.
    d_x, d_y, d_z = velocity[0] + u, velocity[1] - v, velocity[2] - w
    sin_l, cos_l, sin_b, cos_b = jnp.sin(lon), jnp.cos(lon), jnp.sin(lat), jnp.cos(lat)
    k = MAS_YR_PER_KM_S_PC / dist
    pml = k * (d_x * sin_l + d_y * cos_l)
    pmb = k * (d_x * cos_l * sin_b - d_y * sin_l * sin_b + d_z * cos_b)
    v_los = -d_x * cos_l * cos_b + d_y * sin_l * cos_b + d_z * sin_b
    return pml, pmb, v_los


def sky_axes(lon: Float[Array, "..."], lat: Float[Array, "..."]) -> Float[Array, "3 3 ..."]:
    """Unit vectors towards increasing longitude, increasing latitude and away from the Sun.

    The first axis counts the vectors, the second their components in the left-handed model frame;
    `observables` are projections on them.
    """
    sin_l, cos_l, sin_b, cos_b = jnp.sin(lon), jnp.cos(lon), jnp.sin(lat), jnp.cos(lat)
    return jnp.stack(
        [
            jnp.stack([sin_l, cos_l, 0 * lon]),
            jnp.stack([cos_l * sin_b, -sin_l * sin_b, cos_b]),
            jnp.stack([-cos_l * cos_b, sin_l * cos_b, sin_b]),
        ]
    )


def velocity_of(
    frame: Frame,
    lon: Angle,
    lat: Angle,
    dist: Float[Array, " n"],
    pml: Float[Array, " n"],
    pmb: Float[Array, " n"],
    v_los: Float[Array, " n"],
) -> Float[Array, "3 n"]:
    """Galactocentric velocity [km/s] in the left-handed model frame: the inverse of `observables`."""
    u, v, w = frame.sun_velocity
    per_motion = dist / MAS_YR_PER_KM_S_PC
    along = jnp.stack([pml * per_motion, pmb * per_motion, v_los])
    relative = jnp.einsum("ij...,i...->j...", sky_axes(lon, lat), along)
    return relative + jnp.array([-u, v, w])[:, None]


def galactic_to_icrs(lon: Angle, lat: Angle) -> tuple[Angle, Angle]:
    """Right ascension and declination [rad] of Galactic coordinates [rad]."""
    return _rotate(_TURN.T, lon, lat)


def icrs_to_galactic(ra: Angle, dec: Angle) -> tuple[Angle, Angle]:
    """Galactic longitude (-pi to pi) and latitude [rad] of ICRS coordinates [rad]."""
    return _rotate(_TURN, ra, dec)


def icrs_proper_motion(
    lon: Angle, lat: Angle, pml: Float[Array, " n"], pmb: Float[Array, " n"]
) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
    """Proper motion in right ascension (times cos dec) and declination, in the unit of `pml`, `pmb`."""
    sin_l, cos_l, sin_b, cos_b = jnp.sin(lon), jnp.cos(lon), jnp.sin(lat), jnp.cos(lat)
    x, y, z = _to_icrs(cos_b * cos_l, cos_b * sin_l, sin_b)
    # Towards increasing longitude and latitude.
    v_x, v_y, v_z = _to_icrs(
        -sin_l * pml - sin_b * cos_l * pmb, cos_l * pml - sin_b * sin_l * pmb, cos_b * pmb
    )
    rho = jnp.sqrt(x**2 + y**2)
    # The axes are rounded to ten digits, and so is the length of the direction.
    length = jnp.sqrt(rho**2 + z**2)
    return (x * v_y - y * v_x) / rho, (rho * v_z - z * (x * v_x + y * v_y) / rho) / length


def _to_icrs(x: Angle, y: Angle, z: Angle) -> tuple[Angle, Angle, Angle]:
    # Written out: a product of matrices would not be joined with the formulas around it.
    a, b, c = (row[0] * x + row[1] * y + row[2] * z for row in _TURN.T)
    return a, b, c


def galactic_proper_motion(
    lon: Angle, lat: Angle, pmra: Float[Array, " n"], pmdec: Float[Array, " n"]
) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
    """Proper motion in longitude (times cos b) and latitude: the inverse of `icrs_proper_motion`."""
    # A rotation in the tangent plane: its columns are the images of the two unit motions.
    cos, minus_sin = icrs_proper_motion(lon, lat, jnp.ones_like(lon), jnp.zeros_like(lon))
    sin, cos_b = icrs_proper_motion(lon, lat, jnp.zeros_like(lon), jnp.ones_like(lon))
    return cos * pmra + minus_sin * pmdec, sin * pmra + cos_b * pmdec


def _rotate(matrix: Float[np.ndarray, "3 3"], lon: Angle, lat: Angle) -> tuple[Angle, Angle]:
    x, y, z = matrix @ jnp.stack([jnp.cos(lat) * jnp.cos(lon), jnp.cos(lat) * jnp.sin(lon), jnp.sin(lat)])
    return jnp.arctan2(y, x), jnp.arctan2(z, jnp.hypot(x, y))
