"""Common ground of the configuration models."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

NAME_LENGTH = 100
"""Longest name of a run or survey: folders, files and their temporary copies are named after it, and most
file systems hold names of 255 bytes."""

_SCALARS = ("bool", "int", "float", "str")


def _parts(schema: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - schemas are nested mappings and lists
    """A schema and all schemas in it."""
    if isinstance(schema, dict):
        yield schema
        schema = [value for name, value in schema.items() if name != "metadata"]
    if isinstance(schema, list | tuple):
        for part in schema:
            yield from _parts(part)


class Section(BaseModel):
    """A section of the configuration: unknown keys are refused by name, values are frozen.

    Numbers are finite. Booleans, numbers and text are never turned into one another: `seed: true` is no seed,
    and the text "0.1" is no number; a whole number serves where a number with a fraction is expected.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: type[BaseModel], handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        # Not `strict` of the whole model, which would refuse lists for tuples and mappings for sections.
        schema = handler(source)
        for part in _parts(schema):
            if part.get("type") in _SCALARS:
                part["strict"] = True
        return schema


@dataclass(frozen=True)
class Within:
    """Bounds of a number, with the question that helps where a unit or a convention was probably mistaken.

    To be used as `Annotated[float, Within(7000, 9500, "is it in kpc?")]`.
    """

    low: float
    """Smallest value."""
    high: float
    """Largest value."""
    question: str = ""
    """What the user may have meant."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:  # noqa: ANN401
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        values = handler(schema)
        target = next((kind for kind in values.get("anyOf", []) if kind.get("type") != "null"), values)
        target.update(minimum=self.low, maximum=self.high)
        return values

    @property
    def words(self) -> str:
        """The bounds in words."""
        return f"{self.low:.15g} to {self.high:.15g}"

    def _check(self, value: float | None) -> float | None:
        if value is None or self.low <= value <= self.high:
            return value
        question = f"; {self.question}" if self.question else ""
        raise PydanticCustomError("out_of_bounds", f"expected {self.words}{question}")
