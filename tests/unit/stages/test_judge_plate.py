"""The plate analysis of a mock survey against its truth, from files with known errors."""

import json

import matplotlib.pyplot as plt
import numpy as np
import pytest

from edited import edited
from galcen.astrometry.seen_position import seen_offsets
from galcen.errors import SchemaError
from galcen.io.camera_json import SizedCamera
from galcen.io.exposures import OrbitTruth, create_orbits, group_name, write_truth
from galcen.io.exposures_schema import INJECTED, TRUE_EXPOSURES
from galcen.io.hdf5 import create, open_product, read_columns, write_columns, write_table
from galcen.io.plate_quality_schema import (
    PATH_CURVES,
    PATH_POINTS,
    PLATE_QUALITY,
    QUALITY_CAMERA,
    QUALITY_MOTION,
    QUALITY_ORBITS,
    QUALITY_PULLS,
)
from galcen.io.plate_schema import PLATE, PLATE_CALIBRATION, PLATE_MAP, PLATE_SOURCES
from galcen.io.stars_schema import INPUT_CATALOGUE, PLATE_MOTION, SURVEY_STARS
from galcen.mapping.catalogue_covariance import CORRELATIONS, ERRORS
from galcen.mapping.detector import ChipOffsets
from galcen.mapping.space_motion import SpaceMotion, displaced
from galcen.stages import judge_plate, report_astrometry
from plate_mock import CAMERA

N = 600
T0 = 2032.0
BLOCKS = {"o00000-00001": (0, 1), "o00002-00002": (2,)}
TIMES = (2031.2, 2031.7, 2032.9)
OBSERVER = np.array([[0.9, 0.3, 0.1], [-0.9, -0.3, -0.1], [0.2, -0.9, -0.4]])
N_TERM = 18


class Survey:
    """Files of a survey whose positions have errors of 1 mas, and references of 0.3 mas."""

    def __init__(self, folder, scale=1.0, kinds=(0.3, 0.9), with_vi=False, n=N):
        self.folder, self.n, self.rng = folder, n, np.random.default_rng(6)
        part = np.arange(n) / n
        self.is_reference, self.is_artificial = part < kinds[0], part >= kinds[1]
        self.truth = self._truth()
        step = self.rng.normal(size=(2, n)) * np.where(self.is_reference, 0.3, 100.0)
        self.ra, self.dec = displaced(self.truth["ra"], self.truth["dec"], *step)
        write_table(folder / "stars.h5", SURVEY_STARS, self.truth, {"t0": repr(T0)})
        self._catalogue()
        self._motion(scale)
        (folder / "injected").mkdir()
        (folder / "plate").mkdir()
        for block, orbits in BLOCKS.items():
            self._block(block, orbits, scale, with_vi)

    @property
    def files(self):
        """What the stage takes."""
        at = self.folder
        names = (at / "motion.h5", at / "stars.h5", at / "catalogue.h5", at / "injected")
        return judge_plate.Files(*names, [at / f"plate/{block}.h5" for block in BLOCKS])

    def run(self):
        """The product."""
        judge_plate.run(self.files, self.folder / "quality.h5", {"version": 1})
        return self.folder / "quality.h5"

    def _truth(self):
        moving = ~self.is_artificial
        draw = self.rng.normal
        return {
            "source_id": self.rng.permutation(self.n).astype(np.int64) * 7,
            "ra": 266.4 + self.rng.uniform(-0.4, 0.4, self.n),
            "dec": -28.9 + self.rng.uniform(-0.4, 0.4, self.n),
            "parallax": np.where(moving, self.rng.uniform(0.1, 2, self.n), 0.0),
            "pmra": np.where(moving, draw(size=self.n) * 4, 0.0),
            "pmdec": np.where(moving, draw(size=self.n) * 4, 0.0),
            "radial_velocity": np.zeros(self.n),
            "hw": self.rng.uniform(9.5, 14.5, self.n),
            "colour": np.full(self.n, np.nan),
            "is_reference": self.is_reference.astype(np.int8),
            "is_artificial": self.is_artificial.astype(np.int8),
            "is_wrong": np.zeros(self.n, dtype=np.int8),
        }

    def _catalogue(self):
        same = ("source_id", "hw", "colour", "is_reference", "is_artificial")
        known = {name: self.truth[name] for name in same}
        sigma = np.where(self.is_reference, 0.3, 100.0)
        wide = dict.fromkeys(ERRORS, sigma) | dict.fromkeys(CORRELATIONS, np.zeros(self.n))
        still = dict.fromkeys(("parallax", "pmra", "pmdec", "radial_velocity"), np.zeros(self.n))
        epoch = {"ref_epoch": np.full(self.n, T0), "ruwe": np.ones(self.n)}
        columns = known | wide | still | epoch | {"ra": self.ra, "dec": self.dec}
        write_table(self.folder / "catalogue.h5", INPUT_CATALOGUE, columns, {})

    def _motion(self, scale):
        n, sigma = self.n, np.array([0.5, 0.5, 0.4, 0.3, 0.3])
        miss = self.rng.normal(size=(5, n)) * sigma[:, None] * scale
        ra, dec = displaced(self.truth["ra"], self.truth["dec"], *miss[:2])
        number = dict.fromkeys(("dof", "n_obs", "n_orbit"), np.full(n, 3)) | {"flags": np.zeros(n, dtype=int)}
        columns = {
            "source_id": self.truth["source_id"],
            "ra": ra,
            "dec": dec,
            **{name: self.truth[name] + miss[2 + k] for k, name in enumerate(("parallax", "pmra", "pmdec"))},
            "ref_epoch": np.full(n, T0),
            **{name: np.full(n, sigma[k]) for k, name in enumerate(ERRORS)},
            **dict.fromkeys(CORRELATIONS, np.zeros(n)),
            **dict.fromkeys(("chi2", "condition"), np.ones(n)),
            **number,
        }
        write_table(self.folder / "motion.h5", PLATE_MOTION, columns, {})

    def _block(self, block, orbits, scale, with_vi):
        camera = SizedCamera(CAMERA, 1952.0)
        with (
            create(self.folder / f"plate/{block}.h5", PLATE, {"orbits": json.dumps(orbits)}) as plate,
            create_orbits(self.folder / f"injected/{block}.h5", INJECTED, orbits, camera, {}) as injected,
        ):
            for orbit in orbits:
                truth = self._injected()
                write_truth(injected, orbit, truth)
                self._plate(plate.create_group(group_name(orbit)), orbit, truth, scale, with_vi)

    def _injected(self):
        a, b = self.rng.normal(size=(2, N_TERM)) * 0.5
        chips = {name: self.rng.normal(size=4) * 20 for name in ChipOffsets._fields}
        chips |= dict.fromkeys(("chromatic_x", "chromatic_y"), np.zeros(4))
        exposures = {
            column.name: np.zeros(1, dtype=np.dtype(column.dtype)) for column in TRUE_EXPOSURES.columns
        }
        return OrbitTruth(exposures, chips, a, b, np.zeros(0, dtype=np.int64))

    def _plate(self, group, orbit, truth, scale, with_vi):
        n, true = self.n, self.truth
        motion = SpaceMotion(*(true[name] for name in SpaceMotion._fields))
        seen = seen_offsets(motion, np.float64(TIMES[orbit] - T0), OBSERVER[orbit], self.ra, self.dec)
        prior = np.where(self.is_reference, 0.3, 100.0)
        error = 1 / np.sqrt(1.0 + 1 / prior**2)
        a, d = (s + self.rng.normal(size=n) * error * scale for s in seen)
        nan = np.full(n, np.nan)
        columns = {
            **{name: true[name] for name in ("source_id", "is_reference", "is_artificial")},
            **{"a": a, "d": d, "a_error": error, "d_error": error, "ad_corr": np.zeros(n)},
            **{"a_vi": a, "d_vi": d, "a_error_vi": error, "d_error_vi": error},
            **{"prior_a_error": prior, "prior_d_error": prior, "prior_ad_corr": np.zeros(n)},
            **{"prior_a": np.zeros(n), "prior_d": np.zeros(n), "prior_weight": np.ones(n)},
            **{"n_obs": np.full(n, 20), "n_bad": np.zeros(n, dtype=int)},
        }
        if not with_vi:
            columns |= dict.fromkeys(("a_vi", "d_vi", "a_error_vi", "d_error_vi"), nan)
        write_columns(group, PLATE_SOURCES, columns)
        chips = np.stack([truth.chips[name] for name in ChipOffsets._fields], axis=-1)
        value = np.concatenate([truth.a, truth.b, chips.ravel()])
        calibration = {
            "parameter": np.repeat([0, 1, 2], [N_TERM, N_TERM, 20]),
            "number": np.concatenate([np.tile(np.arange(N_TERM), 2), np.repeat(np.arange(4), 5)]),
            "element": np.concatenate([np.zeros(2 * N_TERM, dtype=int), np.tile(np.arange(5), 4)]),
            "value": value,
            "error": np.ones(len(value)),
        }
        write_columns(group, PLATE_CALIBRATION, calibration)
        one = np.ones(4)
        bins = {"chip": np.arange(4), "nx": 100 * one, "ny": one, "n_obs": np.arange(1, 5)}
        shifts = {"dx_before": one, "dy_before": one, "dx_after": 0 * one, "dy_after": 0 * one}
        write_columns(group, PLATE_MAP, bins | shifts)
        numbers = {"t": TIMES[orbit], "b": OBSERVER[orbit], "chi2": 20100.0, "dof": 20000.0}
        for name, number in (numbers | {"rms_pixel": 0.0101, "n_obs": 20 * n + orbit}).items():
            group.attrs[name] = number


def tables(path, *wanted):
    """Tables of the product."""
    with open_product(path, PLATE_QUALITY) as file:
        found = [read_columns(file, table) for table in wanted]
    return found if len(found) > 1 else found[0]


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """Errors as stated, variational ones too."""
    survey = Survey(tmp_path_factory.mktemp("good"), with_vi=True)
    return survey, survey.run()


def test_right_errors_pass(good):
    """Every orbit, class, axis and parameter; the marginal and the variational estimates."""
    orbits, pulls, motion = tables(good[1], QUALITY_ORBITS, QUALITY_PULLS, QUALITY_MOTION)
    assert orbits["orbit"].tolist() == [0, 1, 2]
    assert (orbits["passes"] == 1).all()
    present = pulls["n"] > 0
    assert sorted(set(zip(pulls["kind"][present], pulls["estimate"][present], strict=True))) == [
        (kind, estimate) for kind in range(3) for estimate in range(2)
    ]
    assert (pulls["passes"][present] == 1).all()
    assert (motion["passes"][motion["n"] > 0] == 1).all()
    np.testing.assert_array_equal(pulls["n"][present][:2], [180, 180])


def test_pulls_have_the_width_that_was_put_in(good):
    """Of 360 others: 1 within four standard deviations, and rms errors of 1 mas within 15 per cent."""
    pulls = tables(good[1], QUALITY_PULLS)
    others = (pulls["kind"] == 1) & (pulls["estimate"] == 0)
    np.testing.assert_allclose(pulls["width"][others], 1.0, atol=4 / np.sqrt(720))
    np.testing.assert_allclose(pulls["rms"][others], 1.0, atol=0.15)


def test_errors_that_are_too_small_are_found(tmp_path):
    """All true errors 1.4 times the stated ones: nothing with enough sources passes."""
    pulls, motion = tables(Survey(tmp_path, scale=1.4).run(), QUALITY_PULLS, QUALITY_MOTION)
    for table in (pulls, motion):
        large = (table["n"] > 100) & (table.get("parameter", np.zeros(1)) < 5)
        assert (table["passes"][large] == 0).all()


def test_the_injected_camera_is_recovered(good):
    """The injected numbers as found: no miss, 1e-6 um; the orbit with most measurements is shown."""
    orbits, camera = tables(good[1], QUALITY_ORBITS, QUALITY_CAMERA)
    assert max(orbits["camera_um"].max(), orbits["chip_um"].max()) < 1e-6
    assert np.hypot(camera["dx_true"], camera["dy_true"]).max() > 1
    with open_product(good[1], PLATE_QUALITY) as file:
        assert file.attrs["camera_orbit"] == "2"


def test_artificial_sources_stay(good):
    """Means of three orbits: errors of 1 / sqrt(3) mas; chi2 about them as its degrees of freedom."""
    motion = tables(good[1], QUALITY_MOTION)
    means = motion["parameter"] >= 5
    assert motion["kind"][means].tolist() == [2, 2]
    np.testing.assert_allclose(motion["error"][means], 1 / np.sqrt(3), rtol=1e-3)
    with open_product(good[1], PLATE_QUALITY) as file:
        chi2, dof = float(file.attrs["still_chi2"]), int(file.attrs["still_dof"])
    assert dof == 60 * 4
    assert abs(chi2 / dof - 1) < 4 * np.sqrt(2 / dof)


def test_paths_meet_the_positions(good):
    """A star of each class, three positions within five errors of the true path."""
    points, curves = tables(good[1], PATH_POINTS, PATH_CURVES)
    assert sorted(set(points["kind"])) == [0, 1, 2]
    for star in np.unique(points["source_id"]):
        mine, line = points["source_id"] == star, curves["source_id"] == star
        # The observers of this test are no Earth: the path is compared where parallax does not matter.
        if points["kind"][mine][0] == 2:
            for axis in "ad":
                at = np.interp(points["t"][mine], curves["t"][line], curves[f"{axis}_true"][line])
                assert (np.abs(points[axis][mine] - at) < 5 * points[f"{axis}_error"][mine]).all()


def headings(path):
    """What the report shows of a product."""
    sections = report_astrometry.quality_sections(path)
    plt.close("all")
    return [section.split("</h2>")[0].removeprefix("<h2>") for section in sections]


def test_the_report_shows_everything(good):
    """All figures and tables."""
    found = headings(good[1])
    assert found == [
        "Plates: orbit by orbit",
        "Plates: residuals over the focal plane",
        "Plates: the camera, recovered and true",
        "Plates: pulls of the positions",
        "Plates: positions against the truth",
        "Orbits combined: paths of stars",
        "Orbits combined: pulls of the five parameters",
        "Orbits combined: errors over magnitude",
        "Orbits combined: five parameters against the truth",
    ]


@pytest.mark.parametrize("kinds", [(0.0, 1.0), (1.0, 1.0)])
def test_classes_may_be_missing_or_small(tmp_path, kinds):
    """No references or artificial sources, references alone: told and drawn without a warning."""
    assert len(headings(Survey(tmp_path, kinds=kinds, n=60).run())) == 9


def test_a_handful_of_stars_is_told(tmp_path):
    """Five stars are no verdict."""
    path = Survey(tmp_path, n=5).run()
    assert (tables(path, QUALITY_PULLS)["passes"] == -1).all()
    assert len(headings(path)) == 9


def test_without_any_motion_the_report_is_whole(tmp_path):
    """Too few orbits for five parameters: empty figures, no error."""
    survey = Survey(tmp_path, n=60)
    with edited(tmp_path / "motion.h5") as file:
        for name in ("parallax", "pmra", "pmdec", "parallax_error", "pmra_error", "pmdec_error"):
            file[f"plate_motion/{name}"][...] = np.nan
    assert len(headings(survey.run())) == 9


def _unknown_star(folder):
    with edited(folder / "plate/o00002-00002.h5") as file:
        file["orbit_00002/plate_sources/source_id"][4] = 5


def _other_catalogue(folder):
    with edited(folder / "catalogue.h5") as file:
        file["input_catalogue/source_id"][0] = 5


def _missing_orbit(folder):
    with edited(folder / "plate/o00000-00001.h5") as file:
        del file["orbit_00001"]


def _missing_truth(folder):
    (folder / "injected/o00002-00002.h5").unlink()


def _twice(folder):
    with edited(folder / "plate/o00002-00002.h5") as file:
        file.attrs["orbits"] = "[1]"


def _terms(folder):
    with edited(folder / "plate/o00000-00001.h5") as file:
        file["orbit_00000/plate_calibration/parameter"][0] = 1


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_unknown_star, r"o00002-00002.h5: orbit 2: source_id 5 is no source of the survey \(1 such rows\)"),
        (_other_catalogue, "has other sources than .*make both with galcen survey-sources again"),
        (_missing_orbit, "orbit 1 is announced but missing; solve it again"),
        (_missing_truth, "injected/o00002-00002.h5: no such file"),
        (_twice, "orbit 1 is in .*o00000-00001.h5 too; leave one of them out"),
        (_terms, "17 and 19 terms of the distortion and 4 chips are not those of a camera of 4 chips"),
    ],
)
def test_files_that_do_not_belong_together_are_refused(tmp_path, damage, message):
    """File, orbit and star are named, and what to do."""
    survey = Survey(tmp_path, n=20)
    damage(tmp_path)
    with pytest.raises(SchemaError, match=message):
        survey.run()
    assert not (tmp_path / "quality.h5").exists()
