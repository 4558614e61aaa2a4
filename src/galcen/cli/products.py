"""Commands of a run's products: the model, the merged catalogue, the report."""

from __future__ import annotations

import json
from pathlib import Path


def galaxy_model(output: Path, options: str = "{}") -> None:
    """Check the model tables and make the Galaxy model."""
    from galcen.config.galaxy import Extinction, Galaxy, Tables  # deferred: keeps --help fast
    from galcen.stages import galaxy_model as stage  # deferred: keeps --help fast

    sections = json.loads(options)
    kinds = {"tables": Tables, "galaxy": Galaxy, "extinction": Extinction}
    stage.run(output, **{name: kind.model_validate(sections.get(name, {})) for name, kind in kinds.items()})


def truth(folder: Path, output: Path, options: str = "{}") -> None:
    """Merge the tiles FOLDER/<tile>.h5 into the truth catalogue."""
    from galcen.stages import truth as stage  # deferred: keeps --help fast

    stage.run(folder, output, json.loads(options))


def report_page(model: Path, truth: Path, output: Path, options: str = "{}") -> None:
    """Make the report of a run, one HTML page that needs nothing else."""
    from galcen.stages import report_page as stage  # deferred: keeps --help fast

    stage.run(model, truth, output, json.loads(options))


COMMANDS = (galaxy_model, truth, report_page)
