"""The errors that users meet; `cli` prints them without a traceback."""

import errno
import os
import sys


class GalcenError(Exception):
    """Base of all errors that name a fault of the input, not of the program."""


class ConfigError(GalcenError):
    """A configuration that cannot be run: unknown key, contradictory values."""


class SchemaError(GalcenError):
    """A file or table that is not what its schema declares, or is damaged."""


class ResourceError(GalcenError):
    """An external model table that is missing or fails its checksum; a disc that is full."""


class ConvergenceError(GalcenError):
    """An iterative method that stopped short; says what was reached."""


def users_fault(error: BaseException) -> GalcenError | None:
    """What an error is to the user, if it is of the input or the machine; None: a fault of the program.

    Parameters
    ----------
    error
        Anything that was raised: what the system says of files and memory, what JAX says of devices.
    """
    if isinstance(error, GalcenError):
        return error
    text = " ".join(str(error).split())
    if isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in text:
        return ResourceError(
            f"not enough memory ({text or 'none left'}); give the job more, or make tiles and blocks smaller"
        )
    if isinstance(error, OSError) and error.errno not in (None, errno.EPIPE):
        reason = os.strerror(error.errno)
        if error.filename is None:
            text = text.removeprefix(f"[Errno {error.errno}] ")
            return ResourceError(reason if text == reason else f"{reason} ({text})")
        return ResourceError(f"{os.fsdecode(error.filename)}: {reason}")
    if not _has_device():
        chosen = os.environ["JAX_PLATFORMS"]
        return ResourceError(
            f"JAX_PLATFORMS={chosen}: JAX finds no such device here; unset it, or set it to cpu"
        )
    return None


def _has_device() -> bool:
    """Whether JAX, where it is in use, has a device of the kind that is asked for.

    If not, its errors differ from one kind to another, and some have no text.
    """
    if "jax" not in sys.modules or not os.environ.get("JAX_PLATFORMS"):
        return True
    try:
        return bool(sys.modules["jax"].devices())
    except Exception:
        return False
