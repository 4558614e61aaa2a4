"""Products with the linear system, over all ranks."""

import numpy as np
from jaxtyping import Float

from galcen.astrometry.iterative.options import Ranks
from galcen.astrometry.iterative.products import PerOrbit, Unknowns
from galcen.astrometry.iterative.singular import refuse_singular
from galcen.astrometry.iterative.system import System


def nothing(system: System) -> Unknowns:
    """Zeros."""
    n_src, n_calibration = system.shape
    return Unknowns(np.zeros((n_src, 5)), np.zeros(n_calibration))


def product(system: System, ranks: Ranks, at: Unknowns) -> Unknowns:
    """S times a vector."""
    total = summed(ranks, system.products.reduced(at))
    return Unknowns(
        total.source + np.einsum("sij,sj->si", system.prior_source, at.source),
        total.calibration + system.prior_calibration * at.calibration,
    )


def right_side(system: System, ranks: Ranks) -> Unknowns:
    """g: the right side after the elimination of the exposures."""
    back = [[np.einsum("eij,ej->ei", o.inverse, o.sides) for o in unit.orbits] for unit in system.units]
    return Unknowns(system.side_source, system.side_calibration) - by_exposures(system, ranks, back)


def by_exposures(system: System, ranks: Ranks, at: PerOrbit) -> Unknowns:
    """N_xe times a vector of the exposures, by unit and orbit."""
    return summed(ranks, system.products.from_exposures(at))


def coupled(system: System, ranks: Ranks, at: Unknowns) -> Unknowns:
    """Products of calibration with sources, of sources with calibration, and of calibration with itself."""
    return summed(ranks, system.products.coupled(at))


def exposures_of(
    system: System, at: Unknowns, sides: PerOrbit | None = None
) -> list[list[Float[np.ndarray, "n_exp 5"]]]:
    """N_ee^-1 (b_e - N_ex x): the exposures' step that belongs to one of sources and calibration.

    `sides` stands for b_e where it is given.
    """
    if sides is None:
        sides = [[orbit.sides for orbit in unit.orbits] for unit in system.units]
    return [
        [
            np.einsum("eij,ej->ei", orbit.inverse, side - through)
            for orbit, side, through in zip(unit.orbits, *parts, strict=True)
        ]
        for unit, *parts in zip(system.units, sides, system.products.to_exposures(at), strict=True)
    ]


def inverse5(blocks: Float[np.ndarray, "n_src 5 5"]) -> Float[np.ndarray, "n_src 5 5"]:
    """Inverse of positive matrices, scaled to a unit diagonal before.

    Raises
    ------
    numpy.linalg.LinAlgError
        One is singular or not finite; says which unknowns of which source are free.
    """
    diagonal = np.diagonal(blocks, axis1=1, axis2=2)
    if not (diagonal > 0).all():
        refuse_singular("source", blocks)
    scale = 1.0 / np.sqrt(diagonal)
    try:
        scaled = np.linalg.inv(blocks * scale[:, :, None] * scale[:, None, :])
    except np.linalg.LinAlgError:
        refuse_singular("source", blocks)
        raise
    scaled = 0.5 * (scaled + scaled.transpose(0, 2, 1))
    return scaled * scale[:, :, None] * scale[:, None, :]


def summed(ranks: Ranks, part: Unknowns) -> Unknowns:
    """Sum over the ranks."""
    n = part.source.size
    total = ranks.sum(np.concatenate([part.source.ravel(), part.calibration]))
    return Unknowns(total[:n].reshape(part.source.shape), total[n:])
