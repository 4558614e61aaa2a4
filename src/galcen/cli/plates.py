"""Commands of plates that users bring."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from galcen.cli.command import Input, Output
from galcen.cli.options import Options, files_argument


def joint_plates(
    files: Annotated[list[Path], Input(), files_argument("Star lists, tables, or those of the challenge.")],
    output: Annotated[Path, Output("joint_plates"), typer.Option(help="The solution, HDF5.")],
    options: Options = "{}",
) -> None:
    """Solve plates together: positions and proper motions of stars, a polynomial for every exposure."""
    from galcen.stages import joint_plates as stage  # deferred: keeps --help fast

    stage.run(files, output, options)


COMMANDS = (joint_plates,)
