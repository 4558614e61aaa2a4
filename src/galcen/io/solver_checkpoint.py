"""What an interrupted solution goes on from: a folder that is whole at any moment.

Each rank writes what belongs to its orbits to a file of its own. Then rank 0 writes `state.h5`, which has
what all ranks know and names those files; its rename is what makes the step count. Files of the step before
are removed last. Any number of ranks can go on from there.
"""

import json
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

import galcen
from galcen.errors import ResourceError, SchemaError
from galcen.io.exposures import group_name
from galcen.io.hdf5 import create, open_product, read_array, write_array
from galcen.parallel.comm import World

STATE = "state.h5"
PRODUCT = "solver_checkpoint"
PIECES = "exposures-step*.h5"

Arrays = Mapping[str, np.ndarray]

log = logging.getLogger(__name__)


class Saved(NamedTuple):
    """Arrays of one or more dimensions."""

    shared: Arrays
    """The same on all ranks."""
    orbits: Mapping[int, Arrays]
    """Of each of the rank's own orbits, by its number."""


def save(folder: Path, identity: str, step: int, saved: Saved, ranks: World) -> None:
    """Write one step, on all ranks.

    Parameters
    ----------
    folder
        The checkpoint's own; made if missing, seen by all ranks.
    identity
        Hash of all that the solution depends on: nothing else goes on from this checkpoint.
    step
        Number of the step, above the one before.
    saved
        To be saved.
    ranks
        Those that have the orbits.

    Raises
    ------
    ResourceError
        The disc is full or not to be written; the step before is still there.
    """
    attributes = {"identity": identity, "step": str(step)}
    name = ""
    if saved.orbits:
        name = f"exposures-step{step:03d}-{min(saved.orbits):05d}.h5"
        groups = {group_name(orbit): arrays for orbit, arrays in saved.orbits.items()}
        _write(folder / name, attributes, groups)
    pieces = ranks.gather((name, sorted(saved.orbits)))
    if pieces is not None:
        files = {name: orbits for name, orbits in pieces if orbits}
        attributes |= {"files": json.dumps(files), "galcen_version": galcen.__version__}
        _write(folder / STATE, attributes, {"shared": saved.shared})
        for path in folder.glob(PIECES):
            if path.name not in files:
                path.unlink()
    ranks.barrier()


def load(folder: Path, identity: str, orbits: Sequence[int], ranks: World) -> Saved | None:
    """The step that was saved last, on all ranks; None where a solution must start from the beginning.

    A checkpoint that is damaged, or of other options, data or orbits, is reported and left alone: the first
    step of the new solution takes its place.

    Parameters
    ----------
    folder, identity, ranks
        As saved; the number of ranks may be another.
    orbits
        Numbers of the rank's own.
    """
    if not ranks.broadcast((folder / STATE).exists()):
        return None
    everyone = sorted(orbit for own in ranks.share(list(orbits)) for orbit in own)
    saved, fault = None, ""
    try:
        saved = _read(folder, identity, orbits, everyone)
    except SchemaError as error:
        fault = str(error)
    # One rank that cannot go on means that none can.
    faults = [fault for fault in ranks.share(fault) if fault]
    if not faults:
        return saved
    if ranks.rank == 0:
        log.warning("the checkpoint is not used, the solution starts from the beginning: %s", faults[0])
    return None


def remove(folder: Path, ranks: World) -> None:
    """Remove a checkpoint that is no longer needed, and nothing else that lies in its folder."""
    ranks.barrier()
    if ranks.rank == 0 and folder.exists():
        (folder / STATE).unlink(missing_ok=True)
        # Those that begin with a dot are of a process that was killed as it wrote, see `galcen.io.claims`.
        for path in (*folder.glob(PIECES), *folder.glob(f".{PIECES}.*"), *folder.glob(f".{STATE}.*")):
            path.unlink()
        if not any(folder.iterdir()):
            folder.rmdir()


def _write(path: Path, attributes: Mapping[str, str], groups: Mapping[str, Arrays]) -> None:
    try:
        with create(path, PRODUCT, attributes, is_durable=True) as file:
            for name, arrays in groups.items():
                group = file.create_group(name)
                for key, values in arrays.items():
                    write_array(group, key, values)
        # The new name is as durable as the file only when the folder is written, too.
        descriptor = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except (SchemaError, OSError) as error:
        raise ResourceError(
            f"checkpoint {error}; the one of the step before is whole: make room and give the same command "
            "again"
        ) from None


def _read(folder: Path, identity: str, own: Sequence[int], everyone: list[int]) -> Saved:
    with open_product(folder / STATE, PRODUCT) as file:
        attributes = {name: str(value) for name, value in file.attrs.items()}
        made_by = attributes.get("galcen_version")
        if made_by != galcen.__version__:
            raise SchemaError(f"{file.filename}: made by galcen {made_by}, this is {galcen.__version__}")
        if attributes["identity"] != identity:
            raise SchemaError(f"{file.filename}: made with other options or other data")
        files: dict[str, list[int]] = json.loads(attributes["files"])
        if sorted(orbit for orbits in files.values() for orbit in orbits) != everyone:
            raise SchemaError(f"{file.filename}: made of other orbits")
        shared = {name: read_array(file["shared"], name) for name in file["shared"]}
    found: dict[int, Arrays] = {}
    for name, orbits in files.items():
        wanted = sorted(set(orbits) & set(own))
        if wanted:
            found |= _read_piece(folder / name, (identity, attributes["step"]), wanted)
    return Saved(shared, {orbit: found[orbit] for orbit in own})


def _read_piece(path: Path, expected: tuple[str, str], orbits: list[int]) -> dict[int, Arrays]:
    with open_product(path, PRODUCT) as file:
        if (file.attrs.get("identity"), file.attrs.get("step")) != expected:
            raise SchemaError(f"{path}: is not of the step that {STATE} has")
        try:
            groups = {orbit: file[group_name(orbit)] for orbit in orbits}
        except KeyError as error:
            raise SchemaError(f"{path}: {error.args[0]}") from None
        return {orbit: {name: read_array(group, name) for name in group} for orbit, group in groups.items()}
