"""The solution of all orbits against the truth, from solutions with known errors."""

import h5py
import matplotlib.pyplot as plt
import numpy as np
import pytest

from galcen.astrometry.iterative import solve as solver
from galcen.errors import SchemaError
from galcen.io.comparison_schema import ALL, COMPARISON, TABLES
from galcen.io.hdf5 import open_product, read_columns
from galcen.stages import solve_iterative
from galcen.stages.report_solution import comparison_sections
from iterative_mock import compared, solved, write_survey


@pytest.fixture(scope="module")
def survey(tmp_path_factory):
    """Three orbits of 1,200 stars."""
    return write_survey(tmp_path_factory.mktemp("compared"), n=1200, seed=4)


def comparison(survey, folder, monkeypatch, **fake):
    """Tables and attributes of the comparison of a solution."""
    monkeypatch.setattr(solver, "solve", solved(survey, **fake))
    solve_iterative.run(survey.exposures, survey.catalogue, folder / "iterative.h5", survey.options())
    path = compared(survey, folder / "iterative.h5", folder / "comparison.h5")
    with open_product(path, COMPARISON) as file:
        return {table.name: read_columns(file, table) for table in TABLES}, dict(file.attrs), path


def test_a_right_solution_passes(survey, monkeypatch, tmp_path):
    """Pulls of unit width in every class, chi2, joint error, zero point, patterns; the camera to rounding."""
    tables, attributes, _ = comparison(survey, tmp_path, monkeypatch)
    motion = tables["quality_motion"]
    judged = motion["passes"] >= 0
    assert judged.sum() == 15
    assert (motion["passes"][judged] == 1).all()
    joint = tables["compared_joint"]
    assert (joint["passes"][joint["n"] > 0] == 1).all()
    present = joint["n"] > 0
    limit = 4 * np.sqrt(2 / (5 * joint["n"][present]))
    assert (joint["limit"][present] > limit).all()
    assert (joint["limit"][present] < 1.2 * limit).all()
    zero = tables["compared_zero"]
    assert (zero["passes"][zero["n"] > 0] == 1).all()
    power = tables["compared_power"]
    assert len(power["p"]) == 5 * 5
    assert (power["passes"] == 1).all()
    # Of 1,000 sources, ten patterns take the hundredth part of the power.
    whole = power["degree"] == ALL
    assert (power["rms"][whole] / power["expected"][whole] < 2).all()
    assert attributes["chi2_passes"] == "1"
    assert attributes["mean_parallax_passes"] == "1"
    assert tables["compared_camera"]["camera_um"].max() < 1e-7
    assert tables["compared_camera"]["orbit"].tolist() == [0, 1, 2]
    sources = tables["compared_sources"]
    number = np.bincount(sources["kind"], minlength=4)
    assert motion["n"][motion["parameter"] == 0].tolist() == number.tolist()


def test_errors_stated_too_small_fail(survey, monkeypatch, tmp_path):
    """True errors 1.3 times the stated ones: widths, joint errors and nothing of the camera."""
    tables, _, _ = comparison(survey, tmp_path, monkeypatch, scale=1.3)
    motion = tables["quality_motion"]
    others = (motion["kind"] == 1) & (motion["n"] > 0)
    assert (motion["passes"][others] == 0).all()
    assert (np.abs(motion["width"] / 1.3 - 1) < 4 / np.sqrt(2 * motion["n"].clip(1)))[others].all()
    joint = tables["compared_joint"]
    assert (joint["passes"][joint["kind"] == ALL] == 0).all()
    np.testing.assert_allclose(joint["joint"][joint["kind"] == ALL], 1.69, atol=4 * 1.69 * np.sqrt(0.4 / 500))


def test_a_shift_of_all_parallaxes_is_seen(survey, monkeypatch, tmp_path):
    """0.2 mas are ten errors of the zero point: mean, zero point and the constant pattern, no other."""
    tables, attributes, _ = comparison(survey, tmp_path, monkeypatch, shift=0.2)
    zero = tables["compared_zero"]
    whole = zero["kind"] == ALL
    np.testing.assert_allclose(zero["zero"][whole], 0.2, atol=0.05)
    assert zero["passes"][whole] == 0
    assert float(attributes["mean_parallax_zero"]) == pytest.approx(0.2, abs=0.05)
    assert attributes["mean_parallax_passes"] == "0"
    power = tables["compared_power"]
    failed = {
        (p, d) for p, d, v in zip(power["parameter"], power["degree"], power["passes"], strict=True) if not v
    }
    assert failed == {(2, 0), (2, ALL)}
    patterns = tables["compared_patterns"]
    constant = (patterns["parameter"] == 2) & (patterns["degree_x"] + patterns["degree_y"] == 0)
    np.testing.assert_allclose(patterns["amplitude"][constant], 0.2, atol=0.1)


def test_a_wrong_camera_is_measured(survey, monkeypatch, tmp_path):
    """A known error of one coefficient, rms over the field; shift and stretch do not count."""
    right = solved(survey)

    def bent(*arguments):
        result = right(*arguments)
        unit = result.state.unit.copy()
        unit[:, 4] += 0.3
        chip = result.state.chip + np.array([0, 5.0, -3.0, 0, 0])
        return result._replace(in_convention=result.state._replace(unit=unit, chip=chip))

    monkeypatch.setattr(solver, "solve", bent)
    solve_iterative.run(survey.exposures, survey.catalogue, tmp_path / "iterative.h5", survey.options())
    path = compared(survey, tmp_path / "iterative.h5", tmp_path / "comparison.h5")
    with h5py.File(path) as file:
        rms = file["compared_camera/camera_um"][...]
    # P_2(x) P_1(y) over the square has an rms of 1 / sqrt(15), of which stretches take a part.
    assert (rms > 0.5 * 0.3 / np.sqrt(15)).all()
    assert (rms < 1.2 * 0.3 / np.sqrt(15)).all()


def test_magnitudes_and_report(survey, monkeypatch, tmp_path):
    """Bins hold every source once; the report shows all of it and closes its figures."""
    tables, _, path = comparison(survey, tmp_path, monkeypatch)
    bins, sources = tables["compared_magnitudes"], tables["compared_sources"]
    for parameter in range(5):
        whole = (bins["kind"] == ALL) & (bins["parameter"] == parameter)
        assert bins["n"][whole].sum() == len(sources["hw"])
    mine = (bins["kind"] == 1) & (bins["parameter"] == 2)
    first = np.flatnonzero(mine)[0]
    inside = (sources["kind"] == 1) & (np.floor(2 * sources["hw"]) == 2 * bins["hw_low"][first])
    assert bins["error"][first] == np.median(sources["parallax_error"][inside])
    sections = comparison_sections(path)
    assert sum("<img" in section for section in sections) == 6
    assert sum("<table" in section for section in sections) == 3
    assert not plt.get_fignums()


def test_without_judged_sources_the_report_is_whole(survey, monkeypatch, tmp_path):
    """All held by their priors: empty tables, no error."""
    plain = solved(survey)

    def held(*arguments):
        result = plain(*arguments)
        return result._replace(is_held_by_prior=np.ones_like(result.is_held_by_prior))

    monkeypatch.setattr(solver, "solve", held)
    solve_iterative.run(survey.exposures, survey.catalogue, tmp_path / "iterative.h5", survey.options())
    path = compared(survey, tmp_path / "iterative.h5", tmp_path / "comparison.h5")
    assert len(comparison_sections(path)) == 9
    with h5py.File(path) as file:
        assert (file["quality_motion/passes"][...] == -1).all()


def test_a_missing_orbit_of_the_truth_is_named(survey, monkeypatch, tmp_path):
    """And what to give."""
    monkeypatch.setattr(solver, "solve", solved(survey))
    solve_iterative.run(survey.exposures, survey.catalogue, tmp_path / "iterative.h5", survey.options())
    with pytest.raises(SchemaError, match="no file of the truth has orbit 2; give those of all blocks"):
        compared(
            survey._replace(injected=survey.injected[:1]),
            tmp_path / "iterative.h5",
            tmp_path / "comparison.h5",
        )
    assert not (tmp_path / "comparison.h5").exists()
