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


class SurveyTable(Section):
    """A user's table of stars."""

    name: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$")
    """Name of the survey; it names the files of its tiles."""
    path: str
    """The table: CSV, TSV, FITS, VOTable, Parquet or ECSV; relative to the working folder."""
    format: Literal["auto", "csv", "tsv", "fits", "votable", "parquet", "ecsv"] = "auto"
    """Format of the table; `auto` goes by the file's ending."""
    columns: dict[str, str]
    """Column map: galcen's name -> the table's name. `ra` and `dec` are required (ICRS); known are
    source_id, ra, dec, mj, mh, mks, mj_error, mh_error, mks_error, parallax, parallax_error, ruwe,
    pmra, pmdec, pmra_error, pmdec_error."""
    drop_without_error: bool = False
    """Treat a magnitude without error as missing. True for 2MASS, where it marks an upper limit of
    the flux; otherwise such a magnitude is used with `posterior.missing_error`."""
    units: dict[str, str] = {}
    """Unit of a column where the table does not say: galcen's name -> unit as astropy writes it."""
    epoch: float = Field(2000.0, gt=1800, lt=2200)
    """Epoch of the positions [Julian year]."""

    @field_validator("columns")
    @classmethod
    def _known(cls, columns: dict[str, str]) -> dict[str, str]:
        known = {"source_id", "ra", "dec", "ruwe"} | {
            name + suffix
            for name in ("mj", "mh", "mks", "parallax", "pmra", "pmdec")
            for suffix in ("", "_error")
        }
        unknown = sorted(set(columns) - known)
        if unknown:
            raise ValueError(f"unknown name {', '.join(unknown)}; known are {', '.join(sorted(known))}")
        missing = sorted({"ra", "dec"} - set(columns))
        if missing:
            raise ValueError(f"{' and '.join(missing)} must be mapped to a column of the table")
        if not {"mj", "mh", "mks"} & set(columns):
            raise ValueError("at least one of mj, mh, mks must be mapped to a column of the table")
        return columns


class Selection(Section):
    """Which stars of the merged catalogue go on."""

    band: Band = "Ks"
    """Band in which the catalogue is limited."""
    bright: float = 8.0
    """Brightest observed magnitude that is kept [mag]."""
    faint: float = 12.6
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
