"""Tests run in float64; none fails for being slow."""

import jax
from hypothesis import settings

jax.config.update("jax_enable_x64", True)
settings.register_profile("galcen", deadline=None)
settings.load_profile("galcen")
