"""The plates of the JASMINE astrometry challenge: simulated, overlapping, with the answer beside them.

Reference: https://github.com/JASMINE-Mission/jasmine_warpfield, notebook/data.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from galcen.errors import SchemaError
from galcen.io.plates import Plates, Rows, assemble

SOURCE_COLUMNS = ("x", "y", "source_id", "plate_id", "x_orig", "y_orig", "ra", "dec")
POINTING_COLUMNS = ("plate", "ra", "dec", "pa")


class Challenge(NamedTuple):
    """The plates, where they point, and the answer."""

    plates: Plates  # x, y [um], with distortion; exposures are plate_0000, stars are their source_id
    ra: Float[np.ndarray, " n_star"]  # of the stars [deg, ICRS]
    dec: Float[np.ndarray, " n_star"]
    x_orig: Float[np.ndarray, " n_obs"]  # [um], without distortion
    y_orig: Float[np.ndarray, " n_obs"]
    pointing_ra: Float[np.ndarray, " n_exp"]  # [deg, ICRS]
    pointing_dec: Float[np.ndarray, " n_exp"]
    position_angle: Float[np.ndarray, " n_exp"]  # [deg]


def is_challenge(path: Path) -> bool:
    """Whether a file is an IPAC table, as those of the challenge."""
    try:
        with path.open("rb") as stream:
            return stream.read(1) in (b"\\", b"|")
    except OSError:
        return False


def read_challenge(source_table: Path, pointing: Path, sigma: float) -> Challenge:
    """The challenge's two tables.

    Parameters
    ----------
    source_table, pointing
        IPAC tables.
    sigma
        Error to give to the positions, which have none [um].

    Raises
    ------
    SchemaError
        A table is no IPAC table, lacks a column, is cut short; a plate has no pointing; a star has two
        positions on the sky; and the faults of `galcen.io.plates.assemble`.
    """
    sources = _read(source_table, SOURCE_COLUMNS)
    pointings = _read(pointing, POINTING_COLUMNS)
    n_row = len(sources["x"])
    star = np.array([f"{number:09d}" for number in sources["source_id"]])
    exposure = np.array([f"plate_{number:04d}" for number in sources["plate_id"]])
    rows = np.arange(1, n_row + 1)
    error = np.full(n_row, float(sigma))
    columns = {"x": sources["x"], "y": sources["y"], "sigma_x": error, "sigma_y": error}
    plates = assemble([Rows(source_table, rows, star, exposure, columns, "um")])
    order = np.lexsort((rows, star, exposure))
    place = {int(plate): row for row, plate in enumerate(pointings["plate"])}
    wanted = [int(name.removeprefix("plate_")) for name in plates.exposure_names]
    missing = [plate for plate in wanted if plate not in place]
    if missing:
        raise SchemaError(
            f"{pointing}: no pointing of plate {missing[0]}, which {source_table} has; expected one a plate"
        )
    at = [place[plate] for plate in wanted]
    sky = [_of_star(source_table, sources, name, plates, order) for name in ("ra", "dec")]
    pointed = [pointings[name][at].astype(np.float64) for name in ("ra", "dec", "pa")]
    return Challenge(plates, *sky, sources["x_orig"][order], sources["y_orig"][order], *pointed)


def _read(path: Path, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    from astropy.io import ascii as tables  # deferred: each format loads only its own library

    if not path.is_file():
        raise SchemaError(f"{path}: no such file; the challenge has source_table.txt and pointing.txt")
    try:
        table: Any = tables.read(str(path), format="ipac")
    except Exception as error:  # the reader's errors have no common ground
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise SchemaError(f"{path}: cannot be read as an IPAC table: {reason}; is it damaged?") from None
    if not len(table):
        raise SchemaError(f"{path}: the table has no rows; expected at least one")
    for name in names:
        if name not in table.colnames:
            raise SchemaError(f"{path}: no column {name}; the table has {', '.join(table.colnames)}")
        mask = np.ma.getmaskarray(np.ma.asarray(table[name]))
        if mask.any() or table[name].dtype.kind not in "iuf":
            row = int(np.argmax(mask)) + 1
            raise SchemaError(
                f"{path}: row {row}, column {name}: no number; the file is cut short or damaged"
            )
    return {name: np.asarray(table[name]) for name in names}


def _of_star(
    path: Path, sources: dict[str, np.ndarray], name: str, plates: Plates, order: np.ndarray
) -> Float[np.ndarray, " n_star"]:
    """A value of each star, which must be the same in all its rows."""
    values = sources[name][order]
    out = np.empty(len(plates.star_names))
    out[plates.star] = values
    other = np.flatnonzero(np.abs(values - out[plates.star]) > 1e-9)
    if len(other):
        row, star = order[other[0]] + 1, plates.star_names[plates.star[other[0]]]
        raise SchemaError(f"{path}: row {row}: {name} of source {star} differs from that of its other rows")
    return out
