"""Prior of the fast posterior: evaluated on few lines of sight, interpolated for the stars between them.

The sky is divided into squares, larger far from Sgr A* and ever smaller towards it; ln n of every component
is biquadratic between nine lines over each. A star's square depends on its place alone.
"""

from collections.abc import Iterator
from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from galcen.catalogue.distance_grid import (
    N_LOG,
    SGR_A,
    distance_grid,
    grid_class,
    impact_parameter,
    lagrange,
    near_place,
)
from galcen.catalogue.magnitude_lattice import N_LANE
from galcen.catalogue.piece_sums import NOTHING
from galcen.galaxy.components import N_COMPONENT
from galcen.galaxy.model import Galaxy, Sightlines, number_density
from galcen.galaxy.tables import CELL_DEG

# Ln n of every component is interpolated between nine lines over a square of the sky, whose half-width is at
# most this part of its distance p from Sgr A*: for the cluster, ln n ~ ln p, the error is then 3e-4.
HALF_WIDTH = 0.105
NEAREST_PC = 2.8  # stars nearer to Sgr A* on the sky are left out
LARGEST = 4  # cells on a side of a square
N_LINE = 9
SQUARES_AT_ONCE = 4


class Prior(NamedTuple):
    """What the stars of one square of the sky share."""

    dist: Float[np.ndarray, " n_node"]  # [pc]
    ln_prior: Float[np.ndarray, "n_node 144"]  # ln of n D^2: line, then component, in 16 lanes
    knot: Int[np.ndarray, " n_node"]  # distance of `coarse` before each node, or the node itself
    weight: Float[np.ndarray, "n_node 4"]  # of that knot and its three neighbours
    step: Float[np.ndarray, " n_node"]  # place between the knot and the next
    coarse: Float[np.ndarray, " n_knot"]  # [pc]
    ceiling: Float[np.ndarray, " n_knot"]  # prior mass of the nodes of each knot, or more
    far: int  # first node beyond 95 per cent of the largest distance


def squares(
    galaxy: Galaxy, line: Sightlines, members: Int[np.ndarray, " n"], dist_max: float
) -> Iterator[tuple[Prior, Int[np.ndarray, " m"], Float[np.ndarray, "m 9"]]]:
    """Squares of the sky with the stars in them and the weights of their nine lines."""
    if len(members) == 0:
        return
    cell = np.stack([np.asarray(x)[members] for x in (line.cell_lon_deg, line.cell_lat_deg)])
    star = np.degrees(np.stack([np.asarray(x)[members] for x in (line.lon, line.lat)]))
    star[0] = cell[0] + (star[0] - cell[0] + 180.0) % 360.0 - 180.0
    centre, side = _square_of(galaxy, cell, star)
    t = 2 * (star - centre) / side
    quadratic = np.stack([0.5 * t * (t - 1), 1 - t * t, 0.5 * t * (t + 1)])  # (3 nodes, 2 axes, star)
    weight = (quadratic[:, None, 0] * quadratic[None, :, 1]).reshape(N_LINE, -1).T
    # Centres are multiples of a 64th of a cell: equal ones are equal to the last bit.
    _, first, group = np.unique(np.vstack([centre, side]), axis=1, return_index=True, return_inverse=True)
    stars_of = np.split(np.argsort(group.ravel(), kind="stable"), np.cumsum(np.bincount(group.ravel()))[:-1])
    centre, side = centre[:, first], side[first]
    classes = grid_class(_nearest(galaxy, centre, side))
    for which in np.unique(classes):
        groups = np.flatnonzero(classes == which)
        for begin in range(0, len(groups), SQUARES_AT_ONCE):
            mine = groups[begin : begin + SQUARES_AT_ONCE]
            # A short batch repeats its first square: every batch has one shape.
            rows = np.concatenate([mine, np.repeat(mine[:1], SQUARES_AT_ONCE - len(mine))])
            shared = line.take(members[first[rows]])
            priors = _make_priors(galaxy, centre[:, rows], side[rows], shared, int(which), dist_max)
            for g, prior in zip(mine, priors, strict=False):
                yield prior, members[stars_of[g]], weight[stars_of[g]]


def _square_of(
    galaxy: Galaxy, cell: Float[np.ndarray, "2 n"], star: Float[np.ndarray, "2 n"]
) -> tuple[Float[np.ndarray, "2 n"], Float[np.ndarray, " n"]]:
    """Centre and side [deg] of the square that holds each star; it depends on the place alone."""
    pc_per_deg = np.radians(1.0) * galaxy.frame.sun_distance
    number = np.floor(cell / CELL_DEG)
    centre, side = cell, np.full(cell.shape[1], CELL_DEG)
    n_cell = LARGEST if not galaxy.nuclear_disc_window else 1
    while n_cell > 1:
        wide = CELL_DEG * n_cell
        middle = (np.floor(number / n_cell) + 0.5) * wide
        fits = (side == CELL_DEG) & (
            0.5 * wide * pc_per_deg < HALF_WIDTH * _nearest(galaxy, middle, np.full(len(side), wide))
        )
        centre, side = np.where(fits, middle, centre), np.where(fits, wide, side)
        n_cell //= 2
    # Near the centre a cell is divided, by two again and again.
    for _ in range(6):
        divided = 0.5 * side * pc_per_deg > HALF_WIDTH * np.maximum(
            _nearest(galaxy, centre, side), NEAREST_PC
        )
        quarter = np.where(star >= centre, 0.25, -0.25) * side
        centre, side = np.where(divided, centre + quarter, centre), np.where(divided, 0.5 * side, side)
    return centre, side


def _nearest(
    galaxy: Galaxy, centre: Float[np.ndarray, "2 n"], side: Float[np.ndarray, " n"]
) -> Float[np.ndarray, " n"]:
    """Least distance [pc] of squares on the sky [deg] from Sgr A*."""
    sgr = np.degrees(SGR_A)[:, None]
    lon, lat = centre + np.clip(sgr - centre, -0.5 * side, 0.5 * side)
    return impact_parameter(galaxy.frame, np.radians(lon), np.radians(lat))


def _make_priors(
    galaxy: Galaxy,
    centre: Float[np.ndarray, "2 n"],
    side: Float[np.ndarray, " n"],
    shared: Sightlines,
    class_index: int,
    dist_max: float,
) -> list[Prior]:
    """Distances and prior of some squares of one grid class."""
    n = len(side)
    grid = distance_grid(galaxy.frame, *np.radians(centre), class_index, dist_max)
    third = np.array([-0.5, 0.0, 0.5])
    lon, lat = np.meshgrid(third, third, indexing="ij")
    lines = np.radians(centre[:, None] + np.stack([lon.ravel(), lat.ravel()])[:, :, None] * side)
    bundle = shared.take(np.tile(np.arange(n), N_LINE))
    bundle = eqx.tree_at(lambda b: (b.lon, b.lat), bundle, (lines[0].ravel(), lines[1].ravel()))
    ln_prior = np.array(_ln_prior(galaxy, bundle, np.tile(grid.dist, (N_LINE, 1))))
    _extend(ln_prior.reshape(N_COMPONENT, N_LINE, n, -1))
    knot, step, is_near = (np.asarray(x) for x in near_place(grid))
    knot = np.where(is_near, N_LOG + knot, np.minimum(grid.order, N_LOG - 1))
    weights = np.where(is_near, np.stack(lagrange(step)), np.array([0.0, 1.0, 0.0, 0.0])[:, None, None])
    step = np.where(is_near, step, 0.0)
    priors = []
    for i in range(n):
        dist, mine = grid.dist[i], ln_prior[:, i::n]
        lanes = np.full((len(dist), N_LINE, N_LANE), NOTHING, dtype=np.float32)
        lanes[:, :, :N_COMPONENT] = np.maximum(mine, NOTHING).T
        # The middle line; over a square the density of no component doubles.
        mass = 2.0 * np.exp(mine[:, N_LINE // 2]).sum(axis=0) * np.gradient(dist)
        n_knot = grid.coarse.shape[1]
        ceiling = np.bincount(knot[i], mass, n_knot) + np.bincount(
            knot[i][is_near[i]] + 1, mass[is_near[i]], n_knot
        )
        priors.append(
            Prior(
                dist,
                lanes.reshape(len(dist), -1),
                knot[i],
                np.ascontiguousarray(weights[:, i].T, dtype=np.float32),
                step[i].astype(np.float32),
                grid.coarse[i],
                ceiling,
                int(np.searchsorted(dist, 0.95 * dist[-1])),
            )
        )
    return priors


def _extend(ln_prior: Float[np.ndarray, "12 9 n n_node"]) -> None:
    """Where a component ends between the nine lines, it ends a node later: no jump can be interpolated."""
    there = np.isfinite(ln_prior)
    least = np.where(there, ln_prior, np.inf).min(axis=1, keepdims=True)
    np.copyto(ln_prior, least, where=~there & np.isfinite(least))


@eqx.filter_jit
def _ln_prior(
    galaxy: Galaxy, line: Sightlines, dist: Float[Array, "n_line n_node"]
) -> Float[Array, "12 n_line n_node"]:
    return jnp.log(number_density(galaxy, line, dist)) + 2 * jnp.log(dist)
