"""Time to plan the wide window: `python benchmarks/workflow.py [--json]`, in the root of the project.

The floor is the start of Snakemake itself, which `parse_seconds` shows with a single file asked for.
"""

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

CONFIG = "config/examples/wide.yaml"
REPEATS = 3


def seconds(*arguments: str) -> float:
    """Median wall time of a snakemake command."""
    command = [
        str(Path(sys.executable).parent / "snakemake"),
        *arguments,
        "--cores",
        "1",
        "--configfile",
        CONFIG,
    ]
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def main() -> None:
    """Measure and print."""
    answer = {
        "tiles": 558,
        "dry_run_seconds": seconds("-n", "--quiet"),
        "parse_seconds": seconds("--list-rules"),
    }
    if "--json" in sys.argv:
        sys.stdout.write(json.dumps(answer) + "\n")
    else:
        sys.stdout.writelines(f"{name:20s} {value}\n" for name, value in answer.items())


if __name__ == "__main__":
    main()
