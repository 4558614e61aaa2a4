"""Section `plate`: the plate analysis of each orbit."""

from typing import Literal, Self

from pydantic import Field, model_validator

from galcen.config.base import Section


class CameraPriors(Section):
    """Standard deviations of normal priors about the nominal camera and the estimated attitude."""

    pointing_deg: float = Field(1.0, gt=0)
    """Pointing of an exposure in each axis [deg]."""
    position_angle_deg: float = Field(180.0, gt=0)
    """Position angle of an exposure [deg]."""
    focal_length: float = Field(1.3e-4, gt=0)
    """Focal length of an exposure in each axis, relative."""
    distortion_um: float = Field(30.0, gt=0)
    """Each coefficient of the distortion [um]; the reference's own 1 um takes the fit over where the pointing
    estimate is off by more."""
    chip_shift_um: float = Field(100.0, gt=0)
    """Centre of a chip in each axis [um]."""
    chip_rotation_deg: float = Field(0.1, gt=0)
    """Rotation of a chip [deg]."""
    chip_scale: float = Field(3e-3, gt=0)
    """Size of a chip's pixels in each axis, relative."""


class SourcePriors(Section):
    """How the input catalogue's errors become priors of the positions in an orbit."""

    propagation: Literal["covariance", "linear_sum"] = "covariance"
    """From the catalogue's epoch to the orbit's: with all five parameters and their correlations, or as the
    reference does it, sigma_0 + t sigma_mu."""
    ruwe_inflation: bool = True
    """Multiply errors by the RUWE where this is above 1."""


class Robust(Section):
    """What is done about measurements and priors that are wrong."""

    measurements: bool = False
    """Weigh measurements down by their residuals (Lindegren et al. 2012)."""
    priors: Literal["keep", "weigh_down", "leave_out"] = "keep"
    """Priors of sources that the measurements contradict."""


class Inference(Section):
    """From the maximum of the posterior on."""

    method: Literal["map", "svi"] = "map"
    """`map`: the maximum of the posterior with marginal errors. `svi`: stochastic variational inference
    after it."""
    guide: Literal["mean_field", "block", "low_rank", "flow"] = "mean_field"
    """Form of the approximate posterior, see docs/plate.md."""
    ladder: Literal["whitened", "original"] = "whitened"
    """Steps of ADAM: these, in units of the errors, or the reference's own ladder of rates."""
    learning_rates: tuple[float, ...] = (1e-1, 1e-2, 1e-3)
    """Of the stages, in turn."""
    steps: int = Field(300, ge=1)
    """Steps of each stage."""
    rank: int = Field(32, ge=1)
    """Of the guide `low_rank`."""
    n_particle: int = Field(1, ge=1)
    """Draws for each estimate of the gradient."""

    @model_validator(mode="after")
    def _positive(self) -> Self:
        if not self.learning_rates or min(self.learning_rates) <= 0:
            raise ValueError(f"learning_rates = {self.learning_rates} must be one or more numbers above 0")
        return self


class PlateMotion(Section):
    """Orbits combined into five parameters of each star."""

    common_mode: bool = False
    """Widen the errors of orbits whose residuals are too large."""
    epoch: float | None = Field(None, gt=1800, lt=2200)
    """Epoch of the solution [Julian year]; by default the middle of the survey."""


class Plate(Section):
    """Positions of the stars orbit by orbit."""

    distortion_order: int = Field(5, ge=2, le=7)
    """Degree of the distortion that is solved for, one for each orbit."""
    priors: CameraPriors = CameraPriors()
    """Priors of camera and attitude."""
    sources: SourcePriors = SourcePriors()
    """Priors of the stars."""
    robust: Robust = Robust()
    """Outliers."""
    inference: Inference = Inference()
    """Method."""
    motion: PlateMotion = PlateMotion()
    """Combination of the orbits."""
