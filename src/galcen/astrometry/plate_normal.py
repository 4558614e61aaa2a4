"""Normal equations of a plate problem, and their solution with the sources eliminated exactly.

Unknowns are the sources' two offsets each, s, and y: five for each exposure, then distortion and chips.
Sources see each other through y only, so that with N = [[N_ss, N_sy], [N_ys, N_yy]] the system reduces to

    (N_yy - sum_i N_ys,i N_ss,i^-1 N_sy,i) dy = b_y - sum_i N_ys,i N_ss,i^-1 b_s,i

of a few hundred unknowns, and the marginal covariance of source i is exactly

    N_ss,i^-1 + N_ss,i^-1 N_sy,i R^-1 N_ys,i N_ss,i^-1,    R the reduced matrix.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.linalg import cholesky, solve_triangular

from galcen.astrometry.plate_problem import N_CHIP, N_EXPOSURE, PlateProblem, State, padded_length
from galcen.mapping.detector import Chip, ChipOffsets
from galcen.mapping.distortion import Coefficients
from galcen.mapping.forward import FocalLength, Optics, Source
from galcen.mapping.frames import Attitude
from galcen.mapping.linearisation import Calibration, Exposure, Linearised, linearised
from galcen.mapping.source_motion import Offsets, Triad, triad
from galcen.mapping.vector import Vector

GROUP = 4
"""Exposures that are differentiated together."""


class Normal(NamedTuple):
    """Normal equations, priors included, and the weighted sums of squares they came from."""

    ss: Float[np.ndarray, "2 2 n_src"]
    bs: Float[np.ndarray, "2 n_src"]
    sy: Float[np.ndarray, "2 n_y n_src"]
    yy: Float[np.ndarray, "n_y n_y"]
    by: Float[np.ndarray, " n_y"]
    residual: Float[np.ndarray, "n_exp 2 n_obs"]
    """Observed minus predicted [pixel]; 0 in the padding."""
    chi2_data: float
    chi2_prior: float


class Solution(NamedTuple):
    """Step of all unknowns and the factors that give covariances."""

    source: Float[np.ndarray, "2 n_src"]
    y: Float[np.ndarray, " n_y"]
    reduced: Float[np.ndarray, "n_y n_y"]
    """Lower Cholesky factor of the reduced matrix, scaled."""
    scale: Float[np.ndarray, " n_y"]
    """1 / sqrt of the diagonal of the reduced matrix."""
    ss: Float[np.ndarray, "2 2 n_src"]
    """Inverse of N_ss."""
    gain: Float[np.ndarray, "2 n_y n_src"]
    """N_ss^-1 N_sy."""


class _Group(NamedTuple):
    """Sums over some exposures; what belongs to sources is still by measurement."""

    ss: Float[Array, "n_exp 3 n_obs"]
    bs: Float[Array, "n_exp 2 n_obs"]
    se: Float[Array, "n_exp 2 5 n_obs"]
    sc: Float[Array, "n_exp 2 n_cal n_obs"]
    ee: Float[Array, "n_exp 5 5"]
    ec: Float[Array, "n_exp 5 n_cal"]
    cc: Float[Array, "n_cal n_cal"]
    be: Float[Array, "n_exp 5"]
    bc: Float[Array, " n_cal"]
    residual: Float[Array, "n_exp 2 n_obs"]


def assemble(
    problem: PlateProblem,
    state: State,
    weight: Float[np.ndarray, "n_exp n_obs"],
    prior_weight: Float[np.ndarray, " n_src"],
) -> Normal:
    """Normal equations at a state.

    Parameters
    ----------
    problem, state
        What is solved, and where.
    weight
        Of each measurement beside its sigma.
    prior_weight
        Of each source's prior beside its covariance.
    """
    seen, n_src = problem.observations, state.source.shape[1]
    n_exp, n_cal = len(seen.source), problem.n_calibration
    n_y = N_EXPOSURE * n_exp + n_cal
    normal = Normal(
        np.zeros((2, 2, n_src)),
        np.zeros((2, n_src)),
        np.zeros((2, n_y, n_src)),
        np.zeros((n_y, n_y)),
        np.zeros(n_y),
        np.zeros(seen.pixel.shape),
        0.0,
        0.0,
    )
    known = sources_of(problem)
    cal = slice(N_EXPOSURE * n_exp, n_y)
    for part in groups(n_exp):
        sums = _Group(
            *map(np.asarray, _group_sums(group_arguments(problem, state, known, part), weight[part]))
        )
        for k, e in enumerate(range(part.start, part.stop)):
            real = seen.is_real[e]
            _add_exposure(normal, sums, k, e, seen.source[e, real], real)
        normal.yy[cal, cal] += sums.cc
        normal.by[cal] += sums.bc
        normal.residual[part] = sums.residual
    at = weight[:, None] * (normal.residual / seen.sigma) ** 2
    chi2_prior = _add_priors(problem, state, prior_weight, normal)
    return normal._replace(chi2_data=float(at.sum()), chi2_prior=chi2_prior)


def groups(n_exp: int) -> list[slice]:
    """Exposures that are differentiated together."""
    return [slice(first, min(first + GROUP, n_exp)) for first in range(0, n_exp, GROUP)]


def solve(normal: Normal, damping: float = 0.0) -> Solution:
    """Solve the normal equations, each diagonal element enlarged by the fraction `damping` of itself.

    Raises
    ------
    numpy.linalg.LinAlgError
        The system is singular to rounding.
    """
    ss = normal.ss * np.array([[1.0 + damping, 1.0], [1.0, 1.0 + damping]])[:, :, None]
    inverse = inverse2(ss)
    gain = np.stack([inverse[i, 0] * normal.sy[0] + inverse[i, 1] * normal.sy[1] for i in range(2)])
    flat, n_y = normal.sy.transpose(1, 0, 2).reshape(len(normal.by), -1), len(normal.by)
    reduced = normal.yy - flat @ gain.transpose(1, 0, 2).reshape(n_y, -1).T
    # The damped diagonal is that of the whole system, as for the sources.
    reduced[np.diag_indices(n_y)] += damping * np.diag(normal.yy)
    at_source = np.einsum("ijs,js->is", inverse, normal.bs)
    right = normal.by - np.einsum("iys,is->y", normal.sy, at_source, optimize=True)
    scale = 1.0 / np.sqrt(np.diag(reduced))
    factor = cholesky(reduced * scale[:, None] * scale, lower=True)
    half = solve_triangular(factor, right * scale, lower=True)
    y = scale * solve_triangular(factor, half, lower=True, trans="T")
    source = at_source - np.einsum("iys,y->is", gain, y, optimize=True)
    return Solution(source, y, factor, scale, inverse, gain)


def source_covariance(solution: Solution) -> Float[np.ndarray, "2 2 n_src"]:
    """Marginal covariance of each source [mas^2], all other unknowns free."""
    n_y, n_src = solution.gain.shape[1:]
    flat = solution.gain.transpose(1, 0, 2).reshape(n_y, -1) * solution.scale[:, None]
    root = solve_triangular(solution.reduced, flat, lower=True).reshape(n_y, 2, n_src)
    return solution.ss + np.einsum("yis,yjs->ijs", root, root, optimize=True)


def y_covariance(solution: Solution) -> Float[np.ndarray, "n_y n_y"]:
    """Marginal covariance of exposures and calibration."""
    root = solve_triangular(solution.reduced, np.diag(solution.scale), lower=True)
    return root.T @ root


def moved(state: State, source: Float[np.ndarray, "2 n_src"], y: Float[np.ndarray, " n_y"]) -> State:
    """The state after a step."""
    n_exp, n_term = len(state.exposure), state.distortion.shape[1]
    exposure, distortion, chip = np.split(y, [N_EXPOSURE * n_exp, N_EXPOSURE * n_exp + 2 * n_term])
    return State(
        state.source + source,
        state.exposure + exposure.reshape(n_exp, N_EXPOSURE),
        state.distortion + distortion.reshape(2, n_term),
        state.chip + chip.reshape(-1, N_CHIP),
    )


class KnownSources(NamedTuple):
    """Triads of the comparison directions, as arrays that are gathered."""

    triad: Float[Array, "9 n_src"]


def sources_of(problem: PlateProblem) -> KnownSources:
    """Triads of the sources."""
    ra, dec = _lengthened(np.stack([problem.sources.ra, problem.sources.dec]))
    return KnownSources(jnp.stack(jax.tree.leaves(_triads(ra, dec))))


_triads = jax.jit(triad)


def _lengthened(rows: Float[np.ndarray, "2 n_src"]) -> Float[np.ndarray, "2 n"]:
    """Rows over sources in one of a few lengths: a new one would be compiled for each orbit."""
    n_src = rows.shape[1]
    return np.pad(rows, ((0, 0), (0, padded_length(n_src) - n_src)))


def group_arguments(problem: PlateProblem, state: State, known: KnownSources, part: slice) -> tuple:
    """Arguments of the compiled kernels for some exposures."""
    seen = problem.observations
    exposure = jax.tree.map(lambda leaf: leaf[part], problem.exposures)
    camera = problem.camera
    fixed = (camera.optics, camera.focal_length_um, Chip(*map(np.asarray, camera.chips)))
    rows = (seen.source[part], seen.chip[part], seen.pixel[part], seen.sigma[part], seen.is_real[part])
    unknowns = State(_lengthened(state.source), state.exposure[part], state.distortion, state.chip)
    return fixed, known, exposure, unknowns, rows


def group_model(
    fixed: tuple, known: KnownSources, exposure: Exposure, unknowns: State, rows: tuple
) -> Linearised:
    """Pixels and derivatives of some exposures, arrays (n_exp, n_obs)."""
    optics, focal_length_um, chips = fixed
    source, chip = rows[0], rows[1]
    vectors = jnp.take(known.triad, source, axis=1)
    at = Triad(*(Vector(*vectors[i : i + 3]) for i in (0, 3, 6)))
    a, d = jnp.take(unknowns.source, source, axis=1)
    still = jnp.zeros_like(a)
    values = unknowns.exposure.T[:, :, None]
    calibration = Calibration(
        Coefficients(*unknowns.distortion),
        Chip(*(jnp.take(jnp.asarray(nominal), chip) for nominal in chips)),
        ChipOffsets(*(jnp.take(offset, chip) for offset in unknowns.chip.T)),
    )
    return linearised(
        optics,
        Offsets(a, d, still, still, still),
        Source(at, still),
        exposure,
        Attitude(*values[:3]),
        FocalLength(focal_length_um, values[3], values[4]),
        calibration,
    )


def compiled_model(arguments: tuple) -> Linearised:
    """`group_model`, compiled."""
    (optics, *geometry), *others = arguments
    return _compiled_model(optics, geometry, *others)


@partial(jax.jit, static_argnums=0)
def _compiled_model(optics: Optics, geometry: list, *others: tuple) -> Linearised:
    return group_model((optics, *geometry), *others)


def _group_sums(arguments: tuple, weight: np.ndarray) -> _Group:
    (optics, *geometry), *others = arguments
    return _compiled_sums(optics, geometry, *others, weight)


@partial(jax.jit, static_argnums=0)
def _compiled_sums(
    optics: Optics,
    geometry: list,
    known: KnownSources,
    exposure: Exposure,
    unknowns: State,
    rows: tuple,
    weight: Float[Array, "n_exp n_obs"],
) -> _Group:
    _, chip, pixel, sigma, is_real = rows
    model = group_model((optics, *geometry), known, exposure, unknowns, rows)
    # (n_exp, axis, ..., n_obs) from here on
    residual = jnp.where(is_real[:, None], pixel - jnp.stack(model.pixel, axis=1), 0.0)
    root = jnp.where(is_real, jnp.sqrt(weight), 0.0)[:, None] / sigma
    by_source = root[:, :, None] * _stack(model.source[:2])
    by_exposure = root[:, :, None] * _stack(model.exposure)
    by_calibration = root[:, :, None] * _by_calibration(model, chip, unknowns.chip.shape[0])
    r = root * residual
    pairs = ((0, 0), (0, 1), (1, 1))
    return _Group(
        ss=jnp.stack([(by_source[:, :, i] * by_source[:, :, j]).sum(1) for i, j in pairs], axis=1),
        bs=(by_source * r[:, :, None]).sum(1),
        se=(by_source[:, :, :, None] * by_exposure[:, :, None]).sum(1),
        sc=(by_source[:, :, :, None] * by_calibration[:, :, None]).sum(1),
        ee=jnp.einsum("gkep,gkfp->gef", by_exposure, by_exposure),
        ec=jnp.einsum("gkep,gkcp->gec", by_exposure, by_calibration),
        cc=jnp.einsum("gkbp,gkcp->bc", by_calibration, by_calibration),
        be=jnp.einsum("gkep,gkp->ge", by_exposure, r),
        bc=jnp.einsum("gkcp,gkp->c", by_calibration, r),
        residual=residual,
    )


def _stack(columns: tuple) -> Float[Array, "n_exp 2 n_par n_obs"]:
    shape = jnp.broadcast_shapes(*(part.shape for column in columns for part in column))
    return jnp.stack(
        [jnp.stack([jnp.broadcast_to(part, shape) for part in column], axis=1) for column in columns], axis=2
    )


def _by_calibration(model: Linearised, chip: Array, n_chip: int) -> Float[Array, "n_exp 2 n_cal n_obs"]:
    """Derivatives by A, B, then chip by chip."""
    terms = jnp.stack(model.basis, axis=1)[:, None]
    shift = [jnp.stack(column, axis=1)[:, :, None] * terms for column in model.shift]
    own = _stack(model.chip)
    chips = [jnp.where((chip == c)[:, None, None], own, 0.0) for c in range(n_chip)]
    return jnp.concatenate([*shift, *chips], axis=2)


def _add_exposure(normal: Normal, sums: _Group, k: int, e: int, source: np.ndarray, real: np.ndarray) -> None:
    """Add exposure e, the k-th of its group; a source is in it once, so that rows do not collide."""
    own = slice(N_EXPOSURE * e, N_EXPOSURE * (e + 1))
    cal = slice(len(normal.by) - sums.sc.shape[2], len(normal.by))
    ss = sums.ss[k][:, real]
    normal.ss[0, 0, source] += ss[0]
    normal.ss[0, 1, source] += ss[1]
    normal.ss[1, 0, source] += ss[1]
    normal.ss[1, 1, source] += ss[2]
    normal.bs[:, source] += sums.bs[k][:, real]
    normal.sy[:, own, source] = sums.se[k][:, :, real]
    normal.sy[:, cal, source] += sums.sc[k][:, :, real]
    normal.yy[own, own] = sums.ee[k]
    normal.yy[own, cal] = sums.ec[k]
    normal.yy[cal, own] = sums.ec[k].T
    normal.by[own] = sums.be[k]


def _add_priors(problem: PlateProblem, state: State, prior_weight: np.ndarray, normal: Normal) -> float:
    """Add the priors; returns their weighted sum of squares."""
    precision = prior_weight * inverse2(problem.sources.covariance.transpose(1, 2, 0))
    miss = problem.sources.mean.T - state.source
    normal.ss[...] += precision
    pull = np.einsum("ijs,js->is", precision, miss)
    normal.bs[...] += pull
    y, sigma = y_of(state), y_sigma(problem)
    normal.yy[np.diag_indices(len(y))] += sigma**-2
    normal.by[...] -= y / sigma**2
    return float((miss * pull).sum() + ((y / sigma) ** 2).sum())


def y_of(state: State) -> Float[np.ndarray, " n_y"]:
    """Unknowns of exposures and calibration in one row."""
    return np.concatenate([part.ravel() for part in (state.exposure, state.distortion, state.chip)])


def y_sigma(problem: PlateProblem) -> Float[np.ndarray, " n_y"]:
    """Their prior standard deviations."""
    prior, n_exp = problem.prior, len(problem.observations.source)
    n_term = problem.camera.optics.distortion.n_term
    return np.concatenate(
        [
            np.tile(prior.exposure, n_exp),
            np.full(2 * n_term, prior.distortion_um),
            np.tile(prior.chip, problem.camera.n_chip),
        ]
    )


def inverse2(matrix: Float[np.ndarray, "2 2 n"]) -> Float[np.ndarray, "2 2 n"]:
    """Inverse of symmetric 2 x 2 matrices, written out over the batch."""
    (xx, xy), (_, yy) = matrix
    determinant = xx * yy - xy * xy
    return np.array([[yy, -xy], [-xy, xx]]) / determinant
