"""Compiled loops: numba with a cache on disc that no change of the sources leaves behind.

Numba asks only whether the file of a function has changed, not the constants and functions it takes from
others; therefore the cache's folder is named by a digest of the whole package.
"""

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import numba
from numba.core import config

from galcen.cache import cache_folder
from galcen.package import source_digest

P = ParamSpec("P")
R = TypeVar("R")


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Compiled at its first call, for finite numbers alone; releases the interpreter's lock."""
    return numba.njit(function, cache=_has_cache(), fastmath=True, nogil=True)


@functools.cache
def _has_cache() -> bool:
    """Point numba to this version's cache; False where it cannot be written."""
    folder = cache_folder(f"compiled-{source_digest()[:16]}")
    if folder is None:
        return False
    config.CACHE_DIR = str(folder)
    return True
