"""Options of `galcen solve-iterative --problem`; they are no section of a run's configuration."""

from typing import Any, Literal

from pydantic import Field

from galcen.config.base import Section
from galcen.config.documents import parse_json
from galcen.config.faults import validated


class IterativeProblem(Section):
    """How a problem file is solved."""

    scheme: Literal["cg", "block-gauss-seidel"] = "cg"
    """Conjugate gradients on the sources, or cycles over sources, attitude and calibration."""
    richardson: bool = False
    """Extrapolate the cycles of block-gauss-seidel."""
    robust: bool = False
    """Weigh measurements by their residuals."""
    excess_noise: Literal["none", "source", "exposure", "both"] = "none"
    """What may have noise beyond the stated errors."""
    distortion_order: int = Field(5, ge=2, le=9)
    """Total degree of the distortion."""
    n_probe: int = Field(100, ge=0, le=100_000)
    """Random probes for the marginal errors; 0: errors with camera and attitude held, which are too small."""
    max_outer: int = Field(8, ge=1, le=10_000)
    """Outer steps with settled weights."""
    max_inner: int = Field(60, ge=1, le=1_000_000)
    """Products of the matrix in an outer step; cycles: ten times as many."""
    products: Literal["auto", "host", "device"] = "auto"
    """Who sums and multiplies: loops on the CPU, or JAX's device; auto: that if it is a GPU."""
    seed: int = Field(1, ge=0, lt=2**63)
    """Seed of the probes."""


def parse(text: str, **more: Any) -> IterativeProblem:  # noqa: ANN401
    """Check options written as JSON; `more` goes before them.

    Raises
    ------
    ConfigError
        One line per fault: the key, what was found and what is expected.
    """
    origin = "options of solve-iterative"
    return validated(IterativeProblem, parse_json(text, origin) | more, origin)
