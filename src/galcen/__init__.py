"""galcen: mock skies and astrometric solutions for the Milky Way's centre.

Importing it makes JAX compute in float64, whichever of the two is imported first: in float32 positions are
50 mas off, and nothing would say so.
"""

import os
import sys

__version__ = "0.1.0"

os.environ["JAX_ENABLE_X64"] = "1"
if "jax" in sys.modules:
    sys.modules["jax"].config.update("jax_enable_x64", True)
