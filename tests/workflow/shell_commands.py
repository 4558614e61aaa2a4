"""Faults of rules' shell commands: values that the shell would take apart, or a command read as options."""

import ast
import re
import string
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import typer.main
from snakemake.parser import parse
from snakemake.sourcecache import LocalSourceFile, SourceCache

from galcen.cli import app

FLAGS = "{params.flags:q}"
"""A list of options with their values; `flags` of common.smk makes it."""

LAUNCHER = "{params.launcher:q}"
"""The words that start galcen on several ranks."""

LOG = "> {log:q} 2>&1"

_FIELD = re.compile(r"\{[^{}]*\}")
_PLAIN = re.compile(r"[A-Za-z0-9=_-]*")


class Command(NamedTuple):
    """The shell command of a rule."""

    rule: str
    text: str | None
    """None: there is none, or no literal, so that nobody can tell what it will be."""


def commands(path: Path) -> list[Command]:
    """The shell commands of all rules of a file that do something, as Snakemake itself reads them."""
    with tempfile.TemporaryDirectory() as cache:
        workflow = SimpleNamespace(sourcecache=SourceCache(Path(cache), Path(cache)))
        code, _ = parse(LocalSourceFile(str(path)), workflow, {})
    rules = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.FunctionDef)]
    return [found for rule in rules for found in _command(rule)]


def _command(function: ast.FunctionDef) -> Iterator[Command]:
    """The command of a compiled rule; nothing where a function is none, or does nothing."""
    directives = {
        ast.unparse(decorator.func): decorator.args
        for decorator in function.decorator_list
        if isinstance(decorator, ast.Call)
    }
    if "workflow.rule" not in directives or "workflow.norun" in directives:
        return
    value = next(iter(directives.get("workflow.shellcmd", [])), None)
    yield Command(
        function.name.removeprefix("__rule_"), value.value if isinstance(value, ast.Constant) else None
    )


def faults(text: str | None) -> list[str]:
    """What is wrong with one command.

    It must be one call of galcen with every value quoted: options, then `--`, then what is positional, then
    the log.
    """
    if text is None:
        return ["is no literal string after `shell:`"]
    begin, _, end = text.partition(" > ")
    words = begin.split()
    found = [f"{field} is not quoted, expected {expected}" for field, expected in _unquoted(text)]
    if f"> {end}" != LOG:
        found.append(f"ends in {end!r}, expected {LOG!r}")
    for word in words:
        if not (_FIELD.fullmatch(word) or _PLAIN.fullmatch(word)):
            found.append(f"{word} is neither a plain word nor a value")
    words = words[1:] if words[0] == LAUNCHER else words
    known = typer.main.get_command(app).commands
    if words[0] != "galcen" or words[1] not in known:
        return [*found, "calls no command of galcen"]
    options = [option for option in known[words[1]].params if option.param_type_name == "option"]
    with_value = {name for option in options if not option.is_flag for name in option.opts}
    return found + list(_misplaced(words[2:], with_value))


def _unquoted(text: str) -> Iterator[tuple[str, str]]:
    for _, name, form, conversion in string.Formatter().parse(text):
        if name is not None and (form != "q" or conversion is not None):
            yield f"{{{name}}}", f"{{{name}:q}}"


def _misplaced(words: list[str], with_value: set[str]) -> Iterator[str]:
    """Values that are neither an option's nor after `--`."""
    before = ""
    for word in words:
        if word == "--":
            return
        if before in with_value:
            before = ""
        elif word.startswith("--"):
            if word not in with_value:
                yield f"{word} is no option with a value"
            before = word
        elif word != FLAGS:
            yield f"{word} is not after `--`"
