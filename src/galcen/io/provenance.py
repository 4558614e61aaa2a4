"""What a file says of its making: configuration, seed, inputs and versions; no time, no host.

Two runs of the same code on the same inputs give the same bytes.
"""

import functools
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import galcen
from galcen.package import git_commit, source_digest

PACKAGES = ("numba", "numpy", "scipy", "jax", "jaxlib", "h5py", "astropy", "healpy", "genulens")
"""Packages whose version can change a number."""


def canonical(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """JSON text that is the same for equal values."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def file_sha256(path: Path) -> str:
    """sha256 of a file, read in pieces."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def provenance(
    stage: str, version: int, options: Mapping[str, Any], inputs: Mapping[str, str], lineage: str
) -> dict[str, str]:
    """Attributes of a product.

    Parameters
    ----------
    stage, version
        What made it.
    options
        The resolved configuration the stage was given.
    inputs
        sha256 of each input, by its name, see `input_names`.
    lineage
        What the inputs say of themselves, see `galcen.io.lineage`.
    """
    return {
        "galcen_version": galcen.__version__,
        "git_commit": git_commit(),
        "source": source_digest(),
        "stage": stage,
        "stage_version": str(version),
        "configuration": canonical(dict(options)),
        **({"seed": str(options["seed"])} if "seed" in options else {}),
        "inputs": canonical(dict(inputs)),
        "lineage": lineage,
        "packages": canonical({name: _version(name) for name in PACKAGES}),
    }


def input_names(paths: Iterable[Path]) -> dict[Path, str]:
    """Names of the inputs in a product: the ends of their paths, as long as it takes to tell them apart.

    So a run that is moved, or made again in another folder, has the same names.
    """
    parts = {path: path.absolute().parts[1:] for path in dict.fromkeys(paths)}
    length = dict.fromkeys(parts, 1)
    while True:
        names = {path: "/".join(part[-length[path] :]) for path, part in parts.items()}
        count = Counter(names.values())
        short = [path for path, name in names.items() if count[name] > 1 and length[path] < len(parts[path])]
        if not short:
            return names
        for path in short:
            length[path] += 1


@functools.cache
def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""
