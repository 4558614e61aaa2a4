"""Where sources are in the field that they share."""

import numpy as np
from jaxtyping import Float

from galcen.astrometry.iterative.problem import Sources


def places(sources: Sources, by: Float[np.ndarray, " n_src"]) -> Float[np.ndarray, "2 n_src"]:
    """Places to the east and north of the mean direction, in orthographic projection [rad].

    Parameters
    ----------
    sources
        Their directions.
    by
        Weights of the sources in the mean; not all 0.
    """
    ra, dec = sources.ra, sources.dec
    x, y, z = np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)]) @ by
    ra_0, dec_0 = np.arctan2(y, x), np.arctan2(z, np.hypot(x, y))
    return np.stack(
        [
            np.cos(dec) * np.sin(ra - ra_0),
            np.sin(dec) * np.cos(dec_0) - np.cos(dec) * np.sin(dec_0) * np.cos(ra - ra_0),
        ]
    )
