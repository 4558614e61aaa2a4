"""Section `plate`: the solution of single orbits."""

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from galcen.config.base import Section, Within
from galcen.config.bounds import Epoch, Width, WidthAngle


class PlatePriors(Section):
    """Standard deviations of normal priors, about the estimated pointing and the nominal camera.

    null is a flat prior. The chips moved together do as a turn of the telescope does, and stretched pixels do
    as a focal length: of each such pair one needs a prior.
    """

    attitude_deg: WidthAngle = 1.0
    """Of the pointing of each exposure, in each direction [deg]."""
    position_angle_deg: WidthAngle = 180.0
    """Of the position angle of each exposure [deg]."""
    focal_length: Annotated[float | None, Within(1e-12, 1, "a relative width is expected: is it in um?")] = (
        1.3e-4
    )
    """Of the two focal lengths of each exposure, relative; the reference's 10 um/deg."""
    distortion_um: Width = 30.0
    """Of each coefficient of the distortion [um]. The reference's 1 um leaves no room for a telescope that is
    off by two pixels."""
    chip_position_um: Width = 100.0
    """Of the place of each chip, in each direction [um]."""
    chip_rotation_deg: WidthAngle = 0.1
    """Of the rotation of each chip [deg]."""
    pixel_size: Annotated[float | None, Within(1e-12, 1, "a relative width is expected: is it in um?")] = 3e-3
    """Of the two pixel sizes of each chip, relative."""
    source_errors: Literal["covariance", "linear_sum"] = "covariance"
    """How the catalogue's errors become those at the orbit's epoch: by the full covariance of position,
    parallax and proper motion, or as the reference has it, sigma + t sigma_mu without correlations, too
    narrow before the catalogue's epoch."""
    ra_error: Literal["sky", "coordinate"] = "sky"
    """Whether the catalogue's `ra_error` is that of ra cos dec, as in Gaia, or of ra itself, as the reference
    takes it."""
    ruwe_inflation: bool = True
    """Multiply the catalogue's errors by the RUWE where it is above 1."""
    extra_noise_mas: Annotated[float, Within(0, 1e5, "mas are expected")] = 0.0
    """Added in quadrature to the error of every position from the catalogue [mas]."""

    @model_validator(mode="after")
    def _tied(self) -> Self:
        pairs = (
            ("attitude_deg", "chip_position_um"),
            ("position_angle_deg", "chip_rotation_deg"),
            ("focal_length", "pixel_size"),
        )
        for first, second in pairs:
            if getattr(self, first) is None and getattr(self, second) is None:
                raise ValueError(
                    f"{first} and {second} must not both be null: the data do not tell one from the other; "
                    "give one of them a width"
                )
        return self


class PlateRobust(Section):
    """What is done about measurements and priors that are wrong."""

    measurements: bool = True
    """Weigh down measurements by their residual, as AGIS does."""
    priors: Literal["keep", "weigh_down", "leave_out"] = "keep"
    """What is done with priors of reference stars that the measurements contradict: nothing, a weight by the
    same function, or none beyond four standard deviations."""


class PlateInference(Section):
    """What follows the maximum of the posterior."""

    method: Literal["map", "svi"] = "map"
    """`map`: the maximum, with marginal errors. `svi`: variational inference from there, beside them."""
    guide: Literal["mean_field", "block", "low_rank", "flow"] = "mean_field"
    """Family of distributions: independent normals of the sources' coordinates with one value of everything
    else, as the reference has it; 2 x 2 normals; a normal of everything with `rank` common moves; the exact
    Gaussian through a non-linear transform. The errors of the first two are conditional, too small."""
    learning_rates: tuple[float, ...] = Field((1e-1, 1e-2, 1e-3), min_length=1)
    """Of ADAM, in turn, in units of the standard deviations."""
    steps: int = Field(200, ge=1, le=10_000_000)
    """Steps of ADAM at each learning rate."""
    rank: int = Field(50, ge=1, le=100_000)
    """Of the guide `low_rank`."""
    n_particle: int = Field(1, ge=1, le=100_000)
    """Draws from the guide in each step."""
    ladder: Literal["whitened", "original"] = "whitened"
    """`original`: the reference's learning rates 1e-3, 1e-4 to 1e-10 instead of `learning_rates`, with its
    settings of ADAM and its gradient; guide `mean_field` only."""
    units: Literal["whitened", "raw"] = "whitened"
    """Of the original ladder: standard deviations, or degrees and um in one vector as in the reference."""
    sub_model: Literal["full", "attitude", "positions", "distortion"] = "full"
    """Of the original ladder: what it moves; everything else stays at the maximum."""

    @field_validator("learning_rates")
    @classmethod
    def _above_zero(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if not all(0 < rate <= 1e3 for rate in value):
            raise ValueError(f"learning_rates = {list(value)} must all be above 0, and at most 1000")
        return value

    @model_validator(mode="after")
    def _known_together(self) -> Self:
        if self.ladder == "original" and self.guide != "mean_field":
            raise ValueError(f"ladder: original needs guide: mean_field, not {self.guide}")
        if self.ladder == "whitened" and (self.units, self.sub_model) != ("whitened", "full"):
            raise ValueError("units: raw and sub_model belong to ladder: original")
        return self


class PlateMotion(Section):
    """Orbits combined into five parameters of each star."""

    common_mode: bool = False
    """Widen the errors of orbits whose residuals are too large."""
    epoch: Epoch | None = None
    """Epoch of the solution [Julian year]; by default the middle of the survey."""


class Plate(Section):
    """Coordinates and camera of one orbit at a time."""

    distortion_order: int = Field(5, ge=2, le=7)
    """Order of the Legendre polynomial that is solved for."""
    priors: PlatePriors = PlatePriors()
    """Priors."""
    robust: PlateRobust = PlateRobust()
    """Remedies for wrong data."""
    inference: PlateInference = PlateInference()
    """Maximum of the posterior, or variational inference from there."""
    motion: PlateMotion = PlateMotion()
    """What all orbits say together."""
