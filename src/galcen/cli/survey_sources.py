"""Commands of the mock survey's sources."""

from __future__ import annotations

from pathlib import Path

from galcen.cli.options import Options


def survey_sources(truth: Path, stars: Path, input_catalogue: Path, options: Options = "{}") -> None:
    """Choose the stars of the survey out of TRUTH, or a table, and make the mission's catalogue of them."""
    from galcen.stages import survey_sources as stage  # deferred: keeps --help fast

    stage.run(truth, stars, input_catalogue, options)


COMMANDS = (survey_sources,)
