"""Which orbits a rank has: neighbours in time, of about as many measurements as the other ranks'."""

from functools import partial

import numpy as np
from jaxtyping import Int

from galcen.parallel.comm import World


def ranges(n_obs: Int[np.ndarray, " n_orbit"], n_rank: int) -> list[range]:
    """Orbits of each rank.

    Parameters
    ----------
    n_obs
        Measurements of each orbit.
    n_rank
        Number of ranks; some have no orbit where there are more of them than orbits.

    Returns
    -------
    Contiguous and in order; each bound is the one nearest to equal shares, so that no rank has more than its
    share and one orbit.
    """
    ends = np.concatenate([[0], np.cumsum(n_obs)]).astype(np.float64)
    ideal = ends[-1] * np.arange(1, n_rank) / n_rank
    above = np.searchsorted(ends, ideal)
    below = np.maximum(above - 1, 0)
    inner = np.where(ends[above] - ideal < ideal - ends[below], above, below)
    bounds = [0, *inner.tolist(), len(n_obs)]
    return [range(*bounds[i : i + 2]) for i in range(n_rank)]


def share_of(n_obs: Int[np.ndarray, " n_orbit"], rank: int, n_rank: int) -> range:
    """Orbits of one rank."""
    return ranges(n_obs, n_rank)[rank]


def own_share(world: World) -> partial[range]:
    """Function of the orbits' numbers of measurements that gives this rank's orbits."""
    return partial(share_of, rank=world.rank, n_rank=world.size)
