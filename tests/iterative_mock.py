"""A small survey in files, and a solution of it with known errors in place of a solver's."""

from typing import NamedTuple

import numpy as np

from exposure_mock import T0, observed, plan_columns, star_columns
from galcen import config
from galcen.astrometry.iterative.problem import start
from galcen.astrometry.iterative.result import Iteration, Result
from galcen.io.exposures import create_orbits, write_orbit, write_truth
from galcen.io.exposures_schema import EXPOSURES, INJECTED
from galcen.io.hdf5 import write_table
from galcen.io.stars_schema import INPUT_CATALOGUE, SURVEY_STARS
from galcen.mapping.catalogue_covariance import CORRELATIONS, ERRORS
from galcen.mapping.space_motion import displaced, offsets
from galcen.stages import compare, expose

BLOCKS = {"o00000-00001": (0, 1), "o00002-00002": (2,)}
REFERENCE_ERRORS = np.array([0.3, 0.3, 0.2, 0.1, 0.1])
WIDE_ERRORS = np.array([100.0, 100.0, 20.0, 50.0, 50.0])
DATA_ERRORS = np.array([0.4, 0.4, 0.5, 0.6, 0.6])


class MockSurvey(NamedTuple):
    """Files of three orbits, and the truth behind them."""

    exposures: list
    injected: list
    catalogue: object
    stars: object
    truth: dict
    known: dict
    observed: dict

    def options(self, **solver):
        """Options of the stage."""
        return {"seed": 3, "solver": solver, "survey": {"plan": {"epoch": T0}}}


def write_survey(folder, n=600, seed=1, **camera):
    """Half of the stars are references, one in ten artificial, without colour; `camera` is the true one."""
    rng = np.random.default_rng(seed)
    truth = star_columns(n, seed)
    part = np.arange(n) / n
    is_reference, is_artificial = part < 0.5, part >= 0.9
    truth["parallax"][:3], truth["pmra"][:3] = 1.0, 5.0
    for name in ("parallax", "pmra", "pmdec", "radial_velocity"):
        truth[name][is_artificial] = 0.0
    truth["colour"][is_artificial] = np.nan
    kinds = {"is_reference": is_reference.astype(np.int8), "is_artificial": is_artificial.astype(np.int8)}
    stars = folder / "stars.h5"
    full = truth | kinds | {"is_wrong": np.zeros(n, dtype=np.int8)}
    write_table(stars, SURVEY_STARS, full, {"t0": repr(T0)})
    known = _catalogue(truth, kinds, rng)
    catalogue = folder / "catalogue.h5"
    shuffled = rng.permutation(n)
    write_table(catalogue, INPUT_CATALOGUE, {name: values[shuffled] for name, values in known.items()}, {})
    plan = plan_columns(n_orbit=3)
    seen = observed(plan, truth, {"losses": {"bright": 0, "faint": 30}, "camera": camera})
    camera = expose.survey_of(config.parse({}), T0).camera
    exposures, injected = [], []
    for block, orbits in BLOCKS.items():
        paths = folder / f"exposures_{block}.h5", folder / f"injected_{block}.h5"
        with (
            create_orbits(paths[0], EXPOSURES, orbits, camera, {}) as file,
            create_orbits(paths[1], INJECTED, orbits, camera, {}) as hidden,
        ):
            for orbit in orbits:
                write_orbit(file, orbit, seen[orbit][0])
                write_truth(hidden, orbit, seen[orbit][1])
        exposures.append(paths[0])
        injected.append(paths[1])
    return MockSurvey(exposures, injected, catalogue, stars, full, known, seen)


def _catalogue(truth, kinds, rng):
    """What is known: references within their errors, the others within wide ones, artificial sources at 0."""
    n = len(truth["ra"])
    error = np.where(kinds["is_reference"][:, None] > 0, REFERENCE_ERRORS, WIDE_ERRORS)
    step = error * rng.normal(size=(n, 5))
    is_reference = kinds["is_reference"] > 0
    ra, dec = displaced(truth["ra"], truth["dec"], *step[:, :2].T)
    moving = {
        name: np.where(is_reference, truth[name] + step[:, 2 + k], 0.0)
        for k, name in enumerate(("parallax", "pmra", "pmdec"))
    }
    return {
        "source_id": truth["source_id"],
        "ra": ra,
        "dec": dec,
        **moving,
        "radial_velocity": truth["radial_velocity"],
        "ref_epoch": np.full(n, T0),
        **dict(zip(ERRORS, error.T, strict=True)),
        **dict.fromkeys(CORRELATIONS, np.zeros(n)),
        "hw": truth["hw"],
        "colour": truth["colour"],
        "ruwe": np.ones(n),
        **kinds,
    }


def true_offsets(survey):
    """Of the sources by identifier, about their comparison directions."""
    known, truth = survey.known, survey.truth
    a, d = offsets(truth["ra"], truth["dec"], known["ra"], known["dec"])
    return np.stack([a, d, truth["parallax"], truth["pmra"], truth["pmdec"]], axis=-1)


def solved(survey, scale=1.0, shift=0.0, seed=8):
    """A solver that knows the truth: measurements with errors of `DATA_ERRORS`, correlated, and the priors.

    `scale` multiplies the true errors and not the stated ones; `shift` is added to all parallaxes.
    """

    def solve(problem, options, ranks, hooks):
        rng = np.random.default_rng(seed)
        n = len(problem.sources.ra)
        factor = np.linalg.cholesky(0.3 + 0.7 * np.eye(5)) * DATA_ERRORS[:, None]
        data = np.linalg.inv(factor @ factor.T)
        prior = np.linalg.inv(problem.sources.covariance)
        covariance = np.linalg.inv(prior + data)
        true = true_offsets(survey)
        # Data about the truth, and the catalogue's own values: together they are the posterior.
        measured = true + rng.normal(size=(n, 5)) @ factor.T
        right = np.einsum("ij,nj->ni", data, measured)
        right += np.einsum("nij,nj->ni", prior, problem.sources.mean)
        estimate = np.einsum("nij,nj->ni", covariance, right)
        estimate = true + scale * (estimate - true)
        estimate[:, 2] += shift
        counts = sum(np.bincount(orbit.source, minlength=n) for orbit in problem.orbits)
        counts = ranks.sum(counts.astype(float)).astype(int)
        injected = survey.observed[0][1]
        state = start(problem)
        unit = state.unit.copy()
        unit[:, : 2 * len(injected.a)] = np.concatenate([injected.a, injected.b])
        chips = np.stack([injected.chips[name] for name in ("rotation", "x", "y", "pixel_x", "pixel_y")], -1)
        state = state._replace(source=estimate, unit=unit, chip=chips)
        residual = tuple(orbit.sigma * rng.normal(size=orbit.pixel.shape) for orbit in problem.orbits)
        n_obs = int(counts.sum())
        step = Iteration(0, 2.0 * n_obs, n_obs, 3.0, 0.5, 12, 1e-9, 0.2, 0.4)
        return Result(
            state=state,
            in_convention=state,
            history=(step, step._replace(number=1, largest_step=1e-5, median_step=1e-7)),
            covariance=covariance,
            is_marginal=False,
            draws=np.zeros((0, n, 5)),
            residual=residual,
            weight=tuple(np.ones(orbit.pixel.shape[1]) for orbit in problem.orbits),
            chi2=2.0 * n_obs,
            dof=2.0 * n_obs,
            n_obs=counts,
            n_bad=np.zeros(n, dtype=int),
            is_held_by_prior=counts < 3,
            mean_parallax=float(estimate[:, 2].mean()),
            mean_parallax_error=float(np.sqrt(covariance[:, 2, 2].sum()) / n),
            patterns=None,
            source_noise=np.zeros(n),
            exposure_noise=tuple(np.zeros(orbit.n_exp) for orbit in problem.orbits),
        )

    return solve


def compared(survey, solution, output):
    """The comparison of a solution; the path of the product."""
    files = compare.Files(solution, survey.stars, survey.catalogue, survey.injected)
    compare.run(files, output, {"version": 1})
    return output
