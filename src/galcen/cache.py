"""The folder where galcen keeps what it can make again: compiled code, the default model."""

import os
from pathlib import Path


def cache_folder(name: str) -> Path | None:
    """A folder of the user's cache, made where it is missing.

    Parameters
    ----------
    name
        Below galcen's own folder.

    Returns
    -------
    None where there is none that can be written: an account of jobs may have no home, or one that is full or
    read-only. Everything works without it, and takes longer.
    """
    try:
        folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "galcen" / name
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):
        return None
    return folder if os.access(folder, os.W_OK | os.X_OK) else None
