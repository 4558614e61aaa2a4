"""Residuals of the star counts against genstars: `python benchmarks/reference_comparison.py TABLE`.

TABLE is the program's expected counts (genstars_counts.csv); docs/reference_comparison.md is written.
"""

import csv
import sys
from collections import defaultdict
from pathlib import Path

import jax
import numpy as np

jax.config.update("jax_enable_x64", True)

from galcen.catalogue.forward import Window  # noqa: E402 - float64 first
from galcen.config.galaxy import Extinction  # noqa: E402
from galcen.config.galaxy import Galaxy as GalaxyOptions  # noqa: E402
from galcen.io.model_tables import read_tables  # noqa: E402
from galcen.stages.galaxy_model import build_galaxy  # noqa: E402
from galcen.stages.sightline import REFERENCE, summarise  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
LAWS = {"1": "N09", "2": "WC19"}
HEAD = """# Star counts against genstars

Expected counts of the program genstars (commit 9b0ecb0) along eight lines of sight, with two reddening
laws, and ours with the reference switches. Residual: ours / theirs - 1 of each component above 1e-3 of the
total. With them galcen bins luminosity functions and distances as genstars does (`galcen.galaxy.binned`);
unbinned counts are 0.5 to 0.9 per cent lower. The Hw rows of the reference are Monte Carlo counts, whose
noise is what the residuals show.
Made by `python benchmarks/reference_comparison.py`.

| selection | law | counts | median residual [%] | largest residual [%] | where |
| --- | --- | --- | --- | --- | --- |
"""


def main() -> None:
    """Compare and write the page."""
    groups = defaultdict(list)
    with Path(sys.argv[1]).open() as stream:
        for row in csv.DictReader(stream):
            groups[row["selection"], row["extlaw"], row["sightline"]].append(row)
    tables, _ = read_tables()
    galaxies = {
        (law, hw): build_galaxy(GalaxyOptions(hw=hw, **REFERENCE), Extinction(law=name), tables)
        for law, name in LAWS.items()
        for hw in ("HwA", "HwB")
    }
    residuals = defaultdict(list)
    for (selection, law, sightline), rows in sorted(groups.items()):
        band, *limits = selection.split("_")
        is_all, is_hw = band == "all", band.startswith("Hw")
        window = Window(
            "Hw" if is_hw else "Ks" if is_all else band, *([8.0, 16.0] if is_all else map(float, limits))
        )
        galaxy = galaxies[law, band if is_hw else "HwA"]
        first = rows[0]
        place = float(first["l_deg"]), float(first["b_deg"]), window, float(first["area_arcmin2"])
        answer = summarise(galaxy, *place, True, motions=False)["components"]
        total = sum(float(row["n_expected"]) for row in rows)
        for row in rows:
            expected = float(row["n_expected"])
            if expected > 1e-3 * total:
                got = answer[row["component"]]["count_total" if is_all else "count"]
                residuals[selection, law].append((got / expected - 1, f"{sightline} {row['component']}"))
    lines = []
    for (selection, law), found in sorted(residuals.items()):
        worst = max(found, key=lambda pair: abs(pair[0]))
        median = 100 * np.median([value for value, _ in found])
        cells = (selection, LAWS[law], len(found), f"{median:+.1e}", f"{100 * worst[0]:+.1e}", worst[1])
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    (ROOT / "docs/reference_comparison.md").write_text(HEAD + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
