"""The configuration of a run: checked before the first job, defaults and schema generated.

Nothing heavy is imported here: every cluster job parses the configuration again.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from pydantic import Field, model_validator

from galcen.config.base import NAME_LENGTH, Section
from galcen.config.calibration import Calibration
from galcen.config.catalogue import Catalogue
from galcen.config.documents import parse_json, read_document
from galcen.config.faults import validated
from galcen.config.galaxy import Extinction, Galaxy, Tables
from galcen.config.inference import Draw, Posterior
from galcen.config.observation import Observation
from galcen.config.plate import Plate
from galcen.config.sky import Footprint, Tiling
from galcen.config.solver import Solver
from galcen.config.survey import Plan, Survey
from galcen.config.survey_sources import SurveySources
from galcen.errors import ConfigError

FARTHEST_DEG = 3.0
"""Of the fields of a survey from the footprint: no telescope that is modelled sees stars so far off."""

__all__ = [
    "Config",
    "filled",
    "load",
    "parse",
    "parse_json",
    "parse_run",
    "read_document",
    "section_json",
    "validated",
]


class Config(Section):
    """A whole run."""

    run: str = Field("demo", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=NAME_LENGTH)
    """Name of the run; everything it makes lies under results/<run>/."""
    seed: int = Field(1, ge=0, lt=2**63)
    """Seed of everything random."""
    tables: Tables = Tables()
    """External model tables."""
    galaxy: Galaxy = Galaxy()
    """Galaxy model."""
    extinction: Extinction = Extinction()
    """Extinction."""
    footprint: Footprint = Footprint()
    """Sky area."""
    tiling: Tiling = Tiling()
    """Tiles."""
    catalogue: Catalogue = Catalogue()
    """Observed stars."""
    posterior: Posterior = Posterior()
    """Distance and class posterior."""
    draw: Draw = Draw()
    """Draw of the true values."""
    calibration: Calibration = Calibration()
    """Test of the posterior on stars of known truth."""
    survey_sources: SurveySources = SurveySources()
    """Stars that the mock survey observes."""
    survey: Survey = Survey()
    """Mock survey."""
    observation: Observation = Observation()
    """Mock exposures."""
    plate: Plate = Plate()
    """Plate analysis."""
    solver: Solver = Solver()
    """Solution of all orbits at once."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.draw.realisation + self.draw.n_draw > self.posterior.n_sample:
            raise ValueError(
                f"draw.realisation + draw.n_draw = {self.draw.realisation} + {self.draw.n_draw} must not be "
                f"above posterior.n_sample = {self.posterior.n_sample}"
            )
        if self.calibration.enabled and self.calibration.error < self.posterior.error_floor:
            raise ValueError(
                f"calibration.error = {self.calibration.error} must not be below posterior.error_floor = "
                f"{self.posterior.error_floor}: the stars would be given larger errors than they have"
            )
        if self.solver.enabled and not (self.survey.enabled and self.survey.last_stage != "plan"):
            raise ValueError(
                "solver.enabled needs exposures: set survey.enabled, and survey.last_stage to exposures or "
                "plates"
            )
        table = self.survey_sources.table
        if self.survey.enabled and self.survey.last_stage != "plan" and table is None:
            _refuse_elsewhere(self.survey.plan, self.footprint)
        if self.solver.enabled and self.solver.calibration.chromatic and table is not None:
            if not {"mj", "mh"} <= set(table.columns):
                raise ValueError(
                    "solver.calibration.chromatic needs colours: map mj and mh in "
                    "survey_sources.table.columns"
                )
        return self


def _refuse_elsewhere(plan: Plan, footprint: Footprint) -> None:
    """Refuse fields that are far from the stars of the run."""
    box = footprint if plan.window is None else plan.window
    l, b = plan.centre or (0.5 * (box.l_min + box.l_max), 0.5 * (box.b_min + box.b_max))  # noqa: E741
    l = (l + 180.0) % 360.0 - 180.0  # noqa: E741
    off = max(footprint.l_min - l, l - footprint.l_max, footprint.b_min - b, b - footprint.b_max)
    if off > FARTHEST_DEG:
        raise ValueError(
            f"survey.plan: fields about l = {l:g}, b = {b:g} deg are {off:.3g} deg off the footprint, where "
            "the stars are; are plan.centre or plan.window in ra and dec? They are Galactic"
        )


def parse(values: dict[str, Any], origin: str = "configuration") -> Config:
    """Check a configuration.

    Raises
    ------
    ConfigError
        One line per fault: the key, what was found and what is expected.
    """
    return validated(Config, values, origin, "docs/configuration.md lists the known ones")


def parse_run(values: dict[str, Any], origin: str = "configuration") -> Config:
    """Check the configuration of a whole run, which has faults that some of its sections alone cannot have.

    Raises
    ------
    ConfigError
        As `parse`; or nothing is known of the extinction in the footprint.
    """
    settings = parse(values, origin)
    has_own = any("a_ks" in table.columns for table in settings.catalogue.files)
    if not settings.footprint.is_on_map and settings.extinction.off_map is None and not has_own:
        raise ConfigError(
            f"{origin}:\n  footprint: it reaches off the extinction map, which has -9.5 < l < 9.5, "
            "-10 < b < 4.5 deg; set extinction.outside to A_Ks [mag] there, or to the path of a table of it, "
            "or map a column of the tables to a_ks"
        )
    return settings


def filled(options: dict[str, Any], names: Sequence[str], origin: str) -> dict[str, Any]:
    """Options of a stage with some sections checked and completed by their defaults.

    Parameters
    ----------
    options
        Sections of a configuration, and what else the stage was given.
    names
        Of the sections that the stage reads.
    origin
        Whose options they are, for errors.

    Raises
    ------
    ConfigError
        As for `parse`.
    """
    settings = parse({name: options[name] for name in names if name in options}, origin)
    return options | settings.model_dump(mode="json", include=set(names))


def load(path: Path) -> Config:
    """Read and check a configuration file (YAML, or JSON where the name ends in .json)."""
    return parse_run(read_document(path), str(path))


def section_json(config: Config, *names: str, **extra: Any) -> str:  # noqa: ANN401 - any JSON value
    """Some sections, or all, as canonical JSON; `extra` stands beside them."""
    values = config.model_dump(mode="json", include=set(names) if names else None)
    return json.dumps({**values, **extra}, sort_keys=True, separators=(",", ":"))
