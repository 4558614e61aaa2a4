"""The command `galcen`. Commands import their stage when called, so that --help is fast."""

import contextlib
import logging
import os
import sys
import traceback
from typing import NoReturn

import typer

from galcen.cache import cache_folder
from galcen.cli import (
    astrometry,
    catalogue,
    expose,
    inspect,
    plates,
    products,
    project,
    survey,
    survey_sources,
)
from galcen.cli.command import command
from galcen.cli.signals import clean_up_when_stopped
from galcen.errors import GalcenError

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
"""Numbers of threads of the linear algebra libraries that NumPy and SciPy may be built with."""

app = typer.Typer(
    help=(__import__("galcen").__doc__ or "").partition("\n")[0],
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for group in (astrometry, catalogue, expose, inspect, plates, products, project, survey, survey_sources):
    for function in group.COMMANDS:
        app.command(function.__name__.replace("_", "-"))(command(function))


def main() -> None:
    """Run a command; the users' errors are printed without a traceback."""
    clean_up_when_stopped()
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    # Warnings of compiled libraries about the machine do not belong in the users' logs.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    logging.getLogger("jax").setLevel(logging.WARNING)
    # One thread: jobs share the machine through the workflow, and sums are the same to the last bit
    # whatever the number of cores. NumPy and SciPy read the number when they are imported, later than this.
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))
    os.environ["XLA_FLAGS"] = " ".join(
        [os.environ.get("XLA_FLAGS", ""), "--xla_cpu_multi_thread_eigen=false"]
    ).strip()
    folder = cache_folder("jax")
    if folder is not None:
        os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(folder))
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
    try:
        app(standalone_mode=True)
    except GalcenError as error:
        if os.environ.get("GALCEN_DEBUG"):
            raise
        _end(f"galcen: error: {error}", 1)
    except Exception as error:
        # The traceback stays in the job's log, for those who mend it.
        traceback.print_exc()
        kind = type(error).__name__
        _end(f"galcen: internal error ({kind}): a fault of galcen, not of its input; please report it", 70)


def _end(text: str, status: int) -> NoReturn:
    """Say why and end the process; where nobody listens, end it all the same."""
    with contextlib.suppress(OSError):
        typer.echo(text, err=True)
    sys.exit(status)
