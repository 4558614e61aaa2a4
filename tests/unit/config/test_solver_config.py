"""Faults of the section `solver` are named."""

import pytest

from galcen.astrometry.iterative.calibration import CalibrationModel
from galcen.astrometry.iterative.options import Options
from galcen.config import parse
from galcen.config.solver import Solver, SolverCalibration
from galcen.errors import ConfigError

SURVEY = {"enabled": True, "last_stage": "exposures"}


def test_the_section_has_the_solvers_own_choices():
    """Every option and choice of calibration of the solver, with its default, is a key.

    But for patterns, which are looked for where the catalogue has no reference.
    """
    section, options = Solver(), Options()._asdict()
    assert not options.pop("with_patterns")
    assert {name: getattr(section, name) for name in options} == options
    names = CalibrationModel._fields
    assert tuple(getattr(SolverCalibration(), name) for name in names) == CalibrationModel()


def test_exposures_are_needed_and_plates_are_not():
    """The solution of all orbits goes from the exposures."""
    assert parse({"survey": SURVEY, "solver": {"enabled": True}}).solver.enabled
    for survey in ({"enabled": False}, {"enabled": True, "last_stage": "plan"}):
        with pytest.raises(ConfigError, match=r"solver\.enabled needs exposures: set survey.enabled"):
            parse({"survey": survey, "solver": {"enabled": True}})


def test_shifts_with_colour_need_the_magnitudes_of_a_table():
    """A truth catalogue has them."""
    columns = {"ra": "RA", "dec": "DE", "hw": "Hw"}
    values = {"survey": SURVEY, "solver": {"enabled": True, "calibration": {"chromatic": True}}}
    assert parse(values).solver.calibration.chromatic
    with pytest.raises(ConfigError, match=r"chromatic needs colours: map mj and mh in survey_sources\.table"):
        parse(values | {"survey_sources": {"table": {"path": "a.csv", "columns": columns}}})
    columns |= {"mj": "J", "mh": "H"}
    assert parse(values | {"survey_sources": {"table": {"path": "a.csv", "columns": columns}}})


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ({"scheme": "jacobi"}, r"solver\.scheme: .*block-gauss-seidel.*found 'jacobi'"),
        ({"richardson": True}, "richardson needs scheme: block-gauss-seidel, not cg"),
        ({"distortion_order": 8}, r"distortion_order.*less than or equal to 7 \(found 8\)"),
        ({"calibration": {"share": "year"}}, r"solver\.calibration\.share.*'season'.*found 'year'"),
        ({"calibration": {"extra_terms": ["os.system"]}}, r"extra_terms\.0: String should match pattern"),
        (
            {"calibration": {"extra_terms": ["os:getpid"]}},
            "os:getpid must be listed in term_modules",
        ),
        ({"ranks": 4, "gpus": 3}, "ranks = 4 must be a multiple of gpus = 3"),
        ({"priors": {"drift_um": 0}}, r"priors\.drift_um: .*greater than 0 \(found 0\)"),
        ({"priors": {"attitude_deg": None, "chip_position_um": None}}, "must not both be null"),
        ({"max_outer": 0}, "max_outer"),
    ],
)
def test_a_solver_fault_is_named_by_its_key(section, words):
    with pytest.raises(ConfigError, match=words):
        parse({"solver": section}, "mine.yaml")
