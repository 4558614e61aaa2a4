"""One plate problem: the exposures of one orbit, their sources, and what is known before.

Within an orbit the sources stand still and the distortion is constant; each exposure has its own attitude and
focal lengths. Reference stars enter only through their priors.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from galcen.mapping.camera import Camera
from galcen.mapping.frames import telescope_axes
from galcen.mapping.linearisation import Exposure
from galcen.mapping.source_motion import Observer

N_ATTITUDE = 3
N_EXPOSURE = 5
N_CHIP = 5


class Observations(NamedTuple):
    """Measurements exposure by exposure, padded to equal length; star index last."""

    source: Int[np.ndarray, "n_exp n_obs"]
    """Row of the source; 0 in the padding."""
    chip: Int[np.ndarray, "n_exp n_obs"]
    pixel: Float[np.ndarray, "n_exp 2 n_obs"]
    """From the centre of the chip [pixel]."""
    sigma: Float[np.ndarray, "n_exp 2 n_obs"]
    """[pixel]; 1 in the padding."""
    is_real: Bool[np.ndarray, "n_exp n_obs"]
    """False in the padding."""

    @property
    def n_real(self) -> int:
        """Number of two-axis measurements."""
        return int(np.count_nonzero(self.is_real))


class SourcePrior(NamedTuple):
    """Where the sources are expected: offsets from the comparison directions at the orbit's epoch."""

    ra: Float[np.ndarray, " n_src"]
    """Comparison direction [rad]."""
    dec: Float[np.ndarray, " n_src"]
    mean: Float[np.ndarray, "n_src 2"]
    """Of (a, d) [mas]."""
    covariance: Float[np.ndarray, "n_src 2 2"]
    """[mas^2]."""


class CameraPrior(NamedTuple):
    """Standard deviations of everything else about its nominal value."""

    exposure: Float[np.ndarray, " 5"]
    """Of a_X, a_Y, psi [mas], f_X, f_Y [1e-6]."""
    distortion_um: float
    """Of each coefficient."""
    chip: Float[np.ndarray, " 5"]
    """Of rotation [1e-6 rad], x, y [um], pixel_x, pixel_y [1e-6]."""


class PlateProblem(NamedTuple):
    """All that a plate solution starts from."""

    camera: Camera
    observations: Observations
    exposures: Exposure
    """Arrays of shape (n_exp, 1)."""
    sources: SourcePrior
    prior: CameraPrior

    @property
    def n_calibration(self) -> int:
        """Number of unknowns of distortion and chips."""
        return 2 * self.camera.optics.distortion.n_term + N_CHIP * self.camera.n_chip


class State(NamedTuple):
    """Values of all unknowns."""

    source: Float[np.ndarray, "2 n_src"]
    """a, d [mas]."""
    exposure: Float[np.ndarray, "n_exp 5"]
    """a_X, a_Y, psi [mas], f_X, f_Y [1e-6]."""
    distortion: Float[np.ndarray, "2 n_term"]
    """A, B [um]."""
    chip: Float[np.ndarray, "n_chip 5"]
    """Rotation [1e-6 rad], x, y [um], pixel_x, pixel_y [1e-6]."""


def padded_length(n_obs: int) -> int:
    """Length of padded exposures: at most an eighth more, so that orbits share a few compiled lengths."""
    step = max(64, 1 << (n_obs.bit_length() - 4))
    return -(-n_obs // step) * step


def padded(
    offset: Int[np.ndarray, " n_exp_1"],
    source: Int[np.ndarray, " n_row"],
    chip: Int[np.ndarray, " n_row"],
    pixel: Float[np.ndarray, "2 n_row"],
    sigma: Float[np.ndarray, "2 n_row"],
) -> Observations:
    """Measurements sorted by exposure, `offset[k]` the first of exposure k, as padded arrays."""
    count = np.diff(offset)
    n_exp, longest = len(count), padded_length(int(count.max(initial=1)))
    row = np.repeat(np.arange(n_exp), count)
    place = np.arange(len(source)) - np.repeat(offset[:-1], count)

    def spread(values: np.ndarray, fill: float) -> np.ndarray:
        shape = (n_exp, *values.shape[:-1], longest)
        out = np.full(shape, fill, dtype=values.dtype)
        out[row, ..., place] = np.moveaxis(values, -1, 0)
        return out

    real = np.ones(len(source), dtype=bool)
    return Observations(
        spread(source.astype(np.int32), 0),
        spread(chip.astype(np.int32), 0),
        spread(pixel.astype(np.float64), 0.0),
        spread(sigma.astype(np.float64), 1.0),
        spread(real, False),
    )


def exposures_at(
    ra: Float[np.ndarray, " n_exp"],
    dec: Float[np.ndarray, " n_exp"],
    position_angle: Float[np.ndarray, " n_exp"],
    observer: Observer,
) -> Exposure:
    """Exposures of estimated pointings [rad] and observers, arrays over exposures, in the solver's shape."""
    columns = (np.asarray(angle)[:, None] for angle in (ra, dec, position_angle))
    return Exposure(_column(observer), telescope_axes(*columns))


def start(problem: PlateProblem) -> State:
    """Everything at its prior mean."""
    optics = problem.camera.optics
    return State(
        problem.sources.mean.T.copy(),
        np.zeros((len(problem.observations.source), N_EXPOSURE)),
        np.zeros((2, optics.distortion.n_term)),
        np.zeros((problem.camera.n_chip, N_CHIP)),
    )


def _column(observer: Observer) -> Observer:
    vectors = (
        type(v)(*(np.asarray(c)[:, None] for c in v)) for v in (observer.b, observer.beta, observer.sun)
    )
    return Observer(np.asarray(observer.t)[:, None], *vectors, np.asarray(observer.sun_dist)[:, None])
