"""What the global solution gives, and what it reports on the way."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from galcen.astrometry.iterative.problem import State


class Patterns(NamedTuple):
    """What is known of the low-order patterns of the sources' unknowns."""

    ratio: Float[np.ndarray, "5 3"]
    """Posterior over prior variance, by unknown, of the mean and the slopes to the east and to the north."""
    n_by_prior: int
    """How many of them the priors decide."""


class Iteration(NamedTuple):
    """One outer step: one line of the history."""

    number: int
    chi2: float
    """Of data and priors, weighted, before the step."""
    n_obs: int
    largest_step: float
    """Of a source's unknown, in units of its standard deviation with the calibration held."""
    median_step: float
    n_product: int
    """Products, or cycles of the simple iteration."""
    residual: float
    """Of the linear system, relative to its right side, in the preconditioner's norm."""
    seconds_linearise: float
    seconds_solve: float
    new_weights: bool = False
    """Whether weights or excess noise were set anew before the step."""


class Result(NamedTuple):
    """The solution; what belongs to exposures is that of the rank's own orbits."""

    state: State
    """Where the posterior has its maximum."""
    in_convention: State
    """The same with the calibration in its convention, see `gauge`."""
    history: tuple[Iteration, ...]
    covariance: Float[np.ndarray, "n_src 5 5"]
    """Marginal, estimated with random probes, or with everything but the source held: see `is_marginal`."""
    is_marginal: bool
    draws: Float[np.ndarray, "n_probe n_src 5"]
    """Of the posterior about the solution, one for each probe: they hold the correlations between sources."""
    residual: tuple[Float[np.ndarray, "2 n_obs"], ...]
    """Observed minus predicted [pixel], by orbit."""
    weight: tuple[Float[np.ndarray, " n_obs"], ...]
    chi2: float
    """Of the data, bad measurements (weight below 0.2) left out, all ranks."""
    dof: float
    n_obs: Int[np.ndarray, " n_src"]
    """Measurements of each source, all ranks."""
    n_bad: Int[np.ndarray, " n_src"]
    """Of these, those of weight below 0.2."""
    is_held_by_prior: Bool[np.ndarray, " n_src"]
    """Whether the data alone would not determine all five unknowns: the prior decides."""
    mean_parallax: float
    """Mean over all sources [mas]."""
    mean_parallax_error: float
    """With all correlations [mas]."""
    patterns: Patterns | None
    """What is known of patterns over the field, where that was asked for."""
    source_noise: Float[np.ndarray, " n_src"]
    """Excess noise [pixel]; 0 where none was asked for."""
    exposure_noise: tuple[Float[np.ndarray, " n_exp"], ...]
