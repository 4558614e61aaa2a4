r"""Velocities of the discs: modified Shu distribution of Sharma et al. (2014, ApJ 793, 51).

The azimuthal velocity follows from the guiding radius R_g = phi R, whose probability is

.. math:: P(\phi | R, Z) \propto \frac{\Sigma(R_g)}{g(c)} e^{c (2 \ln\phi + 1 - \phi^2)}

(their eq. 14), with the dispersion and surface-density corrections of Sharma & Bland-Hawthorn (2013,
ApJ 773, 183). Its quantiles are tabulated over R and |Z| at the standard normal scores: as the
distribution is nearly normal, they are nearly linear there.
"""

import math
from typing import NamedTuple, Self

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from scipy.special import gammaln, ndtr

from galcen.compiled import compiled
from galcen.galaxy.tables import RotationCurve

R_SUN = 8160.0  # [pc]
R_FROZEN = 500.0
"""Inside it the distribution of phi is that at this radius: the model has no inner saturation [pc]."""

TAU = np.array([0.075273, 0.586449, 1.516357, 2.516884, 4.068387, 6.069263, 8.656024])  # mean ages [Gyr]
SIGMA_R_SUN = np.append(42.0 * ((TAU + 0.01) / 10.01) ** 0.32, 75.0)  # [km/s]
SIGMA_Z_SUN = np.append(24.4 * ((TAU + 0.01) / 10.01) ** 0.77, 49.2)
H_R = np.array([14300.0] * 7 + [180000.0])  # scale length of the dispersions [pc]
H_Z = np.array([5900.0] * 7 + [9400.0])
SCALE_LENGTH = np.array([5000.0] + [2600.0] * 6 + [2200.0])

R_GRID = np.concatenate(
    [np.arange(500.0, 2000.0, 50.0), np.arange(2000.0, 4000.0, 100.0), np.arange(4000.0, 12501.0, 250.0)]
)
Z_GRID = np.arange(0.0, 3601.0, 300.0)
SCORE_MAX, N_SCORE = 4.5, 91
SCORES = np.linspace(-SCORE_MAX, SCORE_MAX, N_SCORE)

_Q = (
    -0.028476,
    -1.4518,
    12.492,
    -21.842,
    19.130,
    -10.175,
    3.5214,
    -0.81052,
    0.12311,
    -0.011851,
    0.00065476,
    -1.5809e-5,
)


class ShuTable(eqx.Module):
    """Guiding radius over radius, phi, at standard normal scores."""

    phi: Float[Array, "8 n_r n_z n_score"]
    curve_r: Float[Array, " n_curve"]  # rotation curve [pc], [km/s]
    curve_v: Float[Array, " n_curve"]


class StarTable(NamedTuple):
    """The same, as the loop over stars reads it."""

    phi: Float[np.ndarray, "8 n_r n_z n_score"]
    curve_r: Float[np.ndarray, " n_curve"]
    curve_v: Float[np.ndarray, " n_curve"]

    @classmethod
    def build(cls, table: ShuTable) -> Self:
        """Plain arrays."""
        return cls(np.asarray(table.phi), np.asarray(table.curve_r), np.asarray(table.curve_v))


def circular_speed(
    curve_r: Float[Array, " n_curve"],
    curve_v: Float[Array, " n_curve"],
    r: Float[Array, "..."],
    z: Float[Array, "..."],
) -> Float[Array, "..."]:
    """Circular speed [km/s], reduced away from the plane (Sharma et al. 2014, eq. 22); 0 beyond the table."""
    speed = jnp.where(r <= curve_r[-1], jnp.interp(r, curve_r, curve_v), 0.0)
    return speed / (1 + 0.0374 * (jnp.abs(z) / 1000.0) ** 1.34)


def sigma_r(disc: Int[Array, "..."], r: Float[Array, "..."]) -> Float[Array, "..."]:
    """Radial dispersion [km/s]."""
    return jnp.asarray(SIGMA_R_SUN)[disc] * jnp.exp(-(r - R_SUN) / jnp.asarray(H_R)[disc])


def sigma_z(disc: Int[Array, "..."], r: Float[Array, "..."]) -> Float[Array, "..."]:
    """Vertical dispersion [km/s]."""
    return jnp.asarray(SIGMA_Z_SUN)[disc] * jnp.exp(-(r - R_SUN) / jnp.asarray(H_Z)[disc])


def azimuthal_velocity(
    table: ShuTable,
    disc: Int[Array, " n"],
    r: Float[Array, " n"],
    z: Float[Array, " n"],
    score: Float[Array, "n_draw n"],
) -> Float[Array, "n_draw n"]:
    """v_phi [km/s] at standard normal scores; beyond 4.5 the score is cut."""
    height = jnp.abs(z)
    i, s = _place(jnp.asarray(R_GRID), jnp.clip(r, R_GRID[0], R_GRID[-1]))
    j, t = _place(jnp.asarray(Z_GRID), jnp.clip(height, Z_GRID[0], Z_GRID[-1]))
    x = (jnp.clip(score, -SCORE_MAX, SCORE_MAX) + SCORE_MAX) * ((N_SCORE - 1) / (2 * SCORE_MAX))
    k = jnp.minimum(x.astype(int), N_SCORE - 2)
    u = x - k
    n_r, n_z = len(R_GRID), len(Z_GRID)
    flat = jnp.asarray(table.phi).reshape(-1)

    def at(column: Array, row: Array) -> Array:
        base = ((disc * n_r + column) * n_z + row) * N_SCORE + k
        return flat[base] * (1 - u) + flat[base + 1] * u

    phi = (at(i, j) * (1 - s) + at(i + 1, j) * s) * (1 - t) + (
        at(i, j + 1) * (1 - s) + at(i + 1, j + 1) * s
    ) * t
    return phi * circular_speed(table.curve_r, table.curve_v, phi * r, z)


def _place(grid: Float[Array, " n"], x: Float[Array, "..."]) -> tuple[Array, Array]:
    i = jnp.clip(jnp.searchsorted(grid, x, side="right") - 1, 0, len(grid) - 2)
    return i, (x - grid[i]) / (grid[i + 1] - grid[i])


@compiled
def star_velocity(
    table: StarTable, disc: int, r: float, z: float, score: tuple[float, float, float]
) -> tuple[float, float, float]:
    """v_phi, v_R, v_Z [km/s] of one star at standard normal scores; beyond 4.5 that of v_phi is cut."""
    height = abs(z)
    i, s = _place_star(R_GRID, r)
    j, t = _place_star(Z_GRID, height)
    x = (min(max(score[0], -SCORE_MAX), SCORE_MAX) + SCORE_MAX) * ((N_SCORE - 1) / (2 * SCORE_MAX))
    k = min(int(x), N_SCORE - 2)
    phi = table.phi[disc]
    near = _along(phi[i, j], k, x - k) * (1 - s) + _along(phi[i + 1, j], k, x - k) * s
    far = _along(phi[i, j + 1], k, x - k) * (1 - s) + _along(phi[i + 1, j + 1], k, x - k) * s
    ratio = near * (1 - t) + far * t
    guiding, v_phi = ratio * r, 0.0
    if guiding <= table.curve_r[-1]:
        n, u = _place_star(table.curve_r, guiding)
        v_phi = ratio * (table.curve_v[n] * (1 - u) + table.curve_v[n + 1] * u)
        v_phi /= 1 + 0.0374 * (height / 1000.0) ** 1.34
    s_r = SIGMA_R_SUN[disc] * math.exp(-(r - R_SUN) / H_R[disc])
    s_z = SIGMA_Z_SUN[disc] * math.exp(-(r - R_SUN) / H_Z[disc])
    return v_phi, s_r * score[1], s_z * score[2]


@compiled
def _along(row: Float[np.ndarray, " n_score"], k: int, u: float) -> float:
    return row[k] * (1 - u) + row[k + 1] * u


@compiled
def _place_star(grid: Float[np.ndarray, " n"], x: float) -> tuple[int, float]:
    """Interval of a grid and the place in it; a number off the grid is at its end."""
    low, high = 0, len(grid) - 1
    while high - low > 1:
        middle = (low + high) // 2
        if grid[middle] <= x:
            low = middle
        else:
            high = middle
    place = (x - grid[low]) / (grid[low + 1] - grid[low])
    return low, min(max(place, 0.0), 1.0)


def ln_probability(
    curve: RotationCurve,
    disc: int,
    r: Float[np.ndarray, "..."],
    z: Float[np.ndarray, "..."],
    phi: Float[np.ndarray, "..."],
) -> Float[np.ndarray, "..."]:
    """Ln P(phi | R, Z) up to a constant; -inf where the distribution vanishes."""
    guiding = phi * r
    v_circ = np.where(guiding <= curve.r[-1], np.interp(guiding, curve.r, curve.v_circ), 0.0)
    v_circ = v_circ / (1 + 0.0374 * (np.abs(z) / 1000.0) ** 1.34)
    q = SCALE_LENGTH[disc] / H_R[disc]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        a0 = SIGMA_R_SUN[disc] / v_circ * np.exp(R_SUN / H_R[disc])
        correction = 1 - 0.25 * a0**2.04 / q**0.49 * np.polyval(_Q[::-1], guiding / H_R[disc])
        a = SIGMA_R_SUN[disc] / v_circ * np.exp(-(guiding - R_SUN) / H_R[disc]) * correction
        c = 0.5 / a**2
        small = c + gammaln(np.maximum(c, 0.500001) - 0.5) - np.log(2.0) - (c - 0.5) * np.log(c)
        large = 0.5 * np.log(np.pi / (2 * np.maximum(c - 0.913, 1e-3)))
        x = guiding * (1 + q / 0.524) / (3.822 * SCALE_LENGTH[disc])
        wave = 31.53 * np.exp(-x / 0.2743) * ((x / 0.6719) ** 2 - 1)
        sigma = np.exp(-guiding / SCALE_LENGTH[disc]) / (2 * np.pi) - 0.00567 * a0**2.13 * wave
        ln_p = np.log(np.maximum(sigma, 0.0)) - np.where(c < 10, small, large)
        ln_p = ln_p + c * (2 * np.log(phi) + 1 - phi**2)
    return np.where((c > 0.5) & (sigma > 0) & np.isfinite(ln_p), ln_p, -np.inf)


def build_table(curve: RotationCurve) -> ShuTable:
    """Tabulate the quantiles of phi of the eight discs."""
    r, z = (g.ravel() for g in np.meshgrid(R_GRID, Z_GRID, indexing="ij"))
    phi = np.stack([_quantiles(curve, disc, r, z) for disc in range(8)])
    shape = (8, len(R_GRID), len(Z_GRID), N_SCORE)
    return ShuTable(phi.reshape(shape), np.asarray(curve.r), np.asarray(curve.v_circ))


def _quantiles(
    curve: RotationCurve, disc: int, r: Float[np.ndarray, " n"], z: Float[np.ndarray, " n"]
) -> Float[np.ndarray, "n n_score"]:
    coarse = np.broadcast_to(np.linspace(0.0, 4.0, 801)[1:], (len(r), 800))
    ln_p = ln_probability(curve, disc, r[:, None], z[:, None], coarse)
    # A density e^-25 of its peak is beyond any draw; half a step of margin on both sides.
    live = ln_p > ln_p.max(axis=1, keepdims=True) - 25.0
    low = np.maximum(coarse[0, live.argmax(axis=1)] - 0.005, 1e-6)
    high = coarse[0, 799 - live[:, ::-1].argmax(axis=1)] + 0.005
    phi = low[:, None] + (high - low)[:, None] * np.linspace(0.0, 1.0, 1001)
    ln_p = ln_probability(curve, disc, r[:, None], z[:, None], phi)
    p = np.exp(ln_p - ln_p.max(axis=1, keepdims=True))
    cumulative = np.cumsum(0.5 * (p[:, 1:] + p[:, :-1]), axis=1)
    cumulative = np.concatenate([np.zeros((len(r), 1)), cumulative], axis=1) / cumulative[:, -1:]
    target = ndtr(SCORES)
    return np.stack([np.interp(target, row, x) for row, x in zip(cumulative, phi, strict=True)])
