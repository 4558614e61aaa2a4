"""Coordinates in which a guide describes the posterior of a plate problem, all zero at its maximum.

Either each unknown in a unit of its own, or those in which the Gaussian of the normal equations is standard:
exposures and calibration along the principal axes of their reduced matrix R, and the sources given these,

    y = Q Lambda^-1/2 u_y,    s = -N_ss^-1 N_sy y + N_ss^-1/2 u_s,    R = Q Lambda Q^T.

All chips may move and turn together against the attitude. Only priors oppose this, and within these the
valley of the posterior is curved by up to a hundred standard deviations of the other unknowns: these follow
by a quadratic function of the weakest coordinates, which changes no volume.
"""

from collections.abc import Callable
from typing import Protocol

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from galcen.astrometry.plate import Plate
from galcen.astrometry.plate_normal import Solution, y_of
from galcen.astrometry.plate_problem import N_EXPOSURE, State

WEAK = 1e-4
"""Eigenvalue of the scaled reduced matrix below which the curvature of the posterior is followed."""

MOST_WEAK = 5
CURVATURE_STEPS = 2

MAS_PER_DEG = 3.6e6
PER_MILLION = 1e6
RAW_EXPOSURE = (MAS_PER_DEG, MAS_PER_DEG, MAS_PER_DEG, PER_MILLION, PER_MILLION)
RAW_CHIP = (PER_MILLION * np.pi / 180, 1.0, 1.0, PER_MILLION, PER_MILLION)

Pair = tuple[Float[Array, "2 n_src"], Float[Array, " n_y"]]


class Coordinates(Protocol):
    """A way to write all unknowns."""

    def unknowns(self, source: Float[Array, "2 n_src"], y: Float[Array, " n_y"]) -> Pair:
        """Sources and the other unknowns at these coordinates."""
        ...

    @property
    def log_volume(self) -> Float[Array, ""]:
        """Logarithm of the determinant of the derivatives of `unknowns`, at zero."""
        ...


class Separate(eqx.Module):
    """Each unknown in its own unit, from the maximum of the posterior."""

    source: Float[Array, "2 n_src"]
    y: Float[Array, " n_y"]
    source_unit: Float[Array, "2 n_src"]
    y_unit: Float[Array, " n_y"]

    def unknowns(self, source: Float[Array, "2 n_src"], y: Float[Array, " n_y"]) -> Pair:
        """See `Coordinates`."""
        return self.source + self.source_unit * source, self.y + self.y_unit * y

    @property
    def log_volume(self) -> Float[Array, ""]:
        """See `Coordinates`."""
        return jnp.log(self.source_unit).sum() + jnp.log(self.y_unit).sum()


class Joint(eqx.Module):
    """Coordinates in which the Gaussian of the normal equations has unit covariance."""

    source: Float[Array, "2 n_src"]
    y: Float[Array, " n_y"]
    root: Float[Array, "2 2 n_src"]
    """Lower factors of N_ss^-1."""
    gain: Float[Array, "2 n_y n_src"]
    """N_ss^-1 N_sy."""
    axes: Float[Array, "n_y n_y"]
    """Of y by its coordinates, the weakest first."""
    source_bend: Float[Array, "n_pair 2 n_src"]
    """Shift of the sources' coordinates by products of the weakest coordinates."""
    y_bend: Float[Array, "n_pair n_y"]
    n_weak: int = eqx.field(static=True)

    def unknowns(self, source: Float[Array, "2 n_src"], y: Float[Array, " n_y"]) -> Pair:
        """See `Coordinates`."""
        products = self.products(y)
        along = self.axes @ (y + products @ self.y_bend)
        own = source + jnp.tensordot(products, self.source_bend, 1)
        return self.source + self.of_sources(own, along), self.y + along

    def of_sources(
        self, own: Float[Array, "2 n_src"], along: Float[Array, " n_y"]
    ) -> Float[Array, "2 n_src"]:
        """Offsets of the sources that follow from their coordinates and from offsets of y."""
        return jnp.einsum("ijs,js->is", self.root, own) - jnp.einsum("iys,y->is", self.gain, along)

    def products(self, y: Float[Array, " n_y"]) -> Float[Array, " n_pair"]:
        """Products of the weakest coordinates in pairs."""
        i, j = np.triu_indices(self.n_weak)
        return y[i] * y[j]

    @property
    def log_volume(self) -> Float[Array, ""]:
        """See `Coordinates`; axes are orthogonal in their scaled form only."""
        of_y = jnp.linalg.slogdet(self.axes)[1]
        return jnp.log(self.root[0, 0]).sum() + jnp.log(self.root[1, 1]).sum() + of_y


class Curvature(eqx.Module):
    """Matrix of the normal equations in units of its diagonal, which is 1."""

    ss: Float[Array, "2 2 n_src"]
    sy: Float[Array, "2 n_y n_src"]
    yy: Float[Array, "n_y n_y"]

    def product(self, source: Float[Array, "2 n_src"], y: Float[Array, " n_y"]) -> Pair:
        """The matrix times a vector."""
        of_source = jnp.einsum("ijs,js->is", self.ss, source) + jnp.einsum("iys,y->is", self.sy, y)
        return of_source, jnp.einsum("iys,is->y", self.sy, source) + self.yy @ y

    def energy(self, source: Float[Array, "2 n_src"], y: Float[Array, " n_y"]) -> Float[Array, ""]:
        """Half of the quadratic form: minus the logarithm of the exact Gaussian, to a constant."""
        of_source, of_y = self.product(source, y)
        return 0.5 * ((of_source * source).sum() + of_y @ y)


def curvature(plate: Plate) -> Curvature:
    """The normal equations in the units of `whitened`."""
    normal = plate.normal
    s, y = np.sqrt(normal.ss[(0, 1), (0, 1)]), np.sqrt(np.diag(normal.yy))
    scaled = (
        normal.ss / (s[:, None] * s),
        normal.sy / (s[:, None] * y[:, None]),
        normal.yy / (y[:, None] * y),
    )
    return Curvature(*map(jnp.asarray, scaled))


def whitened(plate: Plate) -> Separate:
    """Units of the conditional standard deviations, 1 / sqrt(N_ii)."""
    units = 1 / np.sqrt(plate.normal.ss[(0, 1), (0, 1)]), 1 / np.sqrt(np.diag(plate.normal.yy))
    return Separate(*map(jnp.asarray, (plate.state.source, y_of(plate.state), *units)))


def raw(plate: Plate) -> Separate:
    """Units of the reference: degrees and um, the logarithm of focal lengths and sizes of pixels."""
    state = plate.state
    units = State(
        np.full_like(state.source, MAS_PER_DEG),
        np.broadcast_to(RAW_EXPOSURE, state.exposure.shape),
        np.ones_like(state.distortion),
        np.broadcast_to(RAW_CHIP, state.chip.shape),
    )
    return Separate(*map(jnp.asarray, (state.source, y_of(state), units.source, y_of(units))))


def gaussian(plate: Plate) -> Joint:
    """Coordinates of the exact Gaussian, without curvature."""
    axes, eigenvalue = _axes(plate.solution)
    n_weak = min(int(np.count_nonzero(eigenvalue < WEAK)), MOST_WEAK)
    n_pair, (n_y, n_src) = n_weak * (n_weak + 1) // 2, plate.solution.gain.shape[1:]
    solved = (plate.state.source, y_of(plate.state), lower_root(plate.solution.ss), plate.solution.gain, axes)
    return Joint(*map(jnp.asarray, solved), jnp.zeros((n_pair, 2, n_src)), jnp.zeros((n_pair, n_y)), n_weak)


def following_the_valley(coordinates: Joint, log_density: Callable[[Array, Array], Array]) -> Joint:
    """The coordinates with the curvature that a log density of sources and y shows along the weakest.

    Where its second derivative is 1, the gradient is the way to the valley's floor.
    """

    @jax.jit
    def gradient(coordinates: Joint, y: Array) -> Pair:
        def at(source: Array, y: Array) -> Array:
            return log_density(*coordinates.unknowns(source, y))

        return jax.grad(at, argnums=(0, 1))(jnp.zeros_like(coordinates.source), y)

    def even(coordinates: Joint, y: Float[np.ndarray, " n_y"]) -> Pair:
        return jax.tree.map(lambda a, b: 0.5 * (a + b), gradient(coordinates, y), gradient(coordinates, -y))

    n_weak, unit = coordinates.n_weak, np.eye(len(coordinates.y))
    for _ in range(CURVATURE_STEPS if n_weak else 0):
        alone = [even(coordinates, unit[i]) for i in range(n_weak)]
        found = []
        for i, j in zip(*np.triu_indices(n_weak), strict=True):
            both = alone[i] if i == j else even(coordinates, unit[i] + unit[j])
            apart = (0.0 * both[0], 0.0 * both[1]) if i == j else jax.tree.map(jnp.add, alone[i], alone[j])
            found.append(jax.tree.map(jnp.subtract, both, apart))
        source, y = (jnp.stack(parts) for parts in zip(*found, strict=True))
        y = y.at[:, :n_weak].set(0.0)
        bends = (coordinates.source_bend + source, coordinates.y_bend + y)
        coordinates = eqx.tree_at(lambda c: (c.source_bend, c.y_bend), coordinates, bends)
    return coordinates


def strongest(
    coordinates: Joint, source_unit: Float[Array, "2 n_src"], rank: int
) -> tuple[Float[Array, "rank 2 n_src"], Float[Array, "rank n_y"]]:
    """The independent moves of y, of one standard deviation each, that shift the sources most.

    Shifts of the sources are weighed by `source_unit`; both parts are returned in the units of the unknowns.
    The weakest moves shift no source, and no normal distribution follows their curved valley: they are left
    out.
    """
    axes = coordinates.axes[:, coordinates.n_weak :]
    shift = jnp.einsum("iys,yk->kis", coordinates.gain / source_unit[:, None], axes, optimize=True)
    flat = shift.reshape(axes.shape[1], -1)
    _, vectors = jnp.linalg.eigh(flat @ flat.T)
    moves = (axes @ vectors[:, ::-1][:, :rank]).T
    return -jnp.einsum("iys,ky->kis", coordinates.gain, moves, optimize=True), moves


def mask_of(state: State, which: str) -> tuple[float, Float[np.ndarray, " n_y"]]:
    """Ones where a sub-model is free: of the sources, and of each other unknown."""
    parts = State(*(np.zeros_like(part) for part in state))
    if which in ("full", "attitude"):
        parts.exposure[:, : N_EXPOSURE if which == "full" else 3] = 1.0
    if which in ("full", "distortion"):
        parts.distortion[...] = 1.0
    if which == "full":
        parts.chip[...] = 1.0
    return float(which in ("full", "positions")), y_of(parts)


def _axes(solution: Solution) -> tuple[Float[np.ndarray, "n_y n_y"], Float[np.ndarray, " n_y"]]:
    """Scaled principal axes of R^-1 and eigenvalues of the scaled R, the weakest first."""
    # The singular values of the factor keep the digits that the smallest eigenvalues of its square lose.
    left, singular, _ = np.linalg.svd(solution.reduced)
    axes = solution.scale[:, None] * left / singular
    return axes[:, ::-1].copy(), singular[::-1] ** 2


def lower_root(matrix: Float[np.ndarray, "2 2 n"]) -> Float[np.ndarray, "2 2 n"]:
    """Lower factors of symmetric 2 x 2 matrices."""
    (xx, xy), (_, yy) = matrix
    first = np.sqrt(xx)
    cross = xy / first
    return np.array([[first, np.zeros_like(first)], [cross, np.sqrt(yy - cross**2)]])
