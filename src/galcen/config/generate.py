"""Write the default configuration, its JSON schema and its reference page from the models.

`python -m galcen.config.generate` in the root of the project; a test fails when they are out of step.
"""

import json
import textwrap
from collections.abc import Iterable
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from galcen.config import Config
from galcen.config.base import Within

YAML_HEAD = """\
# The default configuration: made by `python -m galcen.config.generate`, do not edit.
# Lay your own values over it with --configfile; docs/configuration.md lists every key.
"""
PAGE_HEAD = """\
# Configuration reference

Made by `python -m galcen.config.generate` from the models in `src/galcen/config`; do not edit.
A configuration file holds only what differs from the defaults. Unknown keys are refused by name, repeated
ones with their lines, and numbers outside their range with the range. Booleans, numbers and text are never
turned into one another: `seed: true` and `error_floor: "0.1"` are errors, and so are numbers that YAML takes
for another (1e5 without a point and a sign is text, 010 is octal, 1:30 is to base 60) and words such as off,
no and yes where text is expected: write those in quotation marks.

"""


def files() -> dict[str, str]:
    """Content of each generated file, by its path in the project."""
    schema = json.dumps(Config.model_json_schema(), indent=2, sort_keys=True) + "\n"
    return {
        "config/config.yaml": YAML_HEAD + "\n".join(_yaml(Config, Config(), 0)) + "\n",
        "config/schema.json": schema,
        "docs/configuration.md": PAGE_HEAD + "\n".join(_page(Config, "")).rstrip() + "\n",
    }


def _text(field: FieldInfo) -> str:
    return " ".join((field.description or "").split())


def _yaml(model: type[BaseModel], values: BaseModel, depth: int) -> list[str]:
    """Commented YAML of a model's values."""
    indent = "  " * depth
    lines = []
    for name, field in model.model_fields.items():
        value = getattr(values, name)
        lines += textwrap.wrap(
            _text(field), 100, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# "
        )
        if isinstance(value, BaseModel):
            lines += [f"{indent}{name}:", *_yaml(type(value), value, depth + 1)]
        elif value and isinstance(value, tuple) and isinstance(value[0], BaseModel):
            items = [item.model_dump(mode="json", exclude_defaults=True) for item in value]
            body = yaml.safe_dump(items, default_flow_style=None, sort_keys=False, width=1000)
            lines += [f"{indent}{name}:", *textwrap.indent(body.rstrip(), f"{indent}  ").splitlines()]
        else:
            plain = values.model_dump(mode="json")[name]
            body = yaml.safe_dump(plain, default_flow_style=True, width=1000).removesuffix("...\n").strip()
            lines.append(f"{indent}{name}: {body}")
    return lines


def _page(model: type[BaseModel], prefix: str) -> list[str]:
    """Markdown tables, one a section."""
    lines = [
        f"## {f'`{prefix}`' if prefix else 'Top level'}",
        "",
        " ".join((model.__doc__ or "").split()),
        "",
        "| key | type | range | default | meaning |",
        "| --- | --- | --- | --- | --- |",
    ]
    below = []
    for name, field in model.model_fields.items():
        inner = _section_of(field)
        path = f"{prefix}.{name}" if prefix else name
        if inner is not None:
            below.append((inner, path))
        cells = _type(field, inner), _range(field), _default(field, inner), _text(field)
        lines.append(f"| `{name}` | {' | '.join(cells)} |")
    lines.append("")
    for inner, path in below:
        lines += _page(inner, path)
    return lines


def _section_of(field: FieldInfo) -> type[BaseModel] | None:
    kinds = [field.annotation, *getattr(field.annotation, "__args__", ())]
    return next((k for k in kinds if isinstance(k, type) and issubclass(k, BaseModel)), None)


def _type(field: FieldInfo, inner: type[BaseModel] | None) -> str:
    if inner is not None:
        return "list of sections" if "tuple" in str(field.annotation) else "section"
    return f"`{_words(field.annotation)}`"


def _words(kind: Any) -> str:  # noqa: ANN401 - whatever an annotation may be
    """A type as users read it, without its bounds."""
    arguments = get_args(kind)
    if get_origin(kind) is Annotated:
        return _words(arguments[0])
    if get_origin(kind) in (Union, UnionType):
        return " or ".join(map(_words, arguments))
    if get_origin(kind) is Literal:
        return str(kind).removeprefix("typing.")
    if arguments:
        inner = ", ".join("..." if part is Ellipsis else _words(part) for part in arguments)
        return f"{get_origin(kind).__name__}[{inner}]"
    return "None" if kind is NoneType else kind.__name__


def _range(field: FieldInfo) -> str:
    """Bounds of a number, or of the numbers of a list."""
    own = _limits(field.metadata)
    if own or get_origin(field.annotation) in (Union, UnionType):
        inner = [_limits(get_args(part)[1:]) for part in get_args(field.annotation)]
        return own or next(filter(None, inner), "")
    parts = [_limits(get_args(part)[1:]) for part in get_args(field.annotation)]
    return "; ".join(dict.fromkeys(filter(None, parts)))


def _limits(metadata: Iterable[Any]) -> str:
    """Bounds in words."""
    limits: dict[str, str] = {}
    for item in metadata:
        if isinstance(item, FieldInfo):
            return _limits(item.metadata)
        if isinstance(item, Within):
            return f"from {item.words}"
        for name, word in (("gt", "above"), ("ge", "from"), ("lt", "below"), ("le", "to")):
            if getattr(item, name, None) is not None:
                limits[word] = f"{word} {_short(getattr(item, name))}"
    return " ".join(limits[word] for word in ("above", "from", "to", "below") if word in limits)


def _short(number: float) -> str:
    return f"2^{number.bit_length() - 1}" if isinstance(number, int) and number > 10**9 else f"{number:.15g}"


def _default(field: FieldInfo, inner: type[BaseModel] | None) -> str:
    if field.default is PydanticUndefined:
        return "required"
    if inner is not None:
        if isinstance(field.default, tuple) and field.default:
            return f"{', '.join(item.name for item in field.default)}: see config/config.yaml"
        return "none" if field.default in (None, ()) else "see below"
    return f"`{json.dumps(field.default)}`"


def main() -> None:
    """Write the files into the current folder."""
    for path, content in files().items():
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(content)


if __name__ == "__main__":
    main()
