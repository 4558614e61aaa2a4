"""What is wrong with values, in words: the key, what was found and what is expected."""

import datetime
import difflib
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from galcen.errors import ConfigError

Model = TypeVar("Model", bound=BaseModel)

_EXPECTED = {
    "bool_type": "expected true or false",
    "dict_type": "expected a mapping of keys to values",
    "finite_number": "expected a finite number",
    "float_type": "expected a number",
    "int_type": "expected a whole number",
    "missing": "is required",
    "model_type": "expected a section of keys and values",
    "string_type": "expected text",
    "tuple_type": "expected a list, such as [1, 2]",
}
_PATTERNS = {
    "^[A-Za-z0-9][A-Za-z0-9._-]*$": "expected a letter or digit, then letters, digits, '.', '_' and '-'",
    "^[A-Za-z0-9][A-Za-z0-9_-]*$": "expected a letter or digit, then letters, digits, '_' and '-'",
    r"^[^\x00-\x1f\x7f]+$": "expected a path without line breaks, tabs and other control characters",
}
_LONGEST = 60
"""Characters of a value that are repeated in a message."""


def validated(model: type[Model], values: Any, origin: str, known: str = "") -> Model:  # noqa: ANN401
    """Values as a checked section.

    Parameters
    ----------
    model
        The section.
    values
        Keys and values, as YAML or JSON give them.
    origin
        Where they come from, for errors.
    known
        Where the known keys are listed, for errors; without it they are listed in the message.

    Raises
    ------
    ConfigError
        One line per fault: the key, what was found and what is expected.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        known = known or f"known keys are {', '.join(model.model_fields)}"
        faults: dict[str, str] = {}
        for details in error.errors():
            key, message = _key(details, values), _message(details, model, known)
            # The branches of a union are reported one by one.
            faults[key] = f"{faults[key]}, or {message}" if key in faults else message
        found = {_key(details, values): _found(details) for details in error.errors()}
        lines = [
            f"{key}: {text}{found[key]}" if key else f"{text}{found[key]}" for key, text in faults.items()
        ]
    joined = f" {lines[0]}" if len(lines) == 1 else "".join(f"\n  {line}" for line in lines)
    raise ConfigError(f"{origin}:{joined}")


def _key(details: ErrorDetails, values: Any) -> str:  # noqa: ANN401
    """The place of a fault in the values; branches of unions, which pydantic names there, are left out."""
    parts = []
    for part in details["loc"]:
        is_there = (isinstance(values, Mapping) and part in values) or (
            isinstance(values, list | tuple) and isinstance(part, int) and part < len(values)
        )
        if is_there:
            values = values[part]
        if is_there or (details["type"] == "missing" and part == details["loc"][-1]):
            parts.append(str(part))
    return ".".join(parts)


def _message(details: ErrorDetails, model: type[BaseModel], known: str) -> str:
    kind, value = details["type"], details["input"]
    if kind == "extra_forbidden":
        word = str(details["loc"][-1])
        near = difflib.get_close_matches(word, sorted(set(_names(model))), n=1)
        return f"unknown key; {f'did you mean {near[0]}? ' if near else ''}{known}"
    message = _EXPECTED.get(kind, details["msg"].removeprefix("Value error, "))
    if kind == "string_pattern_mismatch":
        message = _PATTERNS.get(details.get("ctx", {}).get("pattern", ""), message)
    return message + _hint(kind, value)


def _hint(kind: str, value: Any) -> str:  # noqa: ANN401
    """What YAML may have made of the user's word."""
    if isinstance(value, bool) and kind in ("string_type", "literal_error"):
        words = "on, yes and true" if value else "off, no and false"
        return f"; YAML reads the words {words} as {str(value).lower()}: write the word in quotation marks"
    if isinstance(value, datetime.date) and kind == "string_type":
        return "; YAML reads it as a date: write it in quotation marks"
    if isinstance(value, int | float) and kind == "string_type":
        return "; write it in quotation marks"
    if isinstance(value, str) and kind in ("float_type", "int_type") and _is_number(value):
        return "; this is text: write a number without quotation marks, and one such as 1e5 as 1.0e+5"
    if isinstance(value, float) and kind == "int_type" and value.is_integer():
        return f"; write {value:.0f}" if abs(value) < 1e15 else ""
    if value is None and kind.endswith("_type"):
        return "; leave the key out for its default"
    return ""


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _found(details: ErrorDetails) -> str:
    value = details["input"]
    if details["type"] in ("extra_forbidden", "missing"):
        return ""
    if isinstance(value, bool):
        return f" (found {str(value).lower()})"
    if value is None:
        return " (found nothing)"
    if isinstance(value, str | int | float | datetime.date):
        text = repr(value) if isinstance(value, str) else str(value)
        return f" (found {text if len(text) <= _LONGEST else text[:_LONGEST] + '...'})"
    return ""


def _names(model: type[BaseModel]) -> Iterator[str]:
    """Names of the fields of a section and of all sections in it."""
    for name, field in model.model_fields.items():
        yield name
        for kind in (field.annotation, *getattr(field.annotation, "__args__", ())):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from _names(kind)
