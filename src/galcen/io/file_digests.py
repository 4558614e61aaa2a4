"""Digests of the user's files for the workflow, which is parsed by every job and cannot read them each time.

What a file holds decides whether its rule runs again, not its date: a corrected table that was copied with an
older date is another table, and one that was merely touched is not.
"""

import functools
import json
import time
from importlib.machinery import PathFinder
from pathlib import Path

from galcen.errors import GalcenError
from galcen.io.provenance import file_sha256
from galcen.io.text import write_text

MISSING = "missing"

RECENT_SECONDS = 2.0
"""A file that was changed so shortly before may be changed again without another time."""


def content_digest(path: Path, cache: Path) -> str:
    """sha256 of a file, computed again only where size, times or inode say that it may be another one.

    Parameters
    ----------
    path
        The file; one that is not there has the digest `MISSING`, and whoever needs it will say so.
    cache
        Where digests are kept between calls: JSON, which may be deleted at any time. A cache that cannot be
        written costs time alone.

    Raises
    ------
    OSError
        The file is there and cannot be read.
    """
    try:
        found = path.stat()
    except FileNotFoundError:
        return MISSING
    # The time of the inode's last change is set by the system alone: no copy brings an older one along.
    state = [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]
    name = str(path.absolute())
    kept = _read(cache).get(name)
    if isinstance(kept, list) and kept[:-1] == state:
        return str(kept[-1])
    digest = file_sha256(path)
    if time.time() - found.st_ctime > RECENT_SECONDS:
        _keep(cache, name, [*state, digest])
    return digest


def module_file(name: str) -> Path | None:
    """The file of a Python module, which is not imported; None where there is none."""
    places, spec = None, None
    parts = name.split(".")
    for number in range(len(parts)):
        spec = PathFinder.find_spec(".".join(parts[: number + 1]), places)
        if spec is None:
            return None
        places = spec.submodule_search_locations
    return Path(spec.origin) if spec is not None and spec.origin else None


@functools.cache
def _read(cache: Path) -> dict[str, list[object]]:
    try:
        found = json.loads(cache.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _keep(cache: Path, name: str, entry: list[object]) -> None:
    _read.cache_clear()
    try:
        write_text(cache, json.dumps({**_read(cache), name: entry}, indent=1))
    except (GalcenError, OSError):
        return
    finally:
        _read.cache_clear()
