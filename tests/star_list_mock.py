"""Made-up star lists of one field as reduction programs leave them, and a catalogue like Gaia's."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from astropy.table import Table

from galcen.astrometry.plate_polynomial import basis, n_terms

CENTRE = (269.94, -28.65)  # [deg]


class Field(NamedTuple):
    """Stars of a field and the lists that show them."""

    place: np.ndarray  # east and north of the centre at 2016.0 [mas]
    motion: np.ndarray  # [mas/yr]
    magnitude: np.ndarray
    seen: list[np.ndarray]  # star of every row of every list
    lists: list[Table]
    blunders: list[np.ndarray]  # rows of each list that are off by far


def make_field(
    seed: int,
    n_star: int = 4000,
    size: float = 4096.0,  # [pixel]
    scale: float = 50.0,  # [mas/pixel]
    epochs: tuple[float, ...] = (2006.0, 2012.0, 2018.0),
    order: int = 3,
    distortion: float = 1.0,  # of each term above the first degree [pixel]
    shift: float = 0.05,  # [size]
    blunder: float = 0.01,
    stated: float = 1.0,  # stated errors over true ones
    turn: float = np.pi,  # largest [rad]
    units: tuple[float, ...] = (1.0, 1.0, 1.0),  # of each list [pixel]
    mirrored: tuple[bool, ...] = (False, False, False),
) -> Field:
    """Lists of different depth, turned and shifted, with distortion, running numbers for names, no epoch."""
    rng = np.random.default_rng(seed)
    half = scale * size / 2.0
    place = rng.uniform(-1.6 * half, 1.6 * half, (int(n_star * 1.6**2), 2))
    motion = rng.normal(0, 3, place.shape)
    fast = rng.random(len(place)) < 0.003
    motion[fast] += rng.normal(0, 60, (fast.sum(), 2))
    magnitude = 24.0 - np.minimum(rng.exponential(2.0, len(place)), 9.0)
    seen, lists, blunders = [], [], []
    for number, epoch in enumerate(epochs):
        angle = rng.uniform(-turn, turn)
        z = (place + motion * (epoch - 2016.0)) @ np.array([1, 1j]) / scale
        # East to the left, as cameras mostly have it.
        z = (z if mirrored[number] else -np.conj(z)) * np.exp(1j * angle) * (1 + 0.02 * rng.normal())
        z += shift * size * np.exp(1j * rng.uniform(0, 2 * np.pi))
        exact = np.column_stack([z.real, z.imag])
        terms = rng.normal(0, distortion, (n_terms(order), 2))
        terms[:3] = 0.0
        exact += basis(order, exact / (size / 2.0)) @ terms + size / 2.0
        shown = ((exact > 0) & (exact < size)).all(axis=1) & (magnitude < 23.8 - 0.2 * number)
        star = rng.permutation(np.flatnonzero(shown & (rng.random(len(place)) < 0.95)))
        sigma = np.clip(0.006 * 10 ** (0.2 * (magnitude[star] - 19.0)), 0.006, 0.06)
        observed = exact[star] + sigma[:, None] * rng.normal(size=(len(star), 2))
        bad = rng.random(len(star)) < blunder
        observed[bad] += rng.normal(0, 0.6, (bad.sum(), 2))
        seen.append(star)
        blunders.append(np.flatnonzero(bad))
        lists.append(
            Table(
                {
                    "id": [f"N{row:06d}" for row in range(1, len(star) + 1)],
                    "xpos": np.round(observed[:, 0] * units[number], 6),
                    "ypos": np.round(observed[:, 1] * units[number], 6),
                    "mag": np.round(magnitude[star] - 25.5 + 0.03 * rng.normal(size=len(star)), 4),
                    "dx": np.round(stated * sigma * units[number], 7),
                    "dy": np.round(stated * sigma * units[number], 7),
                    "nimg": rng.integers(2, 9, len(star)),
                }
            )
        )
    return Field(place, motion, magnitude, seen, lists, blunders)


COLUMNS = {"star": "id", "x": "xpos", "y": "ypos", "magnitude": "mag", "sigma_x": "dx", "sigma_y": "dy"}


def write_lists(field: Field, folder: Path, form: str = "ascii.basic", ending: str = ".calib") -> list[Path]:
    """The lists as text: `ascii.basic` has a plain first line of names, blanks between cells."""
    paths = []
    for number, table in enumerate(field.lists):
        path = folder / f"epoch{number}{ending}"
        table.write(path, format=form)
        paths.append(path)
    return paths


def write_gaia(field: Field, path: Path, faint: float = 21.5, seed: int = 0) -> Table:
    """A catalogue as Gaia's archive gives it; returned with the true star of each row."""
    rng = np.random.default_rng(seed)
    colour = rng.normal(0.3, 0.3, len(field.place))
    g = field.magnitude + colour
    star = rng.permutation(np.flatnonzero((g < faint) & (rng.random(len(g)) < 0.8)))
    error = 0.03 * 10 ** (0.2 * np.clip(g[star] - 15.0, 0, 6))
    pm_error = 1.1 * error
    at = field.place[star] + error[:, None] * rng.normal(size=(len(star), 2))
    ra_0, dec_0 = np.radians(CENTRE)
    x, y = np.radians(at / 3.6e6).T
    # Inverse gnomonic projection (Calabretta & Greisen 2002, eqs. 54 and 55).
    depth = np.cos(dec_0) - y * np.sin(dec_0)
    ra = ra_0 + np.arctan2(x, depth)
    dec = np.arctan2(np.cos(ra - ra_0) * (y * np.cos(dec_0) + np.sin(dec_0)), depth)
    motion = field.motion[star] + pm_error[:, None] * rng.normal(size=(len(star), 2))
    table = Table(
        {
            "source_id": rng.integers(4e18, 5e18, len(star)),
            "ref_epoch": np.full(len(star), 2016.0),
            "ra": np.degrees(ra),
            "ra_error": error,
            "dec": np.degrees(dec),
            "dec_error": error,
            "pmra": motion[:, 0],
            "pmra_error": pm_error,
            "pmdec": motion[:, 1],
            "pmdec_error": pm_error,
            "phot_g_mean_mag": g[star],
        }
    )
    table.write(path)
    table["star"] = star
    return table
