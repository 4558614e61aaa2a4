"""Write docs/bad_input.md: each kind of bad input, the examples that are tried, and what a user sees of one.

Run it with the environment's Python after a change of the tables in tests/bad_input.
"""

import importlib
import sys
import tempfile
from pathlib import Path

TESTS = Path(__file__).resolve().parent
PAGE = TESTS.parent / "docs/bad_input.md"
N_EXAMPLE = 6
LONGEST = 400

HEAD = """# Bad input, and what a user sees of it

Made by `.venv/bin/python tests/bad_input_page.py` from the tables in `tests/bad_input`, whose cases are all
run by `make test`. "Refused" is one error, and nothing is written; "warned" is a line in the log of the job;
"taken" means that the input is understood and the result is checked.

| kind | tried | examples | what a user sees of the first |
| --- | --- | --- | --- |
"""


def tables() -> list:
    """The cases of all tables, module after module."""
    sys.path.insert(0, str(TESTS / "bad_input"))
    names = sorted(path.stem for path in (TESTS / "bad_input").glob("test_*.py"))
    return [case for name in names for case in importlib.import_module(name).CASES]


def by_kind(cases: list) -> dict[str, list]:
    """The cases of each kind, in the order of the tables."""
    kinds: dict[str, list] = {}
    for case in cases:
        kinds.setdefault(case.kind, []).append(case)
    return kinds


def head_of_row(kind: str, cases: list) -> str:
    """The cells of a row that need no run."""
    examples = [case.example for case in cases[:N_EXAMPLE]]
    more = [f"and {len(cases) - N_EXAMPLE} more"] if len(cases) > N_EXAMPLE else []
    return f"| {_cell(kind)} | {len(cases)} | {_cell('; '.join(examples + more))} |"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def main() -> None:
    """Run the first case of each kind and write the page."""
    import jax  # deferred: the test of the page needs no numerics

    from bad_case import observe

    jax.config.update("jax_enable_x64", True)
    lines = []
    cases = tables()
    for kind, some in by_kind(cases).items():
        with tempfile.TemporaryDirectory() as folder:
            text = observe(some[0], Path(folder))
        seen = f"{some[0].outcome}: {text}" if text else some[0].outcome
        short = seen if len(seen) <= LONGEST else seen[:LONGEST] + " …"
        lines.append(f"{head_of_row(kind, some)} {_cell(short)} |")
    PAGE.write_text(HEAD + "\n".join(lines) + f"\n\n{len(cases)} cases of {len(lines)} kinds.\n")


if __name__ == "__main__":
    main()
