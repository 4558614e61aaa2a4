"""Section `observation`: what happens to the light of the stars, from the sky to the measured positions."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from galcen.config.base import Section, Within
from galcen.config.bounds import Magnitude


class Centroid(Section):
    """Error of a star's position in one exposure, in each axis."""

    model: Literal["constant", "etc"] = "constant"
    """`constant`: the same for every star. `etc`: by magnitude, as the mission's exposure time calculator has
    it."""
    constant_pixel: Annotated[float, Within(1e-15, 10, "pixels are expected: is it in mas?")] = 0.01
    """Error of `constant` [pixel]; 0.01 pixel are 4.7 mas at the nominal focal length, 1e-13 is no noise."""
    flat_percent: float = Field(1.0, ge=0, le=100)
    """Error of the flat field, `etc` [per cent]."""
    flat_per: Literal["exposure", "pixel"] = "exposure"
    """How the flat field's part of the error is drawn, `etc`. `exposure`: anew in each. `pixel`: once for
    all exposures of a star on the same pixel, so that it does not average down."""
    floor_mas: Annotated[float, Within(0, 1000, "mas are expected: is it in micro-arcseconds?")] = 0.0
    """Smallest error, `etc` [mas]."""


class TrueCamera(Section):
    """How the camera differs from the nominal one; rms values of normal draws."""

    focal_length_ppm: float = Field(10.0, ge=0, le=1e4)
    """Focal length of an exposure, relative, along X and along Y apart [1e-6]."""
    distortion: Literal["constant", "per_orbit"] = "constant"
    """Whether the distortion is the same in all orbits, or drawn for each."""
    distortion_order: int = Field(5, ge=2, le=7)
    """Degree of the distortion's Legendre polynomial."""
    distortion_um: Annotated[float, Within(0, 1e4, "um are expected")] = 0.5
    """Each coefficient of the distortion [um]."""
    chip_shift_um: Annotated[float, Within(0, 1e4, "um are expected")] = 20.0
    """Place of a chip in each axis [um]."""
    chip_rotation_urad: Annotated[float, Within(0, 1e5, "micro-radians are expected")] = 100.0
    """Rotation of a chip [1e-6 rad]."""
    chip_scale_ppm: float = Field(1000.0, ge=0, le=1e5)
    """Pixels of a chip in each axis, relative [1e-6]."""
    chromatic_um: float = Field(0.0, ge=0, le=10)
    """Shift of the images on a chip in each axis with the colour J - H of the source, about the mean colour
    [um/mag]; the same in all exposures."""


class Estimate(Section):
    """Error of the attitude that the solutions start from; rms values of normal draws."""

    pointing_arcsec: float = Field(1.0, ge=0, le=3600)
    """Pointing of an exposure in each axis [arcsec]."""
    twist_arcsec: float = Field(18.0, ge=0, le=36000)
    """Position angle of an exposure [arcsec]."""


class Losses(Section):
    """What is not measured, or not as it should be."""

    bright: Magnitude = 9.5
    """Stars brighter than this saturate and are lost: Hw, with the light of unresolved neighbours [mag]."""
    faint: Magnitude = 14.5
    """Stars fainter than this are not measured: Hw, with the light of unresolved neighbours [mag]."""
    edge_pixel: float = Field(4.5, ge=0, le=10_000)
    """Stars nearer to an edge of the chip are lost [pixel]; half of a window of 9 pixels."""
    unresolved_arcsec: float = Field(0.0, ge=0, le=10)
    """Stars closer than this have one position, the mean weighted by their light [arcsec]; 0 keeps all
    apart. The width of an image at half its height is 0.93 arcsec with the jitter."""
    outlier_fraction: float = Field(0.0, ge=0, le=1)
    """Part of the measurements, at random, with a further error that `sigma` knows nothing of."""
    outlier_pixel: float = Field(1.0, ge=0, le=10_000)
    """That error, rms in each axis [pixel]."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.bright < self.faint:
            raise ValueError(f"bright = {self.bright} must be below faint = {self.faint}")
        return self


class Observation(Section):
    """Exposures of the plan, as the mission would hand them to the solutions."""

    aberration: Literal["earth_and_satellite", "earth", "none"] = "earth_and_satellite"
    """Whose velocity aberrates the light, in the exposures and in what they tell the solutions."""
    centroid: Centroid = Centroid()
    """Centroid error."""
    camera: TrueCamera = TrueCamera()
    """True camera."""
    estimate: Estimate = Estimate()
    """Attitude estimate."""
    losses: Losses = Losses()
    """Losses and faults."""
