"""Commands of the mock survey."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def exposure_plan(
    output: Path,
    stars: Annotated[Path | None, typer.Option(help="Stars of the survey, to be counted.")] = None,
    options: str = "{}",
) -> None:
    """Plan the exposures of the survey: when, where to, and how often each star is seen."""
    from galcen.stages import exposure_plan as stage  # deferred: keeps --help fast

    stage.run(output, json.loads(options), stars)


COMMANDS = (exposure_plan,)
