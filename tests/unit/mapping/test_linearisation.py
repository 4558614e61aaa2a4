"""The staged Jacobian against that of the whole chain."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from galcen.mapping.distortion import Distortion
from galcen.mapping.forward import Optics
from galcen.mapping.linearisation import linearised
from mapping_cases import Case, drawn, predicted

OPTICS = [
    Optics(),
    Optics("gnomonic", Distortion(order=7, vanish_at_centre=False)),
    Optics("gnomonic", Distortion(order=2, direction="real_to_ideal")),
    Optics("equidistant", Distortion("sip", 3, direction="real_to_ideal")),
]
N_OBS = 40


def _vectors(case):
    """The unknowns of each observation in one row, (n_obs, n_par), and how to make a case of a row."""
    n_term = len(case.calibration.distortion.a)
    constant = [jnp.broadcast_to(c[:, None], (n_term, N_OBS)) for c in case.calibration.distortion]
    unknowns = jnp.concatenate(
        [
            jnp.stack([*case.offsets, *case.attitude, *case.focal_length[1:]]),
            *constant,
            jnp.stack(case.calibration.chip_offsets),
        ]
    ).T
    known = (case.source, case.exposure, case.calibration.chip)

    def of(row, known):
        source, exposure, chip = known
        calibration = case.calibration._replace(
            distortion=type(case.calibration.distortion)(row[10 : 10 + n_term], row[10 + n_term : -5]),
            chip=chip,
            chip_offsets=type(case.calibration.chip_offsets)(*row[-5:]),
        )
        return Case(
            type(case.offsets)(*row[:5]),
            source,
            exposure,
            type(case.attitude)(*row[5:8]),
            case.focal_length._replace(f_x=row[8], f_y=row[9]),
            calibration,
        )

    return unknowns, known, of


def _staged(optics, case):
    """Pixels (2, n_obs) and derivatives (n_obs, 2, n_par) by `linearised`, in the order of `_vectors`."""
    found = jax.jit(linearised, static_argnums=0)(optics, *case)
    terms = jnp.stack(found.basis)
    columns = [
        *found.source,
        *(tuple(found.time * part for part in column) for column in found.source[:2]),
        *found.exposure,
        *(tuple(part * term for part in column) for column in found.shift for term in terms),
        *found.chip,
    ]
    return np.stack(found.pixel), np.array(columns).transpose(2, 1, 0)


@pytest.mark.parametrize("optics", OPTICS, ids=str)
def test_staged_jacobian_is_that_of_the_whole_chain(optics):
    """Forward mode through everything at once, to 1e-9 of each column's length; pixels to 1e-10."""
    case = drawn(optics, N_OBS)
    pixels, staged = _staged(optics, case)
    np.testing.assert_allclose(pixels, predicted(optics, case), rtol=0, atol=1e-10)
    unknowns, known, of = _vectors(case)
    whole = jax.jit(jax.vmap(jax.jacfwd(lambda row, known: predicted(optics, of(row, known)))))(
        unknowns, known
    )
    length = np.linalg.norm(whole, axis=1, keepdims=True)
    error = np.abs(staged - whole) / length
    assert error.max() < 1e-9, error.max(axis=(0, 1))


@pytest.mark.parametrize("optics", [OPTICS[0], OPTICS[2]], ids=str)
def test_staged_jacobian_is_that_of_finite_differences(optics):
    """Central differences of the pixels, to 1e-7 of each column's length."""
    case = drawn(optics, N_OBS)
    _, staged = _staged(optics, case)
    unknowns, known, of = _vectors(case)
    chain = jax.jit(jax.vmap(lambda row, known: predicted(optics, of(row, known))))
    # mas, mas/yr, 1e-6, um: steps that move a star by some 0.01 to 1 pixel.
    n_term = optics.distortion.n_term
    steps = np.array(
        [100, 100, 100, 30, 30, 300, 300, 1e4, 300, 300, *[1.0] * 2 * n_term, 100, 1, 1, 100, 100]
    )
    for k, h in enumerate(steps):
        step = np.zeros(len(steps))
        step[k] = h
        slope = (chain(unknowns + step, known) - chain(unknowns - step, known)) / (2 * h)
        length = np.linalg.norm(slope, axis=1, keepdims=True)
        assert (np.abs(staged[:, :, k] - slope) / length.max()).max() < 1e-7, k


@pytest.mark.parametrize("optics", OPTICS[2:], ids=str)
def test_jvp_is_the_adjoint_of_vjp(optics):
    """<u, J v> = <J^T u, v> through the whole chain, to 1e-12."""
    unknowns, known, of = _vectors(drawn(optics, N_OBS))
    chain = jax.jit(
        jax.vmap(lambda row: predicted(optics, of(row, jax.tree.map(lambda leaf: leaf[0], known))))
    )
    rng = np.random.default_rng(3)
    forward = jnp.asarray(rng.normal(size=unknowns.shape))
    value, tangent = jax.jvp(chain, (unknowns,), (forward,))
    cotangent = jnp.asarray(rng.normal(size=value.shape))
    (back,) = jax.vjp(chain, unknowns)[1](cotangent)
    here, there = float(jnp.sum(cotangent * tangent)), float(jnp.sum(back * forward))
    assert abs(here - there) < 1e-12 * float(jnp.sum(jnp.abs(back * forward)))


@pytest.mark.parametrize("optics", [OPTICS[0], OPTICS[2]], ids=str)
@pytest.mark.parametrize("bad", [0, 7])
def test_one_lost_star_spoils_no_other(optics, bad):
    """A star behind the telescope, the first of the array too, gives NaN of its own and nothing else."""
    case = drawn(optics, N_OBS)
    good, slopes = _staged(optics, case)
    behind = jax.tree.map(lambda leaf: leaf.at[bad].multiply(-1.0), case.source.at)
    pixels, staged = _staged(optics, case._replace(source=case.source._replace(at=behind)))
    others = np.arange(N_OBS) != bad
    assert np.isnan(pixels[:, bad]).all()
    np.testing.assert_array_equal(pixels[:, others], good[:, others])
    np.testing.assert_array_equal(staged[others], slopes[others])


def test_exposures_broadcast_against_observations():
    """Exposures (n_exp, 1) with observations (n_exp, n_obs) give what each alone gives; none give none."""
    optics = OPTICS[0]
    case = drawn(optics, N_OBS)
    each = jax.tree.map(lambda leaf: leaf[:4, None], (case.exposure, case.attitude))
    wide = case._replace(
        offsets=jax.tree.map(lambda leaf: leaf.reshape(4, -1), case.offsets),
        source=jax.tree.map(lambda leaf: leaf.reshape(4, -1), case.source),
        exposure=each[0],
        attitude=each[1],
        focal_length=case.focal_length._replace(f_x=jnp.zeros((4, 1)), f_y=jnp.zeros((4, 1))),
        calibration=case.calibration._replace(
            chip=jax.tree.map(lambda leaf: leaf[0], case.calibration.chip),
            chip_offsets=jax.tree.map(lambda leaf: leaf[0], case.calibration.chip_offsets),
        ),
    )
    function = jax.jit(partial(linearised, optics))
    found = function(*wide)
    for leaf in jax.tree.leaves(found):
        assert jnp.broadcast_shapes(leaf.shape, (4, 10)) == (4, 10)
    np.testing.assert_allclose(jnp.stack(found.pixel), predicted(optics, wide), rtol=0, atol=1e-10)
    empty = jax.tree.map(lambda leaf: leaf[:, :0] if leaf.shape == (4, 10) else leaf, wide)
    assert function(*empty).pixel[0].shape == (4, 0)
