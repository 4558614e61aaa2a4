"""Draw the velocity of a star of any component: the plain twin of `draw`, for tests.

It computes every family and every candidate for every star.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from galcen.galaxy.components import BAR, HALO, NSC, NSD, THICK
from galcen.galaxy.kinematics import bar, disc, halo, nuclear_cluster
from galcen.galaxy.kinematics.draw import ESCAPE_DISC, ESCAPE_INNER, N_CANDIDATE, R_MIN, Kinematics


def draw_velocity(
    kinematics: Kinematics,
    key: Key[Array, " n_star"],
    comp: Int[Array, " n_star"],
    x: Float[Array, " n_star"],
    y: Float[Array, " n_star"],
    z: Float[Array, " n_star"],
) -> Float[Array, "3 n_star"]:
    """Velocity (v_X, v_Y, v_Z) [km/s] in the model frame of stars at x, y, z [pc]."""
    score = jnp.moveaxis(jax.vmap(lambda k: jax.random.normal(k, (3, N_CANDIDATE)))(key), 0, -1)
    r = jnp.maximum(jnp.hypot(x, y), R_MIN)
    polar = _polar(kinematics, score, comp, r, z)
    # (v_phi, v_R) to the axes, left-handed as the frame: v_phi > 0 is v_Y > 0 at the Sun.
    v_x = (polar[1] * x - polar[0] * y) / r
    v_y = (polar[0] * x + polar[1] * y) / r
    others = jnp.stack([v_x, v_y, polar[2]])
    velocity = jnp.where(comp == BAR, _bar(kinematics, score, x, y, z), others)
    speed = jnp.sqrt(jnp.sum(velocity**2, axis=0))
    bound = speed < jnp.where(comp <= THICK, ESCAPE_DISC, ESCAPE_INNER)
    deep = (comp == NSC) & (nuclear_cluster.moments(r, z)[2] < nuclear_cluster.NO_ESCAPE_WITHIN)
    bound = bound | deep | (comp == HALO)
    first = jnp.where(bound.any(axis=0), jnp.argmax(bound, axis=0), N_CANDIDATE - 1)
    return jnp.take_along_axis(velocity, first[None, None, :], axis=1)[:, 0]


def _polar(
    kinematics: Kinematics,
    score: Float[Array, "3 n_draw n"],
    comp: Int[Array, " n"],
    r: Float[Array, " n"],
    z: Float[Array, " n"],
) -> Float[Array, "3 n_draw n"]:
    """v_phi, v_R, v_Z of all components but the bar."""
    which = jnp.minimum(comp, THICK)
    discs = jnp.stack(
        [
            disc.azimuthal_velocity(kinematics.shu, which, r, z, score[0]),
            disc.sigma_r(which, r) * score[1],
            disc.sigma_z(which, r) * score[2],
        ]
    )
    mean, s_phi, s_r, s_z, rho = kinematics.nuclear_disc(r, z)
    if kinematics.nuclear_disc_correlation_sign:
        # By symmetry the ellipsoid tilts the other way below the plane.
        rho = rho * jnp.sign(z)
    disc_nuclear = jnp.stack(
        [mean + s_phi * score[0], s_r * score[1], s_z * (rho * score[1] + jnp.sqrt(1 - rho**2) * score[2])]
    )
    rotation, sigma, _ = nuclear_cluster.moments(r, z)
    cluster = sigma * score + jnp.stack([rotation, 0 * rotation, 0 * rotation])[:, None]
    s_halo = jnp.array([halo.SIGMA[1], halo.SIGMA[0], halo.SIGMA[2]])
    spheroid = s_halo[:, None, None] * score
    inner = jnp.where(comp == NSD, disc_nuclear, jnp.where(comp == NSC, cluster, spheroid))
    return jnp.where(comp <= THICK, discs, inner)


def _bar(
    kinematics: Kinematics,
    score: Float[Array, "3 n_draw n"],
    x: Float[Array, " n"],
    y: Float[Array, " n"],
    z: Float[Array, " n"],
) -> Float[Array, "3 n_draw n"]:
    mean_x, mean_y = bar.mean_velocity(kinematics.bar_form, x, y)
    sigma = bar.dispersion(kinematics.bar_form, x, y, z)
    if kinematics.bar_covariance:
        v_x, v_y = bar.rotate(sigma[0] * score[0], sigma[1] * score[1])
    else:
        sigma = bar.without_covariance(sigma)
        v_x, v_y = sigma[0] * score[0], sigma[1] * score[1]
    return jnp.stack([mean_x + v_x, mean_y + v_y, sigma[2] * score[2]])
