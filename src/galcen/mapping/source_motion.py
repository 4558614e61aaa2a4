"""From the parameters of a source to its direction, as seen from a place in the solar system, unbent.

References
----------
Lindegren et al. (2012), A&A 538, A78, sect. 3.1; Butkevich & Lindegren (2014), A&A 570, A62 (perspective).
"""

import math
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from galcen.constants import KM_S_PER_MAS_YR_KPC
from galcen.mapping.vector import Vector, added, direction, dot, full_turn, normalised, scaled

RAD_PER_MAS = math.pi / 180 / 3600e3

LIGHT_TIME_YR_PER_AU = 499.004783836 / (365.25 * 86400)
"""Light travel time [Julian year] of one au, IAU 2012 B2."""


class Triad(NamedTuple):
    """Unit vectors at a comparison direction: east and north on the sky, and radial."""

    east: Vector
    north: Vector
    radial: Vector


class Offsets(NamedTuple):
    """The unknowns of a source about its comparison direction, at the reference epoch."""

    a: Float[Array, "*shape"]
    """Towards the east, on the tangent plane [mas]."""
    d: Float[Array, "*shape"]
    """Towards the north [mas]."""
    parallax: Float[Array, "*shape"]
    """Parallax [mas]."""
    pma: Float[Array, "*shape"]
    """Proper motion towards the east [mas/yr]."""
    pmd: Float[Array, "*shape"]
    """Proper motion towards the north [mas/yr]."""


class Observer(NamedTuple):
    """Where and when an exposure was taken, at its middle."""

    t: Float[Array, "*shape"]
    """Time since the reference epoch [Julian year, TCB]."""
    b: Vector
    """Barycentric position [au]."""
    beta: Vector
    """Barycentric velocity over the speed of light."""
    sun: Vector
    """Unit vector from the Sun to the observer."""
    sun_dist: Float[Array, "*shape"]
    """Distance of the Sun [au]."""


def triad(ra: Float[Array, "*shape"], dec: Float[Array, "*shape"]) -> Triad:
    """Triad at a direction [rad]."""
    zero = jnp.zeros_like(ra * dec)
    east = Vector(-jnp.sin(ra) + zero, jnp.cos(ra) + zero, zero)
    north = Vector(-jnp.sin(dec) * jnp.cos(ra), -jnp.sin(dec) * jnp.sin(ra), jnp.cos(dec) + zero)
    return Triad(east, north, direction(ra, dec))


def barycentric_time(towards: Vector, observer: Observer) -> Float[Array, "*shape"]:
    """Time [Julian year] at which light from there passes the solar system's barycentre (Roemer delay)."""
    return observer.t + LIGHT_TIME_YR_PER_AU * dot(towards, observer.b)


class Path(NamedTuple):
    """Way of a source through space: what many observations of it have in common.

    Fewer numbers than its unknowns and its triad: the form to gather for observations where no derivatives
    are asked for.
    """

    at: Vector
    """Comparison direction: unit vector."""
    offset: Vector
    """From there to where it is at the reference epoch; the unit is its depth along the comparison direction.

    Kept apart from `at`: their sum would lose 20 nas to rounding, anew for each value of the unknowns.
    """
    velocity: Vector
    """[1/yr]."""
    parallax: Float[Array, "*shape"]
    """[rad]."""


def path(offsets: Offsets, at: Triad, radial_velocity: Float[Array, "*shape"]) -> Path:
    """Way of a source.

    Parameters
    ----------
    offsets
        Unknowns of the source.
    at
        Its comparison direction, which stays where it is.
    radial_velocity
        Barycentric [km/s]; it enters by the perspective acceleration only.
    """
    a, d, parallax, pma, pmd = (RAD_PER_MAS * value for value in offsets)
    return Path(
        at.radial,
        added(scaled(a, at.east), scaled(d, at.north)),
        added(
            scaled(radial_velocity * parallax / KM_S_PER_MAS_YR_KPC, at.radial),
            scaled(pma, at.east),
            scaled(pmd, at.north),
        ),
        parallax,
    )


def displacement(source: Path, observer: Observer) -> Vector:
    """From the comparison direction to where a source is seen, in the unit of its `offset`.

    Light bending and aberration, light-time effects of the source's own motion and galactic aberration are
    left out.
    """
    t = barycentric_time(source.at, observer)
    return added(source.offset, scaled(t, source.velocity), scaled(-source.parallax, observer.b))


def seen_from(source: Path, observer: Observer) -> Vector:
    """From the observer to a source: comparison direction and `displacement`."""
    return added(source.at, displacement(source, observer))


def coordinate_direction(
    offsets: Offsets, at: Triad, radial_velocity: Float[Array, "*shape"], observer: Observer
) -> Vector:
    """Unit vector of `seen_from`."""
    return normalised(seen_from(path(offsets, at, radial_velocity), observer))


def position(
    at_ra: Float[Array, "*shape"],
    at_dec: Float[Array, "*shape"],
    a: Float[Array, "*shape"],
    d: Float[Array, "*shape"],
) -> tuple[Float[Array, "*shape"], Float[Array, "*shape"]]:
    """Right ascension and declination [rad] of a source (a, d) [mas] away from a comparison direction [rad].

    Exact on the tangent plane; the linear form errs by 2.7 uas where both offsets are 1 arcsec.
    """
    east, north = RAD_PER_MAS * a, RAD_PER_MAS * d
    across = jnp.cos(at_dec) - north * jnp.sin(at_dec)
    along = jnp.sin(at_dec) + north * jnp.cos(at_dec)
    ra = at_ra + jnp.arctan2(east, across)
    return full_turn(ra), jnp.arctan2(along, jnp.hypot(east, across))
