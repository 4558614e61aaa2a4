"""The solution of all orbits in the workflow: dry runs, and a small survey to the end."""

import re

import h5py
import numpy as np
import pytest
import yaml

from project import snakemake

SURVEY = {"enabled": True, "orbits_per_job": 2, "last_stage": "exposures", "plan": {"n_orbits": 4}}


def planned(folder, name, *arguments, survey=SURVEY, check=True, **solver):
    """What a dry run with a solver says."""
    values = {"run": name, "survey": survey, "solver": solver}
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(values))
    return snakemake(folder, "-n", "-p", "--configfile", f"{name}.yaml", *arguments, check=check)


def jobs(text):
    """Jobs of each rule."""
    table = text.split("Job stats:")[1].split("\n\n")[0]
    return {rule: int(number) for rule, number in re.findall(r"^(\w+) +(\d+)$", table, flags=re.MULTILINE)}


def command(text):
    """Command of the solution."""
    return next(line for line in text.splitlines() if "galcen solve-iterative" in line)


def test_solving_adds_the_solution_and_its_comparison(folder):
    """Exposures are enough: no plate is solved; and nothing is added where it is not asked for."""
    found = jobs(planned(folder, "solved", enabled=True))
    assert found["solve_iterative"] == found["compare"] == 1
    assert found["expose"] == 2
    assert not {"plate", "plate_motion", "judge_plate"} & set(found)
    assert not {"solve_iterative", "compare"} & set(jobs(planned(folder, "unsolved")))
    both = jobs(planned(folder, "both", survey={**SURVEY, "last_stage": "plates"}, enabled=True))
    assert both["plate"] == 2
    assert both["compare"] == both["judge_plate"] == 1


def test_ranks_are_started_as_the_profile_says(folder):
    """One rank without MPI; several by mpiexec or what the profile has; the same options for all."""
    one = command(planned(folder, "ranks", enabled=True))
    assert re.match(r"(Shell command: )?\s*galcen solve-iterative --ranks 1 ", one)
    text = planned(folder, "ranks", enabled=True, ranks=4, gpus=2)
    four = command(text)
    assert "mpiexec -n 4 galcen solve-iterative --ranks 4 " in four
    assert one.split("--options")[1] == four.split("--options")[1]
    for resource in ("mpi=1", "tasks=4", "gpu=2", "tasks_per_gpu=2", "mem_mb_per_cpu=8000"):
        assert resource in text
    override = "--set-resources", "solve_iterative:start=srun --mpi=pmi2"
    assert "srun --mpi=pmi2 -n 4 galcen" in command(
        planned(folder, "ranks", *override, enabled=True, ranks=4)
    )
    assert "srun" not in command(planned(folder, "ranks", *override, enabled=True))


@pytest.mark.parametrize("survey", [{"enabled": False}, {**SURVEY, "last_stage": "plan"}])
def test_a_solution_without_exposures_is_refused(folder, survey):
    """Before the first job."""
    text = planned(folder, "refused", survey=survey, check=False, enabled=True)
    assert "solver.enabled needs exposures" in text
    assert "Traceback" not in text


@pytest.mark.slow
def test_a_small_survey_is_solved_on_two_ranks(small):
    """Positions, parallaxes and motions within their errors of the truth; another number repeats nothing."""
    target = "results/small/astrometry/comparison.h5"
    assert "2 rank(s)" in (small / "results/small/logs/astrometry/solve_iterative.log").read_text()
    with h5py.File(small / target) as file:
        sources = {name: values[...] for name, values in file["compared_sources"].items()}
        assert float(file.attrs["chi2"]) / float(file.attrs["dof"]) == pytest.approx(1.0, abs=0.05)
    assert len(sources["kind"]) > 300
    for name in ("ra", "dec", "parallax", "pmra", "pmdec"):
        pull = sources[f"{name}_miss"] / sources[f"{name}_error"]
        assert np.median(np.abs(pull)) < 1.0
        # Errors without probes hold the camera fixed, which leaves out some of the frame.
        assert np.abs(pull).max() < 8
    values = yaml.safe_load((small / "small.yaml").read_text())
    values["solver"]["ranks"] = 3
    (small / "three.yaml").write_text(yaml.safe_dump(values))
    assert "Nothing to be done" in snakemake(small, "-n", target, "--configfile", "three.yaml")


@pytest.mark.slow
def test_shifts_with_colour_are_found(small):
    """Of each chip in both directions, to 10 nm a magnitude; a tenth of a pixel of the brightest is 1 um."""
    with h5py.File(small / "results/small/survey/injected/o00000-00001.h5") as file:
        chips = file["orbit_00000/chips"]
        true = np.stack([chips[f"chromatic_{axis}"][...] for axis in "xy"])
    with h5py.File(small / "results/small/astrometry/iterative.h5") as file:
        table = {name: values[...] for name, values in file["iterative_calibration"].items()}
    found = np.stack([table["value"][(table["parameter"] == 2) & (table["element"] == k)] for k in (5, 6)])
    assert np.abs(true).max() > 0.3
    np.testing.assert_allclose(found, true, rtol=0, atol=0.01)


def test_colours_are_needed_where_shifts_with_colour_are_solved_for(folder):
    """Before the first job; a truth catalogue has them."""
    calibration = {"enabled": True, "calibration": {"chromatic": True}}
    assert jobs(planned(folder, "coloured", **calibration))["solve_iterative"] == 1
    table = {"path": "stars.csv", "columns": {"ra": "ra", "dec": "dec", "hw": "hw"}}
    values = {"run": "grey", "survey": SURVEY, "survey_sources": {"table": table}, "solver": calibration}
    (folder / "grey.yaml").write_text(yaml.safe_dump(values))
    text = snakemake(folder, "-n", "--configfile", "grey.yaml", check=False)
    assert "solver.calibration.chromatic needs colours: map mj and mh in survey_sources.table.columns" in text
    assert "Traceback" not in text
