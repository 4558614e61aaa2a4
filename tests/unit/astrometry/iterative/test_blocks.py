"""Blocks of the normal equations against dense matrix products."""

import jax
import jax.numpy as jnp
import numpy as np

from galcen.astrometry.iterative.blocks import blocks
from galcen.mapping.distortion import Distortion
from galcen.mapping.forward import Optics
from galcen.mapping.linearisation import linearised
from mapping_cases import drawn

N_EXP, N_OBS, N_CHIP = 3, 20, 4


def test_blocks_are_products_of_the_dense_jacobian():
    """All blocks as J^T W J and J^T W r of numpy, to 1e-11; a lost observation counts for nothing."""
    optics, rng = Optics("gnomonic", Distortion(order=3)), np.random.default_rng(8)
    case = drawn(optics, N_EXP * N_OBS)
    one_nan = case.offsets._replace(a=case.offsets.a.at[4].set(jnp.nan))
    model = jax.jit(linearised, static_argnums=0)(optics, one_nan, *case[1:])
    model = jax.tree.map(lambda leaf: leaf.reshape(N_EXP, N_OBS), model)
    chip = jnp.asarray(rng.integers(0, N_CHIP, (N_EXP, N_OBS)))
    residual = tuple(jnp.asarray(rng.normal(size=(2, N_EXP, N_OBS))))
    root = jnp.asarray(rng.uniform(50, 150, (2, N_EXP, N_OBS))).at[:, 0, 4].set(0.0)
    colour = jnp.asarray(rng.normal(size=(N_EXP, N_OBS)))
    found = jax.jit(blocks, static_argnums=4)(model, residual, tuple(root), chip, N_CHIP, colour)

    def dense(columns):
        return np.nan_to_num(np.array(columns)) * np.array(root)

    rounded = [
        part.astype(np.float32).astype(np.float64) for part in map(dense, (model.source, model.exposure))
    ]
    exact = [dense(model.source), dense(model.exposure)]
    terms = [tuple(v * term for v in column) for column in model.shift for term in model.basis]
    own = dense([*model.chip, *(tuple(-np.array(colour) * v for v in model.chip[i]) for i in (1, 2))])
    chips = np.concatenate([own * (np.array(chip) == c) for c in range(N_CHIP)])
    shared = np.concatenate([rounded[1], dense(terms), chips])
    right = np.nan_to_num(np.array(residual)) * np.array(root)
    sides = np.einsum("iaen,aen->ei", np.concatenate([exact[1], dense(terms), chips]), right)
    expected = {
        "source": rounded[0],
        "exposure": rounded[1],
        "source_right": np.einsum("iaen,aen->ien", exact[0], right),
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
