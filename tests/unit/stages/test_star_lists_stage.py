"""Three epochs of a field as reducers leave them: running numbers, no epochs, Gaia's catalogue beside."""

import json

import h5py
import numpy as np
import pytest

from galcen.errors import SchemaError
from galcen.stages import joint_plates
from star_list_mock import COLUMNS, make_field, write_gaia, write_lists

EPOCHS = (2006.0, 2012.0, 2018.0)
SMALL = {"n_star": 260, "size": 1000.0, "distortion": 0.3, "shift": 0.03, "order": 2, "blunder": 0.005}
OPTIONS = {"columns": COLUMNS, "epochs": list(EPOCHS), "scale": 50.0, "epoch": 2016.0}


def solved(folder, seed=4, options=None, gaia=True, **changes):
    """A made-up field, its catalogue, the stars of the solution, and what the file says of itself."""
    field = make_field(seed, **(SMALL | changes))
    files, path = write_lists(field, folder), folder / "gaia.fits"
    catalogue = write_gaia(field, path, faint=23.0, seed=seed)
    label = {"label": {"path": str(path)}} if gaia else {}
    joint_plates.run(files, folder / "solved.h5", OPTIONS | label | (options or {}))
    with h5py.File(folder / "solved.h5") as file:
        stars = {name: values[...] for name, values in file["stars"].items()}
        stars["exposure_factor"] = file["exposures/error_factor"][...]
        attributes = dict(file.attrs)
    return field, catalogue, stars, attributes


def true_stars(field, stars):
    """Star of the field for each row of the solution."""
    first = [name.decode().split(":") for name in stars["name"]]
    return np.array([field.seen[int(e[5:])][int(number[1:]) - 1] for e, number in first])


@pytest.fixture(scope="module")
def hst(tmp_path_factory):
    """The field in the frame of the catalogue."""
    return solved(tmp_path_factory.mktemp("hst"))


def test_stars_are_found_again_without_names(hst):
    """Nineteen in twenty of the stars on all three lists are solved."""
    field, _, stars, _ = hst
    everywhere = set(field.seen[0].tolist()) & set(field.seen[1].tolist()) & set(field.seen[2].tolist())
    truth = true_stars(field, stars)[stars["is_solved"] == 1]
    assert len(everywhere) > 80
    assert np.isin(sorted(everywhere), truth).mean() > 0.95


def test_motions_are_those_of_the_catalogue(hst):
    """Differences from Gaia-like motions over both errors: width 1 within 20 %, mean zero within 0.25.

    The catalogue is found by position: its names are not in the lists. Stars that blunders took are left out
    by the robust width.
    """
    field, catalogue, stars, attributes = hst
    row = {int(star): at for at, star in enumerate(catalogue["star"])}
    truth = true_stars(field, stars)
    used = np.array([bool(s) and t in row for s, t in zip(stars["is_solved"], truth.tolist(), strict=True)])
    at = np.array([row[star] for star in truth[used].tolist()])
    pulls = []
    for axis, name in (("pmx", "pmra"), ("pmy", "pmdec")):
        error = np.hypot(stars[f"{axis}_error"][used], catalogue[f"{name}_error"][at])
        pulls.append((stars[axis][used] - catalogue[name][at]) / error)
    pulls = np.array(pulls)
    assert pulls.size > 100
    assert 1.4826 * np.median(np.abs(pulls)) == pytest.approx(1.0, abs=0.2)
    assert abs(np.median(pulls)) < 0.25
    assert json.loads(attributes["tangent_point_deg"]) == pytest.approx([269.94, -28.65], abs=0.01)


def test_positions_are_those_of_the_sky(hst):
    """Positions at 2016.0 in the plane of the catalogue: the truth, but for its middle, within 1 mas."""
    field, _, stars, _ = hst
    used, truth = stars["is_solved"] == 1, true_stars(field, stars)
    off = np.column_stack([stars["x"], stars["y"]])[used] - field.place[truth[used]]
    # The plane's middle is that of the catalogue's stars, not the centre that the field was made around.
    off -= np.median(off, axis=0)
    assert np.median(np.abs(off)) < 1.0


def test_errors_that_are_too_large_are_scaled_down_by_request(tmp_path):
    """Errors stated 1.4 times too large: chi-square 0.5 of its redundancy without, and 1 with `errors.scale`.

    The factors are 0.71 within 15 %; without the option they are 1.
    """
    for scale, ratio, factor in ((False, 1 / 1.96, 1.0), (True, 1.0, 1 / 1.4)):
        folder = tmp_path / str(scale)
        folder.mkdir()
        _, _, stars, attributes = solved(
            folder, options={"errors": {"scale": scale}}, gaia=False, stated=1.4, blunder=0.0
        )
        summary = json.loads(attributes["summary"])
        assert summary["chi2"] / summary["dof"] == pytest.approx(ratio, rel=0.2 if not scale else 0.02)
        np.testing.assert_allclose(stars["exposure_factor"], factor, rtol=0.15)


def test_a_catalogue_of_another_field_is_refused(tmp_path):
    """Names that are not in the lists, and no map by position: one error that says both."""
    field = make_field(4, **SMALL)
    files = write_lists(field, tmp_path)
    write_gaia(make_field(5, **SMALL), tmp_path / "gaia.fits", faint=23.0)
    options = OPTIONS | {"label": {"path": str(tmp_path / "gaia.fits")}}
    with pytest.raises(SchemaError, match=r"gaia\.fits: 0 of its stars have names.*cover the field"):
        joint_plates.run(files, tmp_path / "solved.h5", options)
    assert not (tmp_path / "solved.h5").exists()
