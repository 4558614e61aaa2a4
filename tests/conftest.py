"""Tests run in float64 with one cache of compiled kernels; none fails for being slow."""

import jax
from hypothesis import settings

from galcen.cache import cache_folder

jax.config.update("jax_enable_x64", True)
settings.register_profile("galcen", deadline=None)
settings.load_profile("galcen")

# Test files and workers compile the same kernels; the cache's key holds all that an executable depends on.
_COMPILED = cache_folder("jax-tests")
if _COMPILED is not None:
    jax.config.update("jax_compilation_cache_dir", str(_COMPILED))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
