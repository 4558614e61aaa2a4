"""Files of measurements: what is written is read, and what no solution should see is refused by name."""

from pathlib import Path

import numpy as np
import pytest

from edited import edited
from exposure_mock import plan_columns, star_columns, write_inputs
from galcen.config.survey import Telescope
from galcen.errors import SchemaError
from galcen.io import exposures as files
from galcen.io.camera_json import SizedCamera
from galcen.stages import expose


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Exposures of three orbits."""
    paths = write_inputs(tmp_path_factory.mktemp("exposures"), plan_columns(), star_columns(600))
    expose.run(paths, "o00000-00002", {})
    return paths


def changed(made, tmp_path, change):
    """A copy of the file with something changed in it."""
    path = Path(tmp_path) / "changed.h5"
    path.write_bytes(made.exposures.read_bytes())
    with edited(path) as file:
        change(file)
    return path


def read_all(path):
    with files.open_exposures(path) as file:
        return [files.read_orbit(file, orbit) for orbit in files.orbits_of(file)]


def test_camera_survives_its_text():
    """To the last bit."""
    sized = SizedCamera.of(Telescope(), 7)
    again = SizedCamera.from_json(sized.to_json(), "here")
    assert again.camera.optics == sized.camera.optics and again.side_pixel == sized.side_pixel
    np.testing.assert_array_equal(np.stack(again.camera.chips), np.stack(sized.camera.chips))


def test_orbits_are_read_one_by_one(made):
    """Columns are of the contract's types, offsets fit, and the exposures are those of the orbit."""
    orbits = read_all(made.exposures)
    assert len(orbits) == 3
    for number, orbit in enumerate(orbits):
        assert (orbit.exposures["orbit"] == number).all() and len(orbit.offset) == 7
        types = [str(column.dtype) for column in orbit[:7]]
        assert types == ["int64", "uint8", "float64", "float64", "float32", "float32", "uint8"]
        np.testing.assert_array_equal(np.bincount(orbit.exposure, minlength=6), np.diff(orbit.offset))


def set_row(name, row, value):
    def change(file):
        file[f"orbit_00001/{name}"][row] = value

    return change


def repeat_star(file):
    group = file["orbit_00001"]
    group["source_id"][7] = group["source_id"][3]


def delete(name):
    def change(file):
        del file[name]

    return change


def swap_exposures(file):
    ids = file["orbit_00001/exposures/exposure_id"]
    ids[0], ids[1] = ids[1], ids[0]


def announce(orbits):
    def change(file):
        file.attrs["orbits"] = orbits

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (set_row("nx", 5, np.nan), "orbit 1, row 5 .*nx or ny is not finite"),
        (set_row("ny", 6, np.inf), "orbit 1, row 6 .*nx or ny is not finite"),
        (set_row("sigma_x", 4, 0.0), "orbit 1, row 4 .*not above 0"),
        (set_row("sigma_y", 4, np.nan), "orbit 1, row 4 .*not above 0"),
        (set_row("chip", 9, 4), "orbit 1, row 9 .*unknown chip; the camera has chips 0 to 3"),
        (repeat_star, "orbit 1, row 7: source_id .* is twice in exposure 100000"),
        (set_row("offset", 0, 1), "offset must rise from 0"),
        (set_row("offset", 3, 0), "offset must rise from 0"),
        (set_row("offset", 6, 10**6), "offset must rise from 0"),
        (swap_exposures, "exposure row 1: .* sort the exposures by exposure_id"),
        (set_row("exposures/orbit", 2, 0), "exposure row 2: belongs to orbit 0"),
        (delete("orbit_00001"), "orbit_00001; the file is truncated"),
        (delete("orbit_00001/nx"), "orbit_00001/nx is missing"),
        (delete("orbit_00001/exposures"), "no table exposures"),
        (announce("[0, 2, 1]"), "not in ascending order"),
        (announce("[0, 1]"), "orbit_00002"),
    ],
)
def test_faults_are_refused(made, tmp_path, change, words):
    """Each with the file, the orbit and the row."""
    path = changed(made, tmp_path, change)
    with pytest.raises(SchemaError, match=words) as caught:
        read_all(path)
    assert str(path) in str(caught.value)


def test_truncated_file_is_refused(made, tmp_path):
    """Half a file is no file."""
    path = tmp_path / "half.h5"
    whole = made.exposures.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SchemaError, match="truncated"):
        read_all(path)


def test_missing_orbit_is_named(made):
    """With the orbits that there are."""
    with (
        files.open_exposures(made.exposures) as file,
        pytest.raises(SchemaError, match=r"no orbit 7.*0, 1, 2"),
    ):
        files.read_orbit(file, 7)


def test_rows_need_not_be_sorted_by_star(made, tmp_path):
    """Files of others may have the stars of an exposure in any order."""

    def shuffle(file):
        group = file["orbit_00001"]
        order = np.random.default_rng(1).permutation(int(group["offset"][1]))
        group["source_id"][: len(order)] = group["source_id"][: len(order)][order]

    assert len(read_all(changed(made, tmp_path, shuffle))) == 3
