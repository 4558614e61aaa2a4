"""Quality cuts of a user's table, in words: COLUMN OPERATOR VALUE."""

import math
import re
from typing import NamedTuple

OPERATORS = ("==", "!=", "<=", ">=", "<", ">", "in")

_CUT = re.compile(r"\s*(?P<column>.+?)\s*(?P<operator>==|!=|<=|>=|<|>|\bin\b)\s*(?P<value>.+?)\s*")


class Cut(NamedTuple):
    """One condition; the values are all numbers or all text."""

    column: str
    operator: str
    values: tuple[float, ...] | tuple[str, ...]

    @property
    def is_text(self) -> bool:
        """Whether the column is compared as text."""
        return isinstance(self.values[0], str)


def parse_cut(text: str) -> Cut:
    """One condition from its text.

    Raises
    ------
    ValueError
        It is none; says what is expected.
    """
    match = _CUT.fullmatch(text)
    if match is None:
        raise ValueError(
            f"{text!r} is no cut: expected COLUMN OPERATOR VALUE, the operator one of {', '.join(OPERATORS)}"
        )
    column, operator, value = match["column"], match["operator"], match["value"]
    if operator == "in":
        if not (value.startswith("[") and value.endswith("]")):
            raise ValueError(f"{text!r}: expected a list after `in`, such as [AAA, AAB]")
        parts = [part.strip() for part in value[1:-1].split(",")]
    else:
        parts = [value]
    words = tuple(part.strip("'\"") for part in parts)
    if not all(words):
        raise ValueError(f"{text!r}: a value is empty")
    numbers = [_number(part) for part in parts]
    if any(number is not None and math.isnan(number) for number in numbers):
        raise ValueError(
            f"{text!r}: no value equals nan, so that the cut says nothing; a missing value fulfils no "
            "comparison but "
            "!=: keep the rows that have a value by such as COLUMN > -1e30"
        )
    if all(number is not None for number in numbers):
        return Cut(column, operator, tuple(number for number in numbers if number is not None))
    if operator not in ("==", "!=", "in"):
        raise ValueError(f"{text!r}: {operator} compares numbers, found {value!r}")
    return Cut(column, operator, words)


def _number(text: str) -> float | None:
    """The number that stands there; quotation marks make it text."""
    try:
        return float(text)
    except ValueError:
        return None
