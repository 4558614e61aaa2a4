"""Commands of the mock survey's sources."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from galcen.cli.command import InputFile, Output
from galcen.cli.options import Sections


def survey_sources(
    truth: InputFile,
    stars: Annotated[Path, Output("survey_stars")],
    input_catalogue: Annotated[Path, Output("input_catalogue")],
    options: Sections = "{}",
) -> None:
    """Choose the stars of the survey out of TRUTH, or a table, and make the mission's catalogue of them."""
    from galcen.stages import survey_sources as stage  # deferred: keeps --help fast

    stage.run(truth, stars, input_catalogue, options)


COMMANDS = (survey_sources,)
