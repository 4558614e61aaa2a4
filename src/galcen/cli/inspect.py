"""Commands to look at things: tiles of a run, the model along a line of sight."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from galcen.cli.command import Input
from galcen.cli.numbers import magnitude, number


def tiles(
    config: Annotated[
        Path | None, Input(), typer.Option(help="Configuration file; the default one without.")
    ] = None,
    format: Annotated[str, typer.Option(help="table or json")] = "table",
) -> None:
    """List the tiles of a run: name, bounds, cells and, once known, stars."""
    from galcen.stages import tiles as stage  # deferred: keeps --help fast

    typer.echo(stage.listing(config, format))


def sightline(
    l: Annotated[float | None, number("--l", -360, 360, "Galactic longitude [deg].")] = None,  # noqa: E741
    b: Annotated[float | None, number("--b", -90, 90, "Galactic latitude [deg].")] = None,
    table: Annotated[
        Path | None,
        Input(),
        typer.Option(help="Instead of --l and --b: a table of glon and glat, l and b, or ra and dec [deg]."),
    ] = None,
    band: Annotated[str, typer.Option(help="Band of the selection: J, H, Ks, HwA or HwB.")] = "Ks",
    bright: Annotated[float, magnitude("--bright", "Bright limit [mag].")] = 8.0,
    faint: Annotated[float, magnitude("--faint", "Faint limit [mag].")] = 16.0,
    area_arcmin2: Annotated[
        float | None,
        number("--area-arcmin2", 1e-6, 1.5e8, "Solid angle [arcmin2]; one cell of the map without."),
    ] = None,
    law: Annotated[str, typer.Option(help="Reddening law: WC19, N09 or AG17.")] = "WC19",
    outside: Annotated[
        float | None,
        number(
            "--outside", 0, 20, "Extinction in Ks off the extinction map, of the whole line of sight [mag]."
        ),
    ] = None,
    reference_switches: Annotated[
        bool, typer.Option("--reference-switches", help="Do what the reference program genstars does.")
    ] = False,
    format: Annotated[
        str, typer.Option(help="table or json; csv for a --table, a row a direction.")
    ] = "table",
) -> None:
    """Expected stars per component along lines of sight: counts, distances, motions, extinction."""
    from galcen.errors import ConfigError  # deferred: keeps --help fast
    from galcen.stages import sightline as stage

    options = {
        "band": band,
        "bright": bright,
        "faint": faint,
        "area_arcmin2": area_arcmin2,
        "law": law,
        "reference_switches": reference_switches,
        "form": format,
        "outside": outside,
    }
    if table is not None and l is None and b is None:
        typer.echo(stage.inspect_table(table, **options))
    elif table is None and l is not None and b is not None:
        typer.echo(stage.inspect(l, b, **options))
    else:
        raise ConfigError("expected either --l and --b, or --table")


COMMANDS = (tiles, sightline)
