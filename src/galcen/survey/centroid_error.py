"""Error of a star's position in one exposure, by magnitude.

References
----------
The public exposure time calculator of the mission (jasmine-etc), whose noise terms are: photons of the star,
background and read-out, and the flat field.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

IMAGE_MAS = 286.5
"""Width (sigma) of an image without jitter [mas]."""

JITTER_MAS = 275.0
"""Motion of the image in one exposure, rms [mas]."""

READ_NOISE = 15.0
"""[electron]."""

BACKGROUND = 31.0
"""Dark current and stray light [electron/s/pixel]."""

FLAT, PHOTON, PIXEL_NOISE = 4.52e4, 5.58e-5, 6.82e-14
"""Coefficients of the three terms (S0, S1, S2)."""

STANDARD_MAG = 12.5


class CentroidError(NamedTuple):
    """How the error follows from the magnitude; see `galcen.config.observation.Centroid`."""

    pixel_per_mas: float
    exposure_s: float
    constant_pixel: float | None  # None: by magnitude
    flat_percent: float = 1.0
    floor_mas: float = 0.0

    def parts(self, hw: Float[np.ndarray, " n"]) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
        """Error that is new in each exposure, and that of the flat field, per axis [pixel].

        The floor is filled up by the first.
        """
        if self.constant_pixel is not None:
            return np.full(len(hw), self.constant_pixel), np.zeros(len(hw))
        flat = flat_error(self.flat_percent)
        noise = np.sqrt(np.maximum(noise_error(hw, self.exposure_s) ** 2, self.floor_mas**2 - flat**2))
        return noise * self.pixel_per_mas, np.full(len(hw), flat * self.pixel_per_mas)


def flat_error(flat_percent: float) -> float:
    """Part of the flat field, the same for every star [mas]: a systematic of the pixels a star falls on."""
    return float(np.sqrt(FLAT)) * flat_percent / 100


def noise_error(hw: Float[np.ndarray, " n"], exposure_s: float) -> Float[np.ndarray, " n"]:
    """Part of photons and pixels [mas].

    `sigma^2 = S1 s^2 / n + S2 (2 R^2 + B t) s^4 / n^2` with s the width of the jittered image [mas] and
    `n = t 10^(-0.4 (Hw - 12.5))`.
    """
    spread = IMAGE_MAS**2 + JITTER_MAS**2
    light = exposure_s * 10 ** (-0.4 * (hw - STANDARD_MAG))
    pixels = PIXEL_NOISE * (2 * READ_NOISE**2 + BACKGROUND * exposure_s)
    return np.sqrt(PHOTON * spread / light + pixels * (spread / light) ** 2)
