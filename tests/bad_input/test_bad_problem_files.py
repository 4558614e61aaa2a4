"""Problem files in the wrong units, signs, orders and conventions, refused with the question that helps."""

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

from bad_case import Case, table_test
from galcen.config.iterative_problem import IterativeProblem
from galcen.stages import solve_problem
from problem_mock import N_EXPOSURE, N_SOURCE, write_problem

AU_KM = 1.495978707e8
C_KM_S = 299792.458
MIRROR = np.array([1.0, 1.0, -1.0])
OTHER_ORDER = np.array([3, 4, 5, 0, 1, 2])

Read = Callable[[np.ndarray], np.ndarray]


def problem(*changes: tuple[str, Read | float | str]):
    """A problem file handed to the solver: datasets or attributes changed, or two datasets exchanged."""

    def run(folder: Path) -> None:
        path = folder / "problem.h5"
        write_problem(path)
        with h5py.File(path, "a") as file:
            for name, change in changes:
                if isinstance(change, str):
                    file.move(name, "kept")
                    file.move(change, name)
                    file.move("kept", change)
                    continue
                if not callable(change):
                    file.attrs[name] = change
                    continue
                values = change(file[name][()])
                del file[name]
                file[name] = values
        solve_problem.run(path, folder / "out" / "answer.h5", IterativeProblem(n_probe=0))

    return run


def times(factor: float | np.ndarray) -> Read:
    """Values in another unit."""
    return lambda values: values * factor


def plus(term: float) -> Read:
    """Values from another zero."""
    return lambda values: values + term


def reordered(values: np.ndarray) -> np.ndarray:
    """Rows in another order."""
    return values[OTHER_ORDER]


def ecliptic(vectors: np.ndarray) -> np.ndarray:
    """Equatorial vectors along the axes of the ecliptic."""
    sin, cos = np.sin(np.radians(23.4393)), np.cos(np.radians(23.4393))
    x, y, z = vectors.T
    return np.stack([x, cos * y + sin * z, cos * z - sin * y], axis=1)


def exchanged(vectors: np.ndarray) -> np.ndarray:
    """Vectors whose y and z are exchanged."""
    return vectors[:, [0, 2, 1]]


def first_is_nan(values: np.ndarray) -> np.ndarray:
    """A value that is none."""
    values = values.copy()
    values.flat[0] = np.nan
    return values


def catalogue_values(_: np.ndarray) -> np.ndarray:
    """Means as a catalogue has them: parallaxes of 0.1 +- 0.05 mas, motions of 3 mas/yr."""
    rng = np.random.default_rng(3)
    return rng.normal(0, 1, (N_SOURCE, 5)) * np.array([5, 5, 0.05, 3, 3]) + np.array([0, 0, 0.1, 0, 0])


def unknown(values: np.ndarray, stand_in: float) -> np.ndarray:
    """Velocities of 20 km/s, some of them not known."""
    velocities = np.random.default_rng(4).normal(0, 20, len(values))
    velocities[::4] = stand_in
    return velocities


def speeds(values: np.ndarray) -> np.ndarray:
    """Radial velocities of slow stars, in m/s."""
    return np.linspace(900.0, 4000.0, len(values))


B, SUN, DISTANCE = "exposures/b_au", "exposures/sun_to_observer", "exposures/sun_dist_au"
TIME, BETA, PA = "exposures/t_yr", "exposures/beta", "exposures/pa_deg"
NX, NY, CHIP = "observations/nx_pix", "observations/ny_pix", "observations/chip"
SIGMA, MEAN = "sources/prior_sigma", "sources/prior_mean"
PLACES = ("sources/ra_deg", "sources/dec_deg", "exposures/ra_deg", "exposures/dec_deg")

KINDS = {
    "problem files: time": [
        ("t_yr in days", [(TIME, times(365.25))], "days"),
        ("t_yr in days, of a survey of weeks", [(TIME, times(30.4))], "once a year"),
        ("t_yr in MJD", [(TIME, lambda t: 63000 + 365.25 * t)], "MJD"),
        ("t_yr as the year", [(TIME, plus(2032.0))], "the years themselves?"),
        ("t_yr reversed", [(TIME, times(-1.0))], "once a year"),
        ("t_yr in another order", [(TIME, reordered)], "another order?"),
        ("t_yr NaN", [(TIME, first_is_nan)], "row 0: nan"),
    ],
    "problem files: the observer": [
        ("b_au in km", [(B, times(AU_KM))], "in km or m?"),
        ("sun_dist_au in km", [(DISTANCE, times(AU_KM))], "in km or m?"),
        ("b_au and sun_dist_au in km", [(B, times(AU_KM)), (DISTANCE, times(AU_KM))], "in km or m?"),
        ("sun_to_observer reversed", [(SUN, times(-1.0))], "from the observer to the Sun"),
        ("sun_to_observer and b_au reversed", [(SUN, times(-1.0)), (B, times(-1.0))], "sign reversed"),
        ("b_au from the Earth", [(B, times(4e-5))], "another centre?"),
        ("b_au along the ecliptic", [(B, ecliptic)], "ecliptic coordinates?"),
        ("b_au in another order", [(B, reordered)], "apart, expected 0.02"),
        ("beta in km/s", [(BETA, times(C_KM_S))], "in km/s"),
        ("beta in au/day", [(BETA, times(173.14))], "au/day?"),
        (
            "all along the ecliptic",
            [(B, ecliptic), (SUN, ecliptic), (BETA, ecliptic)],
            "plane of the Earth's orbit",
        ),
        ("axes exchanged", [(B, exchanged), (SUN, exchanged)], "axes exchanged"),
        ("z of the other sign", [(B, times(MIRROR)), (SUN, times(MIRROR))], "one sign reversed"),
        ("beta along the ecliptic", [(BETA, ecliptic)], "is beta in ecliptic coordinates?"),
        ("beta of twice the Earth's velocity", [(BETA, times(2.0))], "times that of the Earth"),
        ("beta reversed", [(BETA, times(-1.0))], "sign reversed"),
    ],
    "problem files: directions": [
        ("ra_deg of the sources in rad", [("sources/ra_deg", np.radians)], "sources ra_deg in radians?"),
        ("ra_deg of the sources in hours", [("sources/ra_deg", times(1 / 15))], "sources ra_deg in hours?"),
        ("dec_deg of the sources in rad", [("sources/dec_deg", np.radians)], "sources dec_deg in radians?"),
        ("a sign of dec_deg", [("exposures/dec_deg", times(-1.0))], "sign of dec_deg reversed?"),
        ("pointings in rad", [(name, np.radians) for name in PLACES[2:]], "ra_deg and dec_deg in radians?"),
        ("all directions in rad", [(name, np.radians) for name in PLACES], "ra_deg and dec_deg in radians?"),
        ("pa_deg in rad", [(PA, np.radians)], "pa_deg in radians?"),
        ("pa_deg through west", [(PA, lambda pa: 360.0 - pa)], "through west?"),
        ("pa_deg of the axis X", [(PA, lambda pa: (pa - 90.0) % 360.0)], "that of the axis +X?"),
        ("pointings in another order", [(PA, reordered)], "those of other exposures"),
        ("sources in another order", [("observations/source", lambda s: 11 - s)], "the wrong measurements"),
    ],
    "problem files: pixels and camera": [
        ("pixels from the corner", [(NX, plus(1120)), (NY, plus(1120))], "counted from a corner?"),
        ("pixels from the edge in x", [(NX, plus(1120))], "from a corner"),
        ("nx_pix and ny_pix exchanged", [(NX, NY)], "exchanged?"),
        ("a sign of nx_pix", [(NX, times(-1.0))], "sign of nx_pix reversed?"),
        ("pixels in mm", [(NX, times(0.01)), (NY, times(0.01))], "in mm?"),
        ("chips numbered otherwise", [(CHIP, lambda chip: 3 - chip)], "chips"),
        ("chips from 1", [(CHIP, plus(1))], "counted from 0"),
        ("F_um in mm", [("F_um", 4370.4)], "in mm or m?"),
        ("pixel_um in arcsec", [("pixel_um", 0.472)], "arcsec?"),
        ("L_um in mm", [("L_um", 21.0)], "in mm or pixels?"),
        ("L_um in pixels", [("L_um", 2100.0)], "pixels?"),
        ("sigma_pix in mas", [("sigma_pix", 4.7)], "in mas?"),
        ("chip_rotation_rad in deg", [("priors/chip_rotation_rad", np.degrees)], "in degrees?"),
        (
            "a sign of chip_rotation_rad",
            [("priors/chip_rotation_rad", np.negative)],
            "rotation_rad reversed?",
        ),
        ("chip_centre_um in mm", [("priors/chip_centre_um", times(1e-3))], "chip_centre_um in mm"),
    ],
    "problem files: stars": [
        ("rv_km_s in m/s", [("sources/rv_km_s", lambda rv: rv + 30000.0)], "in m/s?"),
        ("rv_km_s of slow stars in m/s", [("sources/rv_km_s", speeds)], "in m/s?"),
        ("-9999 for no velocity", [("sources/rv_km_s", lambda rv: unknown(rv, -9999.0))], "rv_km_s"),
        (
            "-999 for no velocity",
            [("sources/rv_km_s", lambda rv: unknown(rv, -999.0))],
            "stands for no value",
        ),
        ("prior_sigma in micro-arcseconds", [(SIGMA, times(1000.0))], "micro-arcseconds"),
        (
            "prior_sigma of a catalogue in micro-arcseconds",
            [(MEAN, catalogue_values), (SIGMA, lambda _: np.full((N_SOURCE, 5), 100.0))],
            "micro-arcseconds",
        ),
        ("prior_sigma in arcsec", [(SIGMA, times(1e-4))], "arcsec"),
        ("prior_mean in micro-arcseconds", [(MEAN, times(1000.0))], "micro-arcseconds"),
        ("prior_mean NaN", [(MEAN, first_is_nan)], "nan"),
    ],
}


CASES = [
    Case(kind, example, problem(*changes), ("problem.h5", words))
    for kind, examples in KINDS.items()
    for example, changes, words in examples
]

test_problem_file = table_test(CASES)


def test_the_sound_problem_is_read(tmp_path):
    """What the cases change is accepted as it is."""
    write_problem(tmp_path / "problem.h5")
    file = solve_problem.read_problem_file(tmp_path / "problem.h5")
    solve_problem.check_file_predictions(file)
    assert len(file.exposures["t_yr"]) == N_EXPOSURE


def test_one_exposure_of_another_pointing_is_warned_of(tmp_path, caplog):
    """Its row is named; the others are as they should be."""
    path = tmp_path / "problem.h5"
    write_problem(path)
    with h5py.File(path, "a") as file:
        file["exposures/pa_deg"][4] = (file["exposures/pa_deg"][4] + 120.0) % 360.0
    solve_problem.check_file_predictions(solve_problem.read_problem_file(path))
    assert f"in 1 of {N_EXPOSURE} exposures that were looked at, such as row 4," in caplog.text


def test_another_epoch_is_warned_of(tmp_path, caplog):
    """Whole years do not change where the Earth is."""
    path = tmp_path / "problem.h5"
    write_problem(path)
    with h5py.File(path, "a") as file:
        file["exposures/t_yr"][...] += 16.0
    solve_problem.check_file_predictions(solve_problem.read_problem_file(path))
    assert "t_yr is 15.0 to 17.0" in caplog.text
