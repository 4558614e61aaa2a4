"""The compiled generator against published answers, JAX and scipy."""

import jax
import numpy as np
import pytest
from scipy.special import ndtri

from galcen.random import keys, stage_key
from galcen.threefry import normal, normal_quantile, normals, stream, threefry

ONES = 0xFFFFFFFF

# Salmon et al. (2011), the file kat_vectors of Random123 1.14: threefry2x32, 20 rounds.
ANSWERS = [
    ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
    ((ONES, ONES), (ONES, ONES), (0x1CB996FC, 0xBB002BE7)),
    ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)),
]


@pytest.mark.parametrize(("key", "counter", "expected"), ANSWERS)
def test_known_answers(key, counter, expected):
    """All 64 bits."""
    assert tuple(map(int, threefry(*key, *counter))) == expected


def test_streams_are_those_of_jax():
    """Keys of small and large identifiers, bit for bit."""
    root = stage_key(5, "test")
    identifier = np.array([0, 1, 2**31, 2**32 - 1, 2**32, 2**53 - 1, 2**62 + 12345])
    words = np.asarray(jax.random.key_data(root))
    got = np.array([stream(words, number) for number in identifier])
    np.testing.assert_array_equal(got, jax.random.key_data(keys(root, identifier)))


def test_scores_are_those_of_jax():
    """A million scores within 1e-11, which is what JAX's inverse error function leaves."""
    root, identifier = stage_key(6, "test"), np.random.default_rng(1).integers(0, 2**53, 100_000)
    words, numbers = np.asarray(jax.random.key_data(root)), np.arange(10)
    got = np.empty((10, len(identifier)))
    normals(words, identifier, numbers, got)
    expected = jax.vmap(lambda key: jax.random.normal(key, (10,)))(keys(root, identifier))
    np.testing.assert_allclose(got, np.asarray(expected).T, rtol=1e-11, atol=1e-11)
    assert np.abs(got).max() > 4.8
    assert normal(*stream(words, identifier[7]), 3) == pytest.approx(got[3, 7], rel=1e-14)


def test_quantiles_are_those_of_scipy():
    """Within 2e-15 of scipy down to probabilities of 2^-52, in the centre and both tails."""
    p = np.concatenate([np.exp2(-np.arange(1, 53)), np.linspace(0.001, 0.999, 999)])
    x = 2.0 * p - 1.0
    got = np.array([normal_quantile(value) for value in x])
    np.testing.assert_allclose(got, ndtri((1.0 + x) / 2.0), rtol=2e-15, atol=1e-15)
