"""Section `solver`: the solution of all orbits of the survey at once."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from galcen.config.base import Section
from galcen.config.bounds import Width
from galcen.config.plate import PlatePriors


class SolverCalibration(Section):
    """What the exposures of the survey share: distortion, its changes, and chips."""

    share: Literal["constant", "orbit", "season"] = "constant"
    """What has a distortion of its own: the whole survey, each orbit, or each season; a gap of more than 60
    days between orbits begins a new one."""
    drift: bool = False
    """Let the distortion change linearly from the beginning to the end of the survey, orbit or season."""
    chromatic: bool = False
    """Let places on each chip shift with the colour J - H of the source; a table in `survey_sources` must
    then have mj and mh."""
    extra_terms: tuple[Annotated[str, Field(pattern=r"^([\w.]+:\w+|[\w-]+)$")], ...] = ()
    """Further terms of the distortion: functions of one's own of the place (p, q) on the focal plane [um], in
    JAX. Each is the name of an entry point of the group galcen.calibration_terms that an installed package
    has, or module:function of a module in `term_modules`."""
    term_modules: tuple[Annotated[str, Field(pattern=r"^[\w.]+$")], ...] = ()
    """Modules whose functions `extra_terms` may name; they are imported and run, and must be on the Python
    path of the job."""

    @model_validator(mode="after")
    def _declared(self) -> Self:
        for name in self.extra_terms:
            module, colon, _ = name.partition(":")
            if colon and module not in self.term_modules:
                raise ValueError(f"extra_terms: the module of {name} must be listed in term_modules")
        return self


class SolverPriors(PlatePriors):
    """Standard deviations of normal priors, about the estimated pointing and the nominal camera.

    As in `plate.priors`, which see.
    """

    drift_um: Width = 1.0
    """Of the change of each coefficient of the distortion, from the middle of its time to the end [um]."""
    chromatic_um: Width = 1.0
    """Of the shift of each chip with colour, in each direction [um/mag]."""


class Solver(Section):
    """All orbits of the survey solved together: sources, attitudes and camera."""

    enabled: bool = False
    """Solve all orbits together and compare with the truth."""
    scheme: Literal["cg", "block-gauss-seidel"] = "cg"
    """Of the linear system: conjugate gradients, or sources, attitudes and camera in turn, as in Gaia's first
    solutions."""
    richardson: bool = False
    """Extrapolate the cycles of block-gauss-seidel."""
    distortion_order: int = Field(5, ge=2, le=7)
    """Order of the Legendre polynomial that is solved for."""
    calibration: SolverCalibration = SolverCalibration()
    """What is calibrated."""
    priors: SolverPriors = SolverPriors()
    """Priors."""
    robust: bool = True
    """Weigh down measurements by their residual, as AGIS does."""
    excess_noise: Literal["none", "source", "exposure", "both"] = "none"
    """What may have noise beyond the stated errors."""
    max_outer: int = Field(8, ge=1, le=10_000)
    """Outer steps, each a linearisation, with settled weights."""
    max_inner: int = Field(60, ge=1, le=1_000_000)
    """Products with the normal matrix in an outer step; cycles of block-gauss-seidel: ten times as many."""
    n_probe: int = Field(0, ge=0, le=100_000)
    """Random probes for the marginal errors of the sources; with 0 the errors hold camera and attitudes
    fixed, and are too small."""
    products: Literal["auto", "host", "device"] = "auto"
    """Where measurements are summed and products with the normal matrix made: by compiled loops on the CPU
    (host), or by JAX on its device; auto: on the device if that is a GPU."""
    ranks: int = Field(1, ge=1, le=65536)
    """Processes (MPI) that solve together; results do not depend on it."""
    gpus: int = Field(0, ge=0, le=65536)
    """GPUs that the job asks for; 0 asks for none."""

    @model_validator(mode="after")
    def _known_together(self) -> Self:
        if self.richardson and self.scheme != "block-gauss-seidel":
            raise ValueError(f"richardson needs scheme: block-gauss-seidel, not {self.scheme}")
        if self.gpus and self.ranks % self.gpus:
            raise ValueError(
                f"ranks = {self.ranks} must be a multiple of gpus = {self.gpus}: each rank uses one GPU, and "
                "GPUs have equally many"
            )
        return self
