"""Commands of a run's products: the model, the merged catalogue, the report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from galcen.cli.command import InputFile, InputFolder, OptionalFile, Output
from galcen.cli.numbers import cone_of, magnitude
from galcen.cli.options import Sections


def galaxy_model(output: Annotated[Path, Output("galaxy_model")], options: Sections = "{}") -> None:
    """Check the model tables and make the Galaxy model."""
    from galcen import config  # deferred: keeps --help fast
    from galcen.stages import galaxy_model as stage

    names = ("tables", "galaxy", "extinction")
    settings = config.parse({n: options[n] for n in names if n in options}, "options of galaxy-model")
    stage.run(output, settings.tables, settings.galaxy, settings.extinction)


def truth(
    folder: InputFolder, output: Annotated[Path, Output("truth", "truth")], options: Sections = "{}"
) -> None:
    """Merge the tiles FOLDER/<tile>.h5 into the truth catalogue."""
    from galcen.stages import truth as stage  # deferred: keeps --help fast

    stage.run(folder, output, options)


def report_page(
    output: Annotated[Path, Output("report")],
    options: Sections = "{}",
    model: OptionalFile = None,
    truth: OptionalFile = None,
    merge: OptionalFile = None,
    calibration: OptionalFile = None,
    plan: OptionalFile = None,
    plate_quality: OptionalFile = None,
    comparison: OptionalFile = None,
) -> None:
    """Make the report of a run, one HTML page that needs nothing else."""
    from galcen.stages import report_page as stage  # deferred: keeps --help fast

    astrometry = stage.Astrometry(plan, plate_quality, comparison)
    stage.run(output, options, model, truth, merge, calibration, astrometry)


def export(
    catalogue: InputFile,
    output: Annotated[Path, Output()],
    columns: Annotated[str, typer.Option(help="Names, comma-separated; all without.")] = "",
    cone: Annotated[str, typer.Option(help="ra,dec,radius [deg, ICRS].")] = "",
    component: Annotated[str, typer.Option(help="Drawn components, such as NSD,NSC.")] = "",
    tile: Annotated[str, typer.Option(help="One tile.")] = "",
    band: Annotated[str, typer.Option(help="Band of the limits: J, H, Ks or Hw.")] = "Ks",
    bright: Annotated[float | None, magnitude("--bright", "Bright limit [mag].")] = None,
    faint: Annotated[float | None, magnitude("--faint", "Faint limit [mag].")] = None,
) -> None:
    """Write a truth catalogue, or part of it, as FITS, VOTable or Parquet, by the ending of OUTPUT."""
    from galcen.errors import ConfigError  # deferred: keeps --help fast
    from galcen.io.truth import Cone, Magnitudes  # deferred: keeps --help fast
    from galcen.stages import export as stage  # deferred: keeps --help fast

    limits = (float("-inf") if bright is None else bright, float("inf") if faint is None else faint)
    if not limits[0] < limits[1]:
        raise ConfigError(f"--bright {bright} must be below --faint {faint}")
    stage.run(
        catalogue,
        output,
        columns=columns.split(",") if columns else None,
        cone=Cone(*cone_of(cone)) if cone else None,
        components=component.split(",") if component else None,
        tile=tile or None,
        magnitudes=None if bright is None and faint is None else Magnitudes(band, *limits),
    )


COMMANDS = (galaxy_model, truth, report_page, export)
