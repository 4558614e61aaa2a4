"""Every number of every section is finite and bounded, and no value is turned into one of another kind."""

import json
import math
from typing import Annotated

import pytest

from galcen import config
from galcen.config import Config
from galcen.config.base import Section, Within
from galcen.config.bounds import Epoch
from galcen.config.iterative_problem import IterativeProblem
from galcen.config.joint_plates import JointPlates
from galcen.errors import ConfigError

MODELS = (Config, JointPlates, IterativeProblem)

ANYTHING = {"missing_values"}
"""Columns of users' tables may mark a missing value by any number."""

JUDGED = {"extinction_spread", "learning_rates", "epochs", "centre"}
"""Bounded by validators of their own, which their sections' tests know."""

ONE_SIDED = {"l_min", "l_max", "b_min", "b_max"}
"""Edges are bounded by the opposite ones, which must be above them or below."""


def sections(schema):
    """All sections of a schema, with their names."""
    yield from {schema["title"]: schema, **schema.get("$defs", {})}.items()


def numbers(schema):
    """Schemas of all numbers in the schema of a field."""
    if schema.get("type") in ("number", "integer"):
        yield schema
    inner = [*schema.get("anyOf", []), *schema.get("prefixItems", [])]
    inner += [
        schema[name] for name in ("items", "additionalProperties") if isinstance(schema.get(name), dict)
    ]
    for part in inner:
        yield from numbers({**part, "default": None})


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_number_has_bounds(model):
    """A smallest and a largest value, so that a wrong unit has something to be caught by."""
    unbounded = []
    for section, schema in sections(model.model_json_schema()):
        for name, field in schema.get("properties", {}).items():
            for number in numbers(field):
                has_low = {"minimum", "exclusiveMinimum"} & set(number)
                has_high = {"maximum", "exclusiveMaximum"} & set(number)
                enough = bool(has_low and has_high) or (name in ONE_SIDED and (has_low or has_high))
                if not enough and name not in ANYTHING | JUDGED:
                    unbounded.append(f"{section}.{name}")
    assert not unbounded


class Every(Section):
    """A field of each kind in which a number may stand."""

    plain: float = 1.0
    whole: int = 1
    pair: tuple[float, float] = (1.0, 2.0)
    many: tuple[float, ...] = ()
    by_name: dict[str, float] = {}
    listed: list[float] = []
    either: float | str | None = None
    epoch: Epoch | None = None
    flag: bool = False
    text: str = "a"


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(
    "wrapped",
    [
        lambda bad: {"plain": bad},
        lambda bad: {"pair": [1.0, bad]},
        lambda bad: {"many": [bad]},
        lambda bad: {"by_name": {"a": bad}},
        lambda bad: {"listed": [bad]},
        lambda bad: {"either": bad},
        lambda bad: {"epoch": bad},
    ],
    ids=["plain", "pair", "many", "by_name", "listed", "either", "epoch"],
)
def test_no_number_is_nan_or_infinite(bad, wrapped):
    """Wherever it stands."""
    with pytest.raises(ConfigError, match="finite"):
        config.validated(Every, wrapped(bad), "test")


@pytest.mark.parametrize(
    "values",
    [
        {"plain": True},
        {"plain": "1.0"},
        {"whole": True},
        {"whole": 1.0},
        {"whole": "1"},
        {"pair": [True, 1]},
        {"many": ["1"]},
        {"by_name": {"a": True}},
        {"either": True},
        {"flag": 1},
        {"flag": "true"},
        {"text": 1},
        {"text": False},
    ],
)
def test_kinds_are_not_turned_into_one_another(values):
    with pytest.raises(ConfigError, match="expected"):
        config.validated(Every, values, "test")


def test_json_gives_back_what_it_was_given():
    """Lists become tuples, and whole numbers serve where there may be a fraction."""
    settings = config.parse({"galaxy": {"sun_distance": 8200, "sun_velocity": [10, 243, 7]}})
    again = config.parse(config.parse_json(config.section_json(settings), "test"))
    assert again == settings
    assert isinstance(again.galaxy.sun_distance, float)
    assert json.loads(config.section_json(settings, "galaxy"))["galaxy"]["sun_velocity"] == [10.0, 243.0, 7.0]


class Distance(Section):
    """A number with bounds and a question."""

    distance: Annotated[float | None, Within(1.0, 2.0, "in kpc?")] = None


def test_bounds_are_inclusive_and_ask():
    """The question follows what was expected; null stays what it is."""
    for value in (1.0, 2, None):
        assert config.validated(Distance, {"distance": value}, "test").distance == value
    for value in (0.5, 2.5, -1.0):
        with pytest.raises(
            ConfigError, match=rf"^test: distance: expected 1 to 2; in kpc\? \(found {value}\)$"
        ):
            config.validated(Distance, {"distance": value}, "test")


def test_a_number_without_bounds_would_be_noticed():
    """Of the sections above, one has none and one has."""
    found = [
        list(numbers(next(iter(m.model_json_schema()["properties"].values())))) for m in (Every, Distance)
    ]
    assert "minimum" not in found[0][0]
    assert found[1][0]["minimum"] == 1.0
    assert found[1][0]["maximum"] == 2.0
