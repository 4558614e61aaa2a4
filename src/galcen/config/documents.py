"""YAML and JSON as users write them: what a reader would silently mistake is refused, with its line."""

import json
import re
from pathlib import Path
from typing import Any

import yaml

from galcen.errors import ConfigError

LARGEST_FILE = 4_000_000
"""Of a configuration [bytes]."""
MOST_VALUES = 100_000
"""In a configuration, aliases (*name) counted as often as they are used."""
DEEPEST = 50
"""Level of a value in a configuration."""

_OCTAL = re.compile(r"[-+]?0[0-7_]+")
_BASE_60 = re.compile(r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?")
_STANDARD = "tag:yaml.org,2002:"
_TAGS = {
    _STANDARD + name
    for name in ("null", "bool", "int", "float", "str", "timestamp", "map", "seq", "merge", "value")
}
# The parser in C is twenty times faster, where PyYAML was built with it.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_document(path: Path) -> dict[str, Any]:
    """The mapping in a YAML or JSON file; an empty file is an empty mapping.

    Raises
    ------
    ConfigError
        The file cannot be read, is not UTF-8, or is no mapping in YAML or JSON; a key is repeated or is no
        text; a number is written so that YAML reads another one.
    """
    text = _text_of(path)
    if path.suffix.lower() == ".json":
        return parse_json(text, str(path))
    return parse_yaml(text, str(path))


def parse_yaml(text: str, origin: str) -> dict[str, Any]:
    """The mapping in a YAML text; refusals as in `read_document`."""
    loader = _Loader(text)
    try:
        _refuse_deep(text, origin)
        node = loader.get_single_node()
        if node is None:
            return {}
        _Checks(origin).check(node)
        values = loader.construct_document(node)
    except yaml.YAMLError as error:
        raise ConfigError(f"{origin}{_place(error)}: cannot be read as YAML: {_reason(error)}") from None
    except (ValueError, OverflowError) as error:
        raise ConfigError(f"{origin}: cannot be read as YAML: {error}") from None
    finally:
        loader.dispose()
    if not isinstance(values, dict):
        raise ConfigError(f"{origin}: expected a mapping of keys to values, found {_kind(values)}")
    return values


def parse_json(text: str, origin: str) -> dict[str, Any]:
    """The object in a JSON text.

    Parameters
    ----------
    text
        The JSON.
    origin
        Where it comes from, for errors: a file or an option of the command line.

    Raises
    ------
    ConfigError
        The text is no JSON, or none of an object; a key is repeated; a number is NaN or infinite; a text
        is no UTF-8.
    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        values = dict(pairs)
        if len(values) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise ConfigError(f"{origin}: the key {twice!r} is repeated; keep one of the two")
        return values

    def not_finite(word: str) -> float:
        raise ConfigError(f"{origin}: {word} is no number of a configuration; expected finite numbers")

    def finite(word: str) -> float:
        number = float(word)
        return number if abs(number) < float("inf") else not_finite(word)

    try:
        values = json.loads(text, object_pairs_hook=unique, parse_constant=not_finite, parse_float=finite)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise ConfigError(f"{origin}: no JSON, {place}: {error.msg}") from None
    except RecursionError:
        raise ConfigError(f"{origin}: values are nested too deeply; expected a few levels") from None
    except ValueError as error:
        raise ConfigError(f"{origin}: no JSON: {error}") from None
    if not isinstance(values, dict):
        raise ConfigError(f'{origin}: expected a JSON object such as {{"seed": 1}}, found {_kind(values)}')
    _refuse_half_characters(values, origin)
    return values


def _refuse_half_characters(values: dict[str, Any], origin: str) -> None:
    """Refuse text that no file and no name of a file can hold, which escapes of JSON can write."""
    try:
        json.dumps(values, ensure_ascii=False, default=str).encode()
    except UnicodeEncodeError as error:
        half = error.object[error.start]
        raise ConfigError(
            f"{origin}: holds {half!r}, which is half a character or no UTF-8; expected text in UTF-8"
        ) from None


def _refuse_deep(text: str, origin: str) -> None:
    """Refuse deep nesting before anything recurses: the parser in C ends the process where it is too deep."""
    depth = 0
    for number, event in enumerate(yaml.parse(text, Loader=_Loader)):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        line = event.start_mark.line + 1
        if depth > DEEPEST:
            raise ConfigError(f"{origin}, line {line}: more than {DEEPEST} levels of values; expected a few")
        if number > MOST_VALUES:
            raise ConfigError(f"{origin}, line {line}: more than {MOST_VALUES} values up to here")


def _text_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    if len(content) > LARGEST_FILE:
        raise ConfigError(f"{path}: more than {LARGEST_FILE // 1_000_000} MB; expected a configuration")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ConfigError(f"{path}: is written in UTF-16 or UTF-32; save it as UTF-8")
    nul = content.find(b"\0")
    if nul >= 0:
        raise ConfigError(
            f"{path}, line {_line(content, nul)}: holds a NUL byte; expected text in UTF-8 (is it in "
            "UTF-16, or no text?)"
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path}, line {_line(content, error.start)}: byte 0x{content[error.start]:02x} is no UTF-8 "
            "(is the file in Latin-1?); save it as UTF-8"
        ) from None


def _line(content: bytes, place: int) -> int:
    return content.count(b"\n", 0, place) + 1


class _Checks:
    """What PyYAML accepts and a user cannot have meant."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.sizes: dict[int, int | None] = {}
        """Values in each node, aliases expanded; None while it is being counted."""

    def check(self, node: yaml.Node) -> int:
        """Check a node and all in it; returns the number of its values."""
        known = self.sizes.get(id(node), 0)
        if known is None:
            raise self._fault(node, "a value contains itself by its alias")
        if known:
            return known
        self.sizes[id(node)] = None
        size = 1
        if node.tag not in _TAGS:
            raise self._fault(node, f"the tag {node.tag.replace(_STANDARD, '!!')} is not for configurations")
        if isinstance(node, yaml.ScalarNode):
            self._check_number(node)
        elif isinstance(node, yaml.SequenceNode):
            size += sum(self.check(item) for item in node.value)
        elif isinstance(node, yaml.MappingNode):
            self._check_keys(node)
            size += sum(self.check(value) for _, value in node.value)
        if size > MOST_VALUES:
            raise self._fault(
                node, f"more than {MOST_VALUES} values, aliases counted as often as they are used"
            )
        self.sizes[id(node)] = size
        return size

    def _check_keys(self, node: yaml.MappingNode) -> None:
        lines: dict[str, int] = {}
        for key, _ in node.value:
            is_merge = key.tag == "tag:yaml.org,2002:merge"
            if not isinstance(key, yaml.ScalarNode) or not (is_merge or key.tag.endswith(":str")):
                name = key.value if isinstance(key, yaml.ScalarNode) else "of several values"
                raise self._fault(
                    key,
                    f"the key {name} is no text to YAML, which reads numbers, dates and words such as on, "
                    "off, yes, no and null as values; write it in quotation marks, and decimals with a point",
                )
            line = key.start_mark.line + 1
            if key.value in lines:
                raise ConfigError(
                    f"{self.origin}: the key {key.value} is repeated, in lines {lines[key.value]} and {line};"
                    " keep one, with all values in it"
                )
            lines[key.value] = line

    def _check_number(self, node: yaml.ScalarNode) -> None:
        if node.tag == f"{_STANDARD}timestamp":
            raise self._fault(
                node, f"{node.value} is a date in YAML; write it in quotation marks where it is text"
            )
        if node.style or not node.tag.endswith((":int", ":float")):
            return
        if _BASE_60.fullmatch(node.value):
            raise self._fault(
                node,
                f"{node.value} is a number to base 60 in YAML; write it as a decimal number, or in "
                "quotation marks where it is text",
            )
        if _OCTAL.fullmatch(node.value) and int(node.value.replace("_", "")):
            raise self._fault(
                node,
                f"{node.value} is an octal number in YAML; write it without the leading zero, or in "
                "quotation marks where it is text",
            )

    def _fault(self, node: yaml.Node, words: str) -> ConfigError:
        return ConfigError(f"{self.origin}, line {node.start_mark.line + 1}: {words}")


def _place(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    return f", line {mark.line + 1}" if mark is not None else ""


def _reason(error: yaml.YAMLError) -> str:
    reason = getattr(error, "problem", None) or str(error)
    context = getattr(error, "context", None)
    return " ".join(f"{context}: {reason}".split() if context else str(reason).split())


def _kind(value: Any) -> str:  # noqa: ANN401
    names = {list: "a list", str: "text", bool: "true or false", type(None): "nothing"}
    return names.get(
        type(value), "a number" if isinstance(value, int | float) else f"a {type(value).__name__}"
    )
