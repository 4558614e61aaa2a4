"""Simple iteration: calibration, attitude and sources in turn, each with the newest values of the others.

References
----------
Lindegren et al. (2012), A&A 538, A78, sect. 4.5; Bombrun et al. (2012), A&A 538, A77, sect. 3.
"""

import numpy as np

from galcen.astrometry.iterative.arrow import ArrowFactor
from galcen.astrometry.iterative.cg import Solved
from galcen.astrometry.iterative.operator import (
    by_exposures,
    coupled,
    exposures_of,
    inverse5,
    nothing,
    right_side,
)
from galcen.astrometry.iterative.options import Ranks
from galcen.astrometry.iterative.products import Unknowns
from galcen.astrometry.iterative.system import System

TOLERANCE = 1e-4
"""Of the error that is left in a source's unknown, in units of its standard deviation."""

LARGEST_CONTRACTION = 0.999
STEADY = 0.02
"""Contractions that differ by less follow one mode, which can be extrapolated."""


def solve(
    system: System, ranks: Ranks, richardson: bool = False, tolerance: float = TOLERANCE, max_cycle: int = 600
) -> Solved:
    """Solve the system by cycles over its blocks.

    Small updates do not mean small errors: an update d that shrinks by lambda with each cycle leaves
    d lambda / (1 - lambda). This is compared with the tolerance.

    Parameters
    ----------
    system
        The linear system.
    ranks
        Those that share it.
    richardson
        When the contraction is steady, go the whole way that is left of it (accelerated simple iteration).
    tolerance
        Of the error left, in standard deviations; relative to the largest step where that is above 1.
    max_cycle
        When to give up.
    """
    blocks, calibration = inverse5(system.source), ArrowFactor(system.calibration)
    unit = 1.0 / np.sqrt(np.diagonal(blocks, axis1=1, axis2=2))
    # What moves calibration and attitude together and nothing else shrinks by 1e-5 with a cycle, and would
    # stay where it is: the two are solved for together once.
    together = ArrowFactor(system.reduced_calibration).solve(right_side(system, ranks).calibration)
    x = nothing(system)._replace(calibration=together)
    through = by_exposures(system, ranks, exposures_of(system, x))
    before, contraction, left, n, fresh = np.inf, 0.0, np.inf, 0, 0
    while n < max_cycle:
        n += 1
        shared = coupled(system, ranks, x)
        miss = system.side_calibration - through.calibration - shared.calibration
        miss -= system.prior_calibration * x.calibration
        at = Unknowns(x.source, x.calibration + calibration.solve(miss))
        through = by_exposures(system, ranks, exposures_of(system, at))
        side = system.side_source - through.source - coupled(system, ranks, at).source
        source = np.einsum("sij,sj->si", blocks, side)
        update = Unknowns(source - x.source, at.calibration - x.calibration)
        size = float(np.linalg.norm(update.source * unit))
        largest = float(np.abs(update.source * unit).max())
        last, contraction = contraction, min(size / before, LARGEST_CONTRACTION) if before > 0 else 0.0
        x, before = x + update, size
        fresh += 1
        # Two updates in a row tell a contraction.
        left = largest * contraction / (1 - contraction) if fresh > 1 else np.inf
        if left < tolerance * max(1.0, float(np.abs(x.source * unit).max())):
            break
        if richardson and fresh > 2 and abs(contraction - last) < STEADY * (1 - contraction):
            x = x + update.times(contraction / (1 - contraction))
            through = by_exposures(system, ranks, exposures_of(system, x))
            before, fresh = np.inf, 0
    largest = float(np.abs(x.source * unit).max())
    return Solved(x, n, left, left < tolerance * max(1.0, largest))
