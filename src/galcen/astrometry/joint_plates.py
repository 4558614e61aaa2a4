"""Positions and proper motions of stars, and the plates they were seen on, from all plates at once.

The observed coordinates of star i on exposure e are a polynomial of where it was,

    x_ie = P_e(u_ie / L),    u_ie = s_i + mu_i (t_e - t0),

with its own coefficients for each exposure and axis. Sizes: u [mas] in a plane tangent to the sky, x in the
unit of the plates ("pixel" below), L half the field [mas]. Parallax, colour and the curvature of the sky
are left out: the polynomials take up what is common to all stars of an exposure.

What the data leave free, any polynomial of the plates' order added to the positions, and another to the
proper motions, is fixed by constraints (`plate_frame`). The non-linear part is solved by Gauss-Newton with
fixed weights; between such solutions the weights and the excess noise of each exposure are found anew.

References
----------
Lindegren et al. (2012), A&A 538, A78, sect. 5.1.2: weights, excess noise.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from galcen.astrometry.joint_normals import Design, Normals, Spectrum
from galcen.astrometry.joint_weights import (
    Observed,
    WeightStep,
    approached,
    excess_variance,
    extrapolated,
    median_variance,
    normalised,
    redundancy,
    without_each_exposure,
)
from galcen.astrometry.plate_frame import Frame, constraints
from galcen.astrometry.plate_polynomial import basis, gradient
from galcen.astrometry.robust_weights import BAD, NormalErrors, normal_errors
from galcen.errors import ConvergenceError

SETTLED = 1e-7
"""Largest change of a star's parameter in the last step of Gauss-Newton [its sigma with known plates]."""

NEAR = 10.0
"""Way from where the matrix was made to the solution, at most [the same]: it gives the covariances."""

ROUNDINGS = 1e3
"""The same, in roundings of the largest position."""

SEARCHED_UNTIL = 5
"""Outer steps whose weights come from solving each star without each of its exposures."""


class PlateData(NamedTuple):
    """Observed positions; every star and every exposure has some."""

    star: Int[np.ndarray, " n_obs"]
    exposure: Int[np.ndarray, " n_obs"]
    position: Float[np.ndarray, "n_obs 2"]  # [pixel]
    sigma: Float[np.ndarray, "n_obs 2"]  # [pixel]
    epoch: Float[np.ndarray, " n_exp"]  # [yr]


class Unknowns(NamedTuple):
    """What is solved for."""

    star: Float[np.ndarray, "n_star n_par"]  # x, y [mas] at t0, and their motions [mas/yr] if n_par is 4
    plate: Float[np.ndarray, "n_exp 2 k"]  # [pixel]


class SolverOptions(NamedTuple):
    """How it is solved."""

    order: int = 2
    is_robust: bool = True
    has_excess_noise: bool = True
    tolerance: float = 1e-3  # largest change of a star's parameter in the last step [its sigma]
    max_outer: int = 100
    max_newton: int = 20


class JointSolution(NamedTuple):
    """The solution, with what is left of every observation."""

    unknowns: Unknowns
    covariance: Float[np.ndarray, "n_star n_par n_par"]
    normals: Normals
    residual: Float[np.ndarray, "n_obs 2"]  # observed minus computed [pixel]
    residual_sky: Float[np.ndarray, "n_obs 2"]  # the same in the frame of the stars [mas]
    redundancy: Float[np.ndarray, "n_obs 2"]  # variance of the residual over that of the observation
    weight: Float[np.ndarray, " n_obs"]
    z: Float[np.ndarray, " n_obs"]  # |residual| over its own sigma, two axes as one
    excess_noise: Float[np.ndarray, " n_exp"]  # [pixel]
    chi2: Float[np.ndarray, " n_exp"]  # without bad observations; its mean under normal errors is dof
    dof: Float[np.ndarray, " n_exp"]  # redundancy, without that of bad observations
    square: Float[np.ndarray, " n_obs"]  # weighted, its mean under normal errors is the redundancy
    covariance_factor: float  # of the inverse normal matrix, for what the weights do to normal errors
    spectrum: Spectrum
    n_outer: int

    @property
    def is_bad(self) -> Bool[np.ndarray, " n_obs"]:
        """Observations that are taken for outliers."""
        return self.weight < BAD

    @property
    def plate_error(self) -> Float[np.ndarray, "n_exp 2 k"]:
        """Errors of the terms of the plates; nought for those of a reference plate."""
        variance = np.diag(self.normals.plate_covariance()) * self.covariance_factor
        return np.sqrt(np.maximum(variance, 0.0)).reshape(self.unknowns.plate.shape)

    def joint_covariance(self) -> Float[np.ndarray, "n n"]:
        """Covariance of all parameters of all stars, by star; singular where constraints bind the stars."""
        return self.covariance_factor * self.normals.joint_covariance()


class Linearised(NamedTuple):
    """Residuals and derivatives at some unknowns."""

    design: Design
    residual: Float[np.ndarray, "n_obs 2"]
    by_place: Float[np.ndarray, "n_obs 2 2"]  # pixel/mas


def linearise(data: PlateData, unknowns: Unknowns, frame: Frame, order: int) -> Linearised:
    """Observed minus computed [pixel], and the derivatives of what is computed."""
    time = data.epoch[data.exposure] - frame.t0
    parameters = unknowns.star[data.star]
    has_motion = parameters.shape[1] == 4
    place = parameters[:, :2] + (parameters[:, 2:] * time[:, None] if has_motion else 0.0)
    scaled = (place - frame.centre) / frame.half_size
    terms = basis(order, scaled)
    plate = unknowns.plate[data.exposure]
    computed = np.einsum("oak,ok->oa", plate, terms)
    by_place = np.einsum("oak,okb->oab", plate, gradient(order, scaled)) / frame.half_size
    by_star = np.concatenate([by_place, by_place * time[:, None, None]], axis=2) if has_motion else by_place
    design = Design(data.star, data.exposure, by_star, terms, len(unknowns.star), len(unknowns.plate))
    return Linearised(design, data.position - computed, by_place)


def solve(data: PlateData, start: Unknowns, frame: Frame, options: SolverOptions) -> JointSolution:
    """Solve stars and plates together.

    Parameters
    ----------
    data
        Only stars that can be solved: two observations at least, with motion at different epochs.
    start
        Close enough for Gauss-Newton: positions to a small part of the field (`plate_start`).
    frame
        What fixes the frame of the stars.
    options
        Options of the method.

    Raises
    ------
    ConvergenceError
        The weights, or Gauss-Newton, do not settle; or the system is singular.
    """
    unknowns, previous = start, start
    w, noise = np.ones(len(data.star)), np.zeros(len(data.epoch))
    change, before, trail = np.inf, np.inf, []
    step = WeightStep(np.zeros(len(w)), np.ones(len(w)))
    for outer in range(1, options.max_outer + 1):
        variance = data.sigma**2 + noise[data.exposure, None] ** 2
        unknowns, normals, line = _newton(data, unknowns, frame, w[:, None] / variance, options)
        if outer > 1:
            sigma = np.sqrt(np.einsum("nii->ni", normals.star_covariance()))
            before, change = change, float((np.abs(unknowns.star - previous.star) / sigma).max())
        part = redundancy(normals.predicted_variance() / variance, w)
        # A slow approach has more ahead of it than its last step.
        ahead = change / max(1.0 - change / before, 0.02) if np.isfinite(before) else change
        is_fixed = not (options.is_robust or options.has_excess_noise)
        if is_fixed or (ahead < options.tolerance and outer > SEARCHED_UNTIL):
            return _result(data, unknowns, normals, line, part, w, noise, outer)
        previous = unknowns
        seen = _seen(data, line)
        if options.has_excess_noise:
            found = median_variance(seen, part) if outer == 1 else excess_variance(seen, part, w)
            trail = [*trail, found][-3:]
            noise, trail = extrapolated(trail)
        if options.is_robust and outer <= SEARCHED_UNTIL:
            w = without_each_exposure(seen, noise)
        elif options.is_robust:
            w, step = approached(w, normalised(line.residual, seen.variance(noise), part), step)
    raise ConvergenceError(
        f"joint plates: after {options.max_outer} outer steps a star still moves by {change:.2g} of its "
        f"sigma, expected {options.tolerance:g}; raise max_outer, or look for stars of few exposures that "
        "contradict each other (raise min_exposures)"
    )


def _newton(
    data: PlateData,
    unknowns: Unknowns,
    frame: Frame,
    inverse_variance: Float[np.ndarray, "n_obs 2"],
    options: SolverOptions,
) -> tuple[Unknowns, Normals, Linearised]:
    """Gauss-Newton with fixed weights, down to rounding; the matrix is made anew only where that helps."""
    line = linearise(data, unknowns, frame, options.order)
    # Where the errors are tiny, the rounding of the positions is what remains.
    rounding = np.finfo(float).eps * np.abs(data.position).max() * np.sqrt(inverse_variance.max())
    settled = max(SETTLED, ROUNDINGS * rounding)
    for _ in range(options.max_newton):
        conditions = constraints(frame, unknowns.star, unknowns.plate)
        try:
            normals = Normals(line.design, inverse_variance, conditions)
        except np.linalg.LinAlgError as error:
            raise ConvergenceError(
                f"joint plates: the system is singular ({error}); a star's exposures must differ in epoch, "
                "and the exposures must be joined by common stars: raise min_exposures, or lower the order"
            ) from None
        sigma = np.sqrt(np.einsum("nii->ni", normals.block_inverse))
        before, step, moved = np.inf, np.inf, 0.0
        while step < 0.1 * before or not np.isfinite(before):
            value = constraints(frame, unknowns.star, unknowns.plate).value
            by_star, by_plate = normals.solve(line.residual, value)
            before, step = step, float((np.abs(by_star) / sigma).max())
            if not np.isfinite(step):
                break
            moved += step
            unknowns = Unknowns(unknowns.star + by_star, unknowns.plate + by_plate)
            line = linearise(data, unknowns, frame, options.order)
            # At the solution the right-hand side is rounding alone, and so is the step.
            if step < settled and moved < NEAR:
                return unknowns, normals, line
            if step < settled:
                break
        if not np.isfinite(step):
            break
    raise ConvergenceError(
        f"joint plates: Gauss-Newton does not settle in {options.max_newton} steps (the last is {step:.2g} "
        f"sigma, expected {settled:.2g}); are the names right, and is the order too high for the stars?"
    )


def _seen(data: PlateData, line: Linearised) -> Observed:
    design = line.design
    return Observed(
        data.star,
        data.exposure,
        data.sigma,
        line.residual,
        design.by_star,
        design.n_star,
        design.n_exposure,
    )


def _result(
    data: PlateData,
    unknowns: Unknowns,
    normals: Normals,
    line: Linearised,
    part: Float[np.ndarray, "n_obs 2"],
    w: Float[np.ndarray, " n_obs"],
    noise: Float[np.ndarray, " n_exp"],
    n_outer: int,
) -> JointSolution:
    """Everything that is told of a solution."""
    variance = data.sigma**2 + noise[data.exposure, None] ** 2
    factor = normal_errors() if (w < 1).any() else NormalErrors(1.0, 1.0)
    n_exp, kept = len(noise), w >= BAD
    square = (w[:, None] * line.residual**2 / variance).sum(axis=1) / factor.chi2
    return JointSolution(
        unknowns,
        normals.star_covariance() * factor.covariance,
        normals,
        line.residual,
        np.linalg.solve(line.by_place, line.residual[:, :, None])[:, :, 0],
        part,
        w,
        normalised(line.residual, variance, part),
        noise,
        np.bincount(data.exposure, kept * square, n_exp),
        np.bincount(data.exposure, kept * part.sum(axis=1), n_exp),
        square,
        factor.covariance,
        normals.spectrum(),
        n_outer,
    )


def solvable(
    data: PlateData, n_star: int, min_exposures: int, min_span: float
) -> Bool[np.ndarray, " n_star"]:
    """Which stars have enough exposures, over enough years, to be solved."""
    count = np.bincount(data.star, minlength=n_star)
    time = data.epoch[data.exposure]
    first, last = np.full(n_star, np.inf), np.full(n_star, -np.inf)
    np.minimum.at(first, data.star, time)
    np.maximum.at(last, data.star, time)
    return (count >= min_exposures) & (last - first >= min_span)
