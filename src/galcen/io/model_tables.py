"""Read the external model tables, each checked by its sha256 before a number is used.

The tables come with the `genulens` package or from a site-wide copy; `resources/manifest.yaml`
lists them. Nothing is downloaded.
"""

import csv
import hashlib
import io
from collections.abc import Iterator
from importlib import metadata, resources
from pathlib import Path

import numpy as np
import yaml

from galcen.errors import ResourceError
from galcen.galaxy.tables import (
    DeathMasses,
    IsochroneTable,
    ModelTables,
    NuclearDiscMoments,
    ReddeningMap,
    RotationCurve,
)

# Rows below this mass stand in some tables only as an anchor of the interpolation [Msun].
LOWEST_MASS = 0.001


def manifest() -> dict:
    """Path, sha256 and citation of every external file."""
    return yaml.safe_load((resources.files("galcen.resources") / "manifest.yaml").read_text())


def tables_folder(site_copy: Path | None = None) -> Path:
    """Folder of the external tables: the site's copy, or that of the genulens package."""
    if site_copy is not None:
        if not site_copy.is_dir():
            raise ResourceError(
                f"tables.path: no folder {site_copy}; give the folder that holds "
                "EJK_G12_S20_LR.dat, or leave the key out"
            )
        return site_copy
    try:
        files = metadata.distribution("genulens").files or []
    except metadata.PackageNotFoundError:
        raise ResourceError(
            "the package genulens is not installed, so there are no model tables; "
            "run `make env`, or give a copy with the key tables.path"
        ) from None
    for file in files:
        if file.name == "EJK_G12_S20_LR.dat":
            return Path(str(file.locate())).parent
    raise ResourceError("the installed genulens has no EJK_G12_S20_LR.dat; install version 2.0.0a4")


def read_tables(site_copy: Path | None = None) -> tuple[ModelTables, dict[str, str]]:
    """All model tables, and the sha256 of each file they were read from."""
    folder = tables_folder(site_copy)
    text, digest = {}, {}
    for name, entry in manifest()["files"].items():
        text[name], digest[name] = _checked(folder / entry["path"], entry["sha256"])
    tables = ModelTables(
        reddening=_reddening(text["reddening"]),
        nuclear_disc=_nuclear_disc(text["nuclear_disc"]),
        rotation_curve=_rotation_curve(text["rotation_curve"]),
        isochrones={
            name.removeprefix("isochrone_"): _isochrone(body)
            for name, body in text.items()
            if name.startswith("isochrone_")
        },
        death_masses=_death_masses(),
    )
    return tables, digest


def _checked(path: Path, accepted: list[str]) -> tuple[str, str]:
    if not path.is_file():
        raise ResourceError(
            f"model table {path} is missing; install genulens 2.0.0a4 (`make env`) "
            "or give a complete copy with the key tables.path"
        )
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if digest not in accepted:
        raise ResourceError(
            f"model table {path} is damaged or of another version: its sha256 is "
            f"{digest}, expected {' or '.join(accepted)}; reinstall genulens 2.0.0a4"
        )
    return content.decode(), digest


def _numbers(text: str) -> Iterator[list[str]]:
    return (line.split() for line in text.splitlines() if line and not line.startswith("#"))


def _reddening(text: str) -> ReddeningMap:
    rows = [np.array(row, dtype=float) for row in _numbers(text)]
    lon = np.array([row[0] for row in rows])
    lat = np.array([row[1] for row in rows])
    n_lon, n_lat = (len(np.unique(axis)) for axis in (lon, lat))
    resolved = np.array([len(row) == 28 for row in rows])
    sub_index = np.where(resolved, np.cumsum(resolved) - 1, -1)
    return ReddeningMap(
        mean=np.array([row[2] for row in rows]).reshape(n_lon, n_lat),
        sub_cells=np.array([row[3:] for row in rows if len(row) == 28]).reshape(-1, 5, 5),
        sub_index=sub_index.reshape(n_lon, n_lat),
        lon_first_deg=float(lon[0]),
        lat_first_deg=float(lat[0]),
    )


def _nuclear_disc(text: str) -> NuclearDiscMoments:
    table = np.array(list(_numbers(text)), dtype=float)
    # The grid is regular in steps of 5 pc; rounding undoes the last bit of kpc -> pc.
    r, z = (np.unique(np.round(table[:, axis] * 1000.0, 6)) for axis in (0, 1))
    columns = (table[:, k].reshape(len(z), len(r)) for k in range(2, 8))
    return NuclearDiscMoments(r, z, *columns)


def _rotation_curve(text: str) -> RotationCurve:
    r, v_circ = np.array(list(_numbers(text)), dtype=float).T
    return RotationCurve(r * 1000.0, v_circ)


def _isochrone(text: str) -> IsochroneTable:
    table = np.array(list(_numbers(text)), dtype=float)
    mass_ini, mass, radius, _, _, m_j, m_h, m_ks = table.T
    # A row of radius 0 stands for the white dwarfs (magnitude 30): no living star.
    living = (radius > 0) & (mass_ini >= LOWEST_MASS)
    return IsochroneTable(*(c[living] for c in (mass_ini, mass, radius, m_j, m_h, m_ks)))


def _death_masses() -> dict[str, DeathMasses]:
    text = (resources.files("galcen.resources") / "death_masses.csv").read_text()
    lines = [line for line in io.StringIO(text) if not line.startswith("#")]
    rows = list(csv.DictReader(lines))
    names = ("age", "alive", "giant_low", "giant_high")
    return {
        population: DeathMasses(
            *(
                np.array([float(row[name]) for row in rows if row["population"] == population])
                for name in names
            )
        )
        for population in ("disc", "bar", "NSD")
    }
