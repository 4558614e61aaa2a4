"""Positions in the frame of the Galaxy model.

The frame is left-handed: origin at Sgr A*, X towards the Sun, Y towards l = 90 deg, Z
towards the north Galactic pole, tilted by the Sun's height above the plane as in
Koshimoto, Baba & Bennett (2021, ApJ 917, 78). The tilt of X, below 1 pc in the bulge, is
left out as in their program.
"""

import math

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

BAR_ANGLE = math.radians(27.0)
"""Angle between the bar and the line from the Sun to the centre; its near end is at l > 0."""

SGR_A_LON = math.radians(-0.056)
SGR_A_LAT = math.radians(-0.046)


class Frame(eqx.Module):
    """Place and motion of the Sun."""

    sun_distance: float = eqx.field(static=True, default=8160.0)  # of Sgr A* [pc]
    sun_height: float = eqx.field(static=True, default=25.0)  # above the plane [pc]
    # Towards the centre, with rotation, north [km/s]; includes the local standard of rest.
    sun_velocity: tuple[float, float, float] = eqx.field(static=True, default=(10.0, 243.0, 7.0))


def position(
    frame: Frame, lon: Float[Array, "..."], lat: Float[Array, "..."], dist: Float[Array, "..."]
) -> tuple[Float[Array, "..."], Float[Array, "..."], Float[Array, "..."]]:
    """X, Y, Z [pc] of stars at Galactic longitude and latitude [rad] and distance [pc]."""
    origin = _tilted(frame, SGR_A_LON, SGR_A_LAT, frame.sun_distance)
    x, y, z = _tilted(frame, lon, lat, dist)
    return x - origin[0], y - origin[1], z - origin[2]


def _tilted(
    frame: Frame, lon: Float[Array, "..."], lat: Float[Array, "..."], dist: Float[Array, "..."]
) -> tuple[Float[Array, "..."], Float[Array, "..."], Float[Array, "..."]]:
    tilt = frame.sun_height / frame.sun_distance
    x = frame.sun_distance - dist * jnp.cos(lat) * jnp.cos(lon)
    y = dist * jnp.cos(lat) * jnp.sin(lon)
    z = dist * jnp.sin(lat)
    return x, y, z * math.cos(tilt) + x * math.sin(tilt)


def bar_axes(
    x: Float[Array, "..."], y: Float[Array, "..."], angle: float = BAR_ANGLE
) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
    """Coordinates along the bar's major and intermediate axis [pc]."""
    cos, sin = math.cos(angle), math.sin(angle)
    return x * cos + y * sin, y * cos - x * sin
