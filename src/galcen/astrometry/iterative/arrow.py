"""The calibration's own matrix: a block for each unit, each coupled with the chips and with no other unit."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.linalg import cho_factor, cho_solve

from galcen.astrometry.iterative.singular import refuse_singular


class Arrow(NamedTuple):
    """A symmetric matrix of arrow shape."""

    unit: Float[np.ndarray, "n_unit n_own n_own"]
    mixed: Float[np.ndarray, "n_unit n_own n_chips"]
    chips: Float[np.ndarray, "n_chips n_chips"]

    @classmethod
    def zeros(cls, n_unit: int, n_own: int, n_chips: int) -> "Arrow":
        """Nothing."""
        return cls(
            np.zeros((n_unit, n_own, n_own)), np.zeros((n_unit, n_own, n_chips)), np.zeros((n_chips, n_chips))
        )

    def add(self, unit: int, matrix: Float[np.ndarray, "n_shared n_shared"]) -> None:
        """Add the matrix of a unit's unknowns and the chips'."""
        n_own = self.unit.shape[1]
        self.unit[unit] += matrix[:n_own, :n_own]
        self.mixed[unit] += matrix[:n_own, n_own:]
        self.chips[...] += matrix[n_own:, n_own:]

    def with_diagonal(self, diagonal: Float[np.ndarray, " n_calibration"]) -> "Arrow":
        """The sum with a diagonal matrix."""
        n_unit, n_own = self.unit.shape[:2]
        of_unit, of_chips = np.split(diagonal, [n_unit * n_own])
        return Arrow(
            self.unit + of_unit.reshape(n_unit, n_own, 1) * np.eye(n_own),
            self.mixed,
            self.chips + np.diag(of_chips),
        )


class ArrowFactor:
    """Solves with an arrow matrix.

    Raises
    ------
    numpy.linalg.LinAlgError
        It is singular to rounding; says which unknowns are free.
    """

    def __init__(self, matrix: Arrow) -> None:
        for diagonal in (np.diagonal(matrix.unit, axis1=1, axis2=2), np.diag(matrix.chips)):
            if not (diagonal > 0).all():
                refuse_singular("unit", matrix.unit)
                refuse_singular("chips", matrix.chips[None])
        # Units of the unknowns differ by 1e6: scaled, the factors lose nothing to that.
        self._scale = 1.0 / np.sqrt(np.diagonal(matrix.unit, axis1=1, axis2=2))
        self._chip_scale = 1.0 / np.sqrt(np.diag(matrix.chips))
        unit = matrix.unit * self._scale[:, :, None] * self._scale[:, None, :]
        self._mixed = matrix.mixed * self._scale[:, :, None] * self._chip_scale
        chips = matrix.chips * self._chip_scale[:, None] * self._chip_scale
        try:
            root = np.linalg.cholesky(unit)
        except np.linalg.LinAlgError:
            refuse_singular("unit", unit)
            raise
        self._inverse_root = np.linalg.solve(root, np.broadcast_to(np.eye(unit.shape[1]), unit.shape))
        half = self._inverse_root @ self._mixed
        left = chips - np.einsum("uij,uik->jk", half, half, optimize=True)
        try:
            self._chips = cho_factor(left, lower=True)
        except (np.linalg.LinAlgError, ValueError):
            # What is not finite is a ValueError of scipy's.
            refuse_singular("chips", left[None])
            raise

    def solve(self, right: Float[np.ndarray, " n_calibration"]) -> Float[np.ndarray, " n_calibration"]:
        """Solution of a right side: the units' unknowns, then the chips'."""
        n_unit, n_own = self._scale.shape
        of_unit, of_chips = np.split(right, [n_unit * n_own])
        scaled = of_unit.reshape(n_unit, n_own) * self._scale
        alone = self._solved(scaled)
        chips = cho_solve(
            self._chips, of_chips * self._chip_scale - np.einsum("uij,ui->j", self._mixed, alone)
        )
        unit = alone - self._solved(self._mixed @ chips)
        return np.concatenate([(unit * self._scale).ravel(), chips * self._chip_scale])

    def _solved(self, right: np.ndarray) -> np.ndarray:
        half = np.einsum("uij,uj->ui", self._inverse_root, right)
        return np.einsum("uji,uj->ui", self._inverse_root, half)
