"""Faults of the section `catalogue` are named before the first job."""

from typing import Any

import pytest

from galcen.config import parse
from galcen.errors import ConfigError

COLUMNS = {"ra": "RA", "dec": "DE", "mks": "K", "mks_error": "eK"}


def table(**changed: Any) -> dict[str, Any]:
    return {"name": "S", "path": "s.csv", "columns": COLUMNS, **changed}


def files(*tables: dict[str, Any], **changed: Any) -> dict[str, Any]:
    return {"catalogue": {"source": "files", "files": list(tables), **changed}}


def test_a_table_needs_positions_and_one_band_only():
    """Everything else has a default; the errors of the magnitudes may be missing."""
    settings = parse(files(table(columns={"ra": "RA", "dec": "DE", "mh": "H"}), selection=None))
    survey = settings.catalogue.files[0]
    assert (survey.format, survey.drop_without_error, survey.missing_values) == ("auto", False, ())
    assert settings.catalogue.surveys == ("S",)


def test_a_parallax_with_its_error_stands_for_a_magnitude():
    """A table of stars without magnitudes is one of detections too, where no magnitude selects."""
    columns = {"ra": "RA", "dec": "DE", "parallax": "plx", "parallax_error": "e_plx"}
    settings = parse(files(table(columns=columns), selection=None))
    assert settings.catalogue.files[0].role == "detections"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (
            files(table(columns={"ra": "RA", "dec": "DE", "parallax": "plx"})),
            "or parallax with parallax_error",
        ),
        (files(table(columns={"ra": "RA", "dec": "DE", "mh": "H"})), "band = Ks, but no table maps mks"),
        (files(table(), selection={"band": "Hw"}), "band = Hw, but no table maps mh and mj"),
        (files(table(column_map={})), r"catalogue\.files\.0\.column_map: unknown key"),
        (files(table(columns={"ra": "RA", "dec": "DE", "mk": "K"})), "unknown name mk; known are .*mks"),
        (files(table(columns={"ra": "RA", "mks": "K"})), "dec must be mapped"),
        (files(table(columns={"mks": "K"})), "dec and ra must be mapped"),
        (files(table(columns={"ra": "RA", "dec": "DE"})), "at least one of mj, mh, mks"),
        (files(table(columns={**COLUMNS, "mj_error": "eJ"})), "mj_error is mapped .* but mj is not"),
        (
            files(table(columns={**COLUMNS, "mj": "J"}, drop_without_error=True)),
            "mj_error is mapped to no column: every mj would be dropped",
        ),
        (files(table(units={"mj": "mag"})), r"units\.mj: no such column"),
        (files(table(units={"kmag": "mag"})), r"units\.kmag: no such column"),
        (files(table(missing_values=["x"])), "missing_values.*expected a number"),
        (files(table(format="xlsx")), r"format.*'csv'.*found 'xlsx'"),
        (files(table(name="2 MASS")), "name: expected a letter or digit, then letters"),
        (files(table(), table()), "two surveys have the same name: S, S"),
        (files(), "needs at least one table"),
        ({"catalogue": {"files": [table()]}}, "`files` is given but source = model"),
        ({"catalogue": {"selection": None}}, "source = model needs a magnitude `selection`"),
        (files(table(), selection={"bright": 12.0, "faint": 9.0}), r"bright = 12\.0 must be below faint"),
        (files(table(), selection={"band": "K"}), r"band.*'Ks'.*found 'K'"),
    ],
)
def test_a_fault_is_named_by_its_key(values, words):
    with pytest.raises(ConfigError, match=words) as caught:
        parse(values, "mine.yaml")
    assert str(caught.value).startswith("mine.yaml: ")
    assert len(str(caught.value).splitlines()) == 1
