"""Section `catalogue`: where the observed stars come from, and which are kept."""

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from galcen.config.base import Section

Band = Literal["J", "H", "Ks", "Hw"]


class ModelSurvey(Section):
    """A survey drawn from the model itself, whose true values are known."""

    error_floor: float = Field(0.02, gt=0)
    """Photometric error of bright stars [mag]."""
    error_at_limit: float = Field(0.1, gt=0)
    """Photometric error at `limit_mag`; the part beyond the floor is the background's and grows
    as the flux falls [mag]."""
    limit_mag: dict[Literal["J", "H", "Ks"], float] = {"J": 19.5, "H": 18.0, "Ks": 17.0}
    """Faintest magnitude measured in each band [mag]; fainter stars have no value there."""
    parallax: bool = True
    """Give the stars brighter than `parallax_limit_j` a parallax with error, as a Gaia match would."""
    parallax_limit_j: float = 13.5
    """Faintest J magnitude with a parallax [mag]."""
    parallax_error: float = Field(0.1, gt=0)
    """Parallax error at the limit [mas]; brighter stars have smaller ones, down to 0.02 mas."""


_MEASURED = ("mj", "mh", "mks", "parallax", "pmra", "pmdec")
_KNOWN = {"source_id", "ra", "dec", "ruwe"} | {
    name + suffix for name in _MEASURED for suffix in ("", "_error")
}


class SurveyTable(Section):
    """A user's table of stars."""

    name: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$")
    """Name of the survey; it names the files of its tiles."""
    path: str
    """The table: CSV, TSV, FITS (its first table), VOTable (its first table), Parquet or ECSV;
    relative to the working folder. Text may have comments (#) above the column names, and an empty
    cell, nan, null, none, n/a or -- is a missing value."""
    format: Literal["auto", "csv", "tsv", "fits", "votable", "parquet", "ecsv"] = "auto"
    """Format of the table; `auto` goes by the file's ending (.csv; .tsv, .tab, .cat, .txt; .fits,
    .fit; .vot, .votable, .xml; .parquet, .pq; .ecsv; all but Parquet also with .gz)."""
    columns: dict[str, str]
    """Column map: galcen's name -> the table's name. `ra` and `dec` are required (ICRS); known are
    source_id, ra, dec, mj, mh, mks, mj_error, mh_error, mks_error, parallax, parallax_error, ruwe,
    pmra, pmdec, pmra_error, pmdec_error. source_id are integers from 0 to 2^53 - 1, unique over all
    tables; in a table without them the stars get their row number, from 1, plus 10^12 times the
    table's place in `files`, from 0."""
    drop_without_error: bool = False
    """Treat a magnitude without error as missing. True for 2MASS, where it marks an upper limit of
    the flux; otherwise such a magnitude is used with `posterior.missing_error`."""
    missing_values: tuple[float, ...] = ()
    """Numbers that stand for a missing value, such as 99.999, in any column but source_id, ra and dec;
    compared in the table's own unit. Magnitudes below -6 or above 35 and errors of 10 mag or more
    that are not listed here are refused."""
    units: dict[str, str] = {}
    """Unit of a column where the table does not say, or says it wrongly: galcen's name -> unit as
    astropy writes it. Without either it is deg, mag, mas or mas/yr."""
    epoch: float = Field(2000.0, gt=1800, lt=2200)
    """Epoch of the positions [Julian year]."""

    @field_validator("columns")
    @classmethod
    def _known(cls, columns: dict[str, str]) -> dict[str, str]:
        unknown = sorted(set(columns) - _KNOWN)
        if unknown:
            raise ValueError(f"unknown name {', '.join(unknown)}; known are {', '.join(sorted(_KNOWN))}")
        missing = sorted({"ra", "dec"} - set(columns))
        if missing:
            raise ValueError(f"{' and '.join(missing)} must be mapped to a column of the table")
        if not {"mj", "mh", "mks"} & set(columns):
            raise ValueError("at least one of mj, mh, mks must be mapped to a column of the table")
        alone = sorted(name for name in _MEASURED if f"{name}_error" in columns and name not in columns)
        if alone:
            raise ValueError(f"{alone[0]}_error is mapped to a column of the table, but {alone[0]} is not")
        return columns

    @model_validator(mode="after")
    def _fit_the_columns(self) -> Self:
        unknown = sorted(set(self.units) - (set(self.columns) - {"source_id", "ruwe"}))
        if unknown:
            raise ValueError(f"units.{unknown[0]}: no such column with a unit in the column map")
        bare = [name for name in ("mj", "mh", "mks") if name in self.columns]
        bare = [name for name in bare if f"{name}_error" not in self.columns]
        if self.drop_without_error and bare:
            raise ValueError(
                f"drop_without_error is true, but {bare[0]}_error is mapped to no column: every "
                f"{bare[0]} would be dropped; map it, or set drop_without_error: false"
            )
        return self


class Selection(Section):
    """Which stars of the merged catalogue go on."""

    band: Band = "Ks"
    """Band in which the catalogue is limited."""
    bright: float = 8.0
    """Brightest observed magnitude that is kept [mag]."""
    faint: float = 12.5
    """Faintest observed magnitude that is kept [mag]."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.bright < self.faint:
            raise ValueError(f"bright = {self.bright} must be below faint = {self.faint}")
        return self


class Catalogue(Section):
    """The observed stars."""

    source: Literal["model", "files"] = "model"
    """Draw the stars from the model, or read them from the user's tables."""
    model: ModelSurvey = ModelSurvey()
    """The drawn survey, for `source: model`."""
    files: tuple[SurveyTable, ...] = ()
    """The user's tables, for `source: files`."""
    selection: Selection | None = Selection()
    """Magnitude limits; null keeps every star (only with `source: files`)."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.source == "files" and not self.files:
            raise ValueError("source = files needs at least one table under `files`")
        if self.source == "model" and self.files:
            raise ValueError("`files` is given but source = model; set source: files, or leave files out")
        if self.source == "model" and self.selection is None:
            raise ValueError("source = model needs a magnitude `selection`")
        names = [table.name for table in self.files]
        if len(set(names)) < len(names):
            raise ValueError(f"two tables have the same name: {', '.join(names)}")
        return self

    @property
    def surveys(self) -> tuple[str, ...]:
        """Names of the surveys that make up the catalogue."""
        return ("model",) if self.source == "model" else tuple(table.name for table in self.files)
