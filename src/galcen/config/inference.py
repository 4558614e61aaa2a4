"""Sections `posterior` and `draw`: from observed stars to true values."""

from typing import Literal

from pydantic import Field

from galcen.config.base import Section


class Posterior(Section):
    """Distance and class posterior of each star."""

    method: Literal["fast", "exact"] = "fast"
    """`exact`: closed-form mass integral over every isochrone interval that matters. `fast`: the same
    read off a table where all three errors are at the floor, with class probabilities within 0.001 and
    distances within 0.1 per cent of it; `exact` for the other stars."""
    error_floor: float = Field(0.1, gt=0)
    """Smallest photometric error used: the width that single-age isochrones lack [mag]."""
    missing_error: float = Field(0.2, gt=0)
    """Error of a magnitude that comes without one [mag]."""
    ruwe_limit: float = Field(1.4, gt=0)
    """Parallaxes of stars with a larger RUWE are not used."""
    dist_max: float = Field(20000.0, gt=1000, le=50000)
    """Largest distance [pc]."""
    n_sample: int = Field(16, ge=1, le=1000)
    """Draws of (class, distance) kept per star, so that a new realisation need not repeat the
    posterior."""


class Draw(Section):
    """The true values drawn from the posterior."""

    realisation: int = Field(0, ge=0)
    """Which of the posterior's draws becomes the truth; below `posterior.n_sample`."""
