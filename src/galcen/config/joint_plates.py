"""Options of `galcen joint-plates`; they are no section of a run's configuration."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from galcen.config.base import Section, Within
from galcen.config.bounds import Epoch, FilePath
from galcen.config.faults import validated
from galcen.config.table_format import Format


class Matching(Section):
    """How stars of star lists are found again in other lists, where their names are mere numbers."""

    common_only: bool = False
    """Leave out stars whose names are mere numbers (star_12), instead of matching them."""
    radius: float = Field(2.0, gt=0, le=1e7)
    """Largest distance to where a star is expected [unit of x in the reference list]."""
    magnitude: float = Field(0.7, gt=0, le=50)
    """Largest difference of magnitude; with the radius, the half axes of an ellipsoid [mag]."""
    order: int = Field(2, ge=1, le=4)
    """Total degree of the maps between lists."""


class Label(Section):
    """A list of known positions and motions that the frame is taken from."""

    path: FilePath
    """The list: columns apart by blanks, named in a first line that begins with #."""
    columns: dict[str, str] = {
        "name": "name",
        "x": "xarc",
        "y": "yarc",
        "pmx": "vx",
        "pmy": "vy",
        "pm_error": "vxerr",
        "t": "t0",
    }
    """Name here -> name in the list. Stars with a pm_error of 0 have no measured motion and are not used."""
    unit_mas: Annotated[float, Within(1e-3, 3.6e6, "the unit in mas: 1000 for arcsec")] = 1000.0
    """Unit of its positions [mas]; motions are in mas/yr."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        missing = sorted({"name", "x", "y", "pmx", "pmy", "pm_error", "t"} - set(self.columns))
        if missing:
            raise ValueError(f"columns: {missing[0]} is not mapped to a column of the list")
        return self


class JointPlates(Section):
    """A simultaneous solution of plates."""

    format: Literal["auto", "lists", "tables", "challenge"] = "auto"
    """`lists`: star lists of flystar, one an exposure (.lis); `tables`: tables of one row an observation;
    `challenge`: source_table.txt and pointing.txt of the JASMINE challenge. `auto` goes by endings and
    content."""
    columns: dict[str, str] = {"star": "star", "exposure": "exposure", "x": "x", "y": "y", "sigma": "sigma"}
    """Column map of tables: star, exposure, x, y, sigma (or sigma_x and sigma_y), t [Julian year] and
    magnitude -> the table's names; the last two may be left out."""
    table_format: Format = "auto"
    """Format of tables; `auto` goes by the ending."""
    sigma: float | None = Field(None, gt=0, le=1e6)
    """Error of every position [unit of x], for tables without errors; 1 um for the challenge."""
    scale: Annotated[float, Within(1e-6, 1e6, "mas for a unit of x are expected")] = 1.0
    """Angle of one unit of x on the reference exposure [mas]; with 1, all results that are called mas are in
    the unit of x."""
    flip_x: bool = False
    """Let the stars' x fall as x of the plates rises, as where east is to the left."""
    reference: str | None = None
    """Exposure that the positions are as seen on; the one with most stars seen elsewhere without."""
    epoch: Epoch | None = None
    """Epoch of the positions [Julian year]; the mean of all observations without."""
    order: int = Field(2, ge=1, le=6)
    """Total degree of the polynomial of each exposure and axis."""
    motion: Literal["auto", "on", "off"] = "auto"
    """Solve for proper motions; `auto` does where the exposures span `min_span` or more."""
    min_exposures: int = Field(3, ge=2, le=1_000_000)
    """Stars with fewer exposures are left out; with 4 unknowns, stars of 2 epochs would add nothing."""
    min_span: Annotated[float, Within(1e-6, 200, "years are expected: is it in days?")] = 0.5
    """Stars whose exposures span less are left out where motions are solved for [yr]."""
    frame_fraction: float = Field(0.8, gt=0, le=1)
    """Stars seen in this part of the exposures or more hold the frame of the motions: theirs have no mean
    and no other polynomial part of the plates' order."""
    label: Label | None = None
    """Take the frame of positions and motions from a catalogue instead."""
    robust: bool = True
    """Weigh observations by their residuals."""
    excess_noise: bool = True
    """Add noise to the stated errors of an exposure where its residuals ask for it."""
    tolerance: float = Field(1e-3, gt=0, lt=1)
    """Largest change of a star's parameters left to come [its sigma]."""
    max_outer: int = Field(200, ge=6, le=1_000_000)
    """Times that weights and noise are found anew."""
    full_covariance: bool = False
    """Write the covariance of all parameters of all stars, not of each star alone."""
    matching: Matching = Matching()
    """Matching of star lists."""


def parse(values: dict[str, Any]) -> JointPlates:
    """Check the options.

    Raises
    ------
    ConfigError
        One line per fault: the key, what was found and what is expected.
    """
    return validated(JointPlates, values, "options of joint-plates")
