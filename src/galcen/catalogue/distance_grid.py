"""Distances at which the posterior of a star is evaluated.

The grid must resolve the nuclear disc (26 pc high) and the nuclear cluster (5.9 pc)
where the line of sight comes near them, and the distance of a star whose parallax is precise; nothing else
so finely.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from galcen.galaxy.frame import Frame

DIST_MIN = 10.0
N_LOG = 600
NEAR_CENTRE = 600.0  # half-width of the 5 pc steps about the tangent distance [pc]
NEAR_STEP = 5.0
# The likelihood is evaluated in steps of COARSE_STEP, N_COARSE to each side [pc]: a third of its
# width for an extinction of 3 mag in Ks and errors of 0.1 mag.
COARSE_STEP = 20.0
N_COARSE = 31
SMOOTH = 8.0
# A parallax with a smaller relative error than `PRECISE` gets nodes of its own, eight per standard error: the
# logarithmic ones are 1.3 per cent apart.
PRECISE = 0.05
N_PARALLAX, PARALLAX_SIGMA = 113, 7.0
NEAREST = 0.5  # [pc], of those nodes: nearer than any star
LEAST_TANGENT = 4000.0  # [pc], at abs(l) or abs(b) of 60 deg
CLUSTER = 60.0  # half-width of the finest steps [pc]

# Direction of Sgr A* (l, b) = (-0.056, -0.046) deg [rad].
SGR_A = np.radians([-0.056, -0.046])

# A line of sight whose impact parameter is below the first number [pc] gets the second as
# its step about the tangent distance: a tenth of the impact parameter, as far as that is
# finer than NEAR_STEP. Each class has one array shape, so that it compiles once.
CLUSTER_STEPS = ((10.0, 0.3), (20.0, 1.0), (50.0, 2.0))


def impact_parameter(
    frame: Frame, lon: Float[np.ndarray, " n_star"], lat: Float[np.ndarray, " n_star"]
) -> Float[np.ndarray, " n_star"]:
    """Distance [pc] of each line of sight from Sgr A*; angles in rad."""
    cos_angle = np.sin(lat) * np.sin(SGR_A[1]) + np.cos(lat) * np.cos(SGR_A[1]) * np.cos(lon - SGR_A[0])
    # Half-angle form: the cosine alone loses half its digits near the centre.
    half = (
        np.sin((lat - SGR_A[1]) / 2) ** 2 + np.cos(lat) * np.cos(SGR_A[1]) * np.sin((lon - SGR_A[0]) / 2) ** 2
    )
    sine = 2 * np.sqrt(half * (1 - half))
    return frame.sun_distance * np.where(cos_angle > 0, sine, 1.0)


def grid_class(impact: Float[np.ndarray, " n_star"]) -> Int[np.ndarray, " n_star"]:
    """Class of the grid: index into `CLUSTER_STEPS`, or its length away from the cluster."""
    limits = np.array([limit for limit, _ in CLUSTER_STEPS])
    return np.searchsorted(limits, impact, side="right")


class Grid(NamedTuple):
    """Distances [pc] of some stars of one class.

    The prior needs them all. The likelihood changes on the scale of the photometric errors
    only: it is evaluated at `coarse` and interpolated (see `interpolate`).
    """

    dist: Float[np.ndarray, "n_star n_dist"]  # increasing
    # Sorts the distances as they were made: those evaluated one by one, then those about the tangent.
    order: Int[np.ndarray, "n_star n_dist"]
    coarse: Float[np.ndarray, "n_star n_coarse"]  # nodes evaluated one by one, then those about the tangent
    tangent: Float[np.ndarray, " n_star"]

    @property
    def n_far(self) -> int:
        """Number of the distances at which the likelihood is evaluated one by one."""
        return self.coarse.shape[1] - (2 * N_COARSE + 1)


def distance_grid(
    frame: Frame,
    lon: Float[np.ndarray, " n_star"],
    lat: Float[np.ndarray, " n_star"],
    class_index: int,
    dist_max: float,
    parallax: tuple[Float[np.ndarray, " n_star"], Float[np.ndarray, " n_star"]] | None = None,
) -> Grid:
    """Distances for stars of one grid class; angles in rad.

    `parallax` are precise parallaxes and their errors [mas], about which there are nodes too.
    """
    # Steps of COARSE_STEP are too long nearby: lines that pass the centre far off need none of them.
    tangent = np.maximum(frame.sun_distance * np.cos(lat) * np.cos(lon), LEAST_TANGENT)
    offsets = [np.arange(-NEAR_CENTRE, NEAR_CENTRE + NEAR_STEP / 2, NEAR_STEP)]
    if class_index < len(CLUSTER_STEPS):
        step = CLUSTER_STEPS[class_index][1]
        offsets.append(np.linspace(-CLUSTER, CLUSTER, round(2 * CLUSTER / step) + 1))
    near = np.clip(tangent[:, None] + np.concatenate(offsets), DIST_MIN, dist_max)
    far = np.broadcast_to(np.geomspace(DIST_MIN, dist_max, N_LOG), (len(lon), N_LOG))
    if parallax is not None:
        value, error = (np.asarray(column)[:, None] for column in parallax)
        nodes = 1000.0 / (value + error * np.linspace(-PARALLAX_SIGMA, PARALLAX_SIGMA, N_PARALLAX))
        far = np.concatenate([far, np.clip(nodes, NEAREST, dist_max)], axis=1)
    dist = np.concatenate([far, near], axis=1)
    order = np.argsort(dist, axis=1, kind="stable")
    coarse = np.concatenate(
        [far, tangent[:, None] + COARSE_STEP * np.arange(-N_COARSE, N_COARSE + 1)], axis=1
    )
    return Grid(np.take_along_axis(dist, order, axis=1), order, coarse, tangent)


def interpolate(values: Float[Array, "n n_star n_coarse"], grid: Grid) -> Float[Array, "n n_star n_dist"]:
    """Logarithms at the coarse nodes brought to all distances.

    Cubic (four-point Lagrange) near the centre; linear where the four nodes differ by more than
    `SMOOTH`.
    """
    k, t, is_near = near_place(grid)
    at = [jnp.take_along_axis(values, (grid.n_far + k - 1 + m)[None], axis=-1) for m in range(4)]
    weights = lagrange(t)
    top = jnp.maximum(jnp.maximum(at[0], at[1]), jnp.maximum(at[2], at[3]))
    low = jnp.minimum(jnp.minimum(at[0], at[1]), jnp.minimum(at[2], at[3]))
    # Next to where the likelihood ends, or is not evaluated in full, a cubic would overshoot.
    known = jnp.isfinite(low) & (top - low < SMOOTH)
    cubic = sum(w * jnp.where(known, v, 0.0) for w, v in zip(weights, at, strict=True))
    pair = jnp.isfinite(at[1]) & jnp.isfinite(at[2])
    linear = jnp.where(
        pair, jnp.where(pair, at[1], 0.0) * (1 - t) + jnp.where(pair, at[2], 0.0) * t, -jnp.inf
    )
    far = jnp.take_along_axis(values, jnp.minimum(grid.order, grid.n_far - 1)[None], axis=-1)
    return jnp.where(is_near, jnp.where(known, cubic, linear), far)


def lagrange(t: Float[Array, "..."]) -> tuple[Float[Array, "..."], ...]:
    """Weights of the nodes at -1, 0, 1, 2 in the cubic through them."""
    return (
        -t * (t - 1) * (t - 2) / 6,
        (t + 1) * (t - 1) * (t - 2) / 2,
        -(t + 1) * t * (t - 2) / 2,
        (t + 1) * t * (t - 1) / 6,
    )


def near_place(grid: Grid) -> tuple[Int[Array, "n_star n_dist"], Float[Array, "n_star n_dist"], Array]:
    """Coarse step that holds each distance, the place in it, and whether it lies near the centre."""
    offset = grid.dist - grid.tangent[:, None]
    place = offset / COARSE_STEP + N_COARSE
    k = jnp.clip(jnp.floor(place).astype(int), 1, 2 * N_COARSE - 2)
    # Distances are cut at the largest one, which may be nearer than all steps.
    return k, jnp.clip(place - k, 0.0, 1.0), (jnp.abs(offset) <= NEAR_CENTRE) | (grid.order >= grid.n_far)
