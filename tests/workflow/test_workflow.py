"""The workflow: dry runs, refusals, and a tiny run to the end with what reruns after a change."""

import json
import shutil
import subprocess

import h5py
import numpy as np
import pytest
import yaml
from astropy.table import Table, vstack

from galcen import config
from project import BIN, ROOT, TINY, share_model, snakemake
from reference import reference_file


def truth_columns(path):
    """Every column of a truth catalogue."""
    with h5py.File(path) as file:
        return {name: data[...] for name, data in file["truth"].items()}


def overlay(folder, name, **values):
    """A configuration over the tiny one."""
    path = folder / f"{name}.yaml"
    base = yaml.safe_load((ROOT / TINY).read_text())
    path.write_text(yaml.safe_dump({**base, "run": name, **values}))
    return path.name


@pytest.mark.parametrize(
    "name",
    ["config.yaml", "examples/gcs.yaml", "examples/mini.yaml", "examples/wide.yaml", "test/tiny.yaml"],
)
def test_every_configuration_can_be_planned(folder, name):
    """A dry run of each; the tables of real surveys are not needed."""
    assert "truth" in snakemake(folder, "-n", "--forceall", "--configfile", f"config/{name}")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"galaxy": {"bra": "E"}}, "galaxy.bra: unknown key"),
        ({"footprint": {"l_min": 2.0, "l_max": 1.0}}, "l_min = 2.0 must be below l_max = 1.0"),
        ({"catalogue": {"source": "files"}}, "needs at least one table"),
        ({"draw": {"realisation": 99}}, "must not be above"),
        ({"draw": {"n_draw": 5}}, "0 + 5 must not be above posterior.n_sample = 4"),
        ({"calibration": {"enabled": True, "error": 0.05}}, "calibration.error = 0.05 must not be below"),
    ],
)
def test_a_bad_configuration_stops_before_the_first_job(folder, values, expected):
    """One clear message and no traceback."""
    path = overlay(folder, "bad", **values)
    text = snakemake(folder, "--configfile", path, check=False)
    assert expected in text
    assert "Traceback" not in text
    assert not (folder / "results/bad").exists()


@pytest.mark.parametrize("name", ["twice.yaml", "twice.json"])
def test_a_repeated_key_is_refused_in_every_configuration_file(folder, name):
    """Snakemake itself keeps the last of the two."""
    (folder / name).write_text('{"seed": 1,\n"seed": 2}\n')
    text = snakemake(folder, "-n", "--configfile", TINY, name, check=False)
    assert name in text
    assert "is repeated" in text
    assert "Traceback" not in text


@pytest.mark.slow
def test_the_tiny_run_makes_catalogue_and_report(finished):
    """Sorted by HEALPix, identifiers unique, probabilities of 1, and a report with figures."""
    stars = truth_columns(finished / "results/tiny/truth.h5")
    assert len(stars["source_id"]) > 100
    assert (np.diff(stars["healpix"]) >= 0).all()
    assert len(np.unique(stars["source_id"])) == len(stars["source_id"])
    np.testing.assert_allclose(sum(stars[f"p_comp_{i}"] for i in range(12)), 1.0, rtol=1e-12)
    np.testing.assert_allclose(stars["parallax"], 1000 / stars["dist"])
    page = (finished / "results/tiny/report.html").read_text()
    assert page.count("data:image/png") == 6
    with h5py.File(finished / "results/tiny/merge.h5") as file:
        judged = {
            name: int(data[...].sum()) for name, data in file["merge_quality"].items() if name[:2] == "n_"
        }
    # Two cells of four are crowded mildly, and the limits cut a few stars.
    assert judged["n_found"] > 0.95 * judged["n_true"]
    assert judged["n_false"] + judged["n_duplicate"] < 0.02 * judged["n_true"]
    assert not list((finished / "results").rglob(".*.part"))


@pytest.mark.slow
def test_nothing_depends_on_the_tiling_or_the_cores(finished):
    """Tiles of one cell on one core: every column the same, to the last bit."""
    path = overlay(finished, "single", tiling={"cells_per_side": 1})
    command = ["taskset", "-c", "0"] if shutil.which("taskset") else []
    subprocess.run(
        [*command, BIN / "snakemake", "--cores", "1", "results/single/truth.h5", "--configfile", path],
        cwd=finished,
        capture_output=True,
        check=True,
    )
    one, other = (truth_columns(finished / f"results/{run}/truth.h5") for run in ("tiny", "single"))
    for name, values in one.items():
        np.testing.assert_array_equal(other[name], values, err_msg=name)


@pytest.mark.parametrize("target", [(), ("results/listed/truth.h5",)], ids=["the run", "the truth"])
def test_a_survey_of_a_tables_stars_draws_no_truth(folder, target):
    """Neither model nor posterior nor draw, unless the truth catalogue is asked for; the report is made."""
    (folder / "listed.csv").write_text("ra,dec,hw\n266.4,-29.0,12.0\n")
    table = {"path": "listed.csv", "columns": {name: name for name in ("ra", "dec", "hw")}}
    survey = {"enabled": True, "last_stage": "exposures", "plan": {"n_orbits": 2}}
    path = overlay(folder, "listed", survey=survey, survey_sources={"table": table})
    jobs = set(_jobs(snakemake(folder, "-n", *target, "--configfile", path)))
    drawn = {"galaxy_model", "simulate", "complete", "likelihood", "posterior", "draw", "truth"}
    if target:
        assert drawn <= jobs
    else:
        assert not drawn & jobs and {"survey_sources", "expose", "report_page"} <= jobs


@pytest.mark.slow
def test_stars_without_magnitudes_and_off_the_map_go_the_same_way(folder):
    """One star with a magnitude and one without, in the Kepler field: distances follow the parallaxes."""
    rows = ("ra,dec,mks,mks_error,parallax,parallax_error,a_ks", "290.90,36.87,7.50,0.02,1.40,0.03,")
    (folder / "kepler.csv").write_text("\n".join([*rows, "290.91,36.80,,,2.50,0.05,0.02", ""]))
    columns = {name: name for name in rows[0].split(",")}
    path = overlay(
        folder,
        "kepler",
        footprint={"l_min": 68.0, "l_max": 70.0, "b_min": 9.0, "b_max": 11.0},
        tiling={"cells_per_side": 80},
        extinction={"outside": 0.05},
        catalogue={"source": "files", "files": [{"name": "K", "path": "kepler.csv", "columns": columns}]}
        | {"selection": None},
        posterior={"method": "exact", "n_sample": 4, "limit": {"band": "Ks", "bright": 5.0, "faint": 14.0}},
    )
    snakemake(folder, "results/kepler/truth.h5", "--configfile", path)
    stars = truth_columns(folder / "results/kepler/truth.h5")
    order = np.argsort(stars["parallax_obs"])
    np.testing.assert_allclose(stars["dist_p50"][order], [1000 / 1.4, 400.0], rtol=0.02)
    np.testing.assert_array_equal((stars["flags"][order] & 128) > 0, [False, True])
    assert 5.0 < stars["mks_mod"][order][1] < 14.0 and np.isfinite(stars["hw"]).all()
    assert stars["a_ks"][order][1] == pytest.approx(0.02) and 0.02 < stars["a_ks"][order][0] < 0.05


@pytest.mark.slow
def test_one_tile_reruns_alone(finished):
    """Deleting nothing: `--forcerun` of one tile's posterior reruns it and what hangs on it."""
    tile = next((finished / "results/tiny/catalogue/posterior").iterdir())
    text = snakemake(finished, "-n", "--configfile", TINY, "--forcerun", str(tile.relative_to(finished)))
    jobs = _jobs(text)
    assert jobs == {"posterior": 1, "draw": 1, "truth": 1, "report_page": 1, "all": 1}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "rules"),
    [
        ({"draw": {"realisation": 1}}, {"draw": 2, "truth": 1, "report_page": 1, "all": 1}),
        ({"posterior": {"n_sample": 5}}, {"posterior": 2, "draw": 2, "truth": 1, "report_page": 1, "all": 1}),
    ],
)
def test_a_changed_option_reruns_what_reads_it(finished, change, rules):
    """Exactly these rules, once per tile where they are per tile."""
    values = yaml.safe_load((ROOT / TINY).read_text())
    path = finished / "changed.yaml"
    path.write_text(yaml.safe_dump({**values, **change}))
    assert _jobs(snakemake(finished, "-n", "--configfile", path.name)) == rules


@pytest.mark.slow
def test_several_draws_are_those_of_single_runs(finished):
    """Two draws of each star: the first the catalogue's own, the second that of `realisation: 1`."""
    catalogue, settings = finished / "results/tiny/catalogue", config.load(ROOT / TINY)
    tile = sorted(path.name for path in (catalogue / "mock").iterdir())[0]
    paths = (
        finished / "results/tiny/model.h5",
        catalogue / "complete" / tile,
        catalogue / "posterior" / tile,
    )
    drawn = {}
    for name, choices in (("both", {"n_draw": 2}), ("second", {"realisation": 1})):
        options = {"seed": settings.seed, "posterior": settings.posterior.model_dump(), "draw": choices}
        command = [BIN / "galcen", "draw", *paths, finished / f"{name}.h5", "--options", json.dumps(options)]
        subprocess.run(command, check=True, capture_output=True)
        drawn[name] = truth_columns(finished / f"{name}.h5")
    first = truth_columns(catalogue / "mock" / tile)
    n = len(first["ra"])
    for name, values in drawn["both"].items():
        np.testing.assert_array_equal(values[:n], first[name], err_msg=name)
        np.testing.assert_array_equal(values[n:], drawn["second"][name], err_msg=name)
    assert (drawn["second"]["dist"] != first["dist"]).mean() > 0.9


def _jobs(text):
    """Rules and numbers of jobs of a dry run."""
    lines = text.split("Job stats:")[1].splitlines()[3:]
    jobs = {}
    for line in lines:
        words = line.split()
        if len(words) != 2 or words[0] == "total":
            break
        jobs[words[0]] = int(words[1])
    return jobs


@pytest.mark.slow
def test_real_stars_go_the_same_way(folder):
    """364 2MASS stars at (2.2, -1.9): giants of the bar behind half a magnitude of dust in Ks."""
    reference_file("data/bulge_2mass_plate")
    (folder.parent / "shared").symlink_to(reference_file("data").parent)
    snakemake(folder, "results/bulge_2mass/truth.h5", "--configfile", "config/test/bulge_2mass.yaml")
    stars = truth_columns(folder / "results/bulge_2mass/truth.h5")
    assert 340 <= len(stars["source_id"]) <= 364
    bar = stars["comp"] == 8
    assert 0.5 < bar.mean() < 0.95
    assert 7000 < np.median(stars["dist"][bar]) < 9000
    # Model stars have the observed colours within the error floor of the likelihood.
    seen = np.isfinite(stars["mj"] - stars["mks"])
    difference = (stars["mj"] - stars["mks"] - stars["mj_mod"] + stars["mks_mod"])[seen]
    assert abs(np.median(difference)) < 0.1


def test_tiles_are_listed(folder):
    """`galcen tiles` names every tile of the configuration."""
    done = subprocess.run(
        [BIN / "galcen", "tiles", "--config", TINY, "--format", "json"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    assert [row["cells"] for row in json.loads(done.stdout)] == [2, 2]


@pytest.mark.slow
def test_nothing_depends_on_the_order_of_the_rows(finished):
    """The observed stars as a table, and the same shuffled: every column the same, to the last bit."""
    observed = sorted((finished / "results/tiny/catalogue/complete").iterdir())
    names = ("source_id", "ra", "dec", "mj", "mj_error", "mh", "mh_error", "mks", "mks_error")
    parts = []
    for path in observed:
        with h5py.File(path) as file:
            parts.append(Table({name: file["observed"][name][...] for name in names}))
    table = vstack(parts)
    shuffled = table[np.random.default_rng(1).permutation(len(table))]
    truths = []
    for name, rows in (("sorted", table), ("shuffled", shuffled)):
        rows.write(finished / f"{name}.ecsv")
        survey = {"name": "ALL", "path": f"{name}.ecsv", "columns": {column: column for column in names}}
        path = overlay(finished, name, catalogue={"source": "files", "files": [survey], "selection": None})
        share_model(finished, name)
        snakemake(finished, f"results/{name}/truth.h5", "--configfile", path)
        truths.append(truth_columns(finished / f"results/{name}/truth.h5"))
    assert len(truths[0]["source_id"]) == len(table)
    for name, values in truths[0].items():
        np.testing.assert_array_equal(truths[1][name], values, err_msg=name)


@pytest.mark.slow
def test_the_calibration_is_in_the_report(finished):
    """A few hundred stars of one cell: ranks in (0, 1), the tests as an attribute, three more figures."""
    path = overlay(
        finished,
        "calibrated",
        footprint={"l_min": 0.5, "l_max": 0.525, "b_min": 0.1, "b_max": 0.125},
        calibration={"enabled": True, "n_star": 300, "faint": 12.5},
    )
    assert _jobs(snakemake(finished, "-n", "--configfile", path))["calibrate"] == 1
    share_model(finished, "calibrated")
    snakemake(finished, "--configfile", path)
    with h5py.File(finished / "results/calibrated/calibration.h5") as file:
        rank = file["calibration"]["rank"][...]
        summary = json.loads(file.attrs["summary"])
    assert len(rank) == 300
    assert ((rank > 0) & (rank < 1)).all()
    assert summary["ranks"]["all"]["n_star"] == 300
    assert summary["ranks"]["all"]["p_value"] > 1e-3
    page = (finished / "results/calibrated/report.html").read_text()
    assert page.count("data:image/png") == 9
    assert "Calibration: ranks of the true distances" in page
    assert "ranks of the distances: p =" in (finished / "results/calibrated/logs/calibrate.log").read_text()
