"""Variational inference of a plate problem, from the maximum of its posterior.

The model is the log density of the unknowns, with the weights that the solution ended with;
`variational_guides` has the families of distributions that are fitted to it. ADAM steps in units of the
conditional standard deviations, or of the exact Gaussian, at falling learning rates; the reference's own
ladder of rates is kept for comparison.

References
----------
Kingma & Ba (2015), arXiv:1412.6980 (ADAM); Phan, Pradhan & Jankowiak (2019), arXiv:1912.11554 (numpyro).
"""

from collections.abc import Callable
from functools import cache, partial
from typing import Any, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import numpyro
from jaxtyping import Array, Float, Key
from numpyro.distributions import ImproperUniform, constraints
from numpyro.infer import SVI, Trace_ELBO
from numpyro.infer.svi import SVIState
from numpyro.optim import Adam

from galcen.astrometry.plate import Plate
from galcen.astrometry.plate_problem import PlateProblem
from galcen.astrometry.variational_coordinates import (
    curvature,
    following_the_valley,
    gaussian,
    lower_root,
    mask_of,
    raw,
    strongest,
    whitened,
)
from galcen.astrometry.variational_density import Density, density_of, log_density
from galcen.astrometry.variational_guides import Block, Flow, Guide, LowRank, MeanField
from galcen.errors import ConvergenceError

GUIDES = ("mean_field", "block", "low_rank", "flow")
SUB_MODELS = ("full", "attitude", "positions", "distortion")

AT_ONCE = 50
"""Steps between two looks at the ELBO."""


class Ladder(NamedTuple):
    """Settings of ADAM."""

    learning_rates: tuple[float, ...]
    b1: float
    b2: float
    eps: float


EPS = 1.0
"""Gradients, per standard deviation, below which steps are smaller than the learning rate.

ADAM alone makes full steps of any noise, and walks away from a guide that is right from the start.
"""

ORIGINAL = Ladder(tuple(10.0**-k for k in range(3, 11)), 0.99, 0.999, 1e-4)
"""Of the reference."""


class Options(eqx.Module):
    """How the inference is done."""

    guide: Literal["mean_field", "block", "low_rank", "flow"] = "mean_field"
    learning_rates: tuple[float, ...] = (1e-1, 1e-2, 1e-3)
    """In turn; of the whitened ladder."""
    steps: int = 200
    """At each learning rate."""
    rank: int = 50
    """Of the low-rank guide; at most the number of unknowns of attitude and camera that shift sources."""
    n_particle: int = 1
    """Draws from the guide in each step."""
    ladder: Literal["whitened", "original"] = "whitened"
    """`original`: the reference's rates and settings of ADAM, and its noisier gradient; mean field only."""
    units: Literal["whitened", "raw"] = "whitened"
    """Of the original ladder: conditional standard deviations, or degrees and um."""
    sub_model: Literal["full", "attitude", "positions", "distortion"] = "full"
    """Of the original ladder: what moves; all else stays at the maximum of the posterior."""

    def __check_init__(self) -> None:
        if self.guide not in GUIDES or self.sub_model not in SUB_MODELS:
            raise ValueError(
                f"guide = {self.guide}, sub_model = {self.sub_model}; expected one of {', '.join(GUIDES)} "
                f"and one of {', '.join(SUB_MODELS)}"
            )
        if min(self.steps, self.rank, self.n_particle) < 1 or not self.learning_rates:
            raise ValueError("steps, rank, n_particle and the number of learning_rates must be 1 or more")
        if self.ladder == "original" and self.guide != "mean_field":
            raise ValueError(f"ladder = original knows guide = mean_field only, not {self.guide}")
        if self.ladder != "original" and (self.units, self.sub_model) != ("whitened", "full"):
            raise ValueError("units = raw and sub-models belong to ladder = original")


class Inferred(NamedTuple):
    """What the guide says of the sources in the end."""

    mean: Float[np.ndarray, "2 n_src"]
    """[mas]"""
    covariance: Float[np.ndarray, "2 2 n_src"]
    """[mas^2]; conditional or marginal, as the guide has it."""
    elbo: Float[np.ndarray, " n_step"]
    """Before each step, less the logarithm of the evidence of the exact Gaussian: 0 for a posterior that is
    normal and a guide that is the posterior. With a guide that gives one value to an unknown it has none."""
    n_step: int
    """Steps of ADAM."""


def infer(problem: PlateProblem, plate: Plate, key: Key[Array, ""], options: Options) -> Inferred:
    """Fit a guide to the posterior of a plate problem.

    Parameters
    ----------
    problem
        What was solved.
    plate
        Its solution: where the inference starts, and the weights.
    key
        Everything random follows from it.
    options
        How.

    Raises
    ------
    ConvergenceError
        The ELBO is not finite; says at which step.
    """
    n_together = 1 if jax.default_backend() == "cpu" else len(problem.observations.source)
    density = density_of(problem, plate.weight, plate.prior_weight, n_together)
    guide = _guide(plate, density, options)
    params, losses = _descended(plate, density, guide, key, options)
    moments = guide.moments(params)
    return Inferred(*map(np.asarray, moments), -losses, len(losses))


def log_evidence(plate: Plate) -> float:
    """Logarithm of the integral of the exact Gaussian that touches the log density at its maximum."""
    (xx, xy), (_, yy) = plate.solution.ss
    n, solution = plate.state.source.size + len(plate.solution.y), plate.solution
    log_determinant = -np.log(xx * yy - xy**2).sum()
    log_determinant += 2 * (np.log(np.diag(solution.reduced)) - np.log(solution.scale)).sum()
    chi2 = plate.normal.chi2_data + plate.normal.chi2_prior
    return float(0.5 * (n * np.log(2 * np.pi) - log_determinant - chi2))


def _guide(plate: Plate, density: Density, options: Options) -> Guide:
    """The guide of the options, with what the solution says of its start."""
    if options.guide == "flow":
        return Flow(following_the_valley(gaussian(plate), partial(log_density, density)))
    units = whitened(plate) if options.units == "whitened" else raw(plate)
    if options.guide == "mean_field":
        width = jnp.asarray(1 / np.sqrt(plate.normal.ss[(0, 1), (0, 1)])) / units.source_unit
        free = mask_of(plate.state, options.sub_model)
        return MeanField(units, width, free, options.ladder == "whitened")
    if options.guide == "block":
        root = lower_root(plate.solution.ss) / np.asarray(units.source_unit)[:, None]
        return Block(units, jnp.asarray(root))
    of_source, of_y = strongest(gaussian(plate), units.source_unit, options.rank)
    of_source, of_y = of_source / units.source_unit, of_y / units.y_unit
    matrix = curvature(plate)
    pushed = jax.vmap(matrix.product)(of_source, of_y)
    stiffness = jnp.tensordot(of_source, pushed[0], ((1, 2), (1, 2))) + of_y @ pushed[1].T
    moves = jnp.concatenate([of_source.reshape(len(of_y), -1), of_y], axis=1).T
    return LowRank(units, matrix, moves, stiffness)


def _model(density: Density, guide: Guide, log_scale: Array) -> None:
    """The posterior in the coordinates of a guide, over the Gaussian's evidence."""
    at = guide.coordinates
    source = numpyro.sample("source", ImproperUniform(constraints.real, (), at.source.shape))
    y = numpyro.sample("y", ImproperUniform(constraints.real, (), at.y.shape))
    value = log_density(density, *at.unknowns(source, y)) + log_scale
    numpyro.factor("posterior", value - guide.exact(source, y))


def _family(density: Density, guide: Guide, log_scale: Array) -> None:
    """The guide as numpyro calls it."""
    guide.sample({name: numpyro.param(f"guide_{name}", value) for name, value in guide.start().items()})


@cache
def _compiled(ladder: Ladder, steps: int, n_particle: int) -> tuple[SVI, Callable]:
    """The inference, and some of its steps at once, compiled once for all problems of one shape."""
    rates = np.array(ladder.learning_rates)
    svi = SVI(
        _model,
        _family,
        Adam(lambda i: jnp.take(rates, i // steps, mode="clip"), b1=ladder.b1, b2=ladder.b2, eps=ladder.eps),
        Trace_ELBO(n_particle, vectorize_particles=False),
    )

    @jax.jit
    def several(state: SVIState, n: Array, *arguments: Any) -> tuple[SVIState, Array]:  # noqa: ANN401
        def step(i: Array, carry: tuple[SVIState, Array]) -> tuple[SVIState, Array]:
            state, loss = svi.update(carry[0], *arguments)
            return state, carry[1].at[i].set(loss)

        return jax.lax.fori_loop(0, n, step, (state, jnp.zeros(AT_ONCE)))

    return svi, several


def _descended(
    plate: Plate, density: Density, guide: Guide, key: Key[Array, ""], options: Options
) -> tuple[dict[str, Array], Float[np.ndarray, " n_step"]]:
    """Parameters of the guide after all steps, and minus the ELBO before each of them."""
    ladder = (
        ORIGINAL if options.ladder == "original" else Ladder(tuple(options.learning_rates), 0.9, 0.999, EPS)
    )
    svi, several = _compiled(ladder, options.steps, options.n_particle)
    log_scale = guide.coordinates.log_volume - log_evidence(plate)
    arguments = (density, guide, log_scale)
    # Compiled, it leaves out the evaluation of the model, whose value it does not need.
    state, losses = jax.jit(svi.init)(key, *arguments), []
    total = options.steps * len(ladder.learning_rates)
    for done in range(0, total, AT_ONCE):
        n = min(AT_ONCE, total - done)
        state, some = several(state, n, *arguments)
        losses.append(np.asarray(some)[:n])
        bad = ~np.isfinite(losses[-1])
        if bad.any():
            step = done + int(bad.argmax())
            rate = ladder.learning_rates[step // options.steps]
            raise ConvergenceError(
                f"the ELBO of the guide {options.guide} is not finite at step {step + 1} of {total}, "
                f"learning rate {rate:g}; try smaller plate.inference.learning_rates, or "
                "plate.inference.guide: mean_field"
            )
    params = svi.get_params(state)
    return {name.removeprefix("guide_"): value for name, value in params.items()}, np.concatenate(losses)
