"""A table of stars of the bulge for tests of bad tables, and what galcen reads of it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.table import Table

from galcen.config.survey_tables import SurveyTable
from galcen.io.tables import read_survey

N = 30
COLUMNS = {name: name for name in ("ra", "dec", "mj", "mh", "mks", "parallax", "pmra", "pmdec")}
STARS = np.random.default_rng(12)
SKY = SkyCoord(
    STARS.uniform(2.12, 2.28, N), STARS.uniform(-1.98, -1.82, N), unit="deg", frame="galactic"
).icrs
VALUES = {
    "ra": SKY.ra.deg,
    "dec": SKY.dec.deg,
    "mj": STARS.uniform(11.5, 12.5, N),
    "mh": STARS.uniform(10.5, 11.0, N),
    "mks": STARS.uniform(9.5, 10.4, N),
    "parallax": STARS.normal(0.1, 0.05, N),
    "pmra": STARS.normal(-1, 3, N),
    "pmdec": STARS.normal(-5, 3, N),
}
FLAG = np.arange(N) % 3 == 0
NULL = np.arange(N) < 5
FOOTPRINT = {"l_min": 2.1, "l_max": 2.3, "b_min": -2.0, "b_max": -1.8}


def table(**changed: Any) -> Table:
    """Stars of the bulge, with all their digits."""
    return Table({**VALUES, **changed})


def read(path: Path, **options: Any) -> dict[str, np.ndarray]:
    """What galcen reads of a table."""
    survey = SurveyTable(**{"name": "X", "path": str(path), "columns": COLUMNS, "epoch": 2016.0, **options})
    parts = list(read_survey(survey))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def equal(got: dict[str, np.ndarray], missing: dict[str, np.ndarray] | None = None, **others: Any) -> None:
    """The stars are those written, to the last bit; some values are missing."""
    for name, values in {**VALUES, **others}.items():
        expected = np.where((missing or {}).get(name, False), np.nan, values)
        np.testing.assert_array_equal(got[name], expected, err_msg=name)


def taken(write: Callable[[Path], Path], missing: Any = None, others: Any = None, **options: Any) -> Callable:
    """A file that is read, with the numbers that were written."""
    return lambda folder: equal(read(write(folder), **options), missing, **(others or {}))


def given(write: Callable[[Path], Path], **options: Any) -> Callable[[Path], object]:
    """A file handed to galcen."""
    return lambda folder: read(write(folder), **options)


def file(content: Table, name: str, **options: Any) -> Callable[[Path], Path]:
    """A file written by astropy."""

    def write(folder: Path) -> Path:
        content.write(folder / name, **options)
        return folder / name

    return write


def text(content: str | bytes, name: str) -> Callable[[Path], Path]:
    """A file of these characters."""

    def write(folder: Path) -> Path:
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return folder / name

    return write


def with_cards(path: Path, **cards: Any) -> Path:
    """Change the header of the first extension of a FITS file, and leave its data as they are."""
    raw = path.read_bytes()
    first = fits.Header.fromstring(raw).tostring()
    header = fits.Header.fromstring(raw[len(first) :])
    data = raw[len(first) + len(header.tostring()) :]
    header.update(cards)
    path.write_bytes(raw[: len(first)] + header.tostring().encode() + data)
    return path
