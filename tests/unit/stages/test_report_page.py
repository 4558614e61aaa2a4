"""The report of a run that has no truth catalogue."""

from pathlib import Path

import pytest

from galcen.errors import ConfigError
from galcen.stages import report_page

TABLE = {"path": "mine.csv", "columns": {"ra": "ra", "dec": "dec", "hw": "hw"}}


def test_a_survey_of_a_table_has_a_report_without_model_and_truth(tmp_path):
    """The page names the table in place of the truth catalogue."""
    options = {"run": "listed", "seed": 3, "survey_sources": {"table": TABLE}}
    report_page.run(tmp_path / "report.html", options)
    text = (tmp_path / "report.html").read_text()
    assert "survey of run listed" in text and "mine.csv" in text and "truth catalogue of run" not in text


@pytest.mark.parametrize("given", [{"model": Path("model.h5")}, {"truth": Path("truth.h5")}])
def test_a_model_needs_its_truth_catalogue(tmp_path, given):
    with pytest.raises(ConfigError, match="--model and --truth belong together"):
        report_page.run(tmp_path / "report.html", {"run": "half", "seed": 1}, **given)
    assert not (tmp_path / "report.html").exists()
