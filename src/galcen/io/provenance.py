"""What a file says of its making: configuration, seed, inputs and versions; no time, no host.

Two runs of the same code on the same inputs give the same bytes.
"""

import hashlib
import json
from importlib import metadata
from pathlib import Path
from typing import Any

import galcen
from galcen.package import git_commit, source_digest

PACKAGES = ("numba", "numpy", "scipy", "jax", "jaxlib", "h5py", "astropy", "healpy", "genulens")
"""Packages whose version can change a number."""


def file_sha256(path: Path) -> str:
    """sha256 of a file, read in pieces."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def provenance(stage: str, options: dict[str, Any], inputs: dict[str, str]) -> dict[str, str]:
    """Attributes of a product.

    Parameters
    ----------
    stage
        What made it.
    options
        The resolved configuration the stage was given.
    inputs
        sha256 of each input, by file name.
    """
    canonical = {"sort_keys": True, "separators": (",", ":")}
    return {
        "galcen_version": galcen.__version__,
        "git_commit": git_commit(),
        "source": source_digest(),
        "stage": stage,
        "configuration": json.dumps(options, **canonical),
        **({"seed": str(options["seed"])} if "seed" in options else {}),
        "inputs": json.dumps(inputs, **canonical),
        "packages": json.dumps({name: _version(name) for name in PACKAGES}, **canonical),
    }


def input_hashes(*paths: Path) -> dict[str, str]:
    """sha256 of each file, by its name."""
    return {path.name: file_sha256(path) for path in paths}


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""
