"""Predictions and derivatives of the measurements of one orbit, panel after panel.

Panels, measurements of one exposure on one chip, are padded to one length for each orbit, and so many taken
together that what lies between the stages of the model stays in a core's cache. Neither depends on which rank
has the orbit.
"""

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from galcen.astrometry.iterative.blocks import Blocks, blocks, derivatives, sides
from galcen.astrometry.iterative.problem import Orbit, Problem, State
from galcen.astrometry.weights import two_axis_weight
from galcen.mapping.camera import Camera
from galcen.mapping.detector import Chip, ChipOffsets
from galcen.mapping.distortion import Coefficients
from galcen.mapping.forward import FocalLength, Optics, Source
from galcen.mapping.frames import Attitude
from galcen.mapping.linearisation import Calibration, Exposure, Linearised, linearised
from galcen.mapping.source_motion import Offsets, Triad, triad
from galcen.mapping.vector import Vector

GROUP_ROWS = 4096
"""Measurements that are differentiated together, padding included."""

LENGTHS = (32, 64, 128, 256)
"""Of panels; each is a compilation. An orbit takes the one of least work."""

PANEL_ROWS = 6
"""What a panel costs besides its measurements and padding, in measurements."""


class Panels(NamedTuple):
    """Which measurements panels hold: the exposure and chip of each, the first and the last, which is out."""

    exposure: Int[np.ndarray, " n_panel"]
    chip: Int[np.ndarray, " n_panel"]
    first: Int[np.ndarray, " n_panel"]
    last: Int[np.ndarray, " n_panel"]


class Group(NamedTuple):
    """Some panels of an orbit, padded; the arrays that the compiled model takes."""

    exposures: Exposure
    unknowns: Float[np.ndarray, "n_panel 5"]
    drift: Float[np.ndarray, "n_panel 1"]
    chip: Int[np.ndarray, " n_panel"]
    source: Int[np.ndarray, "n_panel n_obs"]
    """Of a measurement in the padding too."""
    pixel: Float[np.ndarray, "2 n_panel n_obs"]
    root: Float[np.ndarray, "2 n_panel n_obs"]
    """1 / sigma; 0 in the padding."""
    weight: Float[np.ndarray, "n_panel n_obs"]


class Shared(NamedTuple):
    """What all groups of a sweep have in common."""

    sources: Float[Array, "n_row n_src"]
    """Triads (9), radial velocity, colour, unknowns (5)."""
    unit: Float[Array, "n_part 2 n_term"]
    """Coefficients of the orbit's calibration unit; with a drift, those too."""
    chip: Float[Array, "n_chip n_chip_unknown"]


class Found(NamedTuple):
    """What the model says of a group."""

    blocks: Blocks
    residual: Float[Array, "2 n_panel n_obs"]
    """Observed minus predicted [pixel]; 0 in the padding."""
    weight: Float[Array, "n_panel n_obs"]
    chi2: Float[Array, ""]
    """Of the residuals, weighted."""


def sources_of(problem: Problem, state: State) -> Float[Array, "n_row n_src"]:
    """All that the model gathers of a source."""
    known = problem.sources
    vectors = jax.tree.leaves(_triads(known.ra, known.dec))
    return jnp.stack([*vectors, known.radial_velocity, known.colour, *state.source.T])


_triads = jax.jit(triad)


def unit_of(problem: Problem, state: State, orbit: Orbit) -> Float[np.ndarray, "n_part 2 n_term"]:
    """Coefficients that an orbit sees."""
    return state.unit[orbit.unit].reshape(-1, 2, problem.camera.optics.distortion.n_term)


def counts(orbit: Orbit, n_chip: int) -> Int[np.ndarray, " n_exp_chip"]:
    """Number of measurements of each exposure on each chip."""
    exposure = np.repeat(np.arange(0, orbit.n_exp * n_chip, n_chip), np.diff(orbit.offset))
    return np.bincount(exposure + orbit.chip, minlength=orbit.n_exp * n_chip)


def best_length(rows: Int[np.ndarray, " n"]) -> int:
    """Of panels for so many measurements of each exposure on each chip."""
    return min(LENGTHS, key=lambda n: (-(-rows // n)).sum() * (n + PANEL_ROWS))


def panels(rows: Int[np.ndarray, " n_exp_chip"], n_chip: int, length: int) -> Panels:
    """Panels of an orbit with so many measurements of each exposure on each chip, sorted by these."""
    edges = np.append(0, np.cumsum(rows))
    n_panel = -(-rows // length)
    cell = np.repeat(np.arange(len(rows)), n_panel)
    first = edges[cell] + length * (np.arange(len(cell)) - np.repeat(np.cumsum(n_panel) - n_panel, n_panel))
    return Panels(cell // n_chip, cell % n_chip, first, np.minimum(first + length, edges[cell + 1]))


def groups(
    orbit: Orbit,
    n_chip: int,
    exposure: Float[np.ndarray, "n_exp 5"],
    weight: Float[np.ndarray, " n_obs"],
    noise: Float[np.ndarray, " n_obs"] | None = None,
    shape: tuple[int, int] | None = None,
) -> Iterator[tuple[Panels, Group]]:
    """The groups of an orbit, and the panels in each; padded ones follow those.

    Parameters
    ----------
    orbit
        Its measurements, sorted by exposure and chip.
    n_chip
        Number of chips.
    exposure
        Unknowns of its exposures.
    weight
        Of its measurements.
    noise
        Excess noise [pixel] of each measurement, added to sigma in quadrature.
    shape
        Panels of a group, and their length; None: as suits a core's cache.
    """
    rows = counts(orbit, n_chip)
    length = best_length(rows) if shape is None else shape[1]
    size = GROUP_ROWS // length if shape is None else shape[0]
    cut = panels(rows, n_chip, length)
    sigma = orbit.sigma.astype(np.float64)
    root = 1.0 / (sigma if noise is None else np.hypot(sigma, noise))
    for begin in range(0, len(cut.first), size):
        inside = Panels(*(values[begin : begin + size] for values in cut))
        # The last group's padding repeats a panel; what is in the padding counts for nothing by its root.
        number = np.minimum(np.arange(size), len(inside.first) - 1)
        which, last = inside.exposure[number], inside.last[number, None]
        each = inside.first[number, None] + np.arange(length)
        is_measured = each < last
        is_measured[len(inside.first) :] = False
        each = np.minimum(each, last - 1)
        group = Group(
            jax.tree.map(lambda leaf, which=which: leaf[which], orbit.exposures),
            exposure[which],
            orbit.drift[which, None],
            inside.chip[number].astype(np.int32),
            np.take(orbit.source, each).astype(np.int32, copy=False),
            np.take(orbit.pixel, each, axis=1).astype(np.float64, copy=False),
            np.take(root, each, axis=1) * is_measured,
            np.take(weight, each),
        )
        yield inside, group


def found(problem: Problem, shared: Shared, group: Group, reweigh: bool) -> Found:
    """Residuals, weights and blocks of a group.

    Parameters
    ----------
    problem
        Its camera and its calibration count here.
    shared, group
        Where the model is taken.
    reweigh
        Set the weights anew from the residuals.
    """
    camera, calibration = problem.camera, problem.calibration
    form = (camera.optics, calibration.chromatic)
    return _found(form, _nominal(camera), shared, group, reweigh)


def residuals(problem: Problem, shared: Shared, group: Group) -> Float[Array, "2 n_panel n_obs"]:
    """Observed minus predicted [pixel]; 0 in the padding."""
    camera, calibration = problem.camera, problem.calibration
    return _residuals((camera.optics, calibration.chromatic), _nominal(camera), shared, group)


def noise_products(
    problem: Problem, shared: Shared, group: Group, keys: Key[Array, " n_panel"], n_probe: int
) -> tuple[Float[Array, "n_probe 5 n_panel n_obs"], Float[Array, "n_probe n_panel n_shared"]]:
    """Right sides that pure noise of unit weight would give: of sources, and of the shared unknowns.

    Their covariance is the normal matrix of the same measurements. `keys`, one for each panel, decide the
    noise: which rank draws it does not matter.
    """
    camera, calibration = problem.camera, problem.calibration
    form = (camera.optics, calibration.chromatic)
    return _noise_products(form, _nominal(camera), shared, group, keys, n_probe)


@partial(jax.jit, static_argnums=(0, 5))
def _noise_products(
    form: tuple[Optics, bool], nominal: tuple, shared: Shared, group: Group, keys: Array, n_probe: int
) -> tuple[Array, Array]:
    optics, chromatic = form
    model, colour = _model(optics, nominal, shared, group, chromatic)
    root = group.root * jnp.sqrt(group.weight)
    exact = derivatives(model, tuple(root), colour if chromatic else None)
    n_obs = root.shape[2]

    def one(number: Array) -> tuple[Array, Array]:
        def drawn(key: Array) -> Array:
            return jax.random.normal(jax.random.fold_in(key, number), (2, n_obs))

        z = jnp.moveaxis(jax.vmap(drawn)(keys), 0, 1)
        # Noise of a weighted residual is that of unit variance over the root of its weight.
        return sides(exact, model.time, z)

    return jax.lax.map(one, jnp.arange(n_probe))


def _nominal(camera: Camera) -> tuple[float, Chip]:
    return camera.focal_length_um, Chip(*map(np.asarray, camera.chips))


@partial(jax.jit, static_argnums=(0, 4))
def _found(form: tuple[Optics, bool], nominal: tuple, shared: Shared, group: Group, reweigh: bool) -> Found:
    optics, chromatic = form
    model, colour = _model(optics, nominal, shared, group, chromatic)
    residual = _residual(model, group)
    # Weights cost as much as all the rest: not computed where they stay.
    weight = two_axis_weight(*(residual * group.root)) if reweigh else jnp.asarray(group.weight)
    root = group.root * jnp.sqrt(weight)
    parts = blocks(model, residual, tuple(root), colour if chromatic else None)
    return Found(parts, residual, weight, (weight * ((residual * group.root) ** 2).sum(0)).sum())


@partial(jax.jit, static_argnums=0)
def _residuals(form: tuple[Optics, bool], nominal: tuple, shared: Shared, group: Group) -> Array:
    model, _ = _model(form[0], nominal, shared, group, form[1])
    return _residual(model, group)


def _residual(model: Linearised, group: Group) -> Float[Array, "2 n_panel n_obs"]:
    return jnp.where(group.root > 0, group.pixel - jnp.stack(model.pixel), 0.0)


def _model(
    optics: Optics, nominal: tuple[float, Chip], shared: Shared, group: Group, chromatic: bool
) -> tuple[Linearised, Array]:
    focal_length_um, chips = nominal
    rows = jnp.take(shared.sources, group.source, axis=1, mode="clip")
    at = Triad(*(Vector(*rows[i : i + 3]) for i in (0, 3, 6)))
    radial_velocity, colour = rows[9:11]
    unknowns = group.unknowns.T[:, :, None]
    # (2, n_term, n_exp, 1): a drift makes the distortion that of the exposure
    coefficients = sum(
        (
            part[:, :, None, None] * factor
            for part, factor in zip(shared.unit, (jnp.ones_like(group.drift), group.drift), strict=False)
        ),
        start=jnp.zeros(()),
    )
    chip = shared.chip.T[:, group.chip, None]
    offsets = ChipOffsets(*chip[:5])
    if chromatic:
        offsets = offsets._replace(x=offsets.x - colour * chip[5], y=offsets.y - colour * chip[6])
    calibration = Calibration(
        Coefficients(*coefficients),
        Chip(*jnp.stack(chips)[:, group.chip, None]),
        offsets,
    )
    model = linearised(
        optics,
        Offsets(*rows[11:]),
        Source(at, radial_velocity),
        group.exposures,
        Attitude(*unknowns[:3]),
        FocalLength(focal_length_um, unknowns[3], unknowns[4]),
        calibration,
    )
    return model, colour
