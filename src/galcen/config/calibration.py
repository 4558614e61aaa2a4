"""Section `calibration`: whether posteriors are right as often as they say."""

from typing import Self

from pydantic import Field, model_validator

from galcen.config.base import Section
from galcen.config.bounds import Magnitude, MagnitudeError, SmallAngle


class Calibration(Section):
    """Stars drawn from the model in the run's footprint, observed, and inferred as the run's own are."""

    enabled: bool = False
    """Make `calibration.h5`, and its figures in the report."""
    n_star: int = Field(20000, ge=100, le=1_000_000)
    """Stars that are inferred."""
    n_rank: int = Field(199, ge=9, le=999)
    """Draws of the distance among which the true one is ranked."""
    n_cell: int = Field(64, ge=1, le=1_000_000)
    """Cells, spread at random over the footprint, that the stars are drawn in; more where these hold too
    few stars, and the same again in a footprint without more."""
    bright: Magnitude = 8.0
    """Brightest observed Ks [mag]."""
    faint: Magnitude = 14.0
    """Faintest observed Ks [mag]."""
    error: MagnitudeError = 0.1
    """Photometric error in all bands [mag]; not below `posterior.error_floor`, which would give the stars
    larger errors than they have."""
    varied_fraction: float = Field(0.1, ge=0, le=1)
    """Part of the stars with an error of one to three times `error` in each band, at random: these need
    the exact method."""
    missing_fraction: float = Field(0.1, ge=0, le=1)
    """Part of the stars, at random, without J."""
    parallax_fraction: float = Field(0.3, ge=0, le=1)
    """Part of the stars, at random, with a parallax."""
    parallax_error: SmallAngle = 0.1
    """Error of the parallaxes [mas]."""
    warn_below: float = Field(1e-4, gt=0, lt=1)
    """The log warns of a test whose p-value times the number of tests is smaller."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.bright < self.faint:
            raise ValueError(f"bright = {self.bright} must be below faint = {self.faint}")
        return self
