"""The stages of the plate analysis on files: what is refused, what is left out, what is combined."""

import logging

import numpy as np
import pytest

from galcen.errors import ConfigError, SchemaError
from galcen.io.camera_json import SizedCamera
from galcen.io.exposures import OrbitMeasurements, create_orbits, write_orbit
from galcen.io.exposures_schema import EXPOSURES, ORBIT_EXPOSURES
from galcen.io.hdf5 import open_product, read_columns, read_table, write_table
from galcen.io.plate_schema import PLATE, PLATE_SOURCES
from galcen.io.stars_schema import INPUT_CATALOGUE, PLATE_MOTION
from galcen.mapping.vector import sky_angles
from galcen.stages import plate, plate_motion
from plate_mock import CAMERA, HALF_CHIP, Size, plate_mock

EPOCH = 2032.0
OPTIONS = {"plate": {"robust": {"measurements": False}}}
ORBIT = 7


@pytest.fixture(scope="module")
def mock():
    return plate_mock(6, Size(n_source=250))


def catalogue_columns(mock):
    """What is known of the mock's sources: isotropic errors, no motion."""
    sources, n = mock.problem.sources, len(mock.is_reference)
    columns = {column.name: np.zeros(n, dtype=column.dtype) for column in INPUT_CATALOGUE.columns}
    sigma = np.sqrt(sources.covariance[:, 0, 0])
    columns |= {"ra": np.degrees(sources.ra), "dec": np.degrees(sources.dec)}
    columns |= {"source_id": np.arange(n) + 100, "ref_epoch": np.full(n, EPOCH)}
    columns |= {"ra_error": sigma, "dec_error": sigma, "is_reference": mock.is_reference.astype(np.int8)}
    columns |= {f"{name}_error": np.full(n, 1e-3) for name in ("parallax", "pmra", "pmdec")}
    return columns


def measured_of(mock):
    """The mock's measurements as a file has them."""
    seen, exposures = mock.problem.observations, mock.problem.exposures
    real, n_exp = seen.is_real, len(seen.source)
    sigma = seen.sigma.transpose(1, 0, 2)[:, real].astype(np.float32)
    nx, ny = seen.pixel.transpose(1, 0, 2)[:, real]
    table = {column.name: np.zeros(n_exp, dtype=column.dtype) for column in ORBIT_EXPOSURES.columns}
    ra, dec = (np.degrees(np.asarray(angle))[:, 0] for angle in sky_angles(exposures.axes.z))
    table |= {"ra": ra, "dec": dec, "pa": np.full(n_exp, 58.6), "t": np.full(n_exp, EPOCH)}
    table |= {"exposure_id": 100000 * ORBIT + np.arange(n_exp), "orbit": np.full(n_exp, ORBIT)}
    observer = exposures.observer
    for name, vector in (("b", observer.b), ("beta", observer.beta), ("sun", observer.sun)):
        table |= {f"{name}_{axis}": np.asarray(v)[:, 0] for axis, v in zip("xyz", vector, strict=True)}
    table["sun_dist"] = np.asarray(observer.sun_dist)[:, 0]
    offset = np.concatenate([[0], np.cumsum(real.sum(1))])
    flags = np.zeros(len(nx), dtype=np.uint8)
    return OrbitMeasurements(
        seen.source[real] + 100, seen.chip[real].astype(np.uint8), nx, ny, *sigma, flags, offset, table
    )


def kept(measured, rows):
    """Some of the measurements."""
    exposure = measured.exposure[rows]
    columns = {name: getattr(measured, name)[rows] for name in OrbitMeasurements._fields[:7]}
    count = np.bincount(exposure, minlength=len(measured.offset) - 1)
    return OrbitMeasurements(
        **columns, offset=np.concatenate([[0], np.cumsum(count)]), exposures=measured.exposures
    )


def write(folder, measured, catalogue):
    """Both files; returns their paths and that of the product."""
    paths = folder / "exposures.h5", folder / "catalogue.h5", folder / "plate.h5"
    camera = SizedCamera(CAMERA, 2.0 * HALF_CHIP)
    with create_orbits(paths[0], EXPOSURES, [ORBIT], camera, {}) as file:
        write_orbit(file, ORBIT, measured)
    write_table(paths[1], INPUT_CATALOGUE, catalogue, {})
    return paths


def sources_of(path):
    with open_product(path, PLATE) as file:
        return read_columns(file[f"orbit_{ORBIT:05d}"], PLATE_SOURCES)


@pytest.fixture(scope="module")
def solved(mock, tmp_path_factory):
    """The mock solved by way of files."""
    paths = write(tmp_path_factory.mktemp("plate"), measured_of(mock), catalogue_columns(mock))
    plate.run(*paths, OPTIONS)
    return paths


def test_files_carry_all_that_the_solution_needs(mock, solved):
    """Pulls of the positions have unit width to four errors."""
    found = sources_of(solved[2])
    pull = (found["a"] - mock.truth.source[0]) / found["a_error"]
    assert abs(pull.std() - 1) < 4 / np.sqrt(2 * len(pull))
    assert np.isnan(found["a_vi"]).all()


def test_an_exposure_of_two_stars_is_left_out(mock, tmp_path, caplog):
    """It is said so; the others are solved. Without any other exposure it is an error."""
    measured = measured_of(mock)
    rank = np.arange(len(measured.nx)) - np.repeat(measured.offset[:-1], np.diff(measured.offset))
    paths = write(tmp_path, kept(measured, (measured.exposure != 3) | (rank < 2)), catalogue_columns(mock))
    with caplog.at_level(logging.WARNING):
        plate.run(*paths, OPTIONS)
    assert "1 of 12 exposures left out, fewer than 3 stars" in caplog.text
    paths = write(tmp_path, kept(measured, rank < 2), catalogue_columns(mock))
    with pytest.raises(SchemaError, match="orbit 7: no exposure has 3 stars or more"):
        plate.run(*paths, OPTIONS)


def test_a_field_without_references_is_said_so(mock, tmp_path, caplog):
    """The priors of the others tie it to the sky, with errors that know of it."""
    columns = catalogue_columns(mock)
    columns["is_reference"][:] = 0
    for name in ("ra_error", "dec_error"):
        columns[name] = np.full(len(columns["ra"]), 100.0)
    columns |= {
        name: values + shift / 3.6e6 / (np.cos(np.radians(columns["dec"])) if name == "ra" else 1.0)
        for name, values, shift in (
            (name, columns[name], np.where(mock.is_reference, 0.0, mock.truth.source[axis]))
            for axis, name in enumerate(("ra", "dec"))
        )
    }
    paths = write(tmp_path, measured_of(mock), columns)
    with caplog.at_level(logging.WARNING):
        plate.run(*paths, OPTIONS)
    assert "no reference star" in caplog.text
    assert np.median(sources_of(paths[2])["a_error"]) > 5.0


def test_a_star_that_is_not_in_the_catalogue_is_refused(mock, tmp_path):
    """By its identifier."""
    columns = {name: values[1:] for name, values in catalogue_columns(mock).items()}
    paths = write(tmp_path, measured_of(mock), columns)
    with pytest.raises(SchemaError, match="source_id 100 is not in the input catalogue"):
        plate.run(*paths, OPTIONS)
    assert not paths[2].exists()


def test_only_needs_the_other_orbits(mock, solved, tmp_path):
    """An orbit that is not in the block, and a product that is not there."""
    with pytest.raises(SchemaError, match="no orbit 9; the file holds 7"):
        plate.run(*solved, OPTIONS, only=9)


def test_a_prior_of_no_width_is_refused(solved):
    """Before anything is read."""
    with pytest.raises(ConfigError, match=r"plate.priors.distortion_um: .* greater than 0"):
        plate.run(*solved, {"plate": {"priors": {"distortion_um": 0}}})


def test_the_prior_counts_once_in_the_motion(mock, solved, tmp_path):
    """One orbit: the position of a reference is that of the plate, its error too, to 1e-4."""
    output = tmp_path / "motion.h5"
    plate_motion.run(solved[1], output, [solved[2]], {"survey": {"plan": {"epoch": EPOCH}}})
    motion, found = read_table(output, PLATE_MOTION), sources_of(solved[2])
    east = (motion["ra"] - np.degrees(mock.problem.sources.ra)) * 3.6e6 * np.cos(mock.problem.sources.dec)
    np.testing.assert_allclose(motion["ra_error"], found["a_error"], rtol=1e-4)
    np.testing.assert_allclose(east, found["a"], atol=2e-3)


def test_a_prior_that_the_orbits_left_out_is_left_out_of_the_motion(mock, tmp_path):
    """A reference far off in the catalogue has the error of the data in the end, not the catalogue's."""
    columns = catalogue_columns(mock)
    wrong = int(np.argmax(mock.is_reference))
    columns["dec"][wrong] += 100.0 / 3.6e6
    paths = write(tmp_path, measured_of(mock), columns)
    plate.run(*paths, {"plate": {"robust": {"measurements": False, "priors": "leave_out"}}})
    plate_motion.run(paths[1], tmp_path / "m.h5", [paths[2]], {"survey": {"plan": {"epoch": EPOCH}}})
    motion = read_table(tmp_path / "m.h5", PLATE_MOTION)
    assert sources_of(paths[2])["prior_weight"][wrong] == 0
    assert motion["dec_error"][wrong] > 3 * columns["dec_error"][wrong]
    miss = (motion["dec"][wrong] - columns["dec"][wrong]) * 3.6e6 + 100.0 - mock.truth.source[1, wrong]
    assert abs(miss) < 4 * motion["dec_error"][wrong]


def test_a_wrong_catalogue_for_the_motion_is_refused(mock, solved, tmp_path):
    """Plates and catalogue must be of the same sources."""
    path = tmp_path / "other.h5"
    columns = {name: values[:-1] for name, values in catalogue_columns(mock).items()}
    write_table(path, INPUT_CATALOGUE, columns, {})
    with pytest.raises(SchemaError, match="of the plates is not in it"):
        plate_motion.run(path, tmp_path / "motion.h5", [solved[2]], {})
