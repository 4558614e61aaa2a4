"""Commands of the mock exposures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from galcen.cli.command import InputFile, Output
from galcen.cli.options import Sections


def expose(
    plan: InputFile,
    stars: InputFile,
    input_catalogue: InputFile,
    exposures: Annotated[Path, Output("exposures")],
    injected: Annotated[Path, Output("injected")],
    orbits: Annotated[str, typer.Option(help="Block of orbits, first and last, such as o00000-00009.")],
    options: Sections = "{}",
    only: Annotated[int | None, typer.Option(help="Make this orbit again, keep the others.")] = None,
) -> None:
    """Observe the STARS in a block of orbits of the PLAN: measurements and, apart, the truth behind them."""
    from galcen.stages import expose as stage  # deferred: keeps --help fast

    files = stage.Files(plan, stars, input_catalogue, exposures, injected)
    stage.run(files, orbits, options, only)


COMMANDS = (expose,)
