"""Inputs that are wrong, or that once went wrong, as rows of a table; `docs/bad_input.md` is made of them."""

import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple

import pytest
import typer

from galcen.cli import app
from galcen.errors import GalcenError

WrongUsage = typer.BadParameter.__mro__[2]
"""What typer raises for a wrong command line: ClickException, of click or of a copy of it."""


class Case(NamedTuple):
    """One input and what a user sees of it."""

    kind: str
    """Row of the table in the docs; several cases share one."""
    example: str
    """What this input is, in a few words; unique within its kind."""
    run: Callable[[Path], object]
    """Makes the input in an empty folder and hands it to galcen; what galcen writes goes to `folder / "out"`.
    Where the input is to be taken, this asserts that the result is right."""
    says: tuple[str, ...] = ()
    """Words of the error or the warning, such as the name of the file and the row."""
    outcome: Literal["refused", "warned", "taken"] = "refused"


def identify(case: Case) -> str:
    """Name of a case in pytest's output."""
    return f"{case.kind}: {case.example}"


def galcen(*arguments: object) -> None:
    """Run a command of galcen in this process; errors are raised instead of printed."""
    app([str(argument) for argument in arguments], standalone_mode=False)


def observe(case: Case, folder: Path) -> str:
    """What the user sees of a case: the message of its error, or the warnings of the log.

    Raises
    ------
    AssertionError
        The case has another outcome than it states, lacks a word, or left something half written.
    """
    heard = _Listener()
    logging.getLogger("galcen").addHandler(heard)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            case.run(folder)
        refusal = None
    except (GalcenError, WrongUsage) as error:
        refusal = str(error) if isinstance(error, GalcenError) else error.format_message()
    finally:
        logging.getLogger("galcen").removeHandler(heard)
    if case.outcome == "refused":
        assert refusal is not None, "this input was accepted"
        left = [path for path in (folder / "out").rglob("*") if path.is_file()]
        assert not left, f"an error left {left}"
        text = refusal
    else:
        assert refusal is None, f"this input was refused: {refusal}"
        text = "\n".join(heard.warnings)
        assert bool(text) or case.outcome == "taken", "no warning was logged"
    missing = [word for word in case.says if word not in text]
    assert not missing, f"{missing} is not in: {text}"
    return text.replace(str(folder), "…")


def table_test(cases: list[Case]) -> Callable[[Case, Path], None]:
    """The test of a table of cases, to be bound to a name that begins with `test_`."""

    @pytest.mark.parametrize("case", cases, ids=identify)
    def test(case: Case, tmp_path: Path) -> None:
        """The input is refused, warned of or taken as its row states."""
        observe(case, tmp_path)

    return test


class _Listener(logging.Handler):
    """Keeps the warnings of the log."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.warnings: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.warnings.append(record.getMessage())
