"""Each model of the calibration finds what was put in, and its lack shows in chi2."""

import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from galcen.astrometry.iterative.calibration import CalibrationModel
from galcen.astrometry.iterative.options import Alone, Options
from galcen.astrometry.iterative.solve import solve
from galcen.astrometry.iterative.system import linearise, no_noise
from galcen.mapping.distortion import Distortion, basis
from global_mock import global_mock, pulls, reduced_matrix, zero

ALONE = Alone()
PLAIN = Options(robust=False)
N_SRC = 300
ORDER = Distortion(order=3)


def bump(p, q):
    """A dent of the mirror: a function of the place on the focal plane [um]."""
    return jnp.exp(-((p - 6000.0) ** 2 + (q + 4000.0) ** 2) / (2 * 7000.0**2))


MODELS = {
    "orbit": (CalibrationModel(share="orbit"), ORDER, lambda k: k),
    "season": (CalibrationModel(share="season", drift=True), ORDER, lambda k: k // 5),
    "chromatic": (CalibrationModel(chromatic=True), ORDER, None),
    "bump": (CalibrationModel(), Distortion(order=3, extra=(bump,)), None),
    "order 2": (CalibrationModel(), Distortion(order=2), None),
    "order 7": (CalibrationModel(), Distortion(order=7), None),
}


@pytest.fixture(scope="module", params=MODELS)
def case(request):
    """Name, mock, solution, and covariance of the calibration."""
    calibration, distortion, unit = MODELS[request.param]
    mock = global_mock(10, 8, N_SRC, calibration=calibration, distortion=distortion, unit=unit)
    solved = solve(mock.problem, PLAIN)
    problem, _, weight = zero(mock.problem)
    system = linearise(problem, solved.state, weight, no_noise(problem), ALONE).system
    matrix, size = reduced_matrix(system, ALONE)
    covariance = np.linalg.inv(matrix) * size * size[:, None]
    return request.param, mock, solved, covariance[5 * N_SRC :, 5 * N_SRC :]


def fields(problem):
    """From the coefficients of a unit to shifts over the focal plane without their linear parts."""
    line = np.linspace(-20000.0, 20000.0, 12)
    p, q = (at.ravel() for at in np.meshgrid(line, line))
    terms = np.stack(basis(problem.camera.optics.distortion, p, q), axis=1)
    linear = np.column_stack([np.ones_like(p), p, q])
    terms = terms - linear @ np.linalg.lstsq(linear, terms, rcond=None)[0]
    return np.kron(np.eye(problem.n_unit_unknown // terms.shape[1]), terms)


def test_shifts_over_the_focal_plane_are_found(case):
    """What was put in, within the errors: the linear part is the attitude's and the chips'.

    Sums of squares by the covariance have a mean of the number of unknowns.
    """
    _, mock, solved, covariance = case
    problem = mock.problem
    field, n = fields(problem), problem.n_unit_unknown
    assert np.linalg.matrix_rank(field) == n
    off = (solved.state.unit - mock.truth.unit).ravel()
    # The fields follow from the coefficients one to one, so that their sum of squares is that of these.
    own = covariance[: len(off), : len(off)]
    assert abs(off @ np.linalg.solve(own, off) / len(off) - 1) < 4 * np.sqrt(2 / len(off))
    found, put_in = (field @ state.unit.T for state in (solved.state, mock.truth))
    assert np.sqrt(((found - put_in) ** 2).mean()) < 0.2 * np.sqrt((put_in**2).mean())


def test_chromatic_shifts_are_found(case):
    """Pulls of the shifts per magnitude; a shift common to all chips is theirs alone as well."""
    name, mock, solved, covariance = case
    if name != "chromatic":
        assert solved.state.chip.shape == (4, 5)
        return
    rows = np.arange(4 * 7).reshape(4, 7)[:, 5:] + mock.problem.n_unit_unknown
    off = (solved.state.chip - mock.truth.chip)[:, 5:].ravel()
    own = covariance[np.ix_(rows.ravel(), rows.ravel())]
    assert abs(off @ np.linalg.solve(own, off) / len(off) - 1) < 4 * np.sqrt(2 / len(off))
    assert np.abs(off).max() < 0.2 * np.abs(mock.truth.chip[:, 5:]).max()


def test_residuals_are_noise(case):
    _, mock, solved, _ = case
    assert abs(solved.chi2 / solved.dof - 1) < 4 * np.sqrt(2 / solved.dof)
    width = pulls(solved, mock.truth).std()
    assert abs(width - 1) < 0.1


def test_the_lack_of_a_term_shows(case):
    """One distortion of third order for all: chi2 is off by hundreds of its standard deviations."""
    name, mock, _, _ = case
    if name == "order 2":
        assert mock.problem.n_unit_unknown == 6
        return
    problem = mock.problem
    optics = problem.camera.optics._replace(distortion=ORDER)
    orbits = tuple(orbit._replace(unit=0, drift=np.zeros(orbit.n_exp)) for orbit in problem.orbits)
    poor = problem._replace(
        camera=problem.camera._replace(optics=optics),
        calibration=CalibrationModel(),
        n_unit=1,
        prior=problem.prior._replace(chip=problem.prior.chip[:5]),
        orbits=orbits,
    )
    found = solve(poor, PLAIN)
    assert found.chi2 / found.dof > 1 + 20 * np.sqrt(2 / found.dof)


def test_the_page_on_the_model_runs():
    """Its example makes a camera with one more term, which has a value and a slope over the whole plane."""
    page = (Path(__file__).parents[4] / "docs" / "solver_model.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    names: dict = {}
    exec(compile(example, "docs/solver_model.md", "exec"), names)
    camera = names["camera"](global_mock(1, 1, N_SRC).problem.camera.chips)
    distortion = camera.optics.distortion
    assert distortion.n_term == Distortion(order=5).n_term + 1
    line = jnp.linspace(-20000.0, 20000.0, 9)
    p, q = (at.ravel() for at in jnp.meshgrid(line, line))
    slope = jax.vmap(jax.grad(distortion.extra[0], argnums=(0, 1)))(p, q)
    assert np.isfinite(np.stack(slope)).all()
    np.testing.assert_allclose(basis(distortion, p, q)[-1], names["ring"](p, q))
