"""Section `catalogue.model`: the surveys that are drawn from the model itself."""

from typing import Literal, Self

from pydantic import Field, model_validator

from galcen.config.base import NAME_LENGTH, Section
from galcen.config.bounds import Epoch, ErrorOfMotion, Magnitude, MagnitudeError, SmallAngle
from galcen.config.sky import Footprint

Magnitudes = dict[Literal["J", "H", "Ks"], Magnitude]


class Astrometry(Section):
    """Errors of a drawn survey's positions and motions.

    They fall towards bright stars as the square root of the flux, down to `floor` times these.
    """

    band: Literal["J", "H", "Ks"] = "Ks"
    """Band of `magnitude`."""
    magnitude: Magnitude = 14.0
    """Magnitude at which the errors are those given here [mag]."""
    floor: float = Field(0.2, gt=0, le=1)
    """Smallest error, as a fraction of the one at `magnitude`."""
    position_error: SmallAngle = 50.0
    """Error of a position in each coordinate [mas]."""
    proper_motion_error: ErrorOfMotion | None = None
    """Error of a proper motion in each coordinate [mas/yr]; null where the survey has none."""
    parallax_error: SmallAngle | None = None
    """Error of a parallax [mas]; null where the survey has none."""


class DrawnSurvey(Section):
    """One survey of the model's stars."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=NAME_LENGTH)
    """Name of the survey; it names the files of its tiles."""
    role: Literal["detections", "link"] = "detections"
    """As in `files`: a `link` adds what it measured to the stars of the others."""
    priority: int = Field(0, ge=-1_000_000, le=1_000_000)
    """As in `files`: positions come from the survey of highest priority."""
    epoch: Epoch = 2000.0
    """Epoch of the positions [Julian year]."""
    limit_mag: Magnitudes = Field(min_length=1)
    """Faintest magnitude seen in each of its bands [mag]; a star seen in none is not in the survey."""
    saturation_mag: Magnitudes = {}
    """Stars brighter than this are saturated in the band and have no value there [mag]."""
    photometry: bool = True
    """Magnitudes are measured; false where the bands above only stand for the star's brightness."""
    error_floor: MagnitudeError = 0.02
    """Photometric error of bright stars [mag]."""
    error_at_limit: MagnitudeError = 0.1
    """Photometric error at `limit_mag`; the part beyond the floor is the background's and grows as
    the flux falls [mag]."""
    astrometry: Astrometry = Astrometry()
    """Errors of positions, proper motions and parallaxes."""
    blend_radius_arcsec: float = Field(0.0, ge=0, le=10)
    """A star this close to a brighter one is lost in it and its light added [arcsec]; half the width of the
    images is usual."""
    spurious_fraction: float = Field(0.0, ge=0, lt=1)
    """Detections of nothing, as a fraction of the survey's stars: a star's magnitudes in another place."""
    footprint: Footprint | None = None
    """The survey saw this rectangle only; null is everything."""

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.error_at_limit < self.error_floor:
            raise ValueError(
                f"error_at_limit = {self.error_at_limit} must not be below error_floor = {self.error_floor}: "
                "faint stars have no smaller errors than bright ones"
            )
        for band, bright in self.saturation_mag.items():
            if band in self.limit_mag and not bright < self.limit_mag[band]:
                raise ValueError(
                    f"saturation_mag.{band} = {bright} must be below limit_mag.{band} = "
                    f"{self.limit_mag[band]}"
                )
        return self


DEFAULT_SURVEYS = (
    DrawnSurvey(
        name="2MASS",
        priority=1,
        epoch=1999.5,
        limit_mag={"J": 15.8, "H": 15.1, "Ks": 14.3},
        saturation_mag={"J": 4.0, "H": 4.0, "Ks": 4.0},
        error_floor=0.025,
        astrometry=Astrometry(position_error=80.0, floor=0.9),
        blend_radius_arcsec=1.3,
    ),
    DrawnSurvey(
        name="SIRIUS",
        priority=2,
        epoch=2003.0,
        limit_mag={"J": 17.1, "H": 16.6, "Ks": 15.6},
        saturation_mag={"J": 9.5, "H": 9.5, "Ks": 9.0},
        astrometry=Astrometry(position_error=50.0),
        blend_radius_arcsec=0.6,
        footprint=Footprint(l_min=-3.0, l_max=3.0, b_min=-1.0, b_max=1.0),
    ),
    DrawnSurvey(
        name="VIRAC",
        priority=3,
        epoch=2014.0,
        limit_mag={"J": 19.5, "H": 18.0, "Ks": 17.0},
        saturation_mag={"J": 11.5, "H": 11.5, "Ks": 11.0},
        astrometry=Astrometry(position_error=10.0, proper_motion_error=0.5, parallax_error=1.0),
        blend_radius_arcsec=0.36,
        spurious_fraction=0.02,
    ),
    DrawnSurvey(
        name="Gaia",
        role="link",
        epoch=2016.0,
        limit_mag={"J": 13.5},
        photometry=False,
        astrometry=Astrometry(
            band="J", magnitude=13.5, position_error=0.1, proper_motion_error=0.1, parallax_error=0.1
        ),
    ),
)
"""Depths of Skrutskie et al. (2006), Nishiyama et al. (2006) and Smith et al. (2025); for Gaia, J
stands in for the optical magnitude, which the model does not have."""


class ModelSurveys(Section):
    """The surveys that see the model's stars."""

    surveys: tuple[DrawnSurvey, ...] = Field(DEFAULT_SURVEYS, min_length=1)
    """The surveys; a list given here takes the place of the whole default one."""

    @model_validator(mode="after")
    def _sees_the_stars(self) -> Self:
        if all(survey.role == "link" or not survey.photometry for survey in self.surveys):
            raise ValueError("surveys: at least one must have role: detections and photometry")
        return self
