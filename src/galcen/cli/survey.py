"""Commands of the mock survey."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from galcen.cli.command import Input, Output
from galcen.cli.options import Sections


def exposure_plan(
    output: Annotated[Path, Output("plan")],
    stars: Annotated[Path | None, Input(), typer.Option(help="Stars of the survey, to be counted.")] = None,
    options: Sections = "{}",
) -> None:
    """Plan the exposures of the survey: when, where to, and how often each star is seen."""
    from galcen.stages import exposure_plan as stage  # deferred: keeps --help fast

    stage.run(output, options, stars)


COMMANDS = (exposure_plan,)
