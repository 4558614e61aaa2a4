"""Guides: the families of distributions among which variational inference looks for the posterior.

Each is written in coordinates of its own, starts at the maximum of the posterior with the widths that the
normal equations give, and says mean and covariance of the sources.
"""

from typing import NamedTuple, Protocol

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import numpyro
from jaxtyping import Array, Float
from numpyro.distributions import Delta, Distribution, LowRankMultivariateNormal, Normal

from galcen.astrometry.variational_coordinates import Curvature, Joint, Separate
from galcen.astrometry.variational_families import InClosedForm, PairNormal, Params, PathOnly, SinhArcsinh


class Moments(NamedTuple):
    """Of the sources under a guide."""

    mean: Float[Array, "2 n_src"]
    """[mas]"""
    covariance: Float[Array, "2 2 n_src"]
    """[mas^2]"""


class Guide(Protocol):
    """A family of distributions of coordinates."""

    @property
    def coordinates(self) -> Separate | Joint:
        """What it is a distribution of."""
        ...

    def start(self) -> Params:
        """Its parameters before the first step."""
        ...

    def sample(self, params: Params) -> tuple[Array, Array]:
        """Sample sites of numpyro for coordinates of the sources and of all else."""
        ...

    def exact(self, source: Array, y: Array) -> Array:
        """The part of the log density whose mean is in the guide's own density already."""
        ...

    def moments(self, params: Params) -> Moments:
        """What it says of the sources."""
        ...


class MeanField(eqx.Module):
    """Independent normal distributions of the sources' coordinates, one value of everything else.

    As in the reference. For a normal posterior its widths are conditional ones, see the documentation.
    """

    coordinates: Separate
    width: Float[Array, "2 n_src"]
    """To start with, in the units of the coordinates."""
    free: tuple[float, Float[Array, " n_y"]]
    """What the steps may change: the sources, and each other unknown; the rest stays."""
    path_only: bool = eqx.field(static=True)

    def start(self) -> Params:
        """See `Guide`."""
        zero = jnp.zeros_like(self.width)
        return {"mean": zero, "log_width": jnp.log(self.width), "y": jnp.zeros_like(self.coordinates.y)}

    def sample(self, params: Params) -> tuple[Array, Array]:
        """See `Guide`."""

        def normal(own: Params) -> Distribution:
            return Normal(own["mean"], jnp.exp(own["log_width"])).to_event(2)

        own = {name: _partly(params[name], self.free[0]) for name in ("mean", "log_width")}
        source = numpyro.sample("source", PathOnly(normal, own) if self.path_only else normal(own))
        return source, numpyro.sample("y", Delta(_partly(params["y"], self.free[1]), event_dim=1))

    def exact(self, source: Array, y: Array) -> Array:
        """See `Guide`."""
        return jnp.zeros(())

    def moments(self, params: Params) -> Moments:
        """See `Guide`."""
        unit = self.coordinates.source_unit
        mean, variance = params["mean"] * unit, (jnp.exp(params["log_width"]) * unit) ** 2
        return Moments(self.coordinates.source + mean, variance * jnp.eye(2)[:, :, None])


class Block(eqx.Module):
    """A normal distribution of the two coordinates of each source, one value of everything else."""

    coordinates: Separate
    root: Float[Array, "2 2 n_src"]
    """Lower factor of the covariance to start with, in the units of the coordinates."""

    def start(self) -> Params:
        """See `Guide`."""
        return {
            "mean": jnp.zeros_like(self.root[0]),
            "log_width": jnp.log(self.root[(0, 1), (0, 1)]),
            "cross": self.root[1, 0],
            "y": jnp.zeros_like(self.coordinates.y),
        }

    def sample(self, params: Params) -> tuple[Array, Array]:
        """See `Guide`."""
        own = {name: params[name] for name in ("mean", "log_width", "cross")}
        source = numpyro.sample("source", PathOnly(_pairs, own))
        return source, numpyro.sample("y", Delta(params["y"], event_dim=1))

    def exact(self, source: Array, y: Array) -> Array:
        """See `Guide`."""
        return jnp.zeros(())

    def moments(self, params: Params) -> Moments:
        """See `Guide`."""
        unit = self.coordinates.source_unit
        width, cross = jnp.exp(params["log_width"]), params["cross"]
        root = unit[:, None] * jnp.array([[width[0], jnp.zeros_like(cross)], [cross, width[1]]])
        mean = self.coordinates.source + unit * params["mean"]
        return Moments(mean, jnp.einsum("iks,jks->ijs", root, root))


class LowRank(eqx.Module):
    """A normal distribution of all unknowns: a diagonal, and a few moves of everything together.

    The moves are those that shift the sources most; inference finds their covariance, the diagonal and the
    mean. The mean of the exact Gaussian's logarithm has a closed form; draws serve for what the posterior
    differs by from it, or else the sum over thousands of unknowns would drown the gradient in noise.
    """

    coordinates: Separate
    curvature: Curvature
    moves: Float[Array, "n_all rank"]
    """In the units of the coordinates."""
    stiffness: Float[Array, "rank rank"]
    """Of the moves, under the curvature."""

    def start(self) -> Params:
        """See `Guide`."""
        n_all, rank = self.moves.shape
        return {"mean": jnp.zeros(n_all), "log_width": jnp.zeros(n_all), "mix": jnp.eye(rank)}

    def sample(self, params: Params) -> tuple[Array, Array]:
        """See `Guide`."""
        mix, variance = jnp.tril(params["mix"]), jnp.exp(2 * params["log_width"])
        factor = self.moves @ mix
        own = jnp.eye(len(mix)) + factor.T @ (factor / variance[:, None])
        entropy = params["log_width"].sum() + jnp.log(jnp.diag(jnp.linalg.cholesky(own))).sum()
        entropy += 0.5 * len(variance) * (1 + np.log(2 * np.pi))
        energy = self.curvature.energy(*self._parts(params["mean"]))
        energy += 0.5 * (variance.sum() + jnp.einsum("ka,kl,la->", mix, self.stiffness, mix))
        normal = LowRankMultivariateNormal(params["mean"], factor, variance)
        everything = numpyro.sample(
            "all", InClosedForm(normal, energy - entropy), infer={"is_auxiliary": True}
        )
        return _as_sites(*self._parts(everything))

    def exact(self, source: Array, y: Array) -> Array:
        """See `Guide`."""
        return -self.curvature.energy(source, y)

    def moments(self, params: Params) -> Moments:
        """See `Guide`."""
        unit, shape = self.coordinates.source_unit, self.coordinates.source.shape
        n = unit.size
        factor = (self.moves[:n] @ jnp.tril(params["mix"])).reshape(*shape, -1) * unit[:, :, None]
        own = (jnp.exp(params["log_width"][:n]).reshape(shape) * unit) ** 2
        mean = self.coordinates.source + unit * params["mean"][:n].reshape(shape)
        return Moments(mean, jnp.einsum("isk,jsk->ijs", factor, factor) + own * jnp.eye(2)[:, :, None])

    def _parts(self, everything: Array) -> tuple[Array, Array]:
        source, y = jnp.split(everything, [self.coordinates.source.size])
        return source.reshape(self.coordinates.source.shape), y


class Flow(eqx.Module):
    """The exact Gaussian, each of its independent coordinates bent by a sinh-arcsinh transform.

    The weakest coordinates also bend the others, see `variational_coordinates`. It passes the errors of
    attitude and calibration on to the sources.
    """

    coordinates: Joint

    def start(self) -> Params:
        """See `Guide`."""
        n = self.coordinates.source.size + self.coordinates.y.size
        return {name: jnp.zeros(n) for name in ("location", "log_scale", "skew", "log_tail")}

    def sample(self, params: Params) -> tuple[Array, Array]:
        """See `Guide`."""
        bent = PathOnly(lambda values: SinhArcsinh(**values), params)
        everything = numpyro.sample("all", bent, infer={"is_auxiliary": True})
        source, y = jnp.split(everything, [self.coordinates.source.size])
        source = source.reshape(self.coordinates.source.shape)
        return numpyro.sample("source", Delta(source, event_dim=2)), numpyro.sample(
            "y", Delta(y, event_dim=1)
        )

    def exact(self, source: Array, y: Array) -> Array:
        """See `Guide`."""
        return jnp.zeros(())

    def moments(self, params: Params) -> Moments:
        """See `Guide`; the scatter by the bend, which hardly moves the sources, is left out."""
        at = self.coordinates
        mean, variance = SinhArcsinh(**params).mean_and_variance()
        own, y = jnp.split(mean, [at.source.size])
        own_variance, y_variance = jnp.split(variance, [at.source.size])
        i, j = np.triu_indices(at.n_weak)
        products = y[i] * y[j] + jnp.where(i == j, y_variance[i], 0.0)
        along = at.axes @ (y + products @ at.y_bend)
        own = own.reshape(at.source.shape) + jnp.tensordot(products, at.source_bend, 1)
        by_own = jnp.einsum("iks,ks,jks->ijs", at.root, own_variance.reshape(at.source.shape), at.root)
        by_y = jnp.einsum("iys,yk->iks", at.gain, at.axes * jnp.sqrt(y_variance), optimize=True)
        return Moments(at.source + at.of_sources(own, along), by_own + jnp.einsum("iks,jks->ijs", by_y, by_y))


def _pairs(own: Params) -> Distribution:
    return PairNormal(own["mean"], own["log_width"], own["cross"])


def _as_sites(source: Array, y: Array) -> tuple[Array, Array]:
    """Parts of a joint draw as the model's sample sites."""
    return numpyro.sample("source", Delta(source, event_dim=2)), numpyro.sample("y", Delta(y, event_dim=1))


def _partly(value: Array, free: Array | float) -> Array:
    """The value; what is not free has no derivative."""
    return free * value + (1.0 - free) * jax.lax.stop_gradient(value)
