"""Terms of the distortion by name: what is declared is found, and nothing else is imported."""

import sys
from importlib.metadata import EntryPoint, EntryPoints

import pytest

from galcen.errors import ConfigError
from galcen.stages import calibration_terms
from galcen.stages.calibration_terms import GROUP, terms_of


def ripple(p, q):
    """A term."""
    return p * q * 1e-8


def pair(p, q):
    """No term: two numbers."""
    return p, q


def broken(p, q):
    """No term."""
    return p + unknown


def test_modules_that_are_not_listed_are_not_imported(tmp_path, monkeypatch):
    """Importing would run their code."""
    (tmp_path / "unasked.py").write_text("raise SystemExit(9)\n")
    monkeypatch.syspath_prepend(tmp_path)
    for modules in ((), (__name__,), ("unasked.part",)):
        with pytest.raises(ConfigError, match="add unasked if its code may be run"):
            terms_of(["unasked:f"], modules)
    assert "unasked" not in sys.modules


def test_listed_modules_give_their_functions():
    assert terms_of([f"{__name__}:ripple"], (__name__,)) == (ripple,)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nowhere:f", "No module named 'nowhere'"),
        (f"{__name__}:nothing", "has no function nothing"),
        (f"{__name__}:GROUP", "has no function GROUP"),
        (f"{__name__}:pair", "expected f.p, q., one number for each place"),
        (f"{__name__}:broken", "fails: NameError: name 'unknown'"),
        ("faulty_module:f", "importing it fails: SyntaxError"),
    ],
)
def test_what_is_no_term_is_refused(tmp_path, monkeypatch, name, words):
    """In one line with the name."""
    (tmp_path / "faulty_module.py").write_text("def (\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match=words) as caught:
        terms_of([name], (__name__, "nowhere", "faulty_module"))
    assert name.split(":")[0] in str(caught.value)
    assert "\n" not in str(caught.value)


def test_registered_terms_are_found_by_their_name(monkeypatch):
    """Those of the group alone."""
    points = EntryPoints([EntryPoint("ripple", f"{__name__}:ripple", GROUP)])
    monkeypatch.setattr(calibration_terms, "entry_points", lambda group: points.select(group=group))
    assert terms_of(["ripple"], ()) == (ripple,)
    with pytest.raises(ConfigError, match=r"waves: no installed package has it .*; known: ripple"):
        terms_of(["waves"], ())
