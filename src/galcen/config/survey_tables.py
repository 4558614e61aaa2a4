"""Section `catalogue.files`: the user's tables."""

from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from galcen.config.base import NAME_LENGTH, Section
from galcen.config.bounds import Epoch, FilePath
from galcen.config.cuts import parse_cut
from galcen.config.sky import Footprint
from galcen.config.table_format import Format, FrameName, equinox_year

_MEASURED = ("mj", "mh", "mks", "parallax", "pmra", "pmdec", "radial_velocity")
_BARE = ("source_id", "gaia_source_id", "ruwe")
_BANDS = ("mj", "mh", "mks")
_DISTANCES = ("r_lo_photogeo", "r_med_photogeo", "r_hi_photogeo")
_KNOWN = {"ra", "dec", "ref_epoch", "a_ks", *_BARE, *_DISTANCES} | {
    name + suffix for name in _MEASURED for suffix in ("", "_error")
}


class SurveyTable(Section):
    """A user's table of stars."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=NAME_LENGTH)
    """Name of the survey; it names the files of its tiles."""
    path: FilePath
    """The table, relative to the working folder: text with commas, tabs, semicolons, bars or blanks between
    its columns, VizieR's with rows of units and dashes among them; IPAC, CDS and MRT tables; FITS, VOTable,
    Parquet or ECSV. Text may have comments (#) above the column names, and an empty cell, nan, null, none,
    n/a, NA or -- is a missing value, as is what a file declares as its null."""
    format: Format = "auto"
    """Format of the table; `auto` goes by the file's ending (.csv, .tsv, .tab, .cat, .txt, .dat, .asc,
    .tbl, .mrt: text, whose kind is seen in its first lines; .fits, .fit; .vot, .votable, .xml; .parquet,
    .pq; .ecsv; all but Parquet and HDF5 also with .gz)."""
    hdu: Annotated[int, Field(ge=0, le=10_000)] | str | None = None
    """Table of a file with several: its number (of the extension of a FITS file, from 1; of the table of a
    VOTable, from 1), its name, or its path inside an HDF5 file; null takes the first that has the columns."""
    columns: dict[str, str]
    """Column map: galcen's name -> the table's name. `ra` and `dec` are required, and a magnitude
    or a parallax with its error; stars that have neither are left out. Known are
    source_id, ra, dec, mj, mh, mks, parallax, pmra, pmdec, radial_velocity, each of the last seven
    with _error, ref_epoch (epoch of each star's position), ruwe, gaia_source_id, a_ks (extinction of the
    star in Ks as somebody measured it, taken instead of the map's) and r_lo_photogeo, r_med_photogeo,
    r_hi_photogeo (distances of Bailer-Jones et al. 2021). source_id are integers from 0 to 2^53 - 1, unique
    over all tables; in a table without them the stars get their row number, from 1, plus 10^12 times the
    table's place in `files`, from 0. pmra has cos dec in it. In a table in galactic or ecliptic coordinates
    ra and dec are mapped to the longitude and the latitude, pmra and pmdec to their motions."""
    role: Literal["detections", "link"] = "detections"
    """`detections`: its stars belong to the catalogue. `link`: it only adds what it measured to stars
    that another table has, as Gaia does; its other stars are left out."""
    priority: int = Field(0, ge=-1_000_000, le=1_000_000)
    """A star seen in several tables has the position of the one of highest priority (of the last in
    `files` among equals). Tables are matched in this order, lowest first."""
    cuts: tuple[str, ...] = ()
    """Rows that are kept: those for which all these hold, each of the form COLUMN OPERATOR VALUE in the
    table's own names and units, such as "mp_flg == 0", "Ksmag < 16" or "ph_qual in [AAA, AAB]". Operators
    are ==, !=, <, <=, >, >= and in; a missing value fulfils none but !=. Logical values may be written
    true, t, yes, 1 and false, f, no, 0 in any case of letters, here and in the table. A word that no row
    has is an error, and so is a cut that leaves nothing."""
    footprint: Footprint | None = None
    """Use the table inside this rectangle only; null uses all of it."""
    drop_without_error: bool = False
    """Treat a magnitude without error as missing. True for 2MASS, where it marks an upper limit of
    the flux; otherwise such a magnitude is used with `posterior.missing_error`."""
    missing_values: tuple[float, ...] = ()
    """Numbers that stand for a missing value, such as 99.999, in any column but source_id, ra and dec;
    compared in the table's own unit. Numbers by which archives mark missing values, and values that
    cannot be, are refused where they are not listed here: see [bad values](bad_values.md)."""
    units: dict[str, str] = {}
    """Unit of a column where the table does not say, or says it wrongly: galcen's name -> unit as
    astropy writes it. Without either it is deg, mag, mas or mas/yr; an error has the unit of its quantity.
    Epochs are Julian years, or MJD or JD with the unit d."""
    epoch: Epoch | None = None
    """Epoch of the positions [Julian year], needed where the table has proper motions and neither a column
    of epochs nor a declaration of its own; a file that declares another one is refused. Positions without
    motions have 2000.0 by default, those in FK4 that of their equinox."""
    frame: FrameName | None = None
    """Frame of positions and motions where the file declares none; it is converted to ICRS, which it is by
    default. A file that declares another one is refused."""
    equinox: str | None = None
    """Equinox of `frame`, such as J2000 or B1950, which are the defaults of fk5, ecliptic and fk4."""

    @field_validator("columns")
    @classmethod
    def _known(cls, columns: dict[str, str]) -> dict[str, str]:
        unknown = sorted(set(columns) - _KNOWN)
        if unknown:
            raise ValueError(f"unknown name {', '.join(unknown)}; known are {', '.join(sorted(_KNOWN))}")
        missing = sorted({"ra", "dec"} - set(columns))
        if missing:
            raise ValueError(f"{' and '.join(missing)} must be mapped to a column of the table")
        mapped = sorted(columns.values())
        twice = [one for one, next_one in pairwise(mapped) if one == next_one]
        if twice:
            names = " and ".join(name for name, column in columns.items() if column == twice[0])
            raise ValueError(f"{names} are both mapped to the column {twice[0]} of the table")
        alone = sorted(name for name in _MEASURED if f"{name}_error" in columns and name not in columns)
        if alone:
            raise ValueError(f"{alone[0]}_error is mapped to a column of the table, but {alone[0]} is not")
        return columns

    @field_validator("cuts")
    @classmethod
    def _readable(cls, cuts: tuple[str, ...]) -> tuple[str, ...]:
        for cut in cuts:
            parse_cut(cut)
        return cuts

    @model_validator(mode="after")
    def _fit_the_columns(self) -> Self:
        has_parallax = {"parallax", "parallax_error"} <= set(self.columns)
        if self.role == "detections" and not set(_BANDS) & set(self.columns) and not has_parallax:
            raise ValueError(
                "at least one of mj, mh, mks, or parallax with parallax_error, must be mapped to a column of "
                "the table"
            )
        if set(_DISTANCES) & set(self.columns) and not set(_DISTANCES) <= set(self.columns):
            raise ValueError(f"map all three of {', '.join(_DISTANCES)}, or none")
        if ("pmra" in self.columns) != ("pmdec" in self.columns):
            raise ValueError("map both pmra and pmdec, or neither")
        equinox_year(self.frame, self.equinox)
        unknown = sorted(set(self.units) - (set(self.columns) - set(_BARE)))
        if unknown:
            raise ValueError(f"units.{unknown[0]}: no such column with a unit in the column map")
        bare = [name for name in _BANDS if name in self.columns]
        bare = [name for name in bare if f"{name}_error" not in self.columns]
        if self.drop_without_error and bare:
            raise ValueError(
                f"drop_without_error is true, but {bare[0]}_error is mapped to no column: every "
                f"{bare[0]} would be dropped; map it, or set drop_without_error: false"
            )
        return self
