"""From a truth catalogue or a table to the sources of the survey and the mission's catalogue."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy import stats

from galcen import config
from galcen.astrometry.priors import PriorOptions, catalogue_of, motion_prior
from galcen.catalogue.motion import galactic
from galcen.errors import ConfigError, SchemaError
from galcen.io.hdf5 import open_product, read_table, write_table
from galcen.io.schema import TRUTH
from galcen.io.stars_schema import INPUT_CATALOGUE, PLATE_MOTION, SURVEY_STARS
from galcen.mapping.catalogue_covariance import CORRELATIONS, ERRORS, columns_of
from galcen.mapping.space_motion import SpaceMotion, offsets, propagated
from galcen.stages import survey_sources
from reference import reference_file

N = 4000


def truth(**columns):
    """A truth catalogue of a field with half of its stars in Gaia."""
    rng = np.random.default_rng(1)
    values = {c.name: np.full(N, np.nan if c.dtype[0] == "f" else -1) for c in TRUTH.columns}
    values |= {
        "source_id": rng.permutation(N).astype(np.int64) * 3,
        "ra": rng.uniform(265.9, 266.4, N),
        "dec": rng.uniform(-29.4, -28.9, N),
        "ref_epoch": np.full(N, 2016.0),
        "parallax": rng.uniform(0.1, 2, N),
        "pmra": rng.normal(0, 4, N),
        "pmdec": rng.normal(0, 4, N),
        "radial_velocity": rng.normal(0, 80, N),
        "hw": rng.uniform(8.5, 15.5, N),
        "realisation": np.zeros(N, dtype=np.int16),
        "gaia_source_id": np.where(rng.uniform(size=N) < 0.5, np.arange(N) + 4 * 10**18, -1),
        "ruwe": rng.uniform(0.9, 1.3, N),
    }
    return values | columns


def run(folder, source, **choices):
    """True sources and input catalogue."""
    options = {"seed": 4, "survey_sources": {"n_artificial": 300, **choices}}
    survey_sources.run(source, folder / "stars.h5", folder / "catalogue.h5", options)
    return read_table(folder / "stars.h5", SURVEY_STARS), read_table(folder / "catalogue.h5", INPUT_CATALOGUE)


def run_truth(folder, columns=None, **choices):
    """The same for a truth catalogue."""
    write_table(folder / "truth.h5", TRUTH, columns or truth(), {})
    return run(folder, folder / "truth.h5", **choices)


def run_table(folder, columns, mapped=None, **choices):
    """The same for a table."""
    pq.write_table(pa.table(columns), folder / "table.parquet")
    mapped = mapped or {name: name for name in columns}
    table = {"path": "unused", "columns": mapped}
    return run(folder, folder / "table.parquet", table=table, **choices)


def test_sources_are_those_within_the_limits(tmp_path):
    """Every star from 9.5 to 14.5 and the artificial sources, by identifier; references are Gaia's."""
    given = truth()
    stars, catalogue = run_truth(tmp_path, given)
    keep = (given["hw"] >= 9.5) & (given["hw"] <= 14.5)
    real = stars["is_artificial"] == 0
    np.testing.assert_array_equal(stars["source_id"][real], np.sort(given["source_id"][keep]))
    assert (~real).sum() == 300
    assert (np.diff(stars["source_id"]) > 0).all()
    for name in ("source_id", "hw", "is_reference", "is_artificial"):
        np.testing.assert_array_equal(stars[name], catalogue[name])
    order = np.argsort(given["source_id"][keep])
    np.testing.assert_array_equal(stars["is_reference"][real], given["gaia_source_id"][keep][order] >= 0)
    artificial = {name: stars[name][~real] for name in stars}
    assert all((artificial[name] == 0).all() for name in ("parallax", "pmra", "pmdec", "is_reference"))
    with open_product(tmp_path / "stars.h5", SURVEY_STARS.name) as file:
        assert float(file.attrs["t0"]) == 2032.0


def test_colours_are_those_of_the_stars(tmp_path):
    """J - H as Hw has them, of the model where a band is missing; none of artificial sources."""
    rng = np.random.default_rng(3)
    bands = {name: rng.uniform(10, 15, N) for name in ("mj", "mh", "mj_mod", "mh_mod")}
    bands["mj"][::3] = bands["mh"][::5] = np.nan
    given = truth(**bands)
    stars, catalogue = run_truth(tmp_path, given)
    j, h = (np.where(np.isnan(bands[b]), bands[f"{b}_mod"], bands[b]) for b in ("mj", "mh"))
    place = {star: row for row, star in enumerate(given["source_id"])}
    real = stars["is_artificial"] == 0
    rows = np.array([place[star] for star in stars["source_id"][real]])
    np.testing.assert_array_equal(stars["colour"][real], (j - h)[rows])
    assert np.isnan(stars["colour"][~real]).all()
    np.testing.assert_array_equal(stars["colour"], catalogue["colour"])


def test_colours_of_a_table_need_both_bands(tmp_path):
    """Also beside Hw; without them there are none."""
    ra, dec = 266.0 + np.arange(3) / 100, np.full(3, -29.0)
    columns = {"ra": ra, "dec": dec, "hw": np.full(3, 12.0)}
    drawn = {"references": {"choice": "drawn"}, "n_artificial": 1}
    stars, _ = run_table(tmp_path, columns, **drawn)
    assert np.isnan(stars["colour"]).all()
    bands = {"mj": np.array([14.0, 15.0, np.nan]), "mh": np.array([12.5, 13.0, 13.0])}
    stars, _ = run_table(tmp_path, columns | bands, **drawn)
    np.testing.assert_array_equal(stars["colour"], [1.5, 2.0, np.nan, np.nan])


def test_truth_is_moved_to_the_epoch_of_the_solutions(tmp_path):
    """16 years of space motion, to 1e-3 uas."""
    given = truth()
    stars, _ = run_truth(tmp_path, given)
    place = {star: row for row, star in enumerate(given["source_id"])}
    real = stars["is_artificial"] == 0
    rows = np.array([place[star] for star in stars["source_id"][real]])
    moved = propagated(SpaceMotion(*(given[name][rows] for name in SpaceMotion._fields)), 16.0)
    a, d = offsets(stars["ra"][real], stars["dec"][real], moved.ra, moved.dec)
    np.testing.assert_allclose(np.hypot(a, d), 0, atol=1e-6)
    a, _ = offsets(stars["ra"][real], stars["dec"][real], given["ra"][rows], given["dec"][rows])
    np.testing.assert_allclose(a, 16 * given["pmra"][rows], atol=1e-3)


def test_references_lie_about_the_truth_by_their_errors(tmp_path):
    """At 2016 and, with the whole covariance, at 2032: chi-square of five degrees (KS)."""
    stars, catalogue = run_truth(tmp_path)
    reference = stars["is_reference"] == 1
    stars = {name: values[reference] for name, values in stars.items()}
    prior = motion_prior(
        catalogue_of({name: values[reference] for name, values in catalogue.items()}),
        2032.0,
        PriorOptions(ruwe_inflation=False),
    )
    a, d = offsets(stars["ra"], stars["dec"], catalogue["ra"][reference], catalogue["dec"][reference])
    true = np.stack([a, d, stars["parallax"], stars["pmra"], stars["pmdec"]], axis=-1)
    shift = prior.mean - true
    chi2 = np.einsum("ni,nij,nj->n", shift, np.linalg.inv(prior.covariance), shift)
    assert stats.kstest(chi2, stats.chi2(5).cdf).pvalue > 1e-3
    assert (catalogue["ref_epoch"][reference] == 2016.0).all()
    # The effect of extrapolation: more than a mas at the survey's epoch for the faint ones.
    assert 0.3 < np.median(np.abs(shift[:, 0])) < 3


def test_other_sources_have_wide_priors(tmp_path):
    """100 mas, 20 mas, 50 mas/yr about parallax and motion 0, positions displaced by their errors (KS)."""
    stars, catalogue = run_truth(tmp_path)
    other = stars["is_reference"] == 0
    for name, value in (("ra", 100), ("dec", 100), ("parallax", 20), ("pmra", 50), ("pmdec", 50)):
        assert (catalogue[f"{name}_error"][other] == value).all()
    for name in ("parallax", "pmra", "pmdec", "radial_velocity", *CORRELATIONS):
        assert (catalogue[name][other] == 0).all()
    assert (catalogue["ref_epoch"][other] == 2032.0).all()
    for values in offsets(
        *(x[other] for x in (catalogue["ra"], catalogue["dec"], stars["ra"], stars["dec"]))
    ):
        assert stats.kstest(values / 100, "norm").pvalue > 1e-3
    catalogue_of(catalogue)


def test_a_source_does_not_depend_on_the_others(tmp_path):
    """Fewer stars, another order: what is left has the same values to the last bit."""
    stars, catalogue = run_truth(tmp_path)
    order = np.random.default_rng(6).permutation(N)[:1500]
    fewer, other = run_truth(tmp_path, {name: values[order] for name, values in truth().items()})
    here = np.isin(stars["source_id"], fewer["source_id"]) & (stars["is_artificial"] == 0)
    there = fewer["is_artificial"] == 0
    for name in stars:
        np.testing.assert_array_equal(stars[name][here], fewer[name][there], err_msg=name)
    for name in catalogue:
        np.testing.assert_array_equal(catalogue[name][here], other[name][there], err_msg=name)


def test_the_same_run_gives_the_same_bytes(tmp_path):
    """Both files."""
    run_truth(tmp_path)
    first = [(tmp_path / name).read_bytes() for name in ("stars.h5", "catalogue.h5")]
    run_truth(tmp_path)
    assert first == [(tmp_path / name).read_bytes() for name in ("stars.h5", "catalogue.h5")]


def test_limits_are_kept(tmp_path):
    """Number, window and magnitudes."""
    stars, _ = run_truth(tmp_path, max_star=500, bright=10, faint=12)
    assert (stars["is_artificial"] == 0).sum() == 500
    assert stats.kstest((stars["hw"] - 10) / 2, "uniform").pvalue > 1e-3
    window = {"l_min": -0.2, "l_max": 0.0, "b_min": -0.1, "b_max": 0.1}
    stars, _ = run_truth(tmp_path, window=window)
    lon, lat = galactic(stars["ra"], stars["dec"])
    assert config.sky.Footprint(**window).holds(lon, lat).mean() > 0.99


def test_references_may_be_drawn(tmp_path):
    """A quarter of the stars, whatever Gaia has: 4 sigma."""
    stars, _ = run_truth(tmp_path, references={"choice": "drawn", "fraction": 0.25})
    part = stars["is_reference"][stars["is_artificial"] == 0]
    assert part.mean() == pytest.approx(0.25, abs=4 * np.sqrt(0.19 / len(part)))


def test_wrong_motions_are_injected_and_marked(tmp_path):
    """A tenth of the references 10 sigma off in motion, and so 16 years of it at 2032; the rest as before."""
    _, plain = run_truth(tmp_path)
    stars, catalogue = run_truth(tmp_path, references={"wrong_fraction": 0.1})
    wrong = stars["is_wrong"] == 1
    assert wrong[stars["is_reference"] == 1].mean() == pytest.approx(0.1, abs=0.03)
    assert not wrong[stars["is_reference"] == 0].any()
    shift = np.hypot(
        *((catalogue[name] - plain[name]) / catalogue[f"{name}_error"] for name in ("pmra", "pmdec"))
    )
    np.testing.assert_allclose(shift, np.where(wrong, 10.0, 0.0), atol=1e-8)
    for name in ("ra", "parallax", "pmra_error"):
        np.testing.assert_array_equal(catalogue[name], plain[name])


def test_bare_positions_are_enough(tmp_path):
    """A table of ra, dec and Hw: motions as of bulge stars, references drawn, pairs kept."""
    rng = np.random.default_rng(2)
    ra, dec = rng.uniform(266, 266.3, 800), rng.uniform(-29.3, -29, 800)
    ra[400:], dec[400:] = ra[:400], dec[:400] + 0.2 / 3600
    columns = {"ra": ra, "dec": dec, "hw": rng.uniform(10, 12.5, 800)}
    stars, catalogue = run_table(tmp_path, columns, references={"choice": "drawn"})
    real = stars["is_artificial"] == 0
    assert real.sum() == 800
    np.testing.assert_array_equal(stars["source_id"][real], np.arange(800))
    np.testing.assert_allclose(stars["parallax"][real], 1 / 8.2, rtol=1e-6)
    assert stats.kstest(stars["pmra"][real] / 3, "norm").pvalue > 1e-3
    still, _ = run_table(tmp_path, columns, references={"choice": "drawn"}, missing="zero")
    np.testing.assert_array_equal(still["ra"][real], ra)
    assert (still["pmra"] == 0).all()
    catalogue_of(catalogue)


def test_a_gaia_table_keeps_its_covariances(tmp_path):
    """Errors and correlations of the table are those of the catalogue; a star without them gets its own."""
    rng, n = np.random.default_rng(3), 200
    factor = rng.normal(size=(n, 5, 9))
    covariance = factor @ factor.transpose(0, 2, 1) * 0.01
    columns = {
        "source_id": np.arange(n),
        "ra": rng.uniform(266, 266.3, n),
        "dec": rng.uniform(-29.3, -29, n),
        "mj": rng.uniform(11, 13, n),
        "mh": rng.uniform(10.5, 12, n),
        "parallax": rng.uniform(0.2, 3, n),
        **columns_of(covariance),
    }
    for name in (*ERRORS, *CORRELATIONS):
        columns[name][:20] = np.nan
    _, catalogue = run_table(tmp_path, columns)
    reference = catalogue["is_reference"] == 1
    assert reference[:n].tolist() == [False] * 20 + [True] * 180
    for name in (*ERRORS, *CORRELATIONS):
        np.testing.assert_allclose(catalogue[name][20:n], columns[name][20:])
    _, drawn = run_table(tmp_path, columns, references={"choice": "drawn", "fraction": 1.0})
    assert (drawn["ra_dec_corr"][:20] != 0).all()
    assert (drawn["ra_error"][:20] > 0).all()


def test_several_draws_of_a_star_are_one_source(tmp_path):
    """The first draw's values are the true ones."""
    given = truth()
    twice = {name: np.concatenate([values, values]) for name, values in given.items()}
    twice["realisation"] = np.repeat([3, 4], N).astype(np.int16)
    twice["pmra"][N:] += 100
    stars, _ = run_truth(tmp_path, twice)
    expected, _ = run_truth(tmp_path, given)
    for name in stars:
        np.testing.assert_array_equal(stars[name], expected[name])


@pytest.mark.parametrize(
    ("change", "choices", "error", "message"),
    [
        ({"ra": np.nan}, {}, SchemaError, "star 0 has no position"),
        ({"source_id": 3}, {}, SchemaError, "2 rows have the source_id 3"),
        ({"parallax_obs_error": -0.1}, {}, SchemaError, "star 0 has parallax_error = -0.1"),
        ({}, {"bright": 16, "faint": 17}, ConfigError, "none of its 4000 stars has 16.0 <= Hw <= 17.0"),
        (
            {},
            {"window": {"l_min": 5, "l_max": 6, "b_min": 0, "b_max": 1}},
            ConfigError,
            "inside survey_sources.window",
        ),
        ({"source_id": 9 * 10**15 + 1, "hw": 12.0}, {}, SchemaError, "is one of those of artificial sources"),
    ],
)
def test_bad_truth_is_refused(tmp_path, change, choices, error, message):
    """What was found and what to try."""
    given = truth()
    row = int(np.flatnonzero(given["source_id"] == 0)[0])
    for name, value in change.items():
        given[name] = given[name].copy()
        given[name][row] = value
    with pytest.raises(error, match=message):
        run_truth(tmp_path, given, **choices)


def test_a_field_without_references_is_refused(tmp_path):
    """Unless they are drawn."""
    given = truth(gaia_source_id=np.full(N, -1))
    with pytest.raises(ConfigError, match=r"as references have; set survey_sources.references.choice: drawn"):
        run_truth(tmp_path, given)
    run_truth(tmp_path, given, references={"choice": "drawn"})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ra": np.nan}, r"row 4 \(source_id 3\), column ra: missing .*; expected a finite angle"),
        ({"dec": -129.0}, "column dec: -129 .*; expected a declination"),
        ({"parallax_error": 0.0}, "column parallax_error: 0 .*; expected an error from 0.001 to 100 mas"),
        ({"parallax_error": -0.1}, "column parallax_error: -0.1 .*; expected an error from 0.001 to 100"),
        ({"hw": np.inf}, "column hw: inf .*; expected a finite number"),
        ({"source_id": 2}, "column source_id: 2, expected an identifier that no row above has"),
        ({"source_id": 2**54}, "column source_id: .*, expected a whole number from 0"),
        ({"ra_dec_corr": 0.99, "ra_pmra_corr": -0.99}, "source 3: .* no positive definite matrix"),
        ({"ra_dec_corr": 1.5}, "column ra_dec_corr: 1.5 .*; expected a correlation from -1 to 1"),
    ],
)
def test_bad_tables_are_refused(tmp_path, change, message):
    """The row, the column and what was expected."""
    n = 10
    columns = {
        "source_id": np.arange(n),
        "ra": np.full(n, 266.0),
        "dec": np.full(n, -29.0),
        "hw": np.full(n, 12.0),
        "parallax_error": np.full(n, 0.1),
        **{name: np.zeros(n) for name in CORRELATIONS},
    }
    columns["dec_pmra_corr"][3] = 0.9 if "ra_pmra_corr" in change else 0.0
    for name, value in change.items():
        columns[name][3] = value
    with pytest.raises(SchemaError, match=message):
        run_table(tmp_path, columns)


def test_missing_columns_are_named(tmp_path):
    """In the table, and in a truth catalogue that lacks one."""
    columns = {"ra": np.full(3, 266.0), "dec": np.full(3, -29.0), "phot_hw": np.full(3, 12.0)}
    with pytest.raises(SchemaError, match="has no column phot_hw_mag; did you mean phot_hw"):
        run_table(tmp_path, columns, {"ra": "ra", "dec": "dec", "hw": "phot_hw_mag"})
    with pytest.raises(SchemaError, match="no such file"):
        run(tmp_path, tmp_path / "nothing.h5")


def test_units_are_converted(tmp_path):
    """Errors in arcsec, positions in radians."""
    columns = {
        "ra": np.radians(np.full(3, 266.0)),
        "dec": np.radians(np.full(3, -29.0)),
        "hw": np.full(3, 12.0),
        "parallax_error": np.full(3, 1e-4),
    }
    pq.write_table(pa.table(columns), tmp_path / "table.parquet")
    units = {"ra": "rad", "dec": "rad", "parallax_error": "arcsec"}
    table = {"path": "x", "columns": {name: name for name in columns}, "units": units}
    stars, catalogue = run(tmp_path, tmp_path / "table.parquet", table=table, missing="zero")
    np.testing.assert_allclose(stars["ra"][:3], 266.0)
    np.testing.assert_allclose(catalogue["parallax_error"][:3], 0.1)
    table["units"]["hw"] = "mas"
    with pytest.raises(SchemaError, match="column hw is in mas, expected mag"):
        run(tmp_path, tmp_path / "table.parquet", table=table)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"bright": 14, "faint": 12}, "must be below faint"),
        ({"references": {"correlation_rms": 0.05}}, "must be 0, or from 0.1"),
        ({"table": {"path": "x", "columns": {"ra": "a", "dec": "d"}}}, "map hw, or both mj and mh"),
        ({"table": {"path": "x", "columns": {"ra": "a", "hw": "h"}}}, "dec must be mapped"),
        ({"table": {"path": "x", "columns": {"ra": "a", "dec": "d", "mk": "k"}}}, "unknown name mk"),
        (
            {"table": {"path": "x", "columns": {"ra": "a", "dec": "d", "hw": "h", "ra_dec_corr": "c"}}},
            "map all ten correlations",
        ),
    ],
)
def test_bad_options_are_refused(values, message):
    """Before any job."""
    with pytest.raises(ConfigError, match=message):
        config.parse({"survey_sources": values})


def test_real_stars_are_taken_as_they_are(tmp_path):
    """The stars of the mission's field to Hw = 12.5: all within the limits, duplicates of the merge kept."""
    path = reference_file("data/jasmine_field/cat.parquet")
    hw = np.asarray(pq.read_table(path)["phot_hw_mag"])
    table = {"path": str(path), "columns": {"ra": "ra", "dec": "dec", "hw": "phot_hw_mag"}}
    stars, catalogue = run(tmp_path, path, table=table, references={"choice": "drawn"})
    assert (stars["is_artificial"] == 0).sum() == np.count_nonzero((hw >= 9.5) & (hw <= 14.5))
    catalogue_of(catalogue)
    with open_product(tmp_path / "catalogue.h5", INPUT_CATALOGUE.name) as file:
        assert json.loads(file.attrs["inputs"]).keys() == {"cat.parquet"}


def test_schemas_have_the_columns_of_gaia():
    """Errors and correlations of the kernels' order."""
    for table in (INPUT_CATALOGUE, PLATE_MOTION):
        assert {*ERRORS, *CORRELATIONS} < set(table.names)
