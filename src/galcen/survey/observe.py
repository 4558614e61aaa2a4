"""Exposures of one orbit: where each star falls, and what is measured of it.

The exact place is that of the forward model of `galcen.mapping`, which the solutions use too.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int
from scipy.spatial import KDTree

from galcen.mapping.detector import Affine, Chip, affine
from galcen.mapping.distortion import Coefficients
from galcen.mapping.forward import FocalLength, Optics, Source, focal_plane, nominal_plane, pixel
from galcen.mapping.frames import Attitude, Axes
from galcen.mapping.source_motion import RAD_PER_MAS, Observer, Offsets, Triad, coordinate_direction, triad
from galcen.mapping.vector import Vector
from galcen.survey.blends import FURTHEST_AU, Blended, blended, neighbours
from galcen.survey.centroid_error import CentroidError
from galcen.survey.footprint import Candidates, Chips, Frames, candidates
from galcen.survey.measurement import BLENDED, Errors, Recorded, measure, record
from galcen.survey.true_camera import Pointings, Roots, axes_of, reach

WIDTH = 128
"""Measurements that are put through the forward model together; all of one exposure, the last ones padded."""

BATCH = 256
"""Groups of WIDTH that one call takes: one shape to compile for, whatever the number of measurements."""

MARGIN_PIXEL = 0.5
"""About the chips, for what `footprint` leaves out."""


class Stars(NamedTuple):
    """True sources, ascending by identifier."""

    source_id: Int[np.ndarray, " n_star"]
    ra: Float[np.ndarray, " n_star"]  # [deg], at the reference epoch
    dec: Float[np.ndarray, " n_star"]
    parallax: Float[np.ndarray, " n_star"]  # [mas]
    pmra: Float[np.ndarray, " n_star"]  # [mas/yr], times cos dec
    pmdec: Float[np.ndarray, " n_star"]
    radial_velocity: Float[np.ndarray, " n_star"]  # [km/s]
    hw: Float[np.ndarray, " n_star"]
    colour: Float[np.ndarray, " n_star"]
    """J - H [mag]; NaN where it is not known."""
    is_listed: Bool[np.ndarray, " n_star"]
    """Known to the mission; of others only the light is seen, in blends."""


class Conditions(NamedTuple):
    """What is measured, and how well; see `galcen.config.observation`."""

    bright: float
    faint: float
    edge_pixel: float
    unresolved: float  # [rad]
    outlier_fraction: float
    outlier_pixel: float
    flat_per_pixel: bool
    error: CentroidError


class Sky(NamedTuple):
    """Stars, made ready for many orbits."""

    stars: Stars
    columns: Float[np.ndarray, "15 n_star"]
    """Triad of the comparison direction, offsets, radial velocity."""
    colour: Float[np.ndarray, " n_star"]
    """Less the mean colour [mag]; 0 where it is not known."""
    tree: KDTree
    pairs: Int[np.ndarray, "n_pair 2"]
    moved: float
    """Furthest that a direction gets from that at the reference epoch [rad]."""


class OrbitExposures(NamedTuple):
    """Exposures of one orbit, as they truly are."""

    exposure_id: Int[np.ndarray, " n_exp"]
    field: Int[np.ndarray, " n_exp"]
    pointing: Pointings
    observer: Observer  # `t` from the reference epoch


class CameraState(NamedTuple):
    """The camera of one orbit, as it truly is."""

    optics: Optics
    focal_length_um: float  # nominal
    side_pixel: float
    chips: Chip
    distortion: Coefficients
    f: Float[np.ndarray, "2 n_exp"]  # change of the focal length along X and Y [1e-6]
    chromatic: Float[np.ndarray, "2 n_chip"] | None
    """Shift of the images along X and Y with the colour [um/mag]; None: there is none."""


class _Chromatic(NamedTuple):
    """What shifts images with their colour."""

    shift: Float[np.ndarray, "2 n_chip"]
    colour: Float[np.ndarray, " n_star"]


class Measurements(NamedTuple):
    """What is measured in an orbit, exposure by exposure, in each by ascending star."""

    star: Int[np.ndarray, " n_obs"]  # rows of the stars
    chip: Int[np.ndarray, " n_obs"]
    nx: Float[np.ndarray, " n_obs"]  # [pixel]
    ny: Float[np.ndarray, " n_obs"]
    sigma: Float[np.ndarray, " n_obs"]  # of each axis [pixel]
    flags: Int[np.ndarray, " n_obs"]
    offset: Int[np.ndarray, " n_exp+1"]
    is_outlier: Bool[np.ndarray, " n_obs"]


def make_sky(stars: Stars, unresolved: float, years: float) -> Sky:
    """Make stars ready.

    Parameters
    ----------
    stars
        Ascending by identifier.
    unresolved
        Largest separation of an unresolved pair [rad].
    years
        Longest time from the reference epoch [yr].
    """
    at = triad(jnp.deg2rad(stars.ra), jnp.deg2rad(stars.dec))
    zero = np.zeros(len(stars.ra))
    columns = np.stack(
        [
            *(np.asarray(part) for vector in at for part in vector),
            *(zero, zero, stars.parallax, stars.pmra, stars.pmdec),
            stars.radial_velocity,
        ]
    )
    # Perspective acceleration at most doubles a motion over a survey of years.
    motion = FURTHEST_AU * np.abs(stars.parallax) + 2 * years * np.hypot(stars.pmra, stars.pmdec)
    directions = np.ascontiguousarray(columns[6:9].T)
    moved = RAD_PER_MAS * float(motion.max(initial=0.0))
    known = np.isfinite(stars.colour)
    mean = stars.colour[known].mean() if known.any() else 0.0
    colour = np.where(known, stars.colour - mean, 0.0)
    return Sky(stars, columns, colour, KDTree(directions), neighbours(directions, motion, unresolved), moved)


def observe(
    sky: Sky, exposures: OrbitExposures, camera: CameraState, conditions: Conditions, roots: Roots
) -> Measurements:
    """Measurements of one orbit.

    Parameters
    ----------
    sky
        Of `make_sky`.
    exposures, camera
        True state of the orbit.
    conditions
        Errors and losses.
    roots
        Streams of what is random.

    Raises
    ------
    ValueError
        The distortion folds on the chips.
    """
    direction = _directions(sky, exposures.observer)
    seen = blended(sky.pairs, conditions.unresolved, direction, sky.columns[:9], sky.stars.hw)
    columns = sky.columns.copy()
    columns[9] += seen.east
    columns[10] += seen.north
    visible = sky.stars.is_listed & ~seen.is_lost
    visible &= (seen.hw >= conditions.bright) & (seen.hw <= conditions.faint)
    placed, start, count = place(sky, columns, direction, visible, exposures, camera)
    exact = record(placed, start, count, 0.5 * camera.side_pixel - conditions.edge_pixel)
    noise, flat = conditions.error.parts(seen.hw)
    errors = Errors(
        noise, flat, conditions.flat_per_pixel, conditions.outlier_fraction, conditions.outlier_pixel
    )
    measured, sigma, is_outlier = measure(
        exact, sky.stars.source_id, exposures.exposure_id, errors, roots.measurement, roots.flat
    )
    return Measurements(
        measured.star,
        measured.chip,
        measured.nx,
        measured.ny,
        sigma,
        _flags(seen)[measured.star],
        measured.offset,
        is_outlier,
    )


def place(
    sky: Sky,
    columns: Float[np.ndarray, "15 n_star"],
    direction: Float[np.ndarray, "n_star 3"],
    visible: Bool[np.ndarray, " n_star"],
    exposures: OrbitExposures,
    camera: CameraState,
) -> tuple[Recorded, Int[np.ndarray, " n_exp"], Int[np.ndarray, " n_exp"]]:
    """Exact pixels of all stars near a chip, with where each exposure's begin and how many they are."""
    axes = axes_of(exposures.pointing)
    near = _near(sky, direction, visible, exposures, camera, axes)
    count = np.array([len(star) for star in near.star], dtype=np.int64)
    groups = -(-count // WIDTH)
    n_group = int(groups.sum())
    n_batch = -(-n_group // BATCH)
    first = np.cumsum(groups) - groups
    star = np.zeros((n_batch * BATCH, WIDTH), np.int32)
    chip = np.zeros((n_batch * BATCH, WIDTH), np.uint8)
    exposure = np.zeros(n_batch * BATCH, np.int64)
    exposure[:n_group] = np.repeat(np.arange(len(count)), groups)
    start = WIDTH * first
    for e, at in enumerate(start):
        star.ravel()[at : at + count[e]], chip.ravel()[at : at + count[e]] = near.star[e], near.chip[e]
    constants = np.stack(
        [
            np.asarray(leaf)
            for leaf in (*jax.tree.leaves(exposures.observer), *jax.tree.leaves(axes), *camera.f)
        ]
    )
    sources, detector = jnp.asarray(columns), jnp.stack(affine(camera.chips))
    chromatic = None if camera.chromatic is None else _Chromatic(camera.chromatic, sky.colour)
    pixels = np.empty((2, *star.shape))
    for batch in range(n_batch):
        rows = slice(batch * BATCH, (batch + 1) * BATCH)
        used = min(BATCH, n_group - batch * BATCH)
        pixels[:, rows] = _pixels(
            camera.optics,
            sources,
            detector,
            chromatic,
            camera.distortion,
            camera.focal_length_um,
            star[rows],
            chip[rows],
            constants[:, exposure[rows]],
            used,
        )
    nx, ny = pixels.reshape(2, -1)
    return Recorded(star.ravel(), chip.ravel(), nx, ny, start), start, count


@partial(jax.jit, static_argnames="optics")
def _pixels(
    optics: Optics,
    sources: Float[Array, "15 n_star"],
    detector: Float[Array, "6 n_chip"],
    chromatic: _Chromatic | None,
    coefficients: Coefficients,
    focal_length_um: float,
    star: Int[Array, "n_group width"],
    chip: Int[Array, "n_group width"],
    constants: Float[Array, "n_constant n_group"],
    used: int,
) -> Float[Array, "2 n_group width"]:
    """The forward model, group by group; groups from `used` on are left as they are."""

    def gathered(table: Array, row: Array) -> list[Array]:
        # Three times as fast as one gather from all rows, or with indices that may be out of bounds.
        return [column.at[row].get(mode="promise_in_bounds") for column in table]

    def one(group: int, out: Array) -> Array:
        s, of = gathered(sources, star[group]), constants[:, group]
        at = Source(Triad(Vector(*s[0:3]), Vector(*s[3:6]), Vector(*s[6:9])), s[14])
        observer = Observer(of[0], Vector(*of[1:4]), Vector(*of[4:7]), Vector(*of[7:10]), of[10])
        axes = Axes(Vector(*of[11:14]), Vector(*of[14:17]), Vector(*of[17:20]))
        plane = nominal_plane(Offsets(*s[9:14]), at, observer, axes)
        still = Attitude(*3 * [jnp.zeros(())])
        ideal = focal_plane(optics.projection, *plane, still, FocalLength(focal_length_um, of[20], of[21]))
        its_chip = Affine(*gathered(detector, chip[group]))
        if chromatic is not None:
            (colour,), (x, y) = (
                gathered(chromatic.colour[None], star[group]),
                gathered(chromatic.shift, chip[group]),
            )
            its_chip = its_chip._replace(x=its_chip.x - colour * x, y=its_chip.y - colour * y)
        return out.at[:, group].set(jnp.stack(pixel(optics.distortion, ideal, coefficients, its_chip)))

    return jax.lax.fori_loop(0, used, one, jnp.zeros((2, *star.shape)))


def _directions(sky: Sky, observer: Observer) -> Float[np.ndarray, "n_star 3"]:
    """Coordinate directions in the middle of the orbit."""
    middle = jax.tree.map(lambda leaf: leaf[len(leaf) // 2], observer)
    return np.ascontiguousarray(np.asarray(_unit(sky.columns, middle)).T)


@jax.jit
def _unit(s: Float[Array, "15 n_star"], observer: Observer) -> Float[Array, "3 n_star"]:
    at = Triad(Vector(*s[0:3]), Vector(*s[3:6]), Vector(*s[6:9]))
    return jnp.stack(coordinate_direction(Offsets(*s[9:14]), at, s[14], observer))


def _near(
    sky: Sky,
    direction: Float[np.ndarray, "n_star 3"],
    visible: Bool[np.ndarray, " n_star"],
    exposures: OrbitExposures,
    camera: CameraState,
    axes: Axes,
) -> Candidates:
    shift = reach(camera.optics.distortion, camera.distortion, camera.chips, 0.5 * camera.side_pixel)
    if np.isnan(shift):
        raise ValueError("the distortion folds on the chips")
    per_um = 1 / float(min(camera.chips.pixel_x.min(), camera.chips.pixel_y.min()))
    if camera.chromatic is not None:
        shift += float(np.hypot(*camera.chromatic).max() * np.abs(sky.colour).max(initial=0.0))
    half = 0.5 * camera.side_pixel + 1.1 * shift * per_um + MARGIN_PIXEL
    corner = np.hypot(camera.chips.x, camera.chips.y) + np.sqrt(2) * half / per_um * 1.01
    scale = camera.focal_length_um * (1 + 1e-6 * camera.f.T)
    frames = Frames(
        np.stack([np.stack(row, axis=-1) for row in axes], axis=1),
        np.stack(exposures.observer.beta, axis=-1),
        np.ascontiguousarray(scale),
    )
    chips = Chips(np.stack(affine(camera.chips), axis=-1), half, float(np.arctan(corner.max() / scale.min())))
    return candidates(direction, visible, sky.tree, exposures.field, frames, chips, sky.moved)


def _flags(seen: Blended) -> Int[np.ndarray, " n_star"]:
    return np.where(seen.is_blend, BLENDED, 0).astype(np.uint8)
