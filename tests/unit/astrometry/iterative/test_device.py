"""Products on a device against those of the compiled loops; here the device is JAX's CPU."""

from functools import partial

import jax
import numpy as np
import pytest

from galcen.astrometry.iterative import cg, device, operator, packing
from galcen.astrometry.iterative.options import Alone, Hooks, Options
from galcen.astrometry.iterative.preconditioner import TwoLevel
from galcen.astrometry.iterative.products import OnHost, Unknowns
from galcen.astrometry.iterative.solve import solve
from galcen.astrometry.iterative.system import linearise, no_noise
from global_mock import CASES, global_mock, zero

ALONE = Alone()
SMALL = 10_000
"""Bytes of a batch: an orbit or two."""

OPTIONS = Options(robust=False, n_probe=2)


def system_of(problem, state, weight, engine=OnHost):
    """The linear system."""
    return linearise(problem, state, weight, no_noise(problem), ALONE, engine=engine).system


@pytest.fixture(scope="module", params=CASES)
def system(request):
    """A small system, its weights not all the same."""
    calibration, unit = CASES[request.param]
    mock = global_mock(n_orbit=5, n_exp=3, n_src=90, calibration=calibration, unit=unit)
    problem, state, weight = zero(mock.problem)
    rng = np.random.default_rng(3)
    return system_of(problem, state, tuple(rng.uniform(0.3, 1.0, len(one)) for one in weight))


@pytest.fixture(scope="module")
def small():
    """One of their problems."""
    return global_mock(n_orbit=5, n_exp=3, n_src=90).problem


@pytest.fixture(scope="module")
def plain(small):
    """Its system."""
    return system_of(*zero(small))


def on_device(system, **more):
    """The same on the device, in small batches."""
    n_src, n_calibration = system.shape
    return device.OnDevice(system.units, n_src, n_calibration, **({"batch_bytes": SMALL} | more))


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


def test_products_are_those_of_the_host(system):
    """All of them, for each kind of calibration, in several batches, to 1e-12."""
    there, at = on_device(system), vector(system, 1)
    assert len(there._pieces[0]) > 2
    close(there.reduced(at), system.products.reduced(at))
    close(there.coupled(at), system.products.coupled(at))
    values = of_exposures(system, 2)
    close(there.from_exposures(values), system.products.from_exposures(values))
    for found, expected in zip(there.to_exposures(at), system.products.to_exposures(at), strict=True):
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=0, atol=1e-12 * np.abs(other).max())


def test_many_columns_are_one_after_the_other(system):
    """On either engine: products of the exposures with many vectors are those with each, to 1e-12."""
    n_calibration = system.shape[1]
    at = [vector(system, seed)._replace(calibration=np.zeros(n_calibration)) for seed in (11, 12, 13)]
    values = [of_exposures(system, seed) for seed in (14, 15, 16)]
    columns = np.stack([one.source for one in at], axis=2)
    sides = [
        [np.stack(parts, axis=2) for parts in zip(*unit, strict=True)] for unit in zip(*values, strict=True)
    ]
    for products in (system.products, on_device(system)):
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


def test_one_batch_holds_all(plain):
    """The default has one batch for a small problem, with the same numbers."""
    there, at = on_device(plain, batch_bytes=device.BATCH_BYTES), vector(plain, 3)
    assert len(there._pieces[0]) == 1
    close(there.reduced(at), plain.products.reduced(at))


def test_products_are_symmetric_and_transposes(system):
    """u.Sv = v.Su, and e.(N_ex x) = x.(N_xe e), to rounding."""
    there, u, v = on_device(system), vector(system, 4), vector(system, 5)
    su, sv = there.reduced(u), there.reduced(v)
    assert abs(u.dot(sv) - v.dot(su)) < 1e-11 * np.sqrt(u.dot(su) * v.dot(sv))
    e = of_exposures(system, 6)
    pairs = [
        (a * b).sum()
        for x, y in zip(e, there.to_exposures(u), strict=True)
        for a, b in zip(x, y, strict=True)
    ]
    terms = np.concatenate([np.ravel(u.source), u.calibration])
    back = there.from_exposures(e)
    scale = np.abs(terms * np.concatenate([back.source.ravel(), back.calibration])).sum()
    assert abs(sum(pairs) - u.dot(back)) < 1e-12 * scale


@pytest.mark.parametrize("share", [0.0, 0.5, 0.9])
def test_streaming_changes_no_bit(system, share):
    """Nothing, a half or nearly all of it on the device between products: the same sums in the same order."""
    whole, at, values = on_device(system), vector(system, 7), of_exposures(system, 8)
    sizes = [packing.size(piece) for pieces in whole._pieces for piece in pieces]
    # Two pieces come and go besides what stays.
    part = on_device(system, budget=int(share * sum(sizes)) + 2 * max(sizes) * (share > 0))
    arrays = [piece[0] for pieces in part._pieces for piece in pieces]
    held = [isinstance(array, jax.Array) for array in arrays]
    assert all(held) is (sum(sizes) <= int(share * sum(sizes)) + 2 * max(sizes) * (share > 0))
    same(part.reduced(at), whole.reduced(at))
    same(part.coupled(at), whole.coupled(at))
    same(part.from_exposures(values), whole.from_exposures(values))
    for found, expected in zip(part.to_exposures(at), whole.to_exposures(at), strict=True):
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one, other)


def test_two_ranks_add_up(plain):
    """Orbits of two ranks, each with its own batches, give together what all give, to 1e-12."""
    at = vector(plain, 9)
    (unit,) = plain.units
    none = {"coupling": np.zeros_like(unit.coupling), "matrix": np.zeros_like(unit.matrix)}
    parts = [
        on_device(plain._replace(units=(piece,)))
        for piece in (unit._replace(orbits=unit.orbits[:2]), unit._replace(orbits=unit.orbits[2:], **none))
    ]
    first, second = (part.reduced(at) for part in parts)
    close(first + second, plain.products.reduced(at))


def test_a_rank_without_orbits_gives_nothing(plain):
    """Zeros, of the shapes that the sums over ranks need."""
    idle = on_device(plain._replace(units=()))
    at = vector(plain, 10)
    for found in (idle.reduced(at), idle.coupled(at), idle.from_exposures([])):
        assert found.source.shape == at.source.shape
        assert not found.source.any()
        assert not found.calibration.any()
    assert idle.to_exposures(at) == []


def test_compiled_once_whatever_the_batch(plain):
    """Batches have one shape, so that a product is compiled once for all of them."""
    batches, _ = on_device(plain)._pieces
    shapes = [[leaf.shape for leaf in jax.tree.leaves(batch)] for batch in batches]
    assert len(batches) > 2
    assert all(shape == shapes[0] for shape in shapes)


def test_many_measurements_of_a_source_are_summed_in_rows_of_rows():
    """More measurements than two levels of sums hold: each is counted once."""
    rng = np.random.default_rng(11)
    source = np.sort(rng.integers(0, 3, 3000))
    table, rows = packing._rows(source, np.arange(3000))
    tables = packing._further_sums(rows, int(np.bincount(rows).max()), 4)
    assert len(tables) > 2
    values = rng.normal(size=(3000, 1))
    sums = values
    for one in (table, *tables):
        sums = device._gathered(sums, one)
    expected = np.bincount(source, weights=values[:, 0], minlength=4)
    np.testing.assert_allclose(np.asarray(sums)[:, 0], expected, rtol=0, atol=1e-12 * np.sqrt(3000))


def test_conjugate_gradients_on_the_device(small, plain):
    """The solution of the linear system is that of the host, to 1e-9 of the standard deviations."""
    there = plain._replace(products=on_device(plain, budget=1))
    found, expected = (
        cg.solve(one, ALONE, TwoLevel(one, ALONE, small.sources), tolerance=1e-11).step
        for one in (there, plain)
    )
    sigma = np.sqrt(np.diagonal(operator.inverse5(plain.reduced_source), axis1=1, axis2=2))
    assert np.abs((found.source - expected.source) / sigma).max() < 1e-9


@pytest.mark.parametrize("scheme", ["cg", "block-gauss-seidel"])
def test_solution_does_not_depend_on_the_place(scheme):
    """From the start to the covariances, to 1e-9 of the errors."""
    mock = global_mock(n_orbit=3, n_exp=5, n_src=80)
    options, hooks = OPTIONS._replace(scheme=scheme), Hooks(probe_key=jax.random.key(1))
    host, there = (
        solve(mock.problem, options._replace(products=place), ALONE, hooks) for place in ("host", "device")
    )
    sigma = np.sqrt(np.diagonal(host.covariance, axis1=1, axis2=2))
    assert np.abs((there.state.source - host.state.source) / sigma).max() < 1e-9
    scaled = (there.covariance - host.covariance) / sigma[:, :, None] / sigma[:, None, :]
    assert np.abs(scaled).max() < 1e-9
    assert there.history[-1].n_product == host.history[-1].n_product


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
