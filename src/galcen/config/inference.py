"""Sections `posterior` and `draw`: from observed stars to true values."""

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from galcen.config.base import Section, Within
from galcen.config.bounds import MagnitudeError


class Limit(Section):
    """Magnitudes within which a survey has its stars."""

    band: Literal["J", "H", "Ks"] = "Ks"
    """Band of the limits."""
    bright: Annotated[float, Within(-10, 35)] = -10.0
    """Brightest magnitude [mag]."""
    faint: Annotated[float, Within(-10, 35)]
    """Faintest magnitude [mag]."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.bright < self.faint:
            raise ValueError(f"bright = {self.bright} must be below faint = {self.faint}")
        return self


class Posterior(Section):
    """Distance and class posterior of each star."""

    method: Literal["fast", "exact"] = "fast"
    """`exact`: closed-form mass integral over every isochrone interval that matters. `fast`: the same
    read off a table where all three errors are at the floor, with class probabilities within 0.001 and
    distances within 0.1 per cent of it; `exact` for the other stars."""
    error_floor: MagnitudeError = 0.1
    """Smallest photometric error used: the width that single-age isochrones lack [mag]."""
    missing_error: MagnitudeError = 0.2
    """Error of a magnitude that comes without one [mag]."""
    ruwe_limit: Annotated[float, Within(0.5, 1e6, "good stars have a RUWE of about 1")] = 1.4
    """Parallaxes of stars with a larger RUWE are not used."""
    dist_max: Annotated[float, Within(1000, 50000, "pc are expected: is it in kpc?")] = 20000.0
    """Largest distance [pc]."""
    n_sample: int = Field(16, ge=1, le=1000)
    """Draws of (class, distance) kept per star, so that a new realisation need not repeat the
    posterior."""
    gaia_distances: bool = True
    """Take the distance of a star with RUWE within the limit, a parallax of at least 3 errors and
    an entry in Bailer-Jones et al. (2021) from that entry, its class from the model at that
    distance, and in the draw its proper motion from Gaia where the errors are below 0.5 mas/yr."""
    parallax_zero_point: Annotated[float, Within(-1, 1, "mas are expected: is it in micro-arcseconds?")] = 0.0
    """Subtracted from observed parallaxes before they are used [mas]; that of Gaia is near -0.03
    (Lindegren et al. 2021). Columns keep the observed ones."""
    photometric_offset: dict[Literal["J", "H", "Ks"], Annotated[float, Within(-3, 3)]] = {
        "J": 0.0,
        "H": 0.0,
        "Ks": 0.0,
    }
    """Subtracted from observed magnitudes before they are used [mag]; columns keep the observed ones."""
    extinction_spread: float | Literal["sub_cells"] | None = None
    """Average the likelihood over the extinction of a cell: a number is the relative spread of a
    log-normal E(J-Ks) about the mean of the map, `sub_cells` takes the 25 finer values of the map
    where there are some. The method is then `exact` for every star."""
    limit: Limit | None = None
    """Magnitudes within which stars without any magnitude are, as their survey sees no others: their prior is
    then the density of the stars that are within the limits as seen at each distance. null: every living
    star of the model counts, most of them M dwarfs, however faint they would be."""
    kinematics: bool = False
    """Use the observed proper motions and radial velocities with the model's velocities. The method
    is then `exact` for stars that have any."""

    @field_validator("extinction_spread")
    @classmethod
    def _within_bounds(cls, value: float | str | None) -> float | str | None:
        if isinstance(value, float) and not 0 < value <= 1:
            raise ValueError(f"extinction_spread = {value} must be above 0 and at most 1, or null")
        return value


class Draw(Section):
    """The true values drawn from the posterior."""

    realisation: int = Field(0, ge=0, lt=1000)
    """Which of the posterior's draws becomes the truth; the first of them, if there are several."""
    n_draw: int = Field(1, ge=1, le=1000)
    """Draws of each star in the truth catalogue, a row each, told apart by the column `realisation`;
    `realisation` + `n_draw` is at most `posterior.n_sample`."""
