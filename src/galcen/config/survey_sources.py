"""Section `survey_sources`: the stars that the mock survey observes, and what the mission knows of them."""

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from galcen.config.base import Section, Within
from galcen.config.bounds import Epoch, ErrorOfMotion, FilePath, Magnitude, SmallAngle
from galcen.config.sky import Footprint
from galcen.config.table_format import Format, FrameName, equinox_year

_PARAMETERS = ("ra", "dec", "parallax", "pmra", "pmdec")
_MOTIONS = ("parallax", "pmra", "pmdec", "radial_velocity")
ERROR_COLUMNS = tuple(f"{name}_error" for name in _PARAMETERS)
CORRELATION_COLUMNS = tuple(
    f"{one}_{other}_corr" for place, one in enumerate(_PARAMETERS) for other in _PARAMETERS[place + 1 :]
)
_KNOWN = {
    *("source_id", "gaia_source_id", "ra", "dec", "ref_epoch", "hw", "mj", "mh", "ruwe"),
    *_MOTIONS,
    *ERROR_COLUMNS,
    *CORRELATION_COLUMNS,
}


class SourceTable(Section):
    """A user's table of stars, whose values count as true."""

    path: FilePath
    """The table, relative to the working folder, in any format of `catalogue.files`."""
    format: Format = "auto"
    """Format of the table; `auto` goes by the file's ending."""
    hdu: Annotated[int, Field(ge=0, le=10_000)] | str | None = None
    """Number or name of the table in a file of several; null takes the first that has the columns."""
    columns: dict[str, str]
    """Column map: galcen's name -> the table's name. `ra`, `dec` and `hw`, or `mj` and `mh`, are
    required; known are source_id (numbered by row, from 0, without), gaia_source_id, parallax, pmra (times
    cos dec), pmdec, radial_velocity, ref_epoch, ruwe, and Gaia's errors and correlations, ra_error to
    pmdec_error and ra_dec_corr to pmra_pmdec_corr."""
    units: dict[str, str] = {}
    """Unit of a column where the table does not say, or says it wrongly: galcen's name -> unit as astropy
    writes it. Without either it is deg, mag, mas, mas/yr or km/s; errors of positions are in mas."""
    missing_values: tuple[float, ...] = ()
    """Numbers that stand for a missing value in any column but source_id, ra and dec."""
    epoch: Epoch | None = None
    """Epoch of the positions [Julian year], needed where the table has proper motions and neither a column
    of epochs nor a declaration of its own; 2016.0 by default where it has none."""
    frame: FrameName | None = None
    """Frame of positions and motions where the file declares none; they are converted to ICRS, which is the
    default."""
    equinox: str | None = None
    """Equinox of `frame`, such as J2000 or B1950."""

    @model_validator(mode="after")
    def _has_equinox(self) -> Self:
        equinox_year(self.frame, self.equinox)
        return self

    @field_validator("columns")
    @classmethod
    def _known(cls, columns: dict[str, str]) -> dict[str, str]:
        unknown = sorted(set(columns) - _KNOWN)
        if unknown:
            raise ValueError(f"unknown name {', '.join(unknown)}; known are {', '.join(sorted(_KNOWN))}")
        missing = sorted({"ra", "dec"} - set(columns))
        if missing:
            raise ValueError(f"{' and '.join(missing)} must be mapped to a column of the table")
        if "hw" not in columns and not {"mj", "mh"} <= set(columns):
            raise ValueError("map hw, or both mj and mh, to columns of the table")
        if ("pmra" in columns) != ("pmdec" in columns):
            raise ValueError("map both pmra and pmdec, or neither")
        if 0 < len(set(columns) & set(CORRELATION_COLUMNS)) < 10:
            raise ValueError("map all ten correlations, or none")
        return columns


class References(Section):
    """Stars with Gaia astrometry: the frame of all solutions."""

    choice: Literal["observed", "drawn"] = "observed"
    """`observed`: stars with a Gaia identifier or an observed parallax; in a table, with a
    `gaia_source_id` or a `parallax_error`. `drawn`: a part of all stars, at random."""
    fraction: float = Field(0.275, ge=0, le=1)
    """Part of the stars that `drawn` takes; 55,000 of 200,000 in the mission's own field."""
    epoch: Epoch = 2016.0
    """Epoch of the reference catalogue [Julian year]."""
    g_minus_hw: Annotated[float, Within(-5, 20)] = 3.0
    """G - Hw [mag] by which a star gets Gaia DR3's error where the catalogue has none: the error of the
    parallax as a function of G, that of the others as a fixed multiple of it."""
    correlation_rms: float = Field(0.25, ge=0, le=0.35)
    """Root mean square of the correlations of stars without any: the ten are drawn for each star. 0, or from
    0.1 to 0.35."""
    wrong_fraction: float = Field(0.0, ge=0, le=1)
    """Part of the references, at random, whose catalogue motion is wrong beyond its error: the experiment
    on the failure of priors."""
    wrong_sigma: float = Field(10.0, ge=0, le=1e6)
    """By how many times its error a wrong motion is displaced, in a random direction."""

    @field_validator("correlation_rms")
    @classmethod
    def _drawable(cls, rms: float) -> float:
        # A smaller one would take thousands of random numbers for each star.
        if 0 < rms < 0.1:
            raise ValueError("must be 0, or from 0.1 to 0.35")
        return rms


class SurveySources(Section):
    """Which stars the survey observes, and the catalogue that the mission starts from."""

    table: SourceTable | None = None
    """A table of stars; null takes those of the run's truth catalogue."""
    bright: Magnitude = 9.5
    """Brightest Hw [mag]; brighter stars saturate."""
    faint: Magnitude = 14.5
    """Faintest Hw [mag]."""
    window: Footprint | None = None
    """Stars of this rectangle only; null takes all."""
    max_star: int | None = Field(None, ge=1, lt=2**53)
    """Stars at most; of more, some at random. Null takes all."""
    n_artificial: int = Field(500, ge=0, le=1_000_000)
    """Artificial sources without motion and parallax, uniform over the window or, without one, the
    rectangle in l and b that holds the stars; their Hw are those of stars at random."""
    missing: Literal["zero", "draw"] = "draw"
    """True parallax and motion where a table has none: 0, or those of a bulge star, 1/8.2 mas and a normal
    deviate of 3 mas/yr on each axis. A missing radial velocity is 0."""
    reference_epoch: Epoch = 2032.0
    """Epoch of the solutions [Julian year]."""
    position_error: SmallAngle = 100.0
    """Error of the catalogue position of stars that are no references, and of artificial sources, on each
    axis at `reference_epoch` [mas]; the catalogue is displaced by it."""
    parallax_error: SmallAngle = 20.0
    """Error of their catalogue parallax, which is 0 [mas]."""
    proper_motion_error: ErrorOfMotion = 50.0
    """Error of their catalogue motion, which is 0, on each axis [mas/yr]."""
    references: References = References()
    """References."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.bright < self.faint:
            raise ValueError(f"bright = {self.bright} must be below faint = {self.faint}")
        return self
