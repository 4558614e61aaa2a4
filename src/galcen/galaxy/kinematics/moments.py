"""Means and covariances of the components whose velocities are normal: bar, NSD, NSC and halo.

The discs are skewed in v_phi, see `disc_velocities`. The cut at the escape speed, which takes one star in
thirty from the bar at its very centre and fewer elsewhere, is left out.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from galcen.galaxy.components import BAR, HALO, NSC, NSD
from galcen.galaxy.kinematics import bar, halo, nuclear_cluster
from galcen.galaxy.kinematics.draw import R_MIN, Kinematics

GAUSSIAN = (BAR, NSD, NSC, HALO)
"""Components of `gaussian_moments`, in its order."""

Length = Float[Array, "..."]
Mean = Float[Array, "3 ..."]
Covariance = Float[Array, "3 3 ..."]


def polar_axes(x: Length, y: Length) -> Float[Array, "3 3 ..."]:
    """Unit vectors along phi, R and Z (first axis) in the model frame (second axis).

    Rotation is positive where v_Y > 0 at the Sun.
    """
    r = jnp.maximum(jnp.hypot(x, y), R_MIN)
    zero, one = 0 * r, 0 * r + 1
    return jnp.stack(
        [jnp.stack([-y / r, x / r, zero]), jnp.stack([x / r, y / r, zero]), jnp.stack([zero, zero, one])]
    )


def gaussian_moments(
    kinematics: Kinematics, x: Length, y: Length, z: Length
) -> tuple[Float[Array, "4 3 ..."], Float[Array, "4 3 3 ..."]]:
    """Mean velocity [km/s] and covariance [km^2/s^2] of each component of `GAUSSIAN` in the model frame.

    Parameters
    ----------
    kinematics
        Velocity tables and the model's choices.
    x, y, z
        Position [pc].
    """
    axes = polar_axes(x, y)
    r = jnp.maximum(jnp.hypot(x, y), R_MIN)
    parts = [
        _bar(kinematics, x, y, z),
        _nuclear_disc(kinematics, axes, r, z),
        _nuclear_cluster(axes, r, z),
        _halo(axes),
    ]
    return jnp.stack([mean for mean, _ in parts]), jnp.stack([covariance for _, covariance in parts])


def _bar(kinematics: Kinematics, x: Length, y: Length, z: Length) -> tuple[Mean, Covariance]:
    mean_x, mean_y = bar.mean_velocity(kinematics.bar_form, x, y)
    sigma = bar.dispersion(kinematics.bar_form, x, y, z)
    zero, one = 0 * x, 0 * x + 1
    if kinematics.bar_covariance:
        axes = jnp.stack(
            [
                jnp.stack([*bar.rotate(one, zero), zero]),
                jnp.stack([*bar.rotate(zero, one), zero]),
                jnp.stack([zero, zero, one]),
            ]
        )
    else:
        sigma = bar.without_covariance(sigma)
        axes = jnp.eye(3).reshape(3, 3, *[1] * x.ndim) * one
    return jnp.stack([mean_x, mean_y, zero]), _along(axes, sigma)


def _nuclear_disc(
    kinematics: Kinematics, axes: Float[Array, "3 3 ..."], r: Length, z: Length
) -> tuple[Mean, Covariance]:
    rotation, s_phi, s_r, s_z, rho = kinematics.nuclear_disc(r, z)
    if kinematics.nuclear_disc_correlation_sign:
        rho = rho * jnp.sign(z)
    covariance = _along(axes, jnp.stack([s_phi, s_r, s_z]))
    cross = axes[1][:, None] * axes[2][None] * (rho * s_r * s_z)
    return axes[0] * rotation, covariance + cross + jnp.swapaxes(cross, 0, 1)


def _nuclear_cluster(axes: Float[Array, "3 3 ..."], r: Length, z: Length) -> tuple[Mean, Covariance]:
    rotation, sigma, _ = nuclear_cluster.moments(r, z)
    return axes[0] * rotation, jnp.eye(3).reshape(3, 3, *[1] * r.ndim) * sigma**2


def _halo(axes: Float[Array, "3 3 ..."]) -> tuple[Mean, Covariance]:
    s_r, s_phi, s_z = halo.SIGMA
    return 0 * axes[0], _along(axes, jnp.array([s_phi, s_r, s_z]))


def _along(axes: Float[Array, "3 3 ..."], sigma: Float[Array, "3 ..."]) -> Covariance:
    """Covariance of independent velocities along three axes."""
    # A product of matrices this small is faster written out.
    return sum(axis[:, None] * axis[None] * s**2 for axis, s in zip(axes, sigma, strict=True))
