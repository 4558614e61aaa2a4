"""Rules hand nothing to the shell unquoted; the linter that sees to it catches what does."""

import shlex

import pytest
from shell_commands import commands, faults
from snakemake.utils import QuotedFormatter, SequenceFormatter

from project import ROOT

FILES = [ROOT / "Snakefile", *sorted((ROOT / "workflow").rglob("*.smk"))]

GOOD = "galcen draw --options {params.options:q} -- {input:q} {output:q} > {log:q} 2>&1"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_rules_quote_every_value(path):
    """Each command is one call of galcen, with paths after `--`."""
    assert {command.rule: faults(command.text) for command in commands(path) if faults(command.text)} == {}


def test_all_rules_are_seen():
    """Every `rule` of the files but `all`, which does nothing."""
    stated = [
        line.split()[1].rstrip(":")
        for path in FILES
        for line in path.read_text().splitlines()
        if line.strip().startswith("rule ")
    ]
    seen = [command.rule for path in FILES for command in commands(path)]
    assert sorted(seen) == sorted(set(stated) - {"all"})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (GOOD.replace("{input:q}", "{input}"), "{input} is not quoted"),
        (GOOD.replace("{input:q}", "{input!r}"), "{input} is not quoted"),
        (GOOD.replace("{output:q}", "{output[0]}"), "{output[0]} is not quoted"),
        (GOOD.replace("{input:q}", "{wildcards.tile}"), "{wildcards.tile} is not quoted"),
        (GOOD.replace("{params.options:q}", "'{params.options}'"), "{params.options} is not quoted"),
        (GOOD.replace("{input:q}", "'{input:q}'"), "'{input:q}' is neither"),
        (GOOD.replace("{input:q}", "{input:q}.part"), "{input:q}.part is neither"),
        (GOOD.replace("{input:q}", "$HOME"), "$HOME is neither"),
        (GOOD.replace("> {log:q}", "> {log}"), "{log} is not quoted"),
        (GOOD.replace("2>&1", "2>&1; rm x"), "expected '> {log:q} 2>&1'"),
        (GOOD.replace(" > {log:q} 2>&1", ""), "expected '> {log:q} 2>&1'"),
        (GOOD.replace("galcen", "cd x && galcen"), "&& is neither"),
        (GOOD.replace("galcen", "cat"), "calls no command of galcen"),
        (GOOD.replace("draw", "drew"), "calls no command of galcen"),
        (GOOD.replace("-- {input:q}", "{input:q} --"), "{input:q} is not after `--`"),
        (
            GOOD.replace(" --", "", 2).replace("galcen draw", "galcen draw {output:q}"),
            "{output:q} is not after",
        ),
        (GOOD.replace("--options", "--help {input:q} --options"), "{input:q} is not after"),
        (GOOD.replace("--options", "--optoins"), "--optoins is no option with a value"),
        (None, "no literal"),
    ],
)
def test_offenders_are_caught(text, expected):
    """One fault each; the good command has none."""
    assert any(expected in fault for fault in faults(text)), faults(text)
    assert faults(GOOD) == []


def test_rules_without_a_literal_command_are_caught(tmp_path):
    """A command that is put together, `run`, and a script."""
    path = tmp_path / "rules.smk"
    head = 'rule {}:\n    output: "x"\n    '
    kinds = {"put": 'shell: "galcen " + NAME', "ran": "run: shell('ls')", "named": 'script: "a.py"'}
    path.write_text("\n".join(head.format(name) + kind + "\n" for name, kind in kinds.items()))
    found = commands(path)
    assert [command.rule for command in found] == list(kinds)
    assert all(faults(command.text) == ["is no literal string after `shell:`"] for command in found)


@pytest.mark.parametrize("name", ["a b", "$(touch x)", "`id`", "it's", 'a"b', "a\nb", "{b}", "*", "-x", "~"])
def test_values_reach_the_command_as_they_are(name):
    """Snakemake's own formatter and the shell's words: one word for each value of a list."""
    formatter = SequenceFormatter(separator=" ", element_formatter=QuotedFormatter())
    assert shlex.split(formatter.format("{0:q} {1:q}", name, [name, "b"])) == [name, name, "b"]
