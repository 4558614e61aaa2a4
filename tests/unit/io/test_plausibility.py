"""Wrong units and magnitudes in the wrong column are found by medians that no field of stars has."""

import logging

import numpy as np
import pytest
from astropy.table import Table

from galcen.errors import SchemaError
from galcen.galaxy.extinction.law import law
from galcen.io.plausibility import MedianCheck
from reference import reference_file

NAMES = {"ra": "RA", "dec": "DE", "mj": "Jmag", "mh": "Hmag", "mks": "Kmag"}


def reddened(n: int = 500, excess: float = 1.0) -> dict[str, np.ndarray]:
    """Giants behind E(J-H) = `excess`, by a law of E(J-H) / E(H-Ks) = 1.7, with errors."""
    rng = np.random.default_rng(1)
    mks, noise = rng.uniform(8, 14, n), rng.normal(0, 0.1, (2, n))
    mh = mks + 0.15 + excess / 1.7 + noise[0]
    return {"mks": mks, "mh": mh, "mj": mh + 0.6 + excess + noise[1]}


def judge(stars: dict[str, np.ndarray]) -> None:
    check = MedianCheck("s.csv", NAMES)
    half = len(next(iter(stars.values()))) // 2
    for part in (slice(None, half), slice(half, None)):
        check.look_at({name: values[part] for name, values in stars.items()})
    check.judge()


@pytest.mark.parametrize("excess", [0.0, 0.3, 1.0, 4.0])
def test_fields_of_stars_pass(excess):
    """Giants with any reddening, and hot stars without."""
    judge(reddened(excess=excess))
    blue = reddened()
    judge({"mks": blue["mks"], "mh": blue["mks"] - 0.05, "mj": blue["mks"] - 0.15})


@pytest.mark.parametrize(
    "wrong",
    [
        {"mj": "mh", "mh": "mj"},
        {"mh": "mj"},
        {"mj": "mks", "mks": "mj"},
        {"mh": "mks", "mks": "mh"},
    ],
)
def test_a_band_in_another_s_column_is_refused(wrong):
    """J and H exchanged, J in the H column, J and Ks, H and Ks exchanged; the column map is told."""
    stars = reddened()
    mixed = {**stars, **{to: stars[source] for to, source in wrong.items()}}
    with pytest.raises(SchemaError, match=r"s\.csv: the median colours.*mj: Jmag, mh: Hmag, mks: Kmag"):
        judge(mixed)


def test_a_handful_of_odd_stars_is_no_reason():
    """Fewer than 20 stars, or no common stars, are not judged."""
    stars = reddened(10)
    judge({**stars, "mj": stars["mh"], "mh": stars["mj"]})
    judge({"mj": stars["mj"], "mks": stars["mks"]})
    judge({**stars, "mh": np.full(10, np.nan)})


LAWS = [(name, lon, lat) for name in ("WC19", "N09", "AG17") for lon in (-2.0, 2.0) for lat in (-2.0, 2.0)]


def field(name: str, lon: float, lat: float, excess: float, intrinsic: tuple[float, float]):
    """200 stars of a colour behind E(J-Ks) = 0 to `excess`, with errors, in a field of the bulge."""
    rng = np.random.default_rng(7)
    mks, part = rng.uniform(8, 14, 200), rng.uniform(0.3, 1.0, 200) * excess
    reddening = np.asarray(law(name, np.array(lon), np.array(lat)))[:, None] * part
    mh = mks + intrinsic[1]
    mj = mh + intrinsic[0]
    noise = rng.normal(0, 0.05, (3, 200))
    bands = dict(zip(("mj", "mh", "mks"), np.stack([mj, mh, mks]) + reddening + noise, strict=True))
    return bands | {"glon": np.full(200, lon), "glat": np.full(200, lat)}


@pytest.mark.parametrize(("name", "lon", "lat"), LAWS)
@pytest.mark.parametrize("intrinsic", [(0.82, 0.165), (0.6, 0.1), (0.3, 0.05), (-0.1, -0.05), (0.6, 0.25)])
def test_no_stars_behind_any_dust_are_refused_for_their_colours(name, lon, lat, intrinsic):
    """M and K giants, F, B and M dwarfs with Vega magnitudes, in each law, behind E(J-Ks) up to 5."""
    for excess in (0.0, 0.5, 1.5, 3.0, 5.0):
        judge(field(name, lon, lat, excess, intrinsic))


@pytest.mark.parametrize(("name", "lon", "lat"), LAWS)
def test_ab_magnitudes_of_giants_are_refused(name, lon, lat):
    """AB - Vega = 0.91, 1.39, 1.85 in J, H, Ks (Blanton & Roweis 2007, table 1), up to E(J-Ks) = 1."""
    for excess in (0.0, 0.5, 1.0):
        stars = field(name, lon, lat, excess, (0.65, 0.12))
        for band, offset in (("mj", 0.91), ("mh", 1.39), ("mks", 1.85)):
            stars[band] = stars[band] + offset
        with pytest.raises(SchemaError, match="AB magnitudes"):
            judge(stars)


@pytest.mark.parametrize(
    ("bands", "wrong"), [(("mj", "mks"), False), (("mj", "mks"), True), (("mj", "mh"), False)]
)
def test_two_bands_are_judged_too(bands, wrong):
    """Exchanged they are refused."""
    stars = {name: values for name, values in reddened().items() if name in bands}
    if not wrong:
        judge(stars)
        return
    with pytest.raises(SchemaError, match="in another's column"):
        judge({bands[0]: stars[bands[1]], bands[1]: stars[bands[0]]})


@pytest.mark.parametrize("band", ["mj", "mks"])
def test_a_long_table_is_judged_by_a_sample(band):
    """Of 300,000 rows in batches; the fault is found, and the good table passes."""
    stars = reddened(300_000)
    check = MedianCheck("s.csv", NAMES)
    for part in np.array_split(np.arange(300_000), 30):
        check.look_at({name: values[part] for name, values in stars.items()})
    check.judge()
    for part in np.array_split(np.arange(300_000), 30):
        check.look_at({name: values[part] - 40.0 * (name == band) for name, values in stars.items()})
    with pytest.raises(SchemaError):
        check.judge()


REAL = {
    "M67 as Gaia has it": (
        "data/clusters/NGC_2682.fits",
        {
            name: f"gaia_dr2_source.{name}"
            for base in ("parallax", "pmra", "pmdec", "radial_velocity")
            for name in (base, f"{base}_error")
        },
    ),
    "M67 as 2MASS has it": (
        "data/clusters/NGC_2682.fits",
        {"mj": "tmass.j_m", "mh": "tmass.h_m", "mks": "tmass.k_m", "mj_error": "tmass.j_msigcom"},
    ),
    "giants of the Kepler field": (
        "data/seismic_giants/tgas_combined_obs.txt",
        {"mj": "jmag", "mh": "hmag", "mks": "kmag", "parallax": "plx", "parallax_error": "sig_plx"},
    ),
    "long-period variables of the bulge": (
        "data/vvv_long_period_variables/VVV_LPV_J_A+A_660_A35_tableb2.fits",
        {"mj": "Jmag", "mh": "Hmag", "mks": "Ksmag"},
    ),
    "Gaia in the field of Terzan 9": (
        "data/gaia_bulge/gaia_dr3_terzan9_field.csv",
        {name: name for name in ("parallax", "parallax_error", "pmra", "pmra_error", "pmdec", "ruwe")},
    ),
}


@pytest.mark.parametrize("name", REAL)
def test_real_tables_are_good(name, caplog):
    """Clusters, giants, variables and a bulge field, without a warning."""
    path, mapped = REAL[name]
    path = reference_file(path)
    form = {".txt": "ascii", ".csv": "ascii.csv"}.get(path.suffix, "fits")
    table = Table.read(path, format=form)
    stars = {
        ours: np.ma.filled(np.ma.asarray(table[column], float), np.nan) for ours, column in mapped.items()
    }
    check = MedianCheck(str(path), mapped)
    check.look_at(stars)
    with caplog.at_level(logging.WARNING):
        check.judge()
    assert not caplog.records
    assert sum(np.isfinite(values).sum() for values in stars.values()) > 100
