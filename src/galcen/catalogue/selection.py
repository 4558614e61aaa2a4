"""Which observed stars a catalogue keeps."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Float

from galcen.galaxy.photometry import hw

COLUMN = {"J": "mj", "H": "mh", "Ks": "mks"}


def apparent(columns: Mapping[str, np.ndarray], band: str, hw_relation: str) -> Float[np.ndarray, " n_star"]:
    """Observed magnitude in a band; Hw needs both J and H. NaN where it is not known."""
    if band == "Hw":
        return np.asarray(hw(columns["mj"], columns["mh"], hw_relation))
    return columns[COLUMN[band]]


def inside(
    magnitude: Float[np.ndarray, " n_star"], bright: float, faint: float
) -> Bool[np.ndarray, " n_star"]:
    """Whether a magnitude is known and lies between the limits, ends included."""
    return (magnitude >= bright) & (magnitude <= faint)
