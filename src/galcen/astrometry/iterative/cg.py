"""Preconditioned conjugate gradients on the system reduced by its exposures.

References
----------
Bombrun et al. (2012), A&A 538, A77, sect. 4.
"""

from typing import NamedTuple

import numpy as np

from galcen.astrometry.iterative.operator import nothing, product, right_side
from galcen.astrometry.iterative.options import Ranks
from galcen.astrometry.iterative.preconditioner import Preconditioner
from galcen.astrometry.iterative.products import Unknowns
from galcen.astrometry.iterative.system import System

TOLERANCE = 1e-8
"""Of the residual relative to the right side, in the preconditioner's norm."""

ROUNDING = 1e-8
"""Residual, by unknown in the same norm and so in standard deviations, that counts as none.

Of a right side that is rounding itself, directions which only priors hold leave more than TOLERANCE.
"""


class Solved(NamedTuple):
    """A solution of the linear system."""

    step: Unknowns
    n_product: int
    residual: float
    """Relative, in the preconditioner's norm."""
    is_settled: bool


def solve(
    system: System,
    ranks: Ranks,
    preconditioner: Preconditioner,
    right: Unknowns | None = None,
    tolerance: float = TOLERANCE,
    max_product: int = 60,
) -> Solved:
    """Solve S x = g.

    Parameters
    ----------
    system
        The linear system.
    ranks
        Those that share it.
    preconditioner
        Of S.
    right
        Instead of g.
    tolerance, max_product
        When to stop. A residual that is not finite stops as well.
    """
    right = right_side(system, ranks) if right is None else right
    x, r = nothing(system), right
    z = preconditioner.solve(r)
    p, rz = z, r.dot(z)
    first, n = rz, 0
    while n < max_product and rz > tolerance**2 * first and np.isfinite(rz):
        q = product(system, ranks, p)
        n += 1
        along = p.dot(q)
        if not along > 0:
            # The direction carries nothing but rounding.
            break
        alpha = rz / along
        x, r = x + p.times(alpha), r - q.times(alpha)
        z = preconditioner.solve(r)
        before, rz = rz, r.dot(z)
        p = z + p.times(rz / before)
    residual = float(np.sqrt(max(rz, 0.0) / first)) if first > 0 else 0.0
    n_unknown = r.source.size + r.calibration.size
    return Solved(x, n, residual, residual <= tolerance or rz <= ROUNDING**2 * n_unknown)
