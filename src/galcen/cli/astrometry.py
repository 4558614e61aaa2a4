"""Commands of the astrometric solutions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def plate(
    exposures: Path,
    input_catalogue: Path,
    output: Path,
    options: str = "{}",
    only: Annotated[int | None, typer.Option(help="Solve this orbit again, keep the others.")] = None,
) -> None:
    """Solve the plates of a block of orbits: positions of the stars, attitude and camera."""
    from galcen.stages import plate as stage  # deferred: keeps --help fast

    stage.run(exposures, input_catalogue, output, json.loads(options), only)


def plate_motion(input_catalogue: Path, output: Path, plates: list[Path], options: str = "{}") -> None:
    """Combine the positions of all orbits into position, parallax and proper motion of each star."""
    from galcen.stages import plate_motion as stage  # deferred: keeps --help fast

    stage.run(input_catalogue, output, plates, json.loads(options))


COMMANDS = (plate, plate_motion)
