"""Star counts and motions against the program genstars along eight lines of sight."""

import csv
from collections import defaultdict

import numpy as np
import pytest

from galcen.catalogue.forward import Window
from galcen.config.galaxy import Extinction
from galcen.config.galaxy import Galaxy as GalaxyOptions
from galcen.io.model_tables import read_tables
from galcen.stages.galaxy_model import build_galaxy
from galcen.stages.sightline import REFERENCE, summarise
from reference import reference_file

LAWS = {"1": "N09", "2": "WC19"}


@pytest.fixture(scope="module")
def rows():
    """Rows of the reference table by sightline, law and selection."""
    grouped = defaultdict(list)
    with reference_file("reference/genstars_counts.csv").open() as stream:
        for row in csv.DictReader(stream):
            grouped[row["sightline"], row["extlaw"], row["selection"]].append(row)
    return grouped


@pytest.fixture(scope="module")
def galaxies():
    """The model with the reference program's switches, by law and relation of Hw."""
    tables, _ = read_tables()
    return {
        (law, relation): build_galaxy(GalaxyOptions(hw=relation, **REFERENCE), Extinction(law=name), tables)
        for law, name in LAWS.items()
        for relation in ("HwA", "HwB")
    }


def _answer(galaxies, key, row, motions):
    band, *limits = key[2].split("_")
    relation = band if band.startswith("Hw") else "HwA"
    bright, faint = map(float, limits) if band != "all" else (8.0, 16.0)
    window = Window({"all": "Ks"}.get(band, "Hw" if band.startswith("Hw") else band), bright, faint)
    place = float(row["l_deg"]), float(row["b_deg"])
    area = float(row["area_arcmin2"])
    return summarise(galaxies[key[1], relation], *place, window, area, True, motions)["components"]


def test_counts_of_every_selection_agree(rows, galaxies):
    """Components above 1e-3 of the total within 1e-5; Hw within 4 errors of its Monte Carlo or 1 %."""
    faults = []
    for key, members in rows.items():
        answer = _answer(galaxies, key, members[0], motions=False)
        total = sum(float(row["n_expected"]) for row in members)
        for row in members:
            expected = float(row["n_expected"])
            if expected <= 1e-3 * total:
                continue
            got = answer[row["component"]]["count_total" if key[2].startswith("all") else "count"]
            is_drawn = key[2].startswith("Hw")
            tolerance = max(0.01, 4 / np.sqrt(float(row["n_mc"]))) if is_drawn else 1e-5
            if abs(got / expected - 1) > tolerance:
                faults.append((*key, row["component"], expected, got / expected - 1))
    assert not faults


def test_motions_agree(rows, galaxies):
    """Means and dispersions within 4 standard errors of both Monte Carlos or 2 % (bar and NSD)."""
    faults = []
    for key, members in rows.items():
        if key[2] != "Ks_8_16" or key[1] != "2":
            continue
        answer = _answer(galaxies, key, members[0], motions=True)
        for row in members:
            # Discs have long tails of nearby stars, on which the errors of the table do not hold.
            if row["component"] not in ("bar", "NSD") or not row["mean_mul"]:
                continue
            got = answer[row["component"]]
            for name in ("mul", "mub", "vlos"):
                spread = got[f"{name}_sigma"]
                ours = spread / np.sqrt(40960)
                for statistic, label, noise in (("mean", "mean", ours), ("sigma", "sd", ours / np.sqrt(2))):
                    expected = float(row[f"{label}_{name}"])
                    error = float(row[f"e_{label}_{name}"])
                    difference = abs(got[f"{name}_{statistic}"] - expected)
                    if difference > max(4 * np.hypot(error, noise), 0.02 * abs(expected)):
                        faults.append(
                            (*key, row["component"], name, statistic, expected, got[f"{name}_{statistic}"])
                        )
    assert not faults
