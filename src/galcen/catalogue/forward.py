"""Stars drawn from the Galaxy model itself, cell by cell of the extinction map.

The expected number per component is the integral over distance of the density of living
stars times the fraction of them inside the magnitude window; the number drawn is
Poisson. Cells near Sgr A* are divided, since the nuclear cluster is smaller than a cell.

Everything of a cell depends on the cell alone, so that a catalogue does not depend on
how the sky is cut into tiles.
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

from galcen.catalogue.distance_grid import CLUSTER_STEPS, SGR_A, distance_grid, grid_class, impact_parameter
from galcen.catalogue.sampling import cumulate, invert
from galcen.galaxy.components import N_COMPONENT
from galcen.galaxy.isochrones import Intervals
from galcen.galaxy.model import Galaxy, Sightlines, extinction, number_density, sightlines
from galcen.galaxy.photometry import distance_modulus, hw
from galcen.galaxy.tables import CELL_DEG
from galcen.random import keys

BATCH = 256
N_DIVIDED = 5  # as the map's cells are
DIVIDE_WITHIN_DEG = 0.15
BANDS = ("J", "H", "Ks")
NUMBER_BITS = 24
"""A star's identifier is its cell's number, shifted by this, plus a running number."""


class Window(NamedTuple):
    """Apparent magnitudes that are drawn."""

    band: str
    bright: float
    faint: float


class Drawn(NamedTuple):
    """Stars of one cell, as they truly are."""

    source_id: Int[np.ndarray, " n_star"]
    lon_deg: Float[np.ndarray, " n_star"]
    lat_deg: Float[np.ndarray, " n_star"]
    comp: Int[np.ndarray, " n_star"]
    dist: Float[np.ndarray, " n_star"]
    mass_ini: Float[np.ndarray, " n_star"]
    mag: Float[np.ndarray, "3 n_star"]  # apparent, with extinction


def point_gaps(intervals: Intervals) -> Intervals:
    """The intervals with each jump replaced by two points at its ends, of half its weight."""
    gap = np.asarray(intervals.gap)
    parent = np.repeat(np.arange(len(gap)), np.where(gap, 2, 1))
    second = np.concatenate([[False], parent[1:] == parent[:-1]])
    is_gap = gap[parent]

    def ends(name: str) -> tuple[np.ndarray, np.ndarray]:
        low, high = (np.asarray(getattr(intervals, f"{name}_{end}"))[..., parent] for end in ("low", "high"))
        return np.where(is_gap & second, high, low), np.where(is_gap & ~second, low, high)

    (mass_low, mass_high), (present_low, present_high), (mag_low, mag_high) = map(
        ends, ("mass", "present", "mag")
    )
    comp = np.asarray(intervals.comp)[parent]
    return Intervals(
        comp=comp,
        mass_low=mass_low,
        mass_high=mass_high,
        present_low=present_low,
        present_high=present_high,
        mag_low=mag_low,
        mag_high=mag_high,
        weight=np.asarray(intervals.weight)[parent] * np.where(is_gap, 0.5, 1.0),
        gap=np.zeros(len(parent), dtype=bool),
        start=np.searchsorted(comp, np.arange(N_COMPONENT + 1)),
    )


def in_band(mag: Float[Array, "3 ..."], band: str, relation: str) -> Float[Array, "..."]:
    """Apparent magnitude in a band from apparent J, H, Ks."""
    return hw(mag[0], mag[1], relation) if band == "Hw" else mag[BANDS.index(band)]


def _overlap(
    low: Float[Array, "..."], high: Float[Array, "..."], window: Window
) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
    """Where along each interval the window begins and how much of it is inside."""
    extent = high - low
    point = jnp.abs(extent) < 1e-12
    safe = jnp.where(point, 1.0, extent)
    crossings = jnp.stack([(window.bright - low) / safe, (window.faint - low) / safe])
    start, stop = (jnp.clip(edge(crossings, axis=0), 0.0, 1.0) for edge in (jnp.min, jnp.max))
    inside = (low > window.bright) & (low < window.faint)
    return jnp.where(point, 0.0, start), jnp.where(point, inside.astype(float), stop - start)


@eqx.filter_jit
def selected_fraction(
    intervals: Intervals, shift: Float[Array, "3 n_dist"], window: Window, relation: str
) -> Float[Array, "12 n_dist"]:
    """Fraction of each component's living stars inside the window, by distance."""

    def at(offset: Float[Array, " 3"]) -> Float[Array, " 12"]:
        low, high = (
            in_band(jnp.asarray(mag) + offset[:, None], window.band, relation)
            for mag in (intervals.mag_low, intervals.mag_high)
        )
        part = _overlap(low, high, window)[1] * intervals.weight
        return jax.ops.segment_sum(part, intervals.comp, N_COMPONENT, indices_are_sorted=True)

    return jax.lax.map(at, shift.T, batch_size=16).T


@eqx.filter_jit
def _rates(
    galaxy: Galaxy,
    line: Sightlines,
    dist: Float[Array, "n_part n_dist"],
    coarse: Float[Array, " n_coarse"],
    fraction: Float[Array, "12 n_part n_coarse"],
) -> tuple[Float[Array, "12 n_part n_dist"], Float[Array, "12 n_part n_dist"]]:
    """Selected stars per sr and pc, and their cumulative."""
    at = jax.vmap(jax.vmap(lambda where, row: jnp.interp(where, coarse, row)), in_axes=(None, 0))
    selected = at(dist, fraction)
    rate = number_density(galaxy, line, dist) * dist**2 * selected
    cumulative = jax.vmap(jax.vmap(cumulate), in_axes=(None, 0))(dist, rate)
    return rate, cumulative


def cell_stars(
    galaxy: Galaxy,
    intervals: Intervals,
    root: Key[Array, ""],
    cell: int,
    lon_deg: float,
    lat_deg: float,
    window: Window,
    dist_max: float,
) -> Drawn:
    """Stars of one cell inside the magnitude window.

    Parameters
    ----------
    galaxy, intervals
        The model, and its intervals with `point_gaps`.
    root
        Stream of the stage.
    cell
        Number of the cell on the map.
    lon_deg, lat_deg
        Centre of the cell.
    window
        Apparent magnitudes that are drawn.
    dist_max
        Largest distance [pc].
    """
    part_lon, part_lat, side = _parts(lon_deg, lat_deg, galaxy.sub_cells)
    line = sightlines(galaxy, part_lon, part_lat)
    grid = int(grid_class(impact_parameter(galaxy.frame, line.lon, line.lat)).min())
    dist = distance_grid(galaxy.frame, line.lon, line.lat, grid, dist_max).dist
    centre = np.radians([lon_deg]), np.radians([lat_deg])
    coarse = distance_grid(galaxy.frame, *centre, len(CLUSTER_STEPS), dist_max).dist
    # Parts of one cell share its reddening, unless the sub-cells of the map are used.
    _, first, place = np.unique(line.reddening[0], return_index=True, return_inverse=True)
    fraction = np.stack([_fraction(galaxy, intervals, line.take([part]), coarse, window) for part in first])
    fraction = np.moveaxis(fraction[place], 0, 1)
    rate, cumulative = map(np.asarray, _rates(galaxy, line, dist, coarse[0], fraction))
    area = np.radians(side) * (
        np.sin(np.radians(part_lat + side / 2)) - np.sin(np.radians(part_lat - side / 2))
    )
    expected = cumulative[:, :, -1] * area
    number = np.asarray(jax.random.poisson(jax.random.fold_in(jax.random.fold_in(root, cell), 1), expected))
    comp, part = (np.repeat(index.ravel(), number.ravel()) for index in np.indices(number.shape))
    source_id = (np.int64(cell) << NUMBER_BITS) + np.arange(len(comp))
    longest = int(np.diff(intervals.start).max())
    stars = _batched(
        lambda *args: _draw_stars(
            intervals, root, line, dist, rate, cumulative, window, galaxy.hw, longest, *args
        ),
        source_id,
        comp,
        part,
    )
    place_lon, place_lat, star_dist, mass, mag = stars
    exists = np.isfinite(mag[:, 0])
    lon = part_lon[part] + side * (place_lon - 0.5)
    lat = part_lat[part] + side * (place_lat - 0.5)
    columns = (source_id, lon, lat, comp, star_dist, mass)
    return Drawn(*(column[exists] for column in columns), mag[exists].T)


def _fraction(
    galaxy: Galaxy, intervals: Intervals, line: Sightlines, coarse: np.ndarray, window: Window
) -> Float[np.ndarray, "12 n_coarse"]:
    """Fraction of each component inside the window behind the reddening of one line of sight."""
    shift = np.asarray(extinction(line, coarse))[:, 0] + np.asarray(distance_modulus(coarse))[0]
    return np.asarray(selected_fraction(intervals, shift, window, galaxy.hw))


def _parts(lon_deg: float, lat_deg: float, sub_cells: bool) -> tuple[np.ndarray, np.ndarray, float]:
    """Centres and side [deg] of the parts of a cell: the map's sub-cells, or one away from Sgr A*."""
    sgr = np.degrees(SGR_A)
    near = max(abs(lon_deg - sgr[0]), abs(lat_deg - sgr[1])) < DIVIDE_WITHIN_DEG
    n = N_DIVIDED if near or sub_cells else 1
    offset = (np.arange(n) - (n - 1) / 2) * CELL_DEG / n
    lon, lat = np.meshgrid(lon_deg + offset, lat_deg + offset, indexing="ij")
    return lon.ravel(), lat.ravel(), CELL_DEG / n


def _batched(kernel, *columns: np.ndarray) -> list[np.ndarray]:  # noqa: ANN001 - any kernel
    """Run a kernel on padded batches of one size, so that a star's place does not matter."""
    n = len(columns[0])
    results = []
    for start in range(0, max(n, 1), BATCH):
        part = [np.pad(column[start : start + BATCH], (0, max(0, start + BATCH - n))) for column in columns]
        results.append([np.asarray(x)[: n - start] for x in kernel(*part)])
    return [np.concatenate(parts) for parts in zip(*results, strict=True)]


@eqx.filter_jit
def _draw_stars(
    intervals: Intervals,
    root: Key[Array, ""],
    line: Sightlines,
    dist: Array,
    rate: Array,
    cumulative: Array,
    window: Window,
    relation: str,
    longest: int,
    source_id: Int[Array, " n"],
    comp: Int[Array, " n"],
    part: Int[Array, " n"],
) -> tuple[Array, ...]:
    first = jnp.asarray(intervals.start)
    low_mag, high_mag = jnp.asarray(intervals.mag_low), jnp.asarray(intervals.mag_high)

    def star(key: Key[Array, ""], i: Int[Array, ""], p: Int[Array, ""]) -> tuple[Array, ...]:
        u = jax.random.uniform(key, (5,))
        where = invert(dist[p], rate[i, p], cumulative[i, p], u[0:1])
        thin = jax.tree.map(lambda column: column[..., p][..., None], line)
        shift = (extinction(thin, where[None]) + distance_modulus(where))[:, 0]
        k = jnp.arange(longest)
        row = jnp.minimum(first[i] + k, first[i + 1] - 1)
        apparent = [in_band(mag[:, row] + shift, window.band, relation) for mag in (low_mag, high_mag)]
        begin, inside = _overlap(*apparent, window)
        mine: Bool[Array, " n"] = k < first[i + 1] - first[i]
        steps = jnp.cumsum(jnp.where(mine, inside * jnp.asarray(intervals.weight)[row], 0.0))
        chosen = jnp.minimum(jnp.searchsorted(steps, u[1] * steps[-1], side="right"), longest - 1)
        t = begin[chosen] + u[2] * inside[chosen]
        at = row[chosen]
        # The two ends of a point are the same; there `inside` is 1 and t means nothing.
        mass = jnp.asarray(intervals.mass_low)[at] * (1 - t) + jnp.asarray(intervals.mass_high)[at] * t
        mag = low_mag[:, at] * (1 - t) + high_mag[:, at] * t + shift[:, 0]
        # Between two nodes the fraction is interpolated: it can be positive where no star is.
        mag = jnp.where(steps[-1] > 0, mag, jnp.nan)
        return u[3], u[4], where[0], mass, mag

    return jax.vmap(star)(keys(root, source_id), comp, part)
