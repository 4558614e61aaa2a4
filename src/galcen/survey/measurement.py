"""From exact places on the chips to measured ones: which are recorded, and their errors.

The scores of a measurement are those of the stream (exposure, star), so that they hang on nothing else.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, UInt32

from galcen.compiled import compiled
from galcen.threefry import normal, normal_quantile, signed_uniform, stream, streams

BLENDED = 1
"""Flag of a position that is the mean of unresolved stars."""

# Numbers of the scores in a measurement's stream.
NOISE_X, NOISE_Y, OUTLIER, OUTLIER_X, OUTLIER_Y = range(5)


HALF_SPACE = 1 << 19
"""Pixels are counted from this far outside a chip's centre, so that no number is negative."""


class Errors(NamedTuple):
    """Of each star, per axis [pixel], and the outliers among all measurements."""

    noise: Float[np.ndarray, " n_star"]
    flat: Float[np.ndarray, " n_star"]
    flat_per_pixel: bool
    outlier_fraction: float
    outlier_pixel: float


class Recorded(NamedTuple):
    """Measurements, exposure by exposure, in each by star."""

    star: Int[np.ndarray, " n_obs"]
    chip: Int[np.ndarray, " n_obs"]
    nx: Float[np.ndarray, " n_obs"]
    ny: Float[np.ndarray, " n_obs"]
    offset: Int[np.ndarray, " n_exp+1"]


def record(
    placed: Recorded, start: Int[np.ndarray, " n_exp"], count: Int[np.ndarray, " n_exp"], inside: float
) -> Recorded:
    """The stars that are on their chips, at most `inside` [pixel] from the centre in each axis.

    Parameters
    ----------
    placed
        Candidates at their exact places; `offset` is not looked at.
    start, count
        Where the candidates of each exposure begin, and how many they are; others are padding.
    inside
        Half the side of a chip less what is lost at its edges.
    """
    n = int(count.sum())
    kept = Recorded(
        np.empty(n, np.int32),
        np.empty(n, np.uint8),
        np.empty(n),
        np.empty(n),
        np.zeros(len(start) + 1, np.int64),
    )
    n_obs = _record(*placed[:4], start, count, inside, *kept)
    return Recorded(*(column[:n_obs] for column in kept[:4]), kept.offset)


@compiled
def _record(
    star: Int[np.ndarray, " n"],
    chip: Int[np.ndarray, " n"],
    nx: Float[np.ndarray, " n"],
    ny: Float[np.ndarray, " n"],
    start: Int[np.ndarray, " n_exp"],
    count: Int[np.ndarray, " n_exp"],
    inside: float,
    out_star: Int[np.ndarray, " n_obs"],
    out_chip: Int[np.ndarray, " n_obs"],
    out_x: Float[np.ndarray, " n_obs"],
    out_y: Float[np.ndarray, " n_obs"],
    offset: Int[np.ndarray, " n_exp+1"],
) -> int:
    n = 0
    for e in range(len(start)):
        last = -1
        for i in range(start[e], start[e] + count[e]):
            # A star is on one chip, also where a wild draw has made chips overlap.
            if abs(nx[i]) <= inside and abs(ny[i]) <= inside and star[i] != last:
                last = star[i]
                out_star[n], out_chip[n], out_x[n], out_y[n] = star[i], chip[i], nx[i], ny[i]
                n += 1
        offset[e + 1] = n
    return n


def measure(
    exact: Recorded,
    source_id: Int[np.ndarray, " n_star"],
    exposure_id: Int[np.ndarray, " n_exp"],
    errors: Errors,
    root: UInt32[np.ndarray, " 2"],
    flat_root: UInt32[np.ndarray, " 2"],
) -> tuple[Recorded, Float[np.ndarray, " n_obs"], Bool[np.ndarray, " n_obs"]]:
    """Put errors on exact places.

    Parameters
    ----------
    exact
        Of `record`.
    source_id, exposure_id
        Names of the streams.
    errors
        Their sizes.
    root, flat_root
        Words of the streams of the measurements, and of the flat field under a star.

    Returns
    -------
    Measured places, their stated errors per axis [pixel], and which are outliers.
    """
    total = np.hypot(errors.noise, errors.flat)
    each = errors.noise if errors.flat_per_pixel else total
    n = len(exact.star)
    x, y, sigma, outlier = np.empty(n), np.empty(n), np.empty(n, np.float32), np.zeros(n, dtype=np.bool_)
    _noise(
        *(exact.star, exact.nx, exact.ny, exact.offset),
        source_id,
        exposure_id,
        each,
        total,
        errors.outlier_fraction,
        errors.outlier_pixel,
        root,
        x,
        y,
        sigma,
        outlier,
    )
    if errors.flat_per_pixel:
        _flat(exact.star, exact.chip, exact.nx, exact.ny, source_id, errors.flat, flat_root, x, y)
    return exact._replace(nx=x, ny=y), sigma, outlier


@compiled
def _noise(
    star: Int[np.ndarray, " n_obs"],
    nx: Float[np.ndarray, " n_obs"],
    ny: Float[np.ndarray, " n_obs"],
    offset: Int[np.ndarray, " n_exp+1"],
    source_id: Int[np.ndarray, " n_star"],
    exposure_id: Int[np.ndarray, " n_exp"],
    size: Float[np.ndarray, " n_star"],
    total: Float[np.ndarray, " n_star"],
    outlier_fraction: float,
    outlier_pixel: float,
    root: UInt32[np.ndarray, " 2"],
    out_x: Float[np.ndarray, " n_obs"],
    out_y: Float[np.ndarray, " n_obs"],
    sigma: Float[np.ndarray, " n_obs"],
    outlier: Bool[np.ndarray, " n_obs"],
) -> None:
    most = 0
    for e in range(len(exposure_id)):
        most = max(most, offset[e + 1] - offset[e])
    identifier, high, low = np.empty(most, np.int64), np.empty(most, np.uint32), np.empty(most, np.uint32)
    for e in range(len(exposure_id)):
        first, n = offset[e], offset[e + 1] - offset[e]
        k_0, k_1 = stream(root, exposure_id[e])
        for i in range(n):
            identifier[i] = source_id[star[first + i]]
        streams(k_0, k_1, identifier[:n], high, low)
        _scores(high[:n], low[:n], NOISE_X, out_x[first : first + n])
        _scores(high[:n], low[:n], NOISE_Y, out_y[first : first + n])
        for i in range(first, first + n):
            out_x[i] = nx[i] + size[star[i]] * out_x[i]
            out_y[i] = ny[i] + size[star[i]] * out_y[i]
            sigma[i] = total[star[i]]
        if outlier_fraction > 0:
            for i in range(n):
                if 0.5 * (1.0 + signed_uniform(high[i], low[i], OUTLIER)) < outlier_fraction:
                    outlier[first + i] = True
                    out_x[first + i] += outlier_pixel * normal(high[i], low[i], OUTLIER_X)
                    out_y[first + i] += outlier_pixel * normal(high[i], low[i], OUTLIER_Y)


@compiled
def _scores(
    k_0: UInt32[np.ndarray, " n"], k_1: UInt32[np.ndarray, " n"], number: int, out: Float[np.ndarray, " n"]
) -> None:
    """One standard normal score of each stream."""
    # Apart: the first loop has no branches, and runs for many streams at once.
    for i in range(len(k_0)):
        out[i] = signed_uniform(k_0[i], k_1[i], number)
    for i in range(len(k_0)):
        out[i] = normal_quantile(out[i])


@compiled
def _flat(
    star: Int[np.ndarray, " n_obs"],
    chip: Int[np.ndarray, " n_obs"],
    nx: Float[np.ndarray, " n_obs"],
    ny: Float[np.ndarray, " n_obs"],
    source_id: Int[np.ndarray, " n_star"],
    size: Float[np.ndarray, " n_star"],
    root: UInt32[np.ndarray, " 2"],
    out_x: Float[np.ndarray, " n_obs"],
    out_y: Float[np.ndarray, " n_obs"],
) -> None:
    """Add what the flat field does to a star on a pixel, the same whenever it is there."""
    words = np.empty(2, np.uint32)
    for i in range(len(star)):
        words[0], words[1] = stream(root, source_id[star[i]])
        column, row = int(np.floor(nx[i])) + HALF_SPACE, int(np.floor(ny[i])) + HALF_SPACE
        k_0, k_1 = stream(words, (np.int64(chip[i]) << 40) | (np.int64(column) << 20) | np.int64(row))
        out_x[i] += size[star[i]] * normal(k_0, k_1, NOISE_X)
        out_y[i] += size[star[i]] * normal(k_0, k_1, NOISE_Y)
