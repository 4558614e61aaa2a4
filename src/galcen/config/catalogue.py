"""Section `catalogue`: where the observed stars come from, and which are kept."""

from typing import Literal, Self

from pydantic import Field, model_validator

from galcen.config.base import Section
from galcen.config.bounds import Epoch, Magnitude
from galcen.config.drawn_surveys import DrawnSurvey, ModelSurveys
from galcen.config.survey_tables import SurveyTable

Band = Literal["J", "H", "Ks", "Hw"]

_NEEDED = {"J": {"mj"}, "H": {"mh"}, "Ks": {"mks"}, "Hw": {"mj", "mh"}}


class Merge(Section):
    """How the surveys' stars are matched."""

    radius_arcsec: float = Field(1.0, gt=0, le=3)
    """Largest distance of two detections of one star, at the epoch of one of them where the other has a
    proper motion [arcsec]."""
    magnitude_difference: float = Field(2.0, gt=0, le=50)
    """Two detections of one star differ by less than this in every band that both have [mag]."""
    epoch: Epoch = 2016.0
    """Epoch to which stars with a proper motion are moved [Julian year]."""


class Selection(Section):
    """Which stars of the merged catalogue go on."""

    band: Band = "Ks"
    """Band in which the catalogue is limited."""
    bright: Magnitude = 8.0
    """Brightest observed magnitude that is kept [mag]."""
    faint: Magnitude = 12.5
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
    model: ModelSurveys = ModelSurveys()
    """The drawn surveys, for `source: model`."""
    files: tuple[SurveyTable, ...] = ()
    """The user's tables, for `source: files`."""
    merge: Merge = Merge()
    """Matching of the surveys."""
    selection: Selection | None = Selection()
    """Magnitude limits, which leave out stars without a magnitude in their band; null keeps every star
    (only with `source: files`)."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.source == "files" and not self.files:
            raise ValueError("source = files needs at least one table under `files`")
        if self.source == "model" and self.files:
            raise ValueError("`files` is given but source = model; set source: files, or leave files out")
        if self.source == "model" and self.selection is None:
            raise ValueError("source = model needs a magnitude `selection`")
        if self.source == "files" and all(table.role == "link" for table in self.files):
            raise ValueError("every table has role: link; at least one must have role: detections")
        if self.source == "files" and self.selection is not None:
            mapped = {name for table in self.files for name in table.columns}
            missing = sorted(_NEEDED[self.selection.band] - mapped)
            if missing:
                raise ValueError(
                    f"selection.band = {self.selection.band}, but no table maps {' and '.join(missing)}: "
                    "every star would be left out; choose another band, or set selection: null"
                )
        names = self.surveys
        if len(set(names)) < len(names):
            raise ValueError(f"two surveys have the same name: {', '.join(names)}")
        return self

    @property
    def members(self) -> tuple[DrawnSurvey | SurveyTable, ...]:
        """The surveys that make up the catalogue, as they are listed."""
        return self.model.surveys if self.source == "model" else self.files

    @property
    def surveys(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(survey.name for survey in self.members)
