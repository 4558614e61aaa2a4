"""Keep one part of a computation out of the loops of another."""

from collections.abc import Callable
from typing import TypeVar

import jax
import jax.numpy as jnp
from jaxtyping import Array

Result = TypeVar("Result")

_NEVER = float(jnp.finfo(jnp.float64).max)


def apart(function: Callable[..., Result], *at: Array) -> Result:
    """What a function of arrays gives, computed once and kept in memory.

    On a CPU, XLA makes one loop for each array that leaves a computation and computes in it again all that
    the array depends on: where many depend on the same few, many times over. A condition whose answer it
    cannot know keeps the few apart; an optimisation barrier does not.
    """
    at = tuple(map(jnp.asarray, at))
    shapes = jax.eval_shape(function, *at)
    if at[0].size == 0:
        return function(*at)

    def never() -> Result:
        return jax.tree.map(lambda leaf: jnp.full(leaf.shape, jnp.nan, leaf.dtype), shapes)

    return jax.lax.cond(at[0].ravel()[0] != _NEVER, lambda: function(*at), never)
