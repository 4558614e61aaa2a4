"""Blocks of the normal equations against dense matrix products."""

import jax
import jax.numpy as jnp
import numpy as np

from galcen.astrometry.iterative.blocks import blocks, noise_sides
from galcen.mapping.distortion import Distortion
from galcen.mapping.forward import Optics
from galcen.mapping.linearisation import linearised
from mapping_cases import drawn

N_EXP, N_OBS = 3, 20


def test_blocks_are_products_of_the_dense_jacobian():
    """All blocks as J^T W J and J^T W r of numpy, to 1e-11; a lost observation counts for nothing."""
    optics, rng = Optics("gnomonic", Distortion(order=3)), np.random.default_rng(8)
    case = drawn(optics, N_EXP * N_OBS)
    one_nan = case.offsets._replace(a=case.offsets.a.at[4].set(jnp.nan))
    model = jax.jit(linearised, static_argnums=0)(optics, one_nan, *case[1:])
    model = jax.tree.map(lambda leaf: leaf.reshape(N_EXP, N_OBS), model)
    residual = tuple(jnp.asarray(rng.normal(size=(2, N_EXP, N_OBS))))
    root = jnp.asarray(rng.uniform(50, 150, (2, N_EXP, N_OBS))).at[:, 0, 4].set(0.0)
    colour = jnp.asarray(rng.normal(size=(N_EXP, N_OBS)))
    found = jax.jit(blocks)(model, residual, tuple(root), colour)

    def dense(columns):
        return np.nan_to_num(np.array(columns)) * np.array(root)

    rounded = [
        part.astype(np.float32).astype(np.float64) for part in map(dense, (model.source, model.exposure))
    ]
    exact = [dense(model.source), dense(model.exposure)]
    terms = [tuple(v * term for v in column) for column in model.shift for term in model.basis]
    own = dense([*model.chip, *(tuple(-np.array(colour) * v for v in model.chip[i]) for i in (1, 2))])
    shared = np.concatenate([rounded[1], dense(terms), own])
    right = np.nan_to_num(np.array(residual)) * np.array(root)
    sides = np.einsum("iaen,aen->ei", np.concatenate([exact[1], dense(terms), own]), right)
    time = np.nan_to_num(np.array(model.time))
    source_right = np.einsum("iaen,aen->ien", exact[0], right)
    expected = {
        "source": rounded[0],
        "exposure": rounded[1],
        "source_right": [*source_right, *(time * source_right[:2])],
        "source_shift": np.einsum("iaen,jaen->ijen", rounded[0], dense(model.shift)),
        "source_chip": np.einsum("iaen,jaen->ijen", rounded[0], own),
        "shared": np.einsum("iaen,jaen->eij", shared, shared),
        "shared_right": sides,
    }
    for name, values in expected.items():
        values = np.array(values)
        scale = np.abs(values).max()
        np.testing.assert_allclose(getattr(found, name), values, rtol=1e-11, atol=1e-13 * scale, err_msg=name)
    np.testing.assert_allclose(found.basis[:, :, 5:], np.array(model.basis)[:, :, 5:])


def test_noise_gives_the_right_sides_of_the_same_derivatives():
    """Sides of a given noise are J^T of it."""
    optics, rng = Optics("gnomonic", Distortion(order=3)), np.random.default_rng(9)
    model = jax.jit(linearised, static_argnums=0)(optics, *drawn(optics, N_EXP * N_OBS))
    model = jax.tree.map(lambda leaf: leaf.reshape(N_EXP, N_OBS), model)
    root, noise = rng.uniform(50, 150, (2, N_EXP, N_OBS)), rng.normal(size=(2, N_EXP, N_OBS))
    colour = rng.normal(size=(N_EXP, N_OBS))
    by_residual = jax.jit(blocks)(model, tuple(noise / root), tuple(root), colour)
    source, shared = jax.jit(noise_sides)(model, tuple(noise), tuple(root), colour)
    np.testing.assert_allclose(source, by_residual.source_right, rtol=1e-10)
    np.testing.assert_allclose(shared, by_residual.shared_right, rtol=1e-9, atol=1e-8)
