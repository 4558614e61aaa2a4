"""The command `galcen`. Commands import their stage when called, so that --help is fast."""

import logging
import os
import sys
from pathlib import Path

import typer

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
    help=__import__("galcen").__doc__,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for group in (astrometry, catalogue, expose, inspect, plates, products, project, survey, survey_sources):
    for command in group.COMMANDS:
        app.command(command.__name__.replace("_", "-"))(command)


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
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "galcen/jax"
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(cache))
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
    try:
        app(standalone_mode=True)
    except GalcenError as error:
        if os.environ.get("GALCEN_DEBUG"):
            raise
        typer.echo(f"galcen: error: {error}", err=True)
        sys.exit(1)
