"""Section `survey`: the telescope, its orbit and the plan of its exposures."""

import math
from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from galcen.config.base import Section, Within


class Window(Section):
    """A rectangle in Galactic coordinates that the fields are to cover evenly."""

    l_min: float = Field(ge=-180)
    """Western edge: Galactic longitude [deg], negative below 0."""
    l_max: float = Field(le=180)
    """Eastern edge: Galactic longitude [deg]."""
    b_min: float = Field(ge=-85)
    """Southern edge: Galactic latitude [deg]."""
    b_max: float = Field(le=85)
    """Northern edge: Galactic latitude [deg]."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        for axis in "lb":
            low, high = getattr(self, f"{axis}_min"), getattr(self, f"{axis}_max")
            if not low < high <= low + 20:
                raise ValueError(f"{axis}_min = {low} must be below {axis}_max = {high}, by 20 deg at most")
        return self


Angle = Annotated[float, Within(-360, 360, "degrees are expected")]


def _are_radians(angles: Sequence[float]) -> bool:
    """Whether angles, thought to be in degrees, are right angles in radians."""
    turns = [angle / (math.pi / 2) for angle in angles]
    return any(turns) and all(abs(turn - round(turn)) < 1e-3 for turn in turns)


class Telescope(Section):
    """Optics and detectors, as they are nominally: one camera of four square chips."""

    focal_length_um: Annotated[float, Within(1e5, 1e8, "um are expected: is it in mm or m?")] = 4.3704e6
    """Focal length [um]."""
    pixel_um: Annotated[float, Within(0.5, 200, "um are expected: is it in mm or arcsec?")] = 10.0
    """Side of a pixel [um]."""
    chip_pixels: int = Field(1952, ge=16, le=100_000)
    """Side of a chip's active area [pixel]."""
    chip_pitch_mm: Annotated[float, Within(0.1, 1000, "mm are expected: is it in um or m?")] = 22.4
    """Distance of the centres of neighbouring chips [mm]."""
    chip_rotation_deg: tuple[Angle, Angle, Angle, Angle] = (0.0, -90.0, 180.0, 90.0)
    """Rotation of the chips at (-,-), (+,-), (+,+) and (-,+) of the focal axes [deg], the angle of the
    mapping from focal plane to pixels."""
    exposure_s: Annotated[float, Within(1e-3, 3600, "seconds are expected: is it in ms?")] = 12.5
    """Duration of an exposure [s]."""
    repetition_s: Annotated[float, Within(1e-3, 7200, "seconds are expected: is it in ms?")] = 13.7
    """From the start of an exposure to the start of the next, with the read-out [s]."""

    @property
    def field_deg(self) -> float:
        """Side of the field of view, from outer edge to outer edge [deg]."""
        return math.degrees(
            2
            * math.atan(
                (1e3 * self.chip_pitch_mm + self.chip_pixels * self.pixel_um) / (2 * self.focal_length_um)
            )
        )

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if _are_radians(self.chip_rotation_deg):
            raise ValueError(
                f"chip_rotation_deg = {list(self.chip_rotation_deg)} are right angles in radians; expected "
                "degrees"
            )
        side = self.chip_pixels * self.pixel_um / 1e3
        if side >= self.chip_pitch_mm:
            raise ValueError(
                f"chip_pitch_mm = {self.chip_pitch_mm} must be above the side of a chip, {side} mm, lest "
                "chips overlap"
            )
        if self.exposure_s > self.repetition_s:
            raise ValueError(
                f"exposure_s = {self.exposure_s} must not be above repetition_s = {self.repetition_s}"
            )
        if self.field_deg > 10:
            raise ValueError(
                f"the field of view is {self.field_deg:.1f} deg wide, at most 10 are modelled; check "
                "focal_length_um and pixel_um"
            )
        return self


class Plan(Section):
    """Which fields are observed when, on a circular sun-synchronous orbit."""

    epoch: Annotated[
        float, Within(1950, 2090, "a Julian year such as 2032.0 is expected: is it a Julian date or MJD?")
    ] = 2032.0
    """Middle of the survey, Julian year (TCB)."""
    years: Annotated[float, Within(1e-4, 20, "years are expected: is it in days or months?")] = 3.0
    """Length of the survey [yr]."""
    n_orbits: int = Field(6, ge=1, le=90_000)
    """Orbits with exposures, spread evenly over those that can see the fields."""
    fields_per_orbit: int = Field(4, ge=1, le=16)
    """Fields in an orbit: the corners of a square about a node, those of a second one after the fourth."""
    exposures_per_field: int = Field(6, ge=1, le=1000)
    """Exposures of a field in one orbit; fewer where the orbit's visible arc is too short."""
    step_deg: Annotated[float, Within(1e-4, 10, "degrees are expected: is it in arcmin or arcsec?")] = 0.275
    """Step between the fields about a node [deg], half the field of view: consecutive fields overlap by
    half."""
    nodes: Literal["single", "large_frame"] = "single"
    """`single`: always the same node. `large_frame`: a grid over the window, the least observed part
    first."""
    centre: tuple[float, float] | None = None
    """The single node, Galactic longitude and latitude [deg]; by default the middle of the window."""
    window: Window | None = None
    """What a large frame covers; by default the run's footprint."""
    position_angle: Literal["sun_shield", "fixed", "random"] = "sun_shield"
    """`sun_shield`: the focal Y axis lies in the plane of field and Sun. `fixed`: `position_angle_deg`.
    `random`: up to 10 deg off it, by orbit."""
    position_angle_deg: float = Field(58.6, ge=-360, le=360)
    """Position angle of the focal Y axis, north through east [deg]."""
    pointing_scatter_arcsec: float = Field(3.0, ge=0, le=60)
    """Scatter of the pointing from exposure to exposure, rms in each axis [arcsec]."""
    twist_scatter_arcsec: float = Field(18.0, ge=0, le=3600)
    """Scatter of the position angle, rms [arcsec]."""
    altitude_km: Annotated[
        float,
        Within(200, 2000, "km above the ground are expected: is it in m, or from the centre of the Earth?"),
    ] = 600.0
    """Altitude of the orbit [km]."""
    ltan_h: float = Field(6.0, ge=0, lt=24)
    """Local mean solar time of the ascending node [h]; 6 or 18 ride along the terminator."""
    earth_avoidance_deg: float = Field(25.7, ge=0, le=100)
    """Smallest angle between a field and the Earth's limb [deg]."""
    sun_min_deg: float = Field(45.0, ge=0, le=180)
    """Smallest angle between a field and the Sun [deg]."""
    sun_max_deg: float = Field(135.0, ge=0, le=180)
    """Largest angle between a field and the Sun [deg]."""
    duty: float = Field(0.5, gt=0, le=1)
    """Largest part of an orbit that is spent at the fields."""
    slew_small_s: float = Field(115.0, ge=0, le=6000)
    """Time from a field to one within the field of view, with settling [s]."""
    slew_large_s: float = Field(220.0, ge=0, le=6000)
    """Time to a field further away [s]."""
    coverage_nside: int = Field(4096, ge=64, le=32768)
    """HEALPix nside of the coverage map, a power of two; pixels of 4096 are 0.014 deg wide, the gap between
    the chips 0.038 deg."""

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if not self.sun_min_deg < self.sun_max_deg:
            raise ValueError(
                f"sun_min_deg = {self.sun_min_deg} must be below sun_max_deg = {self.sun_max_deg}"
            )
        if self.centre is not None and not (abs(self.centre[0]) <= 360 and abs(self.centre[1]) <= 85):
            raise ValueError(
                f"centre = {self.centre} must be a Galactic longitude and a latitude of -85 to 85 deg"
            )
        if self.centre is not None and self.nodes == "large_frame":
            raise ValueError("centre is for nodes = single; a large frame covers `window`")
        if self.coverage_nside & (self.coverage_nside - 1):
            raise ValueError(f"coverage_nside = {self.coverage_nside} must be a power of two")
        return self


class Survey(Section):
    """The mission that observes the truth catalogue."""

    enabled: bool = False
    """Observe the truth catalogue."""
    last_stage: Literal["plan", "exposures", "plates"] = "plates"
    """How far to go: the plan of the exposures, the exposures, or the plate analysis of each orbit and the
    motions from all."""
    orbits_per_job: int = Field(10, ge=1, le=90_000)
    """Orbits that one job of the later stages takes; results do not depend on it."""
    telescope: Telescope = Telescope()
    """Telescope."""
    plan: Plan = Plan()
    """Plan of the exposures."""

    @property
    def blocks(self) -> tuple[str, ...]:
        """Names of the blocks of orbits that a job takes, such as o00000-00009."""
        n, size = self.plan.n_orbits, self.orbits_per_job
        return tuple(f"o{k:05d}-{min(k + size, n) - 1:05d}" for k in range(0, n, size))

    @model_validator(mode="after")
    def _overlapping(self) -> Self:
        # Stages that know nothing of the plan are given the telescope alone.
        if "plan" in self.model_fields_set and self.plan.step_deg >= self.telescope.field_deg:
            raise ValueError(
                f"plan.step_deg = {self.plan.step_deg} must be below the field of view of the telescope, "
                f"{self.telescope.field_deg:.3f} deg: consecutive fields would not overlap"
            )
        return self
