"""Commands of plates that users bring."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def joint_plates(
    files: Annotated[list[Path], typer.Argument(help="Star lists, tables, or those of the challenge.")],
    output: Annotated[Path, typer.Option(help="The solution, HDF5.")],
    options: Annotated[str, typer.Option(help="JSON; docs/plates.md lists the keys.")] = "{}",
) -> None:
    """Solve plates together: positions and proper motions of stars, a polynomial for every exposure."""
    from galcen.config import parse_json  # deferred: keeps --help fast
    from galcen.stages import joint_plates as stage  # deferred: keeps --help fast

    stage.run(files, output, parse_json(options, "--options"))


COMMANDS = (joint_plates,)
