"""Shares of the ranks: contiguous, complete, balanced."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from galcen.parallel.comm import World
from galcen.parallel.partition import own_share, ranges


@given(st.lists(st.integers(0, 10**9), max_size=30), st.integers(1, 40))
def test_each_orbit_has_one_rank_and_no_rank_too_much(n_obs, n_rank):
    """At most an equal share and one orbit more."""
    shares = ranges(np.array(n_obs, dtype=np.int64), n_rank)
    assert len(shares) == n_rank
    assert [orbit for share in shares for orbit in share] == list(range(len(n_obs)))
    limit = sum(n_obs) / n_rank + max(n_obs, default=0)
    assert all(sum(n_obs[i] for i in share) <= limit * (1 + 1e-12) for share in shares)


def test_equal_orbits_are_shared_evenly():
    assert list(map(len, ranges(np.full(6, 1000), 3))) == [2, 2, 2]
    assert sorted(map(len, ranges(np.full(2, 1000), 4))) == [0, 0, 1, 1]


def test_one_rank_has_everything():
    assert own_share(World())(np.array([3, 0, 5])) == range(3)
