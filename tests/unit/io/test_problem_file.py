"""Problem files: what is read of them, by whom, and what is refused."""

import h5py
import numpy as np
import pytest

from galcen.errors import SchemaError
from galcen.io.problem_answer import write_problem_answer
from galcen.io.problem_file import read_problem_file
from problem_mock import N_EXPOSURE, N_SOURCE, write_problem


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "problem.h5"
    write_problem(path)
    return path


def _columns(path):
    with h5py.File(path) as file:
        return {name: values[...] for name, values in file["observations"].items()}


def test_measurements_are_sorted_by_orbit_and_exposure(path):
    """Orbits by number, exposures and the measurements within them as in the file; the rows are kept."""
    problem, file = read_problem_file(path), _columns(path)
    assert [orbit.number for orbit in problem.orbits] == [3, 5, 7]
    assert problem.n_obs == len(file["source"])
    seen = []
    for orbit, members in zip(problem.orbits, ([1, 4], [2, 5], [0, 3]), strict=True):
        assert orbit.exposures.tolist() == members
        for k, exposure in enumerate(members):
            rows = orbit.rows[orbit.offset[k] : orbit.offset[k + 1]]
            np.testing.assert_array_equal(rows, np.flatnonzero(file["exposure"] == exposure))
            seen.extend(rows)
        np.testing.assert_array_equal(orbit.source, file["source"][orbit.rows])
        np.testing.assert_array_equal(orbit.chip, file["chip"][orbit.rows])
        np.testing.assert_array_equal(orbit.pixel[1], file["ny_pix"][orbit.rows])
        assert (orbit.sigma == 0.01).all()
    assert sorted(seen) == list(range(problem.n_obs))


def test_a_share_has_its_own_measurements_only(path):
    """Those that it has in the whole; a share may be empty."""
    everything = read_problem_file(path)
    seen = []

    def middle(n_obs):
        seen.append(n_obs.tolist())
        return range(1, 2)

    (orbit,) = read_problem_file(path, middle).orbits
    assert seen == [[len(one.rows) for one in everything.orbits]]
    for own, whole in zip(orbit, everything.orbits[1], strict=True):
        np.testing.assert_array_equal(own, whole)
    nothing = read_problem_file(path, lambda _: range(3, 3))
    assert nothing.orbits == ()
    assert len(nothing.exposures["t_yr"]) == N_EXPOSURE


@pytest.mark.parametrize("names", [("sigma_pix",), ("sigma_x", "sigma_y")])
def test_errors_may_differ_between_measurements(path, names):
    """One column for both axes, or one for each; it goes before the attribute."""
    sigma = np.random.default_rng(2).uniform(0.01, 0.02, (len(names), len(_columns(path)["source"])))
    with h5py.File(path, "a") as file:
        for name, values in zip(names, sigma, strict=True):
            file[f"observations/{name}"] = values
    for orbit in read_problem_file(path).orbits:
        np.testing.assert_array_equal(orbit.sigma, np.broadcast_to(sigma[:, orbit.rows], orbit.sigma.shape))


def test_an_exposure_of_few_stars_is_named(path):
    """It is kept: its prior ties it."""
    with h5py.File(path, "a") as file:
        exposure = file["observations/exposure"][...]
        keep = np.flatnonzero((exposure != 2) | (np.cumsum(exposure == 2) <= 2))
        for name, values in _columns(path).items():
            del file[f"observations/{name}"]
            file[f"observations/{name}"] = values[keep]
    problem = read_problem_file(path)
    assert problem.sparse.tolist() == [2]
    assert problem.n_obs == len(keep)


def _set(name, value, row=4):
    def change(file):
        file[name][row] = value

    return change


def _replace(name, values):
    def change(file):
        del file[name]
        if values is not None:
            file[name] = values

    return change


def _twice(file):
    """Source 1 is not in exposure 3 by itself."""
    file["observations/exposure"][:2] = 3
    file["observations/source"][:2] = 1


FAULTS = {
    r"no dataset sources/rv_km_s, expected one of shape \(12,\)": _replace("sources/rv_km_s", None),
    r"no dataset priors/detector_sigma, expected one of shape \(5,\)": _replace(
        "priors/detector_sigma", None
    ),
    r"exposures/beta: shape \(6, 2\), expected \(6, 3\)": _replace("exposures/beta", np.ones((6, 2))),
    r"sources/prior_mean: shape \(11, 5\), expected \(12, 5\)": _replace(
        "sources/prior_mean", np.ones((11, 5))
    ),
    r"priors/distortion_sigma_um: shape \(2,\), expected \(\)": _replace(
        "priors/distortion_sigma_um", np.ones(2)
    ),
    r"observations/ny_pix: shape \(3,\), expected \(": _replace("observations/ny_pix", np.ones(3)),
    r"observations/source: type float64, expected integers": _replace("observations/source", np.ones(54)),
    r"exposures/t_yr: type object, expected numbers": _replace("exposures/t_yr", ["a"] * 6),
    r"observations/nx_pix, row 4: nan, expected a finite number \(1 such\)": _set(
        "observations/nx_pix", np.nan
    ),
    r"exposures/b_au, row 4, column 0: inf, expected a finite": _set("exposures/b_au", np.inf),
    r"sources/prior_sigma, row 4, column 0: 0.0, expected a finite number above 0": _set(
        "sources/prior_sigma", 0.0
    ),
    r"priors/detector_sigma, row 4: -1.0, expected a finite number above 0": _set(
        "priors/detector_sigma", -1
    ),
    r"sources/dec_deg, row 4: 266.0, expected a finite number from -90 to 90": _set("sources/dec_deg", 266.0),
    r"exposures/sun_to_observer, row 4: length 0.5": _set("exposures/sun_to_observer", [0.5, 0, 0]),
    r"observations/source, row 4: 12, but sources has rows 0 to 11 \(1 such\)": _set(
        "observations/source", N_SOURCE
    ),
    r"observations/exposure, row 4: 6, but exposures has rows 0 to 5": _set("observations/exposure", 6),
    r"observations/chip, row 4: 4, but priors/chip_centre_um has rows 0 to 3": _set("observations/chip", 4),
    r"observations/source, row 4: -1, expected an integer above -1": _set("observations/source", -1),
    r"observations, rows 0 and 1: source 1 is twice in exposure 3 \(1 such\)": _twice,
    r"attribute sigma_pix is 0.0, expected a number above 0": lambda file: file.attrs.update(sigma_pix=0.0),
    r"attribute F_um is long, expected": lambda file: file.attrs.update(F_um="long"),
    r"no attribute L_um; docs": lambda file: file.attrs.__delitem__("L_um"),
}


@pytest.mark.parametrize("message", FAULTS)
def test_faults_are_named(path, message):
    """File, dataset, row, what was found and expected, in one line."""
    with h5py.File(path, "a") as file:
        FAULTS[message](file)
    with pytest.raises(SchemaError, match=message) as caught:
        read_problem_file(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("part", [0.0, 0.3, 0.99])
def test_a_truncated_or_missing_file_is_refused(path, part):
    content = path.read_bytes()
    path.write_bytes(content[: int(part * len(content))])
    with pytest.raises(SchemaError, match=r"problem\.h5: no HDF5 file, or a truncated one"):
        read_problem_file(path)
    path.unlink()
    with pytest.raises(SchemaError, match="no such file"):
        read_problem_file(path)


def test_the_answer_has_the_layout_of_the_problem(path, tmp_path):
    """Data as they were, without the truth; it may be read as a problem again, and answered again."""
    n_obs, predicted = len(_columns(path)["source"]), np.arange(2.0 * len(_columns(path)["source"]))
    predicted = predicted.reshape(2, n_obs)
    solution = {"s": np.ones((N_SOURCE, 5)), "mean_parallax": 0.25}
    first, second = tmp_path / "first.h5", tmp_path / "second.h5"
    write_problem_answer(first, path, solution, predicted - 1, {"chi2_data": 3.0, "stage": "first"})
    write_problem_answer(second, first, solution, predicted, {"chi2_data": 4.0, "stage": "second"})
    with h5py.File(second) as file:
        assert sorted(file) == ["exposures", "observations", "priors", "solution", "sources"]
        assert (file.attrs["chi2_data"], file.attrs["stage"], file.attrs["F_um"]) == (
            4.0,
            "second",
            4370400.0,
        )
        np.testing.assert_array_equal(file["observations/ny_fit_pix"], predicted[1])
        np.testing.assert_array_equal(file["solution/s"], solution["s"])
        assert file["solution/mean_parallax"][()] == 0.25
        assert file["exposures/field"].shape == (N_EXPOSURE,)
    again, before = read_problem_file(second), read_problem_file(path)
    for one, other in zip(again.orbits, before.orbits, strict=True):
        np.testing.assert_array_equal(one.pixel, other.pixel)
