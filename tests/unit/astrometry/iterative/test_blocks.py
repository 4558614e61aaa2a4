"""Blocks of the normal equations against dense matrix products."""

import jax
import jax.numpy as jnp
import numpy as np

from galcen.astrometry.iterative.blocks import blocks, derivatives, sides
from galcen.mapping.distortion import Distortion
from galcen.mapping.forward import Optics
from galcen.mapping.linearisation import linearised
from mapping_cases import drawn

N_EXP, N_OBS = 3, 20


def test_blocks_are_products_of_the_dense_jacobian():
    """J^T W J, of sources and exposures in float32, exact J^T W r, to 1e-11; one lost counts for nothing."""
    optics, rng = Optics("gnomonic", Distortion(order=3)), np.random.default_rng(8)
    case = drawn(optics, N_EXP * N_OBS)
    one_nan = case.offsets._replace(a=case.offsets.a.at[4].set(jnp.nan))
    model = jax.jit(linearised, static_argnums=0)(optics, one_nan, *case[1:])
    model = jax.tree.map(lambda leaf: leaf.reshape(N_EXP, N_OBS), model)
    residual = jnp.asarray(rng.normal(size=(2, N_EXP, N_OBS)))
    root = jnp.asarray(rng.uniform(50, 150, (2, N_EXP, N_OBS))).at[:, 0, 4].set(0.0)
    colour = jnp.asarray(rng.normal(size=(N_EXP, N_OBS)))
    found = jax.jit(blocks)(model, residual, tuple(root), colour)

    def dense(columns):
        return np.nan_to_num(np.array(columns)) * np.array(root)

    def rounded(values):
        return np.asarray(values).astype(np.float32).astype(np.float64)

    own = dense([*model.chip, *(tuple(-np.array(colour) * v for v in model.chip[i]) for i in (1, 2))])
    basis = np.where(np.array(root[0]) > 0, np.nan_to_num(np.array(model.basis)), 0.0)
    exact = {
        "source": dense(model.source),
        "exposure": dense(model.exposure),
        "shift": dense(model.shift),
        "basis": basis,
        "chip": own,
    }

    def shared(of):
        terms = np.einsum("iaen,ten->itaen", of["shift"], of["basis"])
        return np.concatenate([of["exposure"], terms.reshape(-1, *own.shape[1:]), of["chip"]])

    right = np.nan_to_num(np.array(residual)) * np.array(root)
    time = np.nan_to_num(np.array(model.time))
    source_right = np.einsum("iaen,aen->ien", exact["source"], right)
    near = exact | {name: rounded(exact[name]) for name in ("source", "exposure")}
    expected = {
        "source_right": np.array([*source_right, *(time * source_right[:2])]),
        "shared": np.einsum("iaen,jaen->eij", shared(near), shared(near)),
        "shared_right": np.einsum("iaen,aen->ei", shared(exact), right),
    }
    pairs = [(getattr(found.derivatives, name), values) for name, values in near.items()]
    for of, values in [*pairs, *((getattr(found, name), values) for name, values in expected.items())]:
        np.testing.assert_allclose(of, values, rtol=1e-11, atol=1e-13 * np.abs(values).max())


def test_noise_gives_the_right_sides_of_the_same_derivatives():
    """Sides of a given noise are J^T of it."""
    optics, rng = Optics("gnomonic", Distortion(order=3)), np.random.default_rng(9)
    model = jax.jit(linearised, static_argnums=0)(optics, *drawn(optics, N_EXP * N_OBS))
    model = jax.tree.map(lambda leaf: leaf.reshape(N_EXP, N_OBS), model)
    root, noise = rng.uniform(50, 150, (2, N_EXP, N_OBS)), rng.normal(size=(2, N_EXP, N_OBS))
    colour = rng.normal(size=(N_EXP, N_OBS))
    by_residual = jax.jit(blocks)(model, jnp.asarray(noise / root), tuple(root), colour)
    exact = jax.jit(derivatives)(model, tuple(root), colour)
    source, shared = jax.jit(sides)(exact, model.time, noise)
    np.testing.assert_allclose(source, by_residual.source_right, rtol=1e-10)
    np.testing.assert_allclose(shared, by_residual.shared_right, rtol=1e-9, atol=1e-8)
