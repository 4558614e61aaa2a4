r"""Integrals over the skewed azimuthal velocity of a disc with the data of a star inside, and draws from it.

.. math:: F = \int N(s; 0, 1) \; e^{-\alpha V(s)^2 / 2 + \beta V(s)} \, ds

with V(s) the velocity at the standard normal score s, linear between the tabulated scores. The sum over
every second score, then over every one, is exact to 1e-6 where the integrand is as broad as their steps (0.2,
0.1); where it is narrower, the integral between two scores is in closed form.
"""

import math

import numpy as np
from jaxtyping import Float, Int

from galcen.catalogue.piece_sums import exponential
from galcen.compiled import compiled
from galcen.galaxy.kinematics.disc import N_SCORE, SCORE_MAX
from galcen.galaxy.kinematics.disc_velocities import DiscVelocities

STEP = 2 * SCORE_MAX / (N_SCORE - 1)
# The trapezoid rule errs by exp(-2 pi^2 (width / step)^2): 2e-8 at this width over the step.
BROAD = 0.95
NEGLIGIBLE = 30.0  # in ln
N_FINE = 601  # scores that a velocity is drawn from
_HALF_LN_2PI = 0.5 * math.log(2 * math.pi)


@compiled
def ln_score_integrals(
    table: DiscVelocities,
    r: Float[np.ndarray, "n_star n_dist"],
    z: Float[np.ndarray, "n_star n_dist"],
    alpha: Float[np.ndarray, "8 n_star n_dist"],
    beta: Float[np.ndarray, "8 n_star n_dist"],
    out: Float[np.ndarray, "8 n_star n_dist"],
) -> None:
    """Fill `out` with ln F of each disc at R, abs(Z) [pc]; `alpha` [s^2/km^2], `beta` [s/km]."""
    n_second = table.v_phi_second.shape[3]
    v, exponent = np.empty(N_SCORE), np.empty(N_SCORE)
    for s in range(r.shape[0]):
        for d in range(r.shape[1]):
            i, t = _place(table.r, r[s, d])
            j, u = _place(table.z, abs(z[s, d]))
            for disc in range(alpha.shape[0]):
                a, b = alpha[disc, s, d], beta[disc, s, d]
                _interpolate(table.v_phi_second[disc], i, t, j, u, v)
                best, width = _exponents(v[:n_second], 2.0 * STEP, a, b, exponent)
                if width >= BROAD * 2.0 * STEP:
                    out[disc, s, d] = _ln_sum(exponent[:n_second], exponent[best], 2.0 * STEP)
                    continue
                _interpolate(table.v_phi[disc], i, t, j, u, v)
                best, width = _exponents(v, STEP, a, b, exponent)
                if width >= BROAD * STEP:
                    out[disc, s, d] = _ln_sum(exponent, exponent[best], STEP)
                else:
                    out[disc, s, d] = _ln_by_segments(v, a, b, exponent)


@compiled
def draw_azimuthal_velocities(
    table: DiscVelocities,
    which: Int[np.ndarray, " n_star"],
    r: Float[np.ndarray, " n_star"],
    z: Float[np.ndarray, " n_star"],
    alpha: Float[np.ndarray, " n_star"],
    beta: Float[np.ndarray, " n_star"],
    uniform: Float[np.ndarray, " n_star"],
    out: Float[np.ndarray, " n_star"],
) -> None:
    """Fill `out` with v_phi [km/s] by the integrand: of the disc `which` of each star, given its data."""
    v, exponent = np.empty(N_SCORE), np.empty(N_SCORE)
    velocity, cumulative = np.empty(N_FINE), np.empty(N_FINE)
    for s in range(len(r)):
        i, t = _place(table.r, r[s])
        j, u = _place(table.z, abs(z[s]))
        _interpolate(table.v_phi[which[s]], i, t, j, u, v)
        best, _ = _exponents(v, STEP, alpha[s], beta[s], exponent)
        low, high = max(best - 1, 0), min(best + 1, N_SCORE - 1)
        while low > 0 and exponent[low] > exponent[best] - NEGLIGIBLE:
            low -= 1
        while high < N_SCORE - 1 and exponent[high] > exponent[best] - NEGLIGIBLE:
            high += 1
        # Where the integrand is narrow it lies between two scores, and may be higher there.
        step = (high - low) * STEP / (N_FINE - 1)
        largest = -1e300
        for n in range(N_FINE):
            score = low * STEP - SCORE_MAX + n * step
            k = min(int((score + SCORE_MAX) / STEP), N_SCORE - 2)
            velocity[n] = v[k] + (v[k + 1] - v[k]) * ((score + SCORE_MAX) / STEP - k)
            cumulative[n] = _exponent(velocity[n], score, alpha[s], beta[s])
            largest = max(largest, cumulative[n])
        before, total = 0.0, 0.0
        for n in range(N_FINE):
            density = math.exp(cumulative[n] - largest)
            total += 0.5 * (before + density) if n > 0 else 0.0
            before = density
            cumulative[n] = total
        n = min(max(np.searchsorted(cumulative, uniform[s] * total, side="right"), 1), N_FINE - 1)
        rise = cumulative[n] - cumulative[n - 1]
        part = (uniform[s] * total - cumulative[n - 1]) / rise if rise > 0.0 else 0.5
        out[s] = velocity[n - 1] + (velocity[n] - velocity[n - 1]) * min(max(part, 0.0), 1.0)


@compiled
def _place(nodes: Float[np.ndarray, " n"], x: float) -> tuple[int, float]:
    """Interval of a grid that holds x, and the place in it from 0 to 1; clipped to the grid."""
    i = min(max(np.searchsorted(nodes, x, side="right") - 1, 0), len(nodes) - 2)
    return i, min(max((x - nodes[i]) / (nodes[i + 1] - nodes[i]), 0.0), 1.0)


@compiled
def _interpolate(
    table: Float[np.ndarray, "n_r n_z n_score"],
    i: int,
    t: float,
    j: int,
    u: float,
    v: Float[np.ndarray, " n"],
) -> None:
    """Quantiles of v_phi at one place into the first elements of `v`."""
    a, b, c, d = table[i, j], table[i + 1, j], table[i, j + 1], table[i + 1, j + 1]
    for k in range(table.shape[2]):
        v[k] = (a[k] * (1.0 - t) + b[k] * t) * (1.0 - u) + (c[k] * (1.0 - t) + d[k] * t) * u


@compiled
def _exponents(
    v: Float[np.ndarray, " n"], step: float, alpha: float, beta: float, exponent: Float[np.ndarray, " m"]
) -> tuple[int, float]:
    """Fill the exponents at scores `step` apart; the place of the largest and the width in s there."""
    largest, best = -1e300, 0
    for k in range(len(v)):
        score = k * step - SCORE_MAX
        exponent[k] = _exponent(v[k], score, alpha, beta)
        largest = max(largest, exponent[k])
    while exponent[best] < largest:
        best += 1
    # The steepest step nearby decides: there the integrand is narrowest.
    rise = 0.0
    for k in range(max(best - 2, 0), min(best + 2, len(v) - 1)):
        rise = max(rise, v[k + 1] - v[k])
    return best, 1.0 / math.sqrt(1.0 + alpha * (rise / step) ** 2)


@compiled
def _ln_sum(exponent: Float[np.ndarray, " n"], largest: float, step: float) -> float:
    total = 0.0
    for k in range(len(exponent)):
        total += exponential(exponent[k] - largest)
    return largest + math.log(total * step) - _HALF_LN_2PI


@compiled
def _exponent(v: float, s: float, alpha: float, beta: float) -> float:
    return v * (beta - 0.5 * alpha * v) - 0.5 * s * s


@compiled
def _ln_by_segments(
    v: Float[np.ndarray, " n"], alpha: float, beta: float, tops: Float[np.ndarray, " n"]
) -> float:
    """Ln F by error functions: between two scores the exponent is a parabola. `tops` is overwritten."""
    largest, total = -1e300, 0.0
    for k in range(N_SCORE - 1):
        slope, score = (v[k + 1] - v[k]) / STEP, k * STEP - SCORE_MAX
        base = v[k] - slope * score
        peak = slope * (beta - alpha * base) / (1.0 + alpha * slope * slope)
        nearest = min(max(peak, score), score + STEP)
        tops[k] = _exponent(base + slope * nearest, nearest, alpha, beta)
        largest = max(largest, tops[k])
    for k in range(N_SCORE - 1):
        if tops[k] < largest - NEGLIGIBLE:
            continue
        slope, score = (v[k + 1] - v[k]) / STEP, k * STEP - SCORE_MAX
        precision = 1.0 + alpha * slope * slope
        peak = slope * (beta - alpha * (v[k] - slope * score)) / precision
        root = math.sqrt(0.5 * precision)
        low, high = (score - peak) * root, (score + STEP - peak) * root
        at_low = math.exp(_exponent(v[k], score, alpha, beta) - largest) * _scaled_erfc(abs(low))
        at_high = math.exp(_exponent(v[k + 1], score + STEP, alpha, beta) - largest) * _scaled_erfc(abs(high))
        if low < 0.0 and high > 0.0:
            total += (2.0 * math.exp(tops[k] - largest) - at_low - at_high) / root
        else:
            total += abs(at_low - at_high) / root
    return largest + math.log(0.5 * math.sqrt(math.pi) * total) - _HALF_LN_2PI


@compiled
def _scaled_erfc(x: float) -> float:
    """Exp(x^2) erfc(x) for x >= 0, to 1e-6."""
    if x < 20.0:
        return math.exp(x * x) * math.erfc(x)
    return (1.0 - 0.5 / (x * x)) / (x * math.sqrt(math.pi))
