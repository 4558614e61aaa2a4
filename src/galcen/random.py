"""Random streams that depend on what is drawn, never on who draws it.

A stream is named by (seed, stage, identifier): the number of ranks, the size of a
tile, the order of rows and the length of a batch do not change a single bit of it.
"""

import zlib

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, Key


def stage_key(seed: int, stage: str) -> Key[Array, ""]:
    """Root stream of one stage.

    Parameters
    ----------
    seed
        The run's seed, 0 <= seed < 2**63.
    stage
        Name of the stage; two stages never share a stream.
    """
    # crc32 is fixed by a standard, unlike Python's hash, which changes from run to run.
    return jax.random.fold_in(jax.random.key(seed, impl="threefry2x32"), zlib.crc32(stage.encode()))


def keys(root: Key[Array, ""], identifier: Int[Array, " n"]) -> Key[Array, " n"]:
    """One independent stream for each non-negative 64-bit identifier."""
    high = (identifier >> 32).astype(jnp.uint32)
    low = (identifier & 0xFFFFFFFF).astype(jnp.uint32)
    fold = jax.vmap(jax.random.fold_in)
    return fold(jax.vmap(lambda word: jax.random.fold_in(root, word))(high), low)


def key(seed: int, stage: str, *identifier: int) -> Key[Array, ""]:
    """Stream of one object: `key(seed, "simulate", cell, component)`."""
    stream = stage_key(seed, stage)
    for number in identifier:
        stream = jax.random.fold_in(jax.random.fold_in(stream, number >> 32), number & 0xFFFFFFFF)
    return stream
