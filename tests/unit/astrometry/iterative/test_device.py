"""Sums and products on a device against those of the compiled loops; here the device is JAX's CPU."""

from functools import partial

import jax
import numpy as np
import pytest

from galcen.astrometry.iterative import cg, device, operator, packing
from galcen.astrometry.iterative.host import OnHost
from galcen.astrometry.iterative.options import Alone, Hooks, Options
from galcen.astrometry.iterative.preconditioner import TwoLevel
from galcen.astrometry.iterative.products import Unknowns
from galcen.astrometry.iterative.solve import solve
from galcen.astrometry.iterative.system import Noise, linearise
from global_mock import CASES, global_mock, zero

ALONE = Alone()

OPTIONS = Options(robust=False, n_probe=2)


def on_host(case, reweigh=False):
    """The linear system at a state, with its residuals."""
    return linearise(*case, ALONE, reweigh)


def on_device(case, reweigh=False, **more):
    """The same by the device."""
    return linearise(*case, ALONE, reweigh, device.OnDevice(case[0], **more))


def drawn(**more):
    """A small problem, a state, weights and noise that are not all the same; the last orbit saw nothing."""
    mock = global_mock(n_orbit=5, n_exp=3, n_src=90, **more)
    problem, state, weight = zero(mock.problem)
    last = problem.orbits[-1]
    empty = last._replace(
        offset=np.zeros_like(last.offset),
        source=last.source[:0],
        chip=last.chip[:0],
        pixel=last.pixel[:, :0],
        sigma=last.sigma[:, :0],
    )
    problem = problem._replace(orbits=(*problem.orbits[:-1], empty))
    rng = np.random.default_rng(3)
    weight = tuple(rng.uniform(0.3, 1.0, len(orbit.source)) for orbit in problem.orbits)
    noise = Noise(rng.uniform(0.0, 0.01, 90), tuple(rng.uniform(0.0, 0.01, o.n_exp) for o in problem.orbits))
    return problem, state, weight, noise


@pytest.fixture(scope="module", params=CASES)
def sweeps(request):
    """What host and device make of a problem, for each kind of calibration."""
    calibration, unit = CASES[request.param]
    case = drawn(calibration=calibration, unit=unit)
    return on_host(case), on_device(case)


@pytest.fixture(scope="module")
def plain():
    """One of the problems."""
    return drawn()


def vector(system, seed):
    """Drawn at random, about as large as the errors."""
    rng = np.random.default_rng(seed)
    source = rng.normal(size=system.side_source.shape)
    sigma = 1.0 / np.sqrt(np.diagonal(system.source, axis1=1, axis2=2))
    calibration = rng.normal(size=len(system.side_calibration)) / np.sqrt(system.prior_calibration)
    return Unknowns(source * sigma, calibration)


def of_exposures(system, seed):
    """The same of exposures."""
    rng = np.random.default_rng(seed)
    return [
        [
            rng.normal(size=one.sides.shape) * np.sqrt(np.diagonal(one.inverse, axis1=1, axis2=2))
            for one in u.orbits
        ]
        for u in system.units
    ]


def close(found, expected):
    """To 1e-12 of the largest of each unknown of a source, and of the calibration."""
    scale = np.abs(expected.source).max(axis=0)
    np.testing.assert_allclose(found.source / scale, expected.source / scale, rtol=0, atol=1e-12)
    scale = np.abs(expected.calibration).max()
    np.testing.assert_allclose(found.calibration, expected.calibration, rtol=0, atol=1e-12 * scale)


def same(found, expected):
    """To the last bit."""
    np.testing.assert_array_equal(found.source, expected.source)
    np.testing.assert_array_equal(found.calibration, expected.calibration)


def scaled(blocks, sides, prior):
    """Blocks less their priors, and right sides, in units of the standard deviations."""
    sigma = 1.0 / np.sqrt(np.diagonal(blocks, axis1=1, axis2=2))
    return (blocks - prior) * sigma[:, :, None] * sigma[:, None, :], sides * sigma


def test_sums_are_those_of_the_host(sweeps):
    """Blocks before and after the elimination of the exposures, right sides, residuals, weights."""
    host, there = sweeps
    for name in ("source", "reduced_source"):
        found, expected = (
            scaled(getattr(one.system, name), one.system.side_source, one.system.prior_source)
            for one in sweeps
        )
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-11)
    for name in ("calibration", "reduced_calibration"):
        for one, other in zip(getattr(there.system, name), getattr(host.system, name), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-12 * np.abs(other).max(initial=0))
    sides = host.system.side_calibration
    np.testing.assert_allclose(
        there.system.side_calibration, sides, rtol=0, atol=1e-12 * np.abs(sides).max(initial=0)
    )
    np.testing.assert_allclose(there.chi2, host.chi2, rtol=1e-12)
    for name in ("residual", "weight"):
        for one, other in zip(getattr(there, name), getattr(host, name), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-9)
    for unit, other in zip(there.system.units, host.system.units, strict=True):
        for one, expected in zip(unit.orbits, other.orbits, strict=True):
            for name in ("inverse", "coupling", "sides"):
                values = getattr(expected, name)
                atol = 1e-11 * np.abs(values).max()
                np.testing.assert_allclose(getattr(one, name), values, rtol=0, atol=atol)


def test_weights_are_set_as_on_the_host(plain):
    """From the residuals, to rounding."""
    host, there = on_host(plain, reweigh=True), on_device(plain, reweigh=True)
    assert min(weight.min(initial=1.0) for weight in host.weight) < 0.5
    for one, other in zip(there.weight, host.weight, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-9)
    np.testing.assert_allclose(there.chi2, host.chi2, rtol=1e-9)


def test_products_are_those_of_the_host(sweeps):
    """All of them, for each kind of calibration, to 1e-12."""
    system, there = sweeps[0].system, sweeps[1].system.products
    at, values = vector(system, 1), of_exposures(system, 2)
    close(there.reduced(at), system.products.reduced(at))
    close(there.coupled(at), system.products.coupled(at))
    close(there.from_exposures(values), system.products.from_exposures(values))
    for found, expected in zip(there.to_exposures(at), system.products.to_exposures(at), strict=True):
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=0, atol=1e-12 * np.abs(other).max())


def test_many_columns_are_one_after_the_other(sweeps):
    """On either engine: products of the exposures with many vectors are those with each, to 1e-12."""
    system = sweeps[0].system
    n_calibration = system.shape[1]
    at = [vector(system, seed)._replace(calibration=np.zeros(n_calibration)) for seed in (11, 12, 13)]
    values = [of_exposures(system, seed) for seed in (14, 15, 16)]
    columns = np.stack([one.source for one in at], axis=2)
    sides = [
        [np.stack(parts, axis=2) for parts in zip(*unit, strict=True)] for unit in zip(*values, strict=True)
    ]
    for products in (sweep.system.products for sweep in sweeps):
        found = products.columns_from_exposures(sides)
        for k, one in enumerate(values):
            expected = system.products.from_exposures(one).source
            scale = np.abs(expected).max(axis=0)
            np.testing.assert_allclose(found[:, :, k] / scale, expected / scale, rtol=0, atol=1e-12)
        for k, one in enumerate(at):
            expected = system.products.to_exposures(one)
            for unit, others in zip(products.columns_to_exposures(columns), expected, strict=True):
                for part, other in zip(unit, others, strict=True):
                    limit = 1e-12 * np.abs(other).max()
                    np.testing.assert_allclose(part[:, :, k], other, rtol=0, atol=limit)


def test_products_are_symmetric_and_transposes(sweeps):
    """u.Sv = v.Su, and e.(N_ex x) = x.(N_xe e), to rounding."""
    system, there = sweeps[0].system, sweeps[1].system.products
    u, v, e = vector(system, 4), vector(system, 5), of_exposures(system, 6)
    su, sv = there.reduced(u), there.reduced(v)
    assert abs(u.dot(sv) - v.dot(su)) < 1e-11 * np.sqrt(u.dot(su) * v.dot(sv))
    pairs = [
        (a * b).sum()
        for x, y in zip(e, there.to_exposures(u), strict=True)
        for a, b in zip(x, y, strict=True)
    ]
    terms = np.concatenate([np.ravel(u.source), u.calibration])
    back = there.from_exposures(e)
    scale = np.abs(terms * np.concatenate([back.source.ravel(), back.calibration])).sum()
    assert abs(sum(pairs) - u.dot(back)) < 1e-12 * scale


def identical(found, expected):
    """Two sweeps of the device, and their products, to the last bit."""
    for name in ("source", "reduced_source", "side_source", "side_calibration"):
        np.testing.assert_array_equal(getattr(found.system, name), getattr(expected.system, name))
    for name in ("calibration", "reduced_calibration"):
        for one, other in zip(getattr(found.system, name), getattr(expected.system, name), strict=True):
            np.testing.assert_array_equal(one, other)
    assert found.chi2 == expected.chi2
    at, values = vector(expected.system, 7), of_exposures(expected.system, 8)
    first, second = found.system.products, expected.system.products
    same(first.reduced(at), second.reduced(at))
    same(first.coupled(at), second.coupled(at))
    same(first.from_exposures(values), second.from_exposures(values))
    for of_unit, others in zip(first.to_exposures(at), second.to_exposures(at), strict=True):
        for one, other in zip(of_unit, others, strict=True):
            np.testing.assert_array_equal(one, other)


def test_a_second_run_changes_no_bit(plain):
    """The same sums used again, and new ones."""
    sums = device.OnDevice(plain[0])
    first, again = (linearise(*plain, ALONE, sums=sums) for _ in range(2))
    identical(again, first)
    identical(on_device(plain), first)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.9])
def test_streaming_changes_no_bit(share):
    """Nothing, a part or nearly all of it on the device between products: the same sums in the same order."""
    case = drawn(unit=lambda k: k // 2)
    problem = case[0]
    found, shape = packing.layouts(problem.orbits, problem.camera.n_chip, len(problem.sources.ra))
    whole = on_device(case)
    couplings = [unit.coupling for unit in whole.system.units]
    sizes = [packing.batch_bytes(one, shape, couplings[0].shape[2]) for one in found]
    sizes += [packing.coupling_bytes(values.shape, len(problem.sources.ra)) for values in couplings]
    budget = int(share * sum(sizes))
    part = on_device(case, budget=budget)
    products = part.system.products
    pieces = [*products.batches, *products.couplings]
    held = [size for size, piece in zip(sizes, pieces, strict=True) if isinstance(piece[0], jax.Array)]
    # Two pieces come and go besides what stays.
    assert sum(held) + 2 * max(sizes) <= max(budget, 2 * max(sizes))
    assert held or share < 0.9
    identical(part, whole)


def test_two_ranks_add_up(plain):
    """Orbits of two ranks, each with its own layout, give together what all give, to 1e-12."""
    problem, state, weight, noise = plain
    whole = on_host(plain).system
    at, parts = vector(whole, 9), []
    for own in (slice(0, 2), slice(2, None)):
        state_of_rank = state._replace(exposure=state.exposure[own])
        rank = problem._replace(orbits=problem.orbits[own])
        its_noise = noise._replace(exposure=noise.exposure[own])
        parts.append(on_device((rank, state_of_rank, weight[own], its_noise)).system.products.reduced(at))
    close(parts[0] + parts[1], whole.products.reduced(at))


def test_a_rank_without_orbits_gives_nothing(plain):
    """Zeros, of the shapes that the sums over ranks need."""
    problem, state, _, noise = plain
    idle = (problem._replace(orbits=()), state._replace(exposure=()), (), noise._replace(exposure=()))
    system = on_device(idle).system
    at = vector(system, 10)
    np.testing.assert_array_equal(system.source, system.prior_source)
    for found in (
        system.products.reduced(at),
        system.products.coupled(at),
        system.products.from_exposures([]),
    ):
        assert found.source.shape == at.source.shape
        assert not found.source.any()
        assert not found.calibration.any()
    assert system.products.to_exposures(at) == []


def test_compiled_once_for_all_orbits(plain):
    """Orbits have arrays of one shape, so that a product is compiled once for all of them."""
    batches = on_device(plain).system.products.batches
    shapes = [[leaf.shape for leaf in jax.tree.leaves(batch)] for batch in batches]
    assert len(batches) > 2
    assert all(shape == shapes[0] for shape in shapes)


def test_many_measurements_of_a_source_are_summed_in_rows_of_rows():
    """More measurements than two levels of sums hold: each is counted once."""
    rng = np.random.default_rng(11)
    source = rng.integers(0, 3, 3000)
    tables = packing._sums(source, np.arange(3000), int(np.bincount(source).max()), 4)
    assert len(tables) > 3
    sums = values = rng.normal(size=(3000, 1))
    for table in tables:
        sums = packing.gathered(sums, table)
    expected = np.bincount(source, weights=values[:, 0], minlength=4)
    np.testing.assert_allclose(np.asarray(sums)[:, 0], expected, rtol=0, atol=1e-12 * np.sqrt(3000))


def test_conjugate_gradients_on_the_device(plain):
    """The solution of the linear system is that of the host, to 1e-9 of the standard deviations."""
    host, there = on_host(plain).system, on_device(plain, budget=1).system
    sources = plain[0].sources
    found, expected = (
        cg.solve(one, ALONE, TwoLevel(one, ALONE, sources), tolerance=1e-11).step for one in (there, host)
    )
    sigma = np.sqrt(np.diagonal(operator.inverse5(host.reduced_source), axis1=1, axis2=2))
    assert np.abs((found.source - expected.source) / sigma).max() < 1e-9


def solved_by_both(options):
    """Solutions on host and device, and the standard deviations."""
    problem = global_mock(n_orbit=3, n_exp=5, n_src=80).problem
    host, there = (
        solve(problem, options._replace(products=place), ALONE, Hooks(probe_key=jax.random.key(1)))
        for place in ("host", "device")
    )
    return host, there, np.sqrt(np.diagonal(host.covariance, axis1=1, axis2=2))


@pytest.mark.parametrize("scheme", ["cg", "block-gauss-seidel"])
def test_solution_does_not_depend_on_the_place(scheme):
    """From the start to the covariances, to 1e-9 of the errors."""
    host, there, sigma = solved_by_both(OPTIONS._replace(scheme=scheme))
    assert np.abs((there.state.source - host.state.source) / sigma).max() < 1e-9
    scaled = (there.covariance - host.covariance) / sigma[:, :, None] / sigma[:, None, :]
    assert np.abs(scaled).max() < 1e-9
    assert there.history[-1].n_product == host.history[-1].n_product


def test_weights_and_noise_do_not_depend_on_the_place():
    """Set on the way: sources and their conditional covariances to 1e-9 of the errors."""
    host, there, sigma = solved_by_both(Options(robust=True, excess_noise="source"))
    assert host.source_noise.any()
    assert np.abs((there.state.source - host.state.source) / sigma).max() < 1e-9
    scaled = (there.covariance - host.covariance) / sigma[:, :, None] / sigma[:, None, :]
    assert np.abs(scaled).max() < 1e-9


def test_preconditioner_does_not_depend_on_the_place(sweeps, plain):
    """For each kind of calibration, units of unequally many sources too.

    To 1e-7: where chips move against the telescope the matrix is 1e-10 of what it is elsewhere.
    """
    host, there = (TwoLevel(sweep.system, ALONE, plain[0].sources) for sweep in sweeps)
    at = vector(sweeps[0].system, 17)
    right = sweeps[0].system.products.reduced(at)
    found, expected = there.solve(right), host.solve(right)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-7 * np.abs(other).max())


def test_place_is_chosen():
    """Without a GPU the loops of the CPU are the choice, and the log tells which it is."""
    assert device.engine("host") is OnHost
    assert device.engine("device") is device.OnDevice
    assert device.engine("auto") is (OnHost if jax.default_backend() == "cpu" else device.OnDevice)
    assert "CPU" in device.description("host")
    assert jax.devices()[0].device_kind in device.description("device")


def test_the_device_says_how_much_it_holds(monkeypatch):
    """A share of what its memory allows; no limit where it does not tell."""

    class Device:
        def __init__(self, stats):
            self.memory_stats = lambda: stats

    for stats, expected in ((None, None), ({}, None), ({"bytes_limit": 1000}, 700)):
        monkeypatch.setattr(jax, "devices", partial(list, [Device(stats)]))
        assert device.memory_budget() == expected
