"""The global solution: outer Gauss-Newton steps over a scheme for the linear system."""

from galcen.astrometry.iterative.options import Alone, Hooks, Options, Ranks
from galcen.astrometry.iterative.problem import Problem
from galcen.astrometry.iterative.result import Result

ALONE = Alone()
NO_HOOKS = Hooks()


def solve(problem: Problem, options: Options, ranks: Ranks = ALONE, hooks: Hooks = NO_HOOKS) -> Result:
    """Solve all orbits at once."""
    raise NotImplementedError
