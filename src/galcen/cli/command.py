"""What all commands have in common: which of their paths are read and written, and how they fail."""

from __future__ import annotations

import contextlib
import functools
import glob
import inspect
import os
import string
import typing
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

if typing.TYPE_CHECKING:
    from galcen.io.outputs import Kind

from galcen.errors import ConfigError, users_fault

OVERWRITE = "overwrite"

INTERRUPTED = 130
"""Exit code of a command that is stopped by Ctrl-C, as shells have it."""


class Input(NamedTuple):
    """Marks a parameter of a command as what it reads."""

    is_folder: bool = False


class Output(NamedTuple):
    """Marks a parameter of a command as what it writes."""

    product: str | tuple[str, ...] = ()
    """Names of the product in its file, which the command may write again; none: nothing marks it."""
    stage: str | None = None
    """What makes it, where several stages make the product."""
    below: tuple[str, ...] = ()
    """Where the parameter is a folder: the files in it, with other arguments' names in braces."""

    @property
    def kind(self) -> Kind:
        """The files that the command may write again."""
        from galcen.io.outputs import Kind  # deferred: keeps --help fast

        products = self.product if isinstance(self.product, tuple) else (self.product,)
        return Kind(products, self.stage)


InputFile = Annotated[Path, Input()]
InputFolder = Annotated[Path, Input(is_folder=True)]
OptionalFile = Annotated[Path | None, Input()]


def command(function: Callable[..., None]) -> Callable[..., None]:
    """A command that looks at its paths before it works, and tells a user's fault in one line.

    Where it writes, it has a flag --overwrite.
    """
    hints = typing.get_type_hints(function, include_extras=True)
    roles = {name: role for name, hint in hints.items() if (role := role_of(hint)) is not None}

    @functools.wraps(function)
    def run(**arguments: Any) -> None:  # noqa: ANN401
        overwrite = arguments.pop(OVERWRITE, False)
        try:
            _check(arguments, roles, overwrite=overwrite)
            function(**arguments)
        except KeyboardInterrupt:
            with contextlib.suppress(OSError):
                typer.echo("galcen: interrupted", err=True)
            raise SystemExit(INTERRUPTED) from None
        except Exception as error:
            fault = users_fault(error)
            if fault is None or fault is error or os.environ.get("GALCEN_DEBUG"):
                raise
            raise fault from None

    signature = inspect.signature(function)
    parameters = [p.replace(annotation=hints[name]) for name, p in signature.parameters.items()]
    written = [role for role in roles.values() if isinstance(role, Output)]
    if written:
        what = "that this command did not make" if all(role.product for role in written) else "that is there"
        hints[OVERWRITE] = Annotated[
            bool, typer.Option("--overwrite", help=f"Replace a file {what}; never an input.")
        ]
        parameters.append(
            inspect.Parameter(
                OVERWRITE, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=hints[OVERWRITE]
            )
        )
    run.__annotations__ = hints
    run.__signature__ = signature.replace(parameters=parameters)
    return run


def role_of(hint: Any) -> Input | Output | None:  # noqa: ANN401 - any annotation
    """What an annotation says that a parameter is; None: no file."""
    return next(
        (part for part in getattr(hint, "__metadata__", ()) if isinstance(part, Input | Output)), None
    )


def _check(arguments: dict[str, Any], roles: dict[str, Input | Output], *, overwrite: bool) -> None:
    """Refuse paths that cannot be read or must not be written."""
    from galcen.io.outputs import check_output, is_same  # deferred: keeps --help fast

    inputs = []
    for name, role in roles.items():
        for path in _paths(arguments[name]):
            _refuse_unprintable(path)
            if isinstance(role, Input):
                _check_input(path, role)
                inputs.append(path)
    inputs += _named_in(arguments.get("options", {}))
    outputs: list[Path] = []
    for name, role in roles.items():
        if isinstance(role, Output):
            for path in _paths(arguments[name]):
                for file in _files_of(path, role, arguments):
                    check_output(file, inputs, role.kind, overwrite=overwrite)
                    if any(is_same(file, other) for other in outputs):
                        raise ConfigError(f"{file}: is named for two outputs; give each a name of its own")
                    outputs.append(file)


def _paths(value: Path | list[Path] | None) -> list[Path]:
    return [] if value is None else [value] if isinstance(value, Path) else value


def _refuse_unprintable(path: Path) -> None:
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise ConfigError(f"{os.fsencode(path)!r}: is no name in UTF-8; rename the file") from None


def _check_input(path: Path, role: Input) -> None:
    """A file that is missing is the stage's to refuse: it knows what makes it."""
    if path.is_dir() and not role.is_folder:
        raise ConfigError(f"{path}: is a folder; expected a file")
    if path.exists() and role.is_folder and not path.is_dir():
        raise ConfigError(f"{path}: is a file; expected a folder")
    if path.exists() and not os.access(path, os.R_OK):
        raise ConfigError(f"{path}: cannot be read: permission denied")


def _files_of(path: Path, role: Output, arguments: dict[str, Any]) -> Iterator[Path]:
    """What is written: the path itself, or what is there already in a folder of such files."""
    if not role.below:
        yield path
    elif path.exists() and not path.is_dir():
        raise ConfigError(f"{path}: is a file; expected a folder")
    for pattern in role.below:
        names = [name for _, name, _, _ in string.Formatter().parse(pattern) if name]
        yield from path.glob(pattern.format(**{name: glob.escape(arguments[name]) for name in names}))


def _named_in(values: Any) -> Iterable[Path]:  # noqa: ANN401 - any JSON value
    """Files that are named anywhere in the options, whatever the key."""
    if isinstance(values, dict | list):
        for value in values.values() if isinstance(values, dict) else values:
            yield from _named_in(value)
    elif isinstance(values, str) and values and "\0" not in values and len(os.fsencode(values)) < 4096:
        yield Path(values)
