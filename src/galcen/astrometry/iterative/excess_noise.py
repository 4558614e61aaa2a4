r"""Noise of sources and exposures beyond the stated errors.

The noise :math:`\epsilon` of a source, or exposure, is where

.. math:: \sum_l w_l \frac{r_l^2}{\sigma_l^2 + \epsilon^2} = \nu

over its residuals in x and y, :math:`\nu` their number less that of its unknowns; 0 where the sum is below
:math:`\nu` without.

References
----------
Lindegren et al. (2012), A&A 538, A78, sect. 3.6 and 5.1.
"""

from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from galcen.astrometry.iterative.options import Ranks
from galcen.astrometry.iterative.problem import N_EXPOSURE, N_SOURCE, Problem
from galcen.astrometry.iterative.system import Noise, Sweep

STEPS = 12
"""Newton from below on a convex, falling function: no step overshoots."""

TURNS = 3
"""Of sources and exposures, where both are asked for."""


def excess_noise(
    problem: Problem, sweep: Sweep, of: Literal["source", "exposure", "both"], ranks: Ranks
) -> Noise:
    """Noise that makes the residuals of a sweep those of its errors.

    Parameters
    ----------
    problem
        The rank's measurements.
    sweep
        Residuals and weights.
    of
        What may have noise.
    ranks
        Those that share the sources.
    """
    n_src, orbits = len(problem.sources.ra), problem.orbits
    source, exposure = np.zeros(n_src), [np.zeros(orbit.n_exp) for orbit in orbits]
    of_source = [orbit.source for orbit in orbits]
    of_exposure = [np.repeat(np.arange(orbit.n_exp), np.diff(orbit.offset)) for orbit in orbits]
    variance = [orbit.sigma.astype(np.float64) ** 2 for orbit in orbits]
    for _ in range(TURNS if of == "both" else 1):
        if of != "exposure":
            other = [v + e[rows] ** 2 for v, e, rows in zip(variance, exposure, of_exposure, strict=True)]
            source = np.sqrt(_solved(sweep, other, of_source, (n_src, N_SOURCE), ranks))
        if of != "source":
            other = [v + source[rows] ** 2 for v, rows in zip(variance, of_source, strict=True)]
            exposure = [
                np.sqrt(_solved(_only(sweep, k), [other[k]], [rows], (orbits[k].n_exp, N_EXPOSURE), None))
                for k, rows in enumerate(of_exposure)
            ]
    return Noise(source, tuple(exposure))


def _only(sweep: Sweep, k: int) -> Sweep:
    return sweep._replace(residual=(sweep.residual[k],), weight=(sweep.weight[k],))


def _solved(
    sweep: Sweep,
    variance: list[Float[np.ndarray, "2 n_obs"]],
    rows: list[Int[np.ndarray, " n_obs"]],
    size: tuple[int, int],
    ranks: Ranks | None,
) -> Float[np.ndarray, " n"]:
    """Variances [pixel^2] of the excess noise of `size` things with some unknowns each."""
    n, n_unknown = size
    parts = list(zip(sweep.residual, sweep.weight, variance, rows, strict=True))

    def summed(values: list[np.ndarray]) -> np.ndarray:
        total = np.zeros(n)
        for part, (_, _, _, at) in zip(values, parts, strict=True):
            total += np.bincount(at, part, minlength=n)
        return total if ranks is None else ranks.sum(total)

    dof = summed([2.0 * np.ones(len(at)) for _, _, _, at in parts]) - n_unknown
    found = np.zeros(n)
    for _ in range(STEPS):
        errors = [v + found[at] for _, _, v, at in parts]
        squares = [w * r**2 / e for (r, w, _, _), e in zip(parts, errors, strict=True)]
        value = summed([s.sum(0) for s in squares])
        slope = summed([(s / e).sum(0) for s, e in zip(squares, errors, strict=True)])
        step = np.where((dof > 0) & (slope > 0), (value - dof) / np.where(slope > 0, slope, 1.0), 0.0)
        found = np.maximum(found + step, 0.0)
    return found
