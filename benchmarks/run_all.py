"""Run every benchmark and write docs/benchmarks.md."""

import json
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NAMES = ("posterior", "draws", "mapping", "survey", "solver", "solver_ranks", "workflow")


def main() -> None:
    """Measure, then write the page."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.strip()
    cpu = next(
        (
            line.split(":")[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.processor(),
    )
    lines = [
        "# Benchmarks",
        "",
        "Made by `make bench`; medians, compile time apart; `posterior` on all cores, the others on one.",
        f"Machine: {cpu}; {datetime.now(UTC):%Y-%m-%d}; commit {commit}. No GPU figure has been measured.",
        "",
    ]
    for name in NAMES:
        done = subprocess.run(
            [sys.executable, f"benchmarks/{name}.py", "--json"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        answer = json.loads(done.stdout.splitlines()[-1])
        lines += [f"## {name}", "", "| figure | value |", "| --- | --- |"]
        lines += [
            f"| `{key}` | {value:.6g} |" if isinstance(value, float) else f"| `{key}` | {value} |"
            for key, value in answer.items()
        ]
        lines.append("")
    (ROOT / "docs/benchmarks.md").write_text("\n".join(lines))


if __name__ == "__main__":
    main()
