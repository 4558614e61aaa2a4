"""What commands take from files where a command line would be too long: options, and lists of paths."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Annotated, Any

import typer

from galcen.errors import ConfigError

BESIDE = ("version", "error_floor")
"""What the workflow hands to stages beside sections: the stage's version, one value of `posterior`."""


def read_options(text: str) -> dict[str, Any]:
    """The value of --options as a mapping.

    Parameters
    ----------
    text
        A JSON object, or `@` and the name of a file that holds one.

    Raises
    ------
    ConfigError
        The file cannot be read, or the text is no JSON object.
    """
    from galcen.config import parse_json  # deferred: keeps --help fast

    if not text.startswith("@"):
        return parse_json(text, "--options")
    path = Path(text[1:])
    return parse_json(_text_of(path, f"--options {text}"), str(path))


def read_sections(text: str) -> dict[str, Any]:
    """The value of --options, with sections of a configuration alone.

    Raises
    ------
    ConfigError
        As for `read_options`, or a key is no section: stages take those that they know, and leave the others.
    """
    options = read_options(text)
    refuse_unknown(options)
    return options


def refuse_unknown(options: dict[str, Any]) -> None:
    """Refuse keys that are no section of a configuration."""
    from galcen.config import Config  # deferred: keeps --help fast

    known = [*Config.model_fields, *BESIDE]
    for name in options:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(Config.model_fields)}"
            raise ConfigError(f"--options: {name}: unknown section; {hint}")


def read_paths(given: list[Path] | None) -> list[Path] | None:
    """Paths of a command line, with the lines of each `@FILE` in its place.

    Raises
    ------
    ConfigError
        A file of paths cannot be read, or is empty.
    """
    if given is None:
        return None
    paths: list[Path] = []
    for path in given:
        if not str(path).startswith("@"):
            paths.append(path)
            continue
        listing = Path(str(path)[1:])
        lines = [line for line in _text_of(listing, str(path)).split("\n") if line]
        if not lines:
            raise ConfigError(f"{listing}: no path in this list; expected one on each line")
        paths += map(Path, lines)
    return paths


Options = Annotated[
    dict[str, Any],
    typer.Option(parser=read_options, metavar="JSON", help="Keys and values, or @FILE for a file of them."),
]
"""Options of a command that has keys of its own."""

Sections = Annotated[
    dict[str, Any],
    typer.Option(
        parser=read_sections, metavar="JSON", help="Sections of a configuration, or @FILE for a file of them."
    ),
]
"""Options of a stage of the workflow."""


def files_argument(help: str) -> Any:  # noqa: ANN401 - as typer's
    """An argument that is a list of files."""
    return typer.Argument(
        callback=read_paths, help=f"{help} @FILE stands for a file with a path on each line."
    )


def _text_of(path: Path, argument: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"{argument}: {path} cannot be read ({error.strerror}); for a file whose own name begins with @ "
            f"write ./@{path}"
        ) from None
    except ValueError as error:
        raise ConfigError(f"{argument}: {path} is no text in UTF-8 ({error})") from None
