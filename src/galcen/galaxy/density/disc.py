"""Thin and thick discs of Koshimoto, Baba & Bennett (2021, ApJ 917, 78), section 3 and table 1.

There is no flare or warp: the discs are not to be trusted beyond 16 kpc.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

BREAK = 5300.0  # radius inside which the surface density is constant [pc]
R_SUN = 8160.0  # radius at which the shapes are 1 in the plane [pc]
R_INNER = 4500.0  # inside it the linear scale height is constant [pc]
R_HOLE = 3740.0

SCALE_LENGTH = np.array([5000.0] + [2600.0] * 6 + [2200.0])  # [pc]
SCALE_HEIGHT = np.array([61.47, 141.84, 224.26, 292.36, 372.85, 440.71, 445.37, 903.12])  # [pc]
SCALE_HEIGHT_45 = np.array([36.88, 85.10, 134.55, 175.41, 223.71, 264.42, 267.22, 903.12])  # at 4.5 kpc


def shape(
    x: Float[Array, "..."],
    y: Float[Array, "..."],
    z: Float[Array, "..."],
    scale_height: str = "constant",
    inner: str = "flat",
) -> Float[Array, "8 ..."]:
    """S of the seven thin discs (sech^2) and the thick disc (exponential); 1 at the Sun's radius.

    Parameters
    ----------
    x, y, z
        Position in the model frame [pc].
    scale_height
        `constant`, or `linear`: growing with radius outside 4.5 kpc, surface density kept.
    inner
        `flat`, a central `hole`, or `exponential` to the centre.
    """
    per_disc = (slice(None),) + (None,) * jnp.ndim(x)
    height, height_45 = SCALE_HEIGHT[per_disc], SCALE_HEIGHT_45[per_disc]
    r = jnp.hypot(x, y)
    # One exponential serves the six discs that share a scale length.
    radius = r if inner != "flat" else jnp.maximum(r, BREAK)
    radial = jnp.stack([jnp.exp((R_SUN - radius) / L) for L in (5000.0, 2600.0, 2200.0)])[
        np.array([0, 1, 1, 1, 1, 1, 1, 2])
    ]
    if inner == "hole":
        radial = radial * jnp.exp(-R_HOLE / jnp.maximum(r, 1e-3))
    if scale_height == "linear":
        slope = (height - height_45) / (R_SUN - R_INNER)
        local = jnp.where(r > R_INNER, height + (r - R_SUN) * slope, height_45)
        radial = radial * height / local
        height = local
    absolute = jnp.abs(z) / height
    decay = jnp.exp(-absolute)
    # sech^2 without overflow far from the plane.
    thin = 4 * decay**2 / (1 + decay**2) ** 2
    is_thick = (np.arange(8) == 7)[per_disc]
    return radial * jnp.where(is_thick, decay, thin)
