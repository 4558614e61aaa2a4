"""The problem that the solver is given says the same as the file."""

import h5py
import jax.numpy as jnp
import numpy as np

from galcen.astrometry.iterative.problem import start
from galcen.io.problem_file import read_problem_file
from galcen.mapping.detector import ChipOffsets, affine, moved
from galcen.mapping.distortion import Coefficients
from galcen.mapping.forward import FocalLength, focal_plane, nominal_plane, pixel
from galcen.mapping.forward import Source as FixedSource
from galcen.mapping.frames import Attitude
from galcen.mapping.source_motion import Offsets, triad
from galcen.stages.problem_orbits import problem_of
from problem_mock import write_problem
from reference import reference_file


def test_predictions_of_the_reference_are_found_again():
    """At the solution that comes with it, to 1e-6 pixel: units, signs and orders are understood."""
    path = reference_file("reference/global_problem.h5")
    problem = problem_of(read_problem_file(path))
    with h5py.File(path) as file:
        solution = {name: values[...] for name, values in file["solution"].items()}
        predicted = np.stack([file[f"observations/{name}_fit_pix"][...] for name in ("nx", "ny")])
    file, sources = read_problem_file(path), problem.sources
    coefficients = Coefficients(*(jnp.asarray(solution[name]) for name in ("A_um", "B_um")))
    chips = affine(moved(problem.camera.chips, ChipOffsets(*jnp.asarray(solution["detector"]).T)))
    for orbit, members in zip(problem.orbits, file.orbits, strict=True):
        exposure = np.repeat(np.arange(orbit.n_exp), np.diff(orbit.offset))
        unknowns = jnp.asarray(solution["attitude_scale"][members.exposures][exposure].T)
        observer, axes = (_rows(table, exposure) for table in orbit.exposures)
        fixed = FixedSource(
            triad(sources.ra[orbit.source], sources.dec[orbit.source]),
            sources.radial_velocity[orbit.source],
        )
        plane = nominal_plane(Offsets(*solution["s"][orbit.source].T), fixed, observer, axes)
        scale = FocalLength(problem.camera.focal_length_um, *unknowns[3:])
        ideal = focal_plane("gnomonic", *plane, Attitude(*unknowns[:3]), scale)
        chip = type(chips)(*(values[orbit.chip] for values in chips))
        got = pixel(problem.camera.optics.distortion, ideal, coefficients, chip)
        np.testing.assert_allclose(np.stack(got), predicted[:, members.rows], rtol=0, atol=1e-6)


def _rows(table, exposure):
    if isinstance(table, np.ndarray):
        return table[exposure, 0]
    return type(table)(*(_rows(values, exposure) for values in table))


def test_the_parts_have_the_shapes_of_the_contract(tmp_path):
    """Exposures (n_exp, 1), float64; a rank without orbits still has sources, camera and priors."""
    write_problem(tmp_path / "problem.h5")
    problem = problem_of(read_problem_file(tmp_path / "problem.h5"))
    for orbit in problem.orbits:
        for values in (*orbit.exposures.observer.b, *orbit.exposures.axes.z, orbit.exposures.observer.t):
            assert values.shape == (2, 1)
            assert values.dtype == np.float64
        assert orbit.sigma.shape == orbit.pixel.shape == (2, len(orbit.source))
    assert problem.camera.n_chip == 4
    assert problem.n_unit_unknown == 36
    assert np.isinf(problem.prior.exposure[3])
    empty = problem_of(read_problem_file(tmp_path / "problem.h5", lambda _: range(0)))
    assert start(empty).exposure == ()
    np.testing.assert_array_equal(empty.sources.covariance, problem.sources.covariance)
    assert problem_of(read_problem_file(tmp_path / "problem.h5"), 3).n_unit_unknown == 14
