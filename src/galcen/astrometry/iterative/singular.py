"""Which unknowns a singular block of the linear system leaves free, and why they usually are."""

from typing import Literal

import numpy as np
from jaxtyping import Float

from galcen.astrometry.iterative.problem import Problem

Block = Literal["prior", "source", "unit", "chips"]

FREE = 1e-13
"""Smallest eigenvalue of a block of unit diagonal that is more than rounding."""

SHARE = 0.3
"""Of the largest component of the free direction: unknowns with more are named."""

MOST_NAMED = 6

SOURCE_NAMES = ("a", "d", "parallax", "pma", "pmd")
CHIP_NAMES = ("rotation", "x", "y", "pixel_x", "pixel_y", "chromatic x", "chromatic y")


class SingularBlock(np.linalg.LinAlgError):
    """A diagonal block of the system that is singular to rounding.

    Parameters
    ----------
    block
        Prior covariance of a source, or block of one source, of the distortion of one calibration unit, or of
        all chips.
    row
        Number of the source or unit; 0 for the chips.
    unknowns
        Numbers of those unknowns of the block that are free, most of all first.
    """

    def __init__(self, block: Block, row: int, unknowns: list[int]) -> None:
        super().__init__(f"{block} {row}, unknowns {', '.join(map(str, unknowns))}")
        self.block, self.row, self.unknowns = block, row, unknowns


def refuse_singular(block: Block, matrices: Float[np.ndarray, "n k k"]) -> None:
    """Raise `SingularBlock` for the first of symmetric matrices that is singular, if any is.

    Only for matrices of which some factorisation has failed, or is not finite: it is slow.
    """
    for row, matrix in enumerate(matrices):
        diagonal = np.diagonal(matrix)
        free = np.flatnonzero(~(diagonal > 0))
        if not len(free) and np.isfinite(matrix).all():
            scale = 1.0 / np.sqrt(diagonal)
            value, vector = np.linalg.eigh(matrix * scale[:, None] * scale)
            if value[0] > FREE:
                continue
            size = np.abs(vector[:, 0])
            free = np.argsort(-size)[: np.count_nonzero(size > SHARE * size.max())]
        raise SingularBlock(block, row, free[:MOST_NAMED].tolist())


def describe(problem: Problem, error: np.linalg.LinAlgError) -> str:
    """What is not determined, in words, with the likely cause."""
    if not isinstance(error, SingularBlock):
        return (
            f"the linear system is singular ({error}): some unknown of a source or of the calibration is "
            "determined neither by measurements nor by a prior; look for priors that are flat or out of scale"
        )
    return f"the linear system is singular: {_WORDS[error.block](problem, error)}"


def _of_prior(problem: Problem, error: SingularBlock) -> str:
    names = ", ".join(SOURCE_NAMES[k] for k in error.unknowns)
    return (
        f"the prior covariance of the source in row {error.row} has no inverse, by its {names}: its "
        "correlations are 1, or its errors 0 or out of scale"
    )


def _of_source(problem: Problem, error: SingularBlock) -> str:
    ra, dec = np.degrees([problem.sources.ra[error.row], problem.sources.dec[error.row]])
    n_obs = sum(int(np.count_nonzero(orbit.source == error.row)) for orbit in problem.orbits)
    names = ", ".join(SOURCE_NAMES[k] for k in error.unknowns) or "an unknown"
    return (
        f"{names} of the source in row {error.row} (ra {ra:.6f}, dec {dec:.6f} deg, {n_obs} measurements "
        "here) are determined neither by measurements nor by the prior; look for a prior of it that is out "
        "of scale or whose correlations are 1"
    )


def _of_unit(problem: Problem, error: SingularBlock) -> str:
    n_term = problem.camera.optics.distortion.n_term
    names = []
    for k in error.unknowns:
        part, axis = divmod(k // n_term, 2)
        names.append(f"{'drift of ' * part}{'AB'[axis]}{k % n_term}")
    return (
        f"coefficients {', '.join(names)} of the distortion of calibration unit {error.row} are determined "
        "neither by measurements nor by a prior; give the distortion (and its drift) priors that are not "
        "flat, a lower order, or let more orbits share it"
    )


def _of_chips(problem: Problem, error: SingularBlock) -> str:
    n_own = problem.calibration.n_chip_unknown
    names = ", ".join(f"{CHIP_NAMES[k % n_own]} of chip {k // n_own}" for k in error.unknowns)
    seen = np.zeros(problem.camera.n_chip, dtype=bool)
    for orbit in problem.orbits:
        seen[np.unique(orbit.chip)] = True
    unseen = [chip for chip in sorted({k // n_own for k in error.unknowns}) if not seen[chip]]
    cause = (
        "chips moved together do as a turn of the telescope does, and stretched pixels do as a focal length"
    )
    if unseen:
        cause = f"chip {unseen[0]} has no measurements here"
    return (
        f"{names} are determined neither by measurements nor by a prior: {cause}; give chips, or attitudes "
        "and focal lengths, priors that are not flat"
    )


_WORDS = {"prior": _of_prior, "source": _of_source, "unit": _of_unit, "chips": _of_chips}
