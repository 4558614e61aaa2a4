"""Errors and correlations of five astrometric parameters, in the columns of the Gaia archive, as matrices.

The five are, in this order, the offsets towards east and north [mas], the parallax [mas] and the proper
motions [mas/yr]. `ra_error` is that of the angle on the sky: cos dec is in it.
"""

from collections.abc import Mapping
from itertools import combinations

import numpy as np
from jaxtyping import Float, Int

from galcen.errors import SchemaError

PARAMETERS = ("ra", "dec", "parallax", "pmra", "pmdec")
ERRORS = tuple(f"{name}_error" for name in PARAMETERS)
PAIRS = tuple(combinations(range(5), 2))
CORRELATIONS = tuple(f"{PARAMETERS[i]}_{PARAMETERS[j]}_corr" for i, j in PAIRS)

_ROW, _COLUMN = (np.array(place) for place in zip(*PAIRS, strict=True))

SMALLEST_EIGENVALUE = 1e-10
"""Of a correlation matrix; the ten rounded numbers of a catalogue do not tell a smaller one from 0."""


def covariance_of(
    columns: Mapping[str, np.ndarray], source_id: Int[np.ndarray, " n_star"]
) -> Float[np.ndarray, "n_star 5 5"]:
    """Covariance matrices of the columns `ERRORS` and `CORRELATIONS`.

    Raises
    ------
    SchemaError
        A column is missing, an error is not above 0, a correlation not between -1 and 1, or a matrix is not
        positive definite; the first such source is named.
    """
    missing = [name for name in (*ERRORS, *CORRELATIONS) if name not in columns]
    if missing:
        raise SchemaError(
            f"no column {missing[0]}; a prior needs five errors and ten correlations, as in Gaia"
        )

    def refuse(bad: np.ndarray, what: str) -> None:
        if bad.any():
            raise SchemaError(
                f"source {source_id[np.argmax(bad)]}: {what} ({np.count_nonzero(bad)} such sources)"
            )

    for name in ERRORS:
        good = np.isfinite(columns[name]) & (columns[name] > 0)
        refuse(
            ~good, f"{name} is not a finite number above 0; a prior of no width ties a parameter: widen it"
        )
    for name in CORRELATIONS:
        refuse(~(np.abs(columns[name]) < 1), f"{name} does not lie between -1 and 1")
    correlation = correlation_matrix(np.stack([columns[name] for name in CORRELATIONS], axis=-1))
    flat = np.linalg.eigvalsh(correlation)[:, 0] < SMALLEST_EIGENVALUE
    refuse(flat, "its ten correlations make no positive definite matrix")
    error = np.stack([columns[name] for name in ERRORS], axis=-1)
    return correlation * error[:, :, None] * error[:, None, :]


def correlation_matrix(correlations: Float[np.ndarray, "n_star 10"]) -> Float[np.ndarray, "n_star 5 5"]:
    """Symmetric matrices with ones on the diagonal, of correlations in the order of `CORRELATIONS`."""
    matrix = np.broadcast_to(np.eye(5), (len(correlations), 5, 5)).copy()
    matrix[:, _ROW, _COLUMN] = correlations
    matrix[:, _COLUMN, _ROW] = correlations
    return matrix


def columns_of(covariance: Float[np.ndarray, "n_star 5 5"]) -> dict[str, np.ndarray]:
    """The columns `ERRORS` and `CORRELATIONS` of covariance matrices; NaN where these are NaN."""
    error = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    correlation = covariance / (error[:, :, None] * error[:, None, :])
    return dict(zip(ERRORS, error.T, strict=True)) | dict(
        zip(CORRELATIONS, correlation[:, _ROW, _COLUMN].T, strict=True)
    )
