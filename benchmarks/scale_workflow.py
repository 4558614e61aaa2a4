"""Cost of a star in every stage at growing sizes: `python benchmarks/scale_workflow.py FOLDER`.

The survey field in tiles of 0.6 deg, the depth of its selection growing until about a million stars are
drawn, observed, matched, inferred, drawn again, merged and written. FOLDER keeps the runs; times and memory
(by samples of it) are those that Snakemake writes for each job. An exponent of 1 or less means that the cost
of a star does not grow with their number (fixed costs of a job make it less).
"""

import csv
import json
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import yaml

ROOT = Path(__file__).resolve().parents[1]
FAINT = (14.1, 15.4, 17.0)  # Hw; about 1e5, 3e5 and 1e6 stars
SIDE = 24
N_WIDE = 20_897_004  # stars of the wide window in the public slides
STAGES = ("simulate", "complete", "judge_merge", "posterior", "draw", "truth", "report_page")


def project(folder: Path) -> Path:
    """A working folder with the workflow in it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("Snakefile", "workflow", "config", "envs", "profiles"):
        if not (folder / name).exists():
            (folder / name).symlink_to(ROOT / name)
    return folder


def run(folder: Path, faint: float) -> dict[str, tuple[float, float]]:
    """One run: seconds of all jobs and largest memory [MB] of each stage; number of stars."""
    name = f"scale_{faint:g}"
    base = yaml.safe_load((ROOT / "config/examples/gcs.yaml").read_text())
    base |= {"run": name, "tiling": {"cells_per_side": SIDE}}
    base["catalogue"] = {"selection": {"band": "Hw", "bright": 9.5, "faint": faint}}
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(base))
    snakemake = str(Path(sys.executable).parent / "snakemake")
    command = [
        snakemake,
        "--cores",
        "all",
        "--scheduler",
        "greedy",
        "--quiet",
        "all",
        "--configfile",
        f"{name}.yaml",
    ]
    subprocess.run(command, cwd=folder, check=True)
    results = folder / "results" / name
    found = {}
    for stage in STAGES:
        paths = sorted((results / "benchmarks").rglob(f"{stage}/*.tsv")) or [
            results / f"benchmarks/{stage}.tsv"
        ]
        rows = [row for path in paths for row in csv.DictReader(path.open(), delimiter="\t")]
        found[stage] = (
            sum(float(row["s"]) for row in rows),
            max(float(row["max_rss"]) for row in rows),
        )
    with h5py.File(results / "truth.h5") as file:
        found["stars"] = (float(file["truth"].attrs["n_row"]), 0.0)
    return found


def main() -> None:
    """Run and print."""
    folder = project(Path(sys.argv[1]))
    runs = [run(folder, faint) for faint in FAINT]
    stars = np.array([found["stars"][0] for found in runs])
    lines = [
        f"Stars: {', '.join(f'{n:,.0f}' for n in stars)}; seconds of all jobs of a stage.",
        "",
        "| stage | seconds | us per star, largest run | exponent | peak MB | hours for 20,897,004 stars |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    answer: dict[str, float] = {}
    for stage in STAGES:
        seconds, peak = np.array([found[stage] for found in runs]).T
        exponent = float(np.polyfit(np.log(stars), np.log(seconds), 1)[0])
        cost = seconds[-1] / stars[-1]
        answer |= {
            f"{stage}_us_per_star": 1e6 * cost,
            f"{stage}_exponent": exponent,
            f"{stage}_peak_mb": peak.max(),
        }
        cells = [", ".join(f"{s:.0f}" for s in seconds), f"{1e6 * cost:.0f}", f"{exponent:.2f}"]
        cells += [", ".join(f"{mb:.0f}" for mb in peak), f"{cost * N_WIDE / 3600:.2f}"]
        lines.append(f"| `{stage}` | {' | '.join(cells)} |")
    sys.stdout.write("\n".join(lines) + "\n" + json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
