"""What a survey measures of stars whose true values are known."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from galcen.catalogue.forward import BATCH
from galcen.random import keys

SMALLEST_PARALLAX_ERROR = 0.02  # [mas]


class Survey(NamedTuple):
    """Depths and errors; see `galcen.config.catalogue.ModelSurvey`."""

    error_floor: float
    error_at_limit: float
    limit: tuple[float, float, float]  # J, H, Ks
    parallax: bool
    parallax_limit_j: float
    parallax_error: float


class Measured(NamedTuple):
    """Measurements; NaN where there is none."""

    mag: Float[np.ndarray, "3 n_star"]
    error: Float[np.ndarray, "3 n_star"]
    parallax: Float[np.ndarray, " n_star"]  # [mas]
    parallax_error: Float[np.ndarray, " n_star"]


def photometric_error(survey: Survey, mag: Float[np.ndarray, "3 n_star"]) -> Float[np.ndarray, "3 n_star"]:
    """Error of the true magnitude [mag]: a floor and the noise of the background-limited flux."""
    excess = survey.error_at_limit**2 - survey.error_floor**2
    faintness = 10 ** (0.8 * (mag - np.array(survey.limit)[:, None]))
    return np.sqrt(survey.error_floor**2 + max(excess, 0.0) * faintness)


def observe(
    survey: Survey,
    root: Key[Array, ""],
    source_id: Int[np.ndarray, " n_star"],
    mag: Float[np.ndarray, "3 n_star"],
    dist: Float[np.ndarray, " n_star"],
) -> Measured:
    """Measurements of stars with true apparent magnitudes `mag` at distances `dist` [pc]."""
    noise = standard_normals(root, source_id, 4)
    error = photometric_error(survey, mag)
    observed = mag + error * noise[:3]
    seen = observed <= np.array(survey.limit)[:, None]
    faintness = 10 ** (0.2 * (mag[0] - survey.parallax_limit_j))
    parallax_error = np.maximum(survey.parallax_error * faintness, SMALLEST_PARALLAX_ERROR)
    has_parallax = survey.parallax & (mag[0] < survey.parallax_limit_j)
    return Measured(
        np.where(seen, observed, np.nan),
        np.where(seen, error, np.nan),
        np.where(has_parallax, 1000.0 / dist + parallax_error * noise[3], np.nan),
        np.where(has_parallax, parallax_error, np.nan),
    )


def standard_normals(
    root: Key[Array, ""], source_id: Int[np.ndarray, " n_star"], count: int
) -> Float[np.ndarray, "count n_star"]:
    """Standard normal deviates of each star, in batches of one size."""
    parts = [np.empty((0, count))]
    for start in range(0, len(source_id), BATCH):
        part = source_id[start : start + BATCH]
        padded = jnp.asarray(np.pad(part, (0, BATCH - len(part))))
        parts.append(np.asarray(_normals(root, padded, count))[: len(part)])
    return np.concatenate(parts).T


def _normals(root: Key[Array, ""], source_id: Int[Array, " n"], count: int) -> Float[Array, "n count"]:
    return jax.vmap(lambda key: jax.random.normal(key, (count,)))(keys(root, source_id))
