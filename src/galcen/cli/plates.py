"""Commands of plates that users bring."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def joint_plates(
    files: Annotated[list[Path], typer.Argument(help="Star lists, tables, or those of the challenge.")],
    output: Annotated[Path, typer.Option(help="The solution, HDF5.")],
    options: Annotated[str, typer.Option(help="JSON; docs/plates.md lists the keys.")] = "{}",
) -> None:
    """Solve plates together: positions and proper motions of stars, a polynomial for every exposure."""
    from galcen.errors import ConfigError  # deferred: keeps --help fast
    from galcen.stages import joint_plates as stage  # deferred: keeps --help fast

    try:
        values = json.loads(options)
    except json.JSONDecodeError as error:
        raise ConfigError(f"--options: no JSON: {error}") from None
    if not isinstance(values, dict):
        raise ConfigError('--options: expected a JSON object such as {"order": 2}')
    stage.run(files, output, values)


COMMANDS = (joint_plates,)
