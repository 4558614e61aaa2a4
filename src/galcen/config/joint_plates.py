"""Options of `galcen joint-plates`; they are no section of a run's configuration."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from galcen.config.base import Section, Within
from galcen.config.bounds import Epoch, FilePath
from galcen.config.faults import validated
from galcen.config.table_format import Format


class Matching(Section):
    """How stars are found again in other lists where names do not tell."""

    names: Literal["compare", "ignore"] = "compare"
    """`compare`: a name that lists share is believed where positions do not contradict it; `ignore`: stars
    are matched by position alone."""
    common_only: bool = False
    """Leave out stars whose names no other list has, or that are not believed, instead of matching them."""
    radius: float | None = Field(None, gt=0, le=1e7)
    """Largest distance to where a star is expected [unit of x in the reference list]; 2 without, or a small
    part of the mean distance of neighbours where 2 is far from what the unit of x asks for."""
    magnitude: float = Field(0.7, gt=0, le=50)
    """Largest difference of magnitude; with the radius, the half axes of an ellipsoid [mag]."""
    order: int | None = Field(None, ge=1, le=6)
    """Total degree of the maps between lists; without, 2, or more where positions ask for it."""


class Errors(Section):
    """What is done with the stated errors of positions."""

    scale: bool = False
    """Multiply the stated errors of each exposure by a factor that makes its chi-square its redundancy: below
    1 where they are too large, above 1 where `excess_noise` is off."""


class Label(Section):
    """A catalogue of known positions and motions that the frame is taken from."""

    path: FilePath
    """A text list with names of columns, or a table in FITS, VOTable, Parquet or ECSV."""
    columns: dict[str, str | None] = {}
    """Name here -> name in the catalogue: name, x and y (or ra and dec [deg]), pmx and pmy [mas/yr], pm_error
    (or pmx_error and pmy_error), t [Julian year], magnitude, error (or x_error and y_error [mas]). What is
    not given has the names of Gaia's archive where the catalogue has ra and dec, else those of flystar's
    labels; null for a column that shall not be read. Stars without a pm_error above 0 have no measured motion
    and are not used."""
    unit_mas: Annotated[float, Within(1e-3, 3.6e6, "the unit in mas: 1000 for arcsec")] = 1000.0
    """Unit of its x and y [mas]; motions are in mas/yr. ra and dec are in deg."""
    epoch: Epoch | None = None
    """Epoch of its positions [Julian year], for catalogues without a column t."""
    match: Literal["auto", "names", "positions"] = "auto"
    """How its stars are found in the plates; `auto` by names that positions do not contradict where these
    suffice, else by positions."""
    weights: Literal["auto", "equal", "errors"] = "auto"
    """How its stars count for the frame: alike, or by their errors, stars that contradict the others being
    left out. `auto` is by errors where they are matched by position."""


class JointPlates(Section):
    """A simultaneous solution of plates."""

    format: Literal["auto", "lists", "tables", "challenge"] = "auto"
    """`lists`: star lists, one an exposure (.lis, .calib, or any text if `columns` has no exposure);
    `tables`: tables of one row an observation; `challenge`: source_table.txt and pointing.txt of the JASMINE
    challenge. `auto` goes by endings, `columns` and content."""
    columns: dict[str, str | None] | None = None
    """Column map: name here -> name in the files. For tables star, exposure, x, y, sigma (or sigma_x and
    sigma_y), t [Julian year] and magnitude; the last two may be left out. For lists star, x, y, sigma_x,
    sigma_y (or sigma), t, magnitude; what is not given has flystar's names (name, x, y, xe, ye, t, m), a
    number is the place of a column, and null is a column that shall not be read."""
    epochs: dict[str, float | str] | list[float | str] = {}
    """Epochs where the files have none: by the name of the exposure, or one for each list in order; Julian
    years, or dates such as "2011-10-31"."""
    table_format: Format = "auto"
    """Format of tables; `auto` goes by the ending."""
    sigma: float | None = Field(None, gt=0, le=1e6)
    """Error of every position [unit of x], for lists and tables without errors; 1 um for the challenge."""
    unusable_rows: Literal["refuse", "leave_out"] = "refuse"
    """Rows of lists and tables without a position or an error above 0, as reducers leave them: `leave_out`
    does without them and without magnitudes that stand for none (99.999), with a warning."""
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
    errors: Errors = Errors()
    """Stated errors."""
    tolerance: float = Field(1e-3, gt=0, lt=1)
    """Largest change of a star's parameters left to come [its sigma]."""
    max_outer: int = Field(200, ge=6, le=1_000_000)
    """Times that weights and noise are found anew."""
    full_covariance: bool = False
    """Write the covariance of all parameters of all stars, not of each star alone."""
    matching: Matching = Matching()
    """Matching of stars."""

    @model_validator(mode="after")
    def _known_columns(self) -> Self:
        known = ("star", "exposure", "x", "y", "sigma", "sigma_x", "sigma_y", "t", "magnitude")
        unknown = sorted(set(self.columns or {}) - set(known))
        if unknown:
            raise ValueError(f"columns: unknown name {unknown[0]}; known are {', '.join(known)}")
        return self


def parse(values: dict[str, Any]) -> JointPlates:
    """Check the options.

    Raises
    ------
    ConfigError
        One line per fault: the key, what was found and what is expected.
    """
    return validated(JointPlates, values, "options of joint-plates")
