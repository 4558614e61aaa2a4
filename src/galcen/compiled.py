"""Compiled loops: numba with a cache on disc that no change of the sources leaves behind.

Numba asks only whether the file of a function has changed, not the constants and functions it takes from
others; therefore the cache's folder is named by a digest of the whole package.
"""

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

import numba
from numba.core import config

from galcen.package import source_digest

P = ParamSpec("P")
R = TypeVar("R")


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Compiled at its first call, for finite numbers alone; releases the interpreter's lock."""
    return numba.njit(function, cache=_has_cache(), fastmath=True, nogil=True)


@functools.cache
def _has_cache() -> bool:
    """Point numba to this version's cache; False where it cannot be written."""
    try:
        # A job's account may have no home.
        home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        folder = home / "galcen" / f"compiled-{source_digest()[:16]}"
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):
        return False
    config.CACHE_DIR = str(folder)
    return os.access(folder, os.W_OK)
