"""Choices of the global solution, and what it needs from outside."""

from collections.abc import Callable
from typing import Literal, NamedTuple, Protocol

import numpy as np
from jaxtyping import Array, Float, Key

from galcen.astrometry.iterative.problem import State
from galcen.astrometry.iterative.result import Iteration

Scheme = Literal["cg", "block-gauss-seidel"]

Place = Literal["auto", "host", "device"]


class Options(NamedTuple):
    """How the system is solved and what is done about bad measurements."""

    scheme: Scheme = "cg"
    richardson: bool = False
    """Extrapolate the cycles of block Gauss-Seidel (accelerated simple iteration)."""
    robust: bool = True
    """Weigh down measurements by their residual, as AGIS does."""
    excess_noise: Literal["none", "source", "exposure", "both"] = "none"
    """What may have noise beyond the stated errors."""
    max_outer: int = 8
    """Outer steps with settled weights."""
    max_inner: int = 60
    """Products of an outer step; cycles: ten times as many."""
    products: Place = "auto"
    """Where measurements are summed and products with the system made: by compiled loops on the CPU, or by
    JAX on its device; auto: on the device unless that is the CPU."""
    n_probe: int = 0
    """Random probes for the marginal covariances; 0: those with calibration and attitude held."""
    with_patterns: bool = False
    """Find which patterns over the field the priors decide: 15 more linear systems."""


class Ranks(Protocol):
    """The ranks that solve one problem together."""

    def sum(self, values: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
        """Sum over the ranks, the same to the last bit on each."""
        ...


class Alone:
    """One rank."""

    def sum(self, values: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
        """The values themselves."""
        return values


class Progress(NamedTuple):
    """What an interrupted solution goes on from; what belongs to exposures is that of the rank's orbits."""

    state: State
    weight: tuple[Float[np.ndarray, " n_obs"], ...]
    """In the solver's own order of the measurements."""
    n_weights: int
    """How often weights were set."""
    source_noise: Float[np.ndarray, " n_src"]
    exposure_noise: tuple[Float[np.ndarray, " n_exp"], ...]
    history: tuple[Iteration, ...]


class Hooks(NamedTuple):
    """Calls on the way; each may be left out."""

    report: Callable[[Iteration], None] | None = None
    """After each outer step."""
    save: Callable[[Progress], None] | None = None
    """After each outer step, on all ranks."""
    resume: Progress | None = None
    """Go on from here."""
    probe_key: Key[Array, ""] | None = None
    """Of the random probes; the stage makes it from the seed."""
