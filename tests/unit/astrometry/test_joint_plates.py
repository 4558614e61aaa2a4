"""Joint solution of plates: exactness, injected truth, outliers, excess noise, invariances."""

import numpy as np
import pytest
from scipy import linalg, stats

from galcen.astrometry import plate_start
from galcen.astrometry.joint_normals import Normals, plate_jacobian, star_jacobian
from galcen.astrometry.joint_plates import PlateData, SolverOptions, Unknowns, linearise, solvable, solve
from galcen.astrometry.plate_frame import constraints
from galcen.errors import ConvergenceError, SchemaError
from joint_plates_mock import SCALE, T0, frame, make, start

PLAIN = SolverOptions(is_robust=False, has_excess_noise=False)


def pulls(mock, options, **held):
    """Solution and normalised errors of all stars."""
    got = solve(mock.data, start(mock), frame(mock, **held), options)
    return got, (got.unknowns.star - mock.star) / np.sqrt(np.einsum("nii->ni", got.covariance))


@pytest.mark.parametrize("by_plate", [True, False])
@pytest.mark.parametrize("motion", [True, False])
def test_step_and_covariance_are_those_of_dense_least_squares(by_plate, motion):
    """One step and all covariances equal scipy's dense solution in the constraints' null space, to 1e-9.

    Relative to sigma and to the variances; with weights of 1e-4 to 1 among the observations.
    """
    mock = make(1, n_star=40, n_exp=5, motion=motion)
    held, at = frame(mock, by_plate=by_plate), start(mock)
    line = linearise(mock.data, at, held, 2)
    weight = np.random.default_rng(4).uniform(1e-4, 1, mock.data.sigma.shape) / mock.data.sigma**2
    conditions = constraints(held, at.star, at.plate)
    normals = Normals(line.design, weight, conditions)
    by_star, by_plate_terms = normals.solve(line.residual, conditions.value)

    root = np.sqrt(weight.ravel())
    columns = [star_jacobian(line.design).toarray(), plate_jacobian(line.design).toarray()]
    matrix = np.hstack(columns) * root[:, None]
    bound = np.hstack([conditions.star.toarray(), conditions.plate.toarray()])
    # Columns of one size: the null space is then as good as the numbers allow.
    size = 1 / np.linalg.norm(matrix, axis=0)
    matrix, bound = matrix * size, bound * size
    bound_size = 1 / np.linalg.norm(bound, axis=1)
    free = linalg.null_space(bound * bound_size[:, None])
    particular = linalg.lstsq(bound * bound_size[:, None], conditions.value * bound_size)[0]
    rest = root * line.residual.ravel() - matrix @ particular
    expected = size * (particular + free @ linalg.lstsq(matrix @ free, rest)[0])
    covariance = free @ linalg.inv(free.T @ (matrix.T @ matrix) @ free) @ free.T * size * size[:, None]

    n = by_star.size
    sigma = np.sqrt(np.maximum(np.diag(covariance), 0))
    assert (np.abs(by_star.ravel() - expected[:n]) / sigma[:n]).max() < 1e-9
    got_plate, known = by_plate_terms.ravel(), sigma[n:] > 1e-12
    assert (np.abs(got_plate - expected[n:])[known] / sigma[n:][known]).max() < 1e-9
    scale = 1 / sigma[:n]
    np.testing.assert_allclose(
        normals.joint_covariance() * scale * scale[:, None],
        covariance[:n, :n] * scale * scale[:, None],
        atol=1e-9,
    )
    n_par = at.star.shape[1]
    blocks = normals.joint_covariance().reshape(len(at.star), n_par, len(at.star), n_par)
    np.testing.assert_allclose(
        normals.star_covariance(), blocks[np.arange(len(at.star)), :, np.arange(len(at.star))], rtol=1e-9
    )
    jacobian = np.hstack(columns)
    np.testing.assert_allclose(
        normals.predicted_variance().ravel(),
        np.einsum("ij,jk,ik->i", jacobian, covariance, jacobian),
        rtol=1e-8,
    )


def test_derivatives_are_those_of_the_residuals():
    """By stars and plates, against central differences, to 1e-7 of the largest."""
    mock = make(2, n_star=30, n_exp=4)
    held, at = frame(mock), start(mock)
    design = linearise(mock.data, at, held, 2).design
    whole = np.hstack([star_jacobian(design).toarray(), plate_jacobian(design).toarray()])
    sizes = np.concatenate([np.ones(at.star.size), np.full(at.plate.size, 1e-3)])
    flat = np.concatenate([at.star.ravel(), at.plate.ravel()])

    def residual(values):
        parts = np.split(values, [at.star.size])
        unknowns = Unknowns(parts[0].reshape(at.star.shape), parts[1].reshape(at.plate.shape))
        return linearise(mock.data, unknowns, held, 2).residual.ravel()

    for column in np.random.default_rng(1).choice(len(flat), 30, replace=False):
        step = sizes[column] * np.eye(len(flat))[column]
        expected = -(residual(flat + step) - residual(flat - step)) / (2 * sizes[column])
        np.testing.assert_allclose(whole[:, column], expected, atol=1e-7 * np.abs(expected).max())


def test_truth_comes_back_from_plates_without_noise():
    """Positions to 1e-6 mas, motions to 1e-6 mas/yr, from a start 20 mas off and stars at rest."""
    mock = make(3, sigma=1e-9)
    data = mock.data._replace(sigma=np.full_like(mock.data.sigma, 0.01))
    got = solve(data, start(mock), frame(mock), PLAIN)
    np.testing.assert_allclose(got.unknowns.star, mock.star, atol=1e-6)


def test_pulls_of_positions_and_motions_are_normal():
    """Over 10 fields of 120 stars: width 1 within 4 standard errors, mean 0, Kolmogorov p above 1e-3.

    chi2/dof within 4 standard errors of one, and so is e^T C^-1 e over its rank.
    """
    found, chi2, dof, joint = [], 0.0, 0.0, []
    for seed in range(10):
        mock = make(seed)
        got, some = pulls(mock, PLAIN)
        found.append(some)
        chi2, dof = chi2 + got.chi2.sum(), dof + got.dof.sum()
        error = (got.unknowns.star - mock.star).ravel()
        scale = 1 / np.sqrt(np.diag(got.joint_covariance()))
        values, vectors = np.linalg.eigh(got.joint_covariance() * scale * scale[:, None])
        kept = values > 1e-8
        assert kept.sum() == mock.star.size - got.spectrum.n_constraint
        joint.append((((error * scale) @ vectors)[kept] ** 2 / values[kept]).mean())
    whole = np.concatenate(found)
    for column in whole.T:
        assert abs(column.mean()) < 4 / np.sqrt(len(column))
        assert column.std() == pytest.approx(1, abs=4 / np.sqrt(2 * len(column)))
        assert stats.kstest(column, "norm").pvalue > 1e-3
    assert chi2 / dof == pytest.approx(1, abs=4 * np.sqrt(2 / dof))
    assert np.mean(joint) == pytest.approx(1, abs=4 * np.sqrt(2 / whole.size))


def test_robust_weights_cost_little_where_there_are_no_outliers():
    """Pulls of robust solutions of clean plates: width 1 within 4 standard errors."""
    whole = np.concatenate([pulls(make(seed), SolverOptions(has_excess_noise=False))[1] for seed in range(8)])
    np.testing.assert_allclose(whole.std(axis=0), 1, atol=4 / np.sqrt(2 * len(whole)))


def test_one_per_cent_of_outliers_does_no_harm():
    """1 % of observations off by 50 sigma: width of pulls below 1.05, none above 6; 40 without weights."""
    options = SolverOptions(has_excess_noise=False)
    whole = []
    for seed in range(8):
        mock = make(seed, outliers=0.01)
        got, some = pulls(mock, options)
        whole.append(some)
        far = mock.is_outlier & (got.z > 20)
        assert got.is_bad[far].all()
        assert (got.is_bad & ~mock.is_outlier).sum() <= 2
    whole = np.concatenate(whole)
    assert whole.std() < 1.05
    assert np.abs(whole).max() < 6
    assert np.abs(pulls(make(0, outliers=0.01), PLAIN)[1]).max() > 40


def test_excess_noise_is_found():
    """Each exposure's noise, with outliers too: median within 5 % of the injected, pulls within 1.1.

    chi2 is its redundancy to 1e-3 in every exposure: that is how the noise is defined.
    """
    ratio, whole = [], []
    for seed in range(6):
        mock = make(seed, excess=0.04, outliers=0.01, n_star=200)
        got, some = pulls(mock, SolverOptions())
        whole.append(some)
        ratio.append(got.excess_noise / mock.noise)
        np.testing.assert_allclose(got.chi2, got.dof, rtol=1e-3)
    assert np.median(ratio) == pytest.approx(1, abs=0.05)
    # That of the first and last epoch, which the motions absorb, is known badly.
    assert np.percentile(np.abs(np.array(ratio) - 1), 90) < 0.25
    assert 0.95 < np.concatenate(whole).std() < 1.1


def test_noise_is_nought_where_errors_are_overstated():
    """Errors stated twice as large as they are: no excess, chi2/dof a quarter."""
    mock = make(5)
    data = mock.data._replace(sigma=2 * mock.data.sigma)
    got = solve(data, start(mock), frame(mock), SolverOptions(is_robust=False))
    assert (got.excess_noise == 0).all()
    assert got.chi2.sum() / got.dof.sum() == pytest.approx(0.25, rel=0.15)


def test_rank_is_what_theory_says():
    """Exactly free: shifts and linear terms of positions, shifts of motions (8); 24 are held.

    What is held beyond these 8 is determined a thousand times worse than what is not.
    """
    got, _ = pulls(make(6), PLAIN)
    assert got.spectrum.n_plate - got.spectrum.rank == 8
    assert got.spectrum.n_constraint == 24
    assert got.spectrum.strongest_fixed < 1e-3 * got.spectrum.weakest_kept


def test_frames_differ_by_a_polynomial_alone():
    """Residuals of two frames agree to 2e-3 sigma; positions differ by a polynomial, to 1e-2 mas of 50.

    Nearly free is not free: products of two distortions, 1e-3 each, remain.
    """
    mock = make(7)
    one, two = (solve(mock.data, start(mock), frame(mock, by_plate=b), PLAIN) for b in (True, False))
    sigma = mock.data.sigma
    assert (np.abs(one.residual - two.residual) / sigma).max() < 2e-3
    difference = (one.unknowns.star - two.unknowns.star)[:, :2]
    terms = frame(mock).motion.terms
    left = difference - terms @ np.linalg.lstsq(terms, difference, rcond=None)[0]
    assert np.abs(left).max() < 1e-2


def test_order_of_stars_exposures_and_rows_does_not_matter():
    """Permuted input, weights and noise on: stars and residuals agree to 1e-6 sigma."""
    mock = make(8, excess=0.02, outliers=0.01)
    options = SolverOptions(tolerance=1e-8, max_outer=400)
    one = solve(mock.data, start(mock), frame(mock), options)
    rng = np.random.default_rng(1)
    row = rng.permutation(len(mock.data.star))
    star, exposure = rng.permutation(len(mock.star)), rng.permutation(len(mock.data.epoch))
    data = PlateData(
        np.argsort(star)[mock.data.star[row]],
        np.argsort(exposure)[mock.data.exposure[row]],
        mock.data.position[row],
        mock.data.sigma[row],
        mock.data.epoch[exposure],
    )
    other = mock._replace(data=data, star=mock.star[star], plate=mock.plate[exposure])
    first = start(mock)
    two = solve(data, Unknowns(first.star[star], first.plate[exposure]), frame(other), options)
    sigma = np.sqrt(np.einsum("nii->ni", two.covariance))
    assert (np.abs(two.unknowns.star - one.unknowns.star[star]) / sigma).max() < 1e-6
    np.testing.assert_allclose(two.residual, one.residual[row], atol=1e-8)


def test_plates_are_aligned_from_nothing():
    """`plate_start` finds stars and plates from pixels alone; the solution has the truth's residuals."""
    mock = make(9, outliers=0.01)
    names = [f"e{e}" for e in range(8)]
    nominal = plate_start.NominalPlate(mock.reference, SCALE, 1.0)
    alignment = plate_start.align(mock.data, len(mock.star), nominal, names)
    every = np.arange(len(mock.star))
    held, begin = plate_start.on_reference(mock.data, alignment, nominal, T0, every, 2)
    got = solve(mock.data, begin, held, SolverOptions(has_excess_noise=False))
    expected = solve(mock.data, start(mock), frame(mock), SolverOptions(has_excess_noise=False))
    inside = expected.weight > 0.5
    assert (np.abs(got.residual - expected.residual) / mock.data.sigma)[inside].max() < 0.02


def test_plates_without_common_stars_are_refused():
    """The exposure is named, with what it shares."""
    mock = make(1, n_exp=2, n_star=40)
    star = np.where(mock.data.exposure == 0, mock.data.star, mock.data.star + 40)
    nominal = plate_start.NominalPlate(1, SCALE, 1.0)
    with pytest.raises(SchemaError, match="exposure first shares 0 stars"):
        plate_start.align(mock.data._replace(star=star), 80, nominal, ["first", "second"])


def test_what_does_not_settle_is_said():
    """Too few outer steps, and motions of stars seen at one epoch."""
    mock = make(2, excess=0.04)
    with pytest.raises(ConvergenceError, match="after 6 outer steps"):
        solve(mock.data, start(mock), frame(mock), SolverOptions(tolerance=1e-9, max_outer=6))
    still = mock.data._replace(epoch=np.full(8, T0))
    with pytest.raises(ConvergenceError, match="singular"):
        solve(still, start(mock), frame(mock), PLAIN)


def test_only_stars_seen_often_and_long_enough_are_solved():
    """Three stars: two exposures; three within a tenth of a year; three over two years."""
    star = np.array([0, 0, 1, 1, 1, 2, 2, 2])
    exposure = np.array([0, 3, 0, 1, 1, 0, 1, 3])
    data = PlateData(star, exposure, np.zeros((8, 2)), np.ones((8, 2)), np.array([0, 0.1, 1, 2]))
    assert solvable(data, 3, 3, 0.5).tolist() == [False, False, True]
