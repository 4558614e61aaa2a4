r"""The preconditioner of the conjugate gradients: diagonal blocks, and what they miss.

The blocks' inverse alone is slow on a survey of many exposures, by two kinds of directions: calibration and
sources stand for each other (canonical correlations up to 0.99), and what is a smooth pattern over the field
is taken up by the attitudes. Both are few. With D the blocks of the sources in the reduced matrix S, A that
of the calibration, B the sum over its units, and P polynomials of second degree over the field,

.. math::
    M^{-1} = \mathrm{diag}(D^{-1}, A^{-1}) + Z_1 T^{-1} Z_1^T + Z_2 E^{-1} Z_2^T,

    Z_1 = (-D^{-1} S_{sc} B;\; B),\quad T = B^T A B - B^T S_{cs} D^{-1} S_{sc} B,

    Z_2 = (Z;\; -A^{-1} S_{cs} Z),\quad Z = D^{-1} (D - \Pi) P,\quad
    E = Z^T S_{ss} Z - Z^T S_{sc} A^{-1} S_{cs} Z,

where Pi are the priors of the sources. Where exposures have but a few stars, T takes off less: it has to be
positive, which D in the place of S_ss does not ensure then. Where there is one unit, B is the identity, the
first two terms are the elimination of the sources, and the one with A has to go.

References
----------
Tang, Nabben, Vuik & Erlangga (2009), J. Sci. Comput. 39, 340 (additive coarse-grid corrections).
"""

from typing import Protocol

import numpy as np
from jaxtyping import Float, Int

from galcen.astrometry.iterative.arrow import Arrow, ArrowFactor
from galcen.astrometry.iterative.field import places
from galcen.astrometry.iterative.operator import inverse5
from galcen.astrometry.iterative.options import Ranks
from galcen.astrometry.iterative.problem import N_SOURCE, Sources
from galcen.astrometry.iterative.products import UnitSystem, Unknowns
from galcen.astrometry.iterative.system import System

DEGREE = 2
"""Of the polynomials: what attitude and focal lengths take up is of first degree, what dithers hardly tell
from a distortion of second; a third brought nothing."""

SMALLEST = 1e-12
"""Eigenvalue of a matrix scaled to a unit diagonal that is more than rounding."""


class Preconditioner(Protocol):
    """An approximate inverse."""

    def solve(self, right: Unknowns) -> Unknowns:
        """Its product with a vector."""
        ...


class TwoLevel:
    """Inverse of the diagonal blocks with both corrections.

    Parameters
    ----------
    system, ranks
        The linear system, and those that share it.
    sources
        Their directions.
    calibration
        Instead of the system's own block A, where more is held than it says.

    Raises
    ------
    numpy.linalg.LinAlgError
        An unknown of the calibration has no information.
    """

    def __init__(
        self, system: System, ranks: Ranks, sources: Sources, calibration: Arrow | None = None
    ) -> None:
        block = system.reduced_calibration if calibration is None else calibration
        self._n_unit, self._n_own = block.unit.shape[:2]
        self._source, self._factor = inverse5(system.reduced_source), ArrowFactor(block)
        self._coupling = _common_couplings(system, ranks)
        own = self._coupling.reshape(-1, self._coupling.shape[2])
        through = (self._source @ self._coupling).reshape(own.shape)
        common = np.block([[block.unit.sum(0), block.mixed.sum(0)], [block.mixed.sum(0).T, block.chips]])
        self._common = _inverse(_eliminated(common, own.T @ through), np.diagonal(common), is_whole=True)
        self._pattern = _patterns(system, self._source, sources)
        self._answer, self._smooth = self._of_patterns(system, ranks)

    def solve(self, right: Unknowns) -> Unknowns:
        """See `Preconditioner`."""
        alone = np.einsum("sij,sj->si", self._source, right.source)
        common = self._common @ (
            self._summed(right.calibration) - np.tensordot(alone, self._coupling, axes=2)
        )
        smooth = self._smooth @ (
            np.tensordot(right.source, self._pattern, axes=2) - right.calibration @ self._answer
        )
        answered = np.einsum("sij,sj->si", self._source, self._coupling @ common)
        calibration = self._spread(common) - self._answer @ smooth
        if self._n_unit > 1:
            calibration += self._factor.solve(right.calibration)
        return Unknowns(alone - answered + self._pattern @ smooth, calibration)

    def _summed(self, calibration: Float[np.ndarray, " n_calibration"]) -> Float[np.ndarray, " n_shared"]:
        """B^T times a vector."""
        units, chips = np.split(calibration, [self._n_unit * self._n_own])
        return np.concatenate([units.reshape(self._n_unit, self._n_own).sum(0), chips])

    def _spread(self, common: Float[np.ndarray, " n_shared"]) -> Float[np.ndarray, " n_calibration"]:
        """B times a vector."""
        unit, chips = np.split(common, [self._n_own])
        return np.concatenate([np.tile(unit, self._n_unit), chips])

    def _of_patterns(
        self, system: System, ranks: Ranks
    ) -> tuple[Float[np.ndarray, "n_calibration n_column"], Float[np.ndarray, "n_column n_column"]]:
        """A^-1 S_cs Z, and the inverse of E."""
        n_column, n_calibration = self._pattern.shape[2], system.shape[1]
        coupled, lost = np.zeros((n_calibration, n_column)), np.zeros((n_column, n_column))
        for unit, sides in zip(
            system.units, system.products.columns_to_exposures(self._pattern), strict=True
        ):
            rows, coupling = _of_unit(unit, system.shape[0])
            part = np.tensordot(coupling, self._pattern[rows], axes=([0, 1], [0, 1]))
            for one, side in zip(unit.orbits, sides, strict=True):
                step = one.inverse @ side
                part -= np.tensordot(one.coupling, step, axes=([0, 1], [0, 1]))
                lost += np.tensordot(side, step, axes=([0, 1], [0, 1]))
            coupled[unit.unknowns] += part
        total = ranks.sum(np.concatenate([coupled.ravel(), lost.ravel()]))
        coupled, lost = (
            total[: coupled.size].reshape(coupled.shape),
            total[coupled.size :].reshape(lost.shape),
        )
        answer = np.stack([self._factor.solve(column) for column in coupled.T], axis=1)
        full = np.tensordot(self._pattern, system.source @ self._pattern, axes=([0, 1], [0, 1]))
        return answer, _inverse(full - lost - coupled.T @ answer, np.diagonal(full), is_whole=False)


def _eliminated(
    common: Float[np.ndarray, "n_shared n_shared"], by_sources: Float[np.ndarray, "n_shared n_shared"]
) -> Float[np.ndarray, "n_shared n_shared"]:
    """T; less is taken off where it would not be positive."""
    scale = 1.0 / np.sqrt(np.diagonal(common))
    for share in (1.0, 0.5):
        left = common - share * by_sources
        if np.linalg.eigvalsh(left * scale[:, None] * scale)[0] > -SMALLEST:
            return left
    return common


def _common_couplings(system: System, ranks: Ranks) -> Float[np.ndarray, "n_src 5 n_shared"]:
    """S_sc B: reduced couplings of the sources with what all units have in common, and with the chips."""
    through = [[one.inverse @ one.coupling for one in unit.orbits] for unit in system.units]
    n_shared = system.reduced_calibration.unit.shape[1] + system.reduced_calibration.chips.shape[0]
    out = np.zeros((system.shape[0], N_SOURCE, n_shared))
    if system.units:
        out -= system.products.columns_from_exposures(through)
    for unit in system.units:
        rows, coupling = _of_unit(unit, system.shape[0])
        out[rows] += coupling
    return ranks.sum(out)


def _of_unit(
    unit: UnitSystem, n_src: int
) -> tuple[Int[np.ndarray, " n_seen"], Float[np.ndarray, "n_seen 5 n_shared"]]:
    """Its sources and their couplings."""
    rows = unit.rows[unit.rows < n_src]
    return rows, np.asarray(unit.coupling)[: len(rows)]


def _patterns(
    system: System, blocks: Float[np.ndarray, "n_src 5 5"], sources: Sources
) -> Float[np.ndarray, "n_src 5 n_column"]:
    """Z: polynomials over the field in each of the unknowns, as far as its measurements move a source."""
    is_seen = (system.source != system.prior_source).any(axis=(1, 2))
    moved = blocks @ (system.reduced_source - system.prior_source) * is_seen[:, None, None]
    x, y = places(sources, is_seen.astype(np.float64))
    # Only what the patterns span counts; of the order of 1 their products are exact.
    size = max(float(np.hypot(x, y)[is_seen].max(initial=0.0)), np.finfo(float).tiny)
    x, y = x / size, y / size
    powers = [x**i * y**j for i in range(DEGREE + 1) for j in range(DEGREE + 1 - i)]
    return np.einsum("sij,ms->sijm", moved, np.stack(powers)).reshape(len(x), N_SOURCE, -1)


def _inverse(
    matrix: Float[np.ndarray, "n n"], size: Float[np.ndarray, " n"], is_whole: bool
) -> Float[np.ndarray, "n n"]:
    """Of a positive matrix whose diagonal came out of differences of numbers like `size`.

    Eigenvalues that may be rounding are raised above it where the inverse must be a whole one; otherwise
    their directions are left out.
    """
    scale = np.where(size > 0, 1.0 / np.sqrt(np.where(size > 0, size, 1.0)), 0.0)
    value, vector = np.linalg.eigh(0.5 * (matrix + matrix.T) * scale[:, None] * scale)
    is_certain = value > SMALLEST
    if not is_whole:
        value, vector = value[is_certain], vector[:, is_certain]
    vector = scale[:, None] * vector
    return (vector / np.maximum(value, SMALLEST)) @ vector.T
