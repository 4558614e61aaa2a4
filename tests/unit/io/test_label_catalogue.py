"""Catalogues that plates take their frame from."""

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import Table

from galcen.errors import SchemaError
from galcen.io.label_catalogue import read_label


def gaia(n=30):
    """A table as Gaia's archive gives it."""
    rng = np.random.default_rng(1)
    return Table(
        {
            "source_id": np.arange(n) + 10**18,
            "ref_epoch": np.full(n, 2016.0),
            "ra": rng.uniform(266.0, 266.4, n),
            "ra_error": np.full(n, 0.1),
            "dec": rng.uniform(-29.2, -28.8, n),
            "dec_error": np.full(n, 0.2),
            "pmra": rng.normal(0, 500, n),
            "pmra_error": np.full(n, 0.3),
            "pmdec": rng.normal(0, 500, n),
            "pmdec_error": np.full(n, 0.4),
            "phot_g_mean_mag": rng.uniform(12, 20, n),
        }
    )


@pytest.mark.parametrize("ending", ["fits", "ecsv", "vot", "csv", "txt"])
def test_the_plane_is_that_of_astropy(tmp_path, ending):
    """Places to 1e-3 mas and motions to 1e-4 mas/yr of astropy's offsets, 0.2 deg from the middle."""
    table, path = gaia(), tmp_path / f"gaia.{ending}"
    forms = {"vot": "votable", "txt": "ascii.basic", "ecsv": "ascii.ecsv", "csv": "ascii.csv"}
    table.write(path, format=forms.get(ending, "fits"))
    got = read_label(path, {}, 1000.0, None)
    assert got.tangent is not None
    middle = SkyCoord(*got.tangent, unit="deg")

    def plane(sky):
        """Gnomonic offsets [mas], as of a WCS with a TAN projection."""
        lon, lat = (part.rad for part in middle.spherical_offsets_to(sky))
        return np.degrees(np.column_stack([np.tan(lon), np.tan(lat) / np.cos(lon)])) * 3.6e6

    at = SkyCoord(table["ra"] * u.deg, table["dec"] * u.deg)
    np.testing.assert_allclose(got.position, plane(at), rtol=0, atol=1e-3)
    # One hundredth of a year, so that the path's own curvature does not show.
    later = at.directional_offset_by(
        np.arctan2(table["pmra"], table["pmdec"]) * u.rad,
        np.hypot(table["pmra"], table["pmdec"]) * 0.01 * u.mas,
    )
    np.testing.assert_allclose(got.motion, (plane(later) - plane(at)) * 100, rtol=0, atol=1e-2)
    np.testing.assert_allclose(got.motion_error, np.sqrt((0.3**2 + 0.4**2) / 2))
    np.testing.assert_allclose(got.position_error, np.sqrt((0.1**2 + 0.2**2) / 2))
    assert got.names[3] == str(10**18 + 3)


def test_units_of_a_table_are_taken(tmp_path):
    """Motions in arcsec/yr and places in rad are the same catalogue."""
    table = gaia()
    table["pmra"], table["pmdec"] = (table[n] / 1000 * u.arcsec / u.yr for n in ("pmra", "pmdec"))
    table["ra"], table["dec"] = (np.radians(table[n]) * u.rad for n in ("ra", "dec"))
    table.write(tmp_path / "other.ecsv", format="ascii.ecsv")
    gaia().write(tmp_path / "gaia.fits")
    one, two = (read_label(tmp_path / name, {}, 1000.0, None) for name in ("other.ecsv", "gaia.fits"))
    np.testing.assert_allclose(one.position, two.position, atol=1e-4)
    np.testing.assert_allclose(one.motion, two.motion, rtol=1e-9)


@pytest.mark.parametrize(
    ("change", "columns", "epoch", "words"),
    [
        ({"ref_epoch": None}, {}, None, "epoch"),
        ({"ref_epoch": np.full(30, 57388.0)}, {}, None, "Julian year"),
        ({}, {}, 2000.0, "leave one of them out"),
        ({"pmra_error": np.zeros(30), "pmdec_error": np.zeros(30)}, {}, None, "none of its 30 stars"),
        ({"ra": np.linspace(0, 300, 30)}, {}, None, "deg from their middle"),
        ({"dec": np.full(30, 95.0)}, {}, None, "-90 to 90"),
        ({}, {"pmx": "pm"}, None, "no column pm"),
        ({}, {"pmx": None}, None, "pmx is mapped to no column"),
    ],
)
def test_faults_are_named(tmp_path, change, columns, epoch, words):
    """One line with the file and what is wrong."""
    table = gaia()
    for name, values in change.items():
        if values is None:
            table.remove_column(name)
        else:
            table[name] = values
    table.write(tmp_path / "gaia.fits")
    with pytest.raises(SchemaError, match=words) as caught:
        read_label(tmp_path / "gaia.fits", columns, 1000.0, epoch)
    assert "gaia.fits" in str(caught.value)
    assert "\n" not in str(caught.value)
