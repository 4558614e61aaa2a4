"""Numbers of the command line: finite and within bounds, as those of a configuration."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import typer


def number(name: str, low: float, high: float, help: str) -> Any:  # noqa: ANN401 - typer's names and types
    """An option that is a number from `low` to `high`, to stand in an annotation of `float`."""
    return typer.Option(parser=bounded(name, low, high), metavar="NUMBER", help=help)


def bounded(name: str, low: float, high: float) -> Callable[[Any], float]:
    """Reader of a number from `low` to `high`; `name` is what it is called in errors."""

    def read(text: Any) -> float:  # noqa: ANN401 - typer hands over text, or the default
        from galcen.errors import ConfigError  # deferred: keeps --help fast

        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            raise ConfigError(f"{name} {text}: expected a number from {low:.15g} to {high:.15g}")
        return value

    return read


def magnitude(name: str, help: str) -> Any:  # noqa: ANN401 - typer's names and types
    """An option that is a magnitude."""
    return number(name, -10, 40, help)


def cone_of(text: str) -> tuple[float, float, float]:
    """The value of --cone: right ascension, declination and radius [deg].

    Raises
    ------
    ConfigError
        There are not three numbers, or one is out of range.
    """
    from galcen.errors import ConfigError  # deferred: keeps --help fast

    parts = text.split(",")
    if len(parts) != 3:
        raise ConfigError(f"--cone {text}: expected three numbers, ra,dec,radius in degrees")
    bounds = (("ra", -360, 360), ("dec", -90, 90), ("radius", 0, 180))
    ra, dec, radius = (
        bounded(f"--cone {text}: {name}", low, high)(part)
        for part, (name, low, high) in zip(parts, bounds, strict=True)
    )
    return ra, dec, radius
