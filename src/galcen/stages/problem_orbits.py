"""From the tables of a problem file to the problem that the solver knows."""

import jax
import numpy as np

from galcen.astrometry.iterative.calibration import CalibrationModel
from galcen.astrometry.iterative.problem import CameraPrior, Orbit, Problem, Sources
from galcen.io.problem_file import FileOrbit, ProblemFile
from galcen.mapping.camera import Camera
from galcen.mapping.detector import Chip
from galcen.mapping.distortion import Distortion
from galcen.mapping.forward import Optics
from galcen.mapping.frames import telescope_axes
from galcen.mapping.linearisation import Exposure
from galcen.mapping.source_motion import Observer
from galcen.mapping.vector import Vector


def problem_of(file: ProblemFile, distortion_order: int = 5) -> Problem:
    """The problem: one distortion for all orbits, no drift, no colours."""
    exposures = _exposures(file)
    sigma, spread = file.sources["prior_sigma"], float(file.camera["distortion_sigma_um"])
    n_source = len(sigma)
    return Problem(
        camera=_camera(file, distortion_order),
        calibration=CalibrationModel("constant"),
        n_unit=1,
        sources=Sources(
            ra=np.radians(file.sources["ra_deg"]),
            dec=np.radians(file.sources["dec_deg"]),
            radial_velocity=file.sources["rv_km_s"],
            colour=np.zeros(n_source),
            mean=file.sources["prior_mean"],
            covariance=sigma[:, :, None] ** 2 * np.eye(5),
        ),
        prior=CameraPrior(file.camera["attitude_scale_sigma"], spread, spread, file.camera["detector_sigma"]),
        orbits=tuple(_orbit(orbit, exposures) for orbit in file.orbits),
    )


def _camera(file: ProblemFile, distortion_order: int) -> Camera:
    distortion = Distortion("legendre", distortion_order, file.lengths["L_um"])
    rotation, centre = file.chips["chip_rotation_rad"], file.chips["chip_centre_um"]
    pixel = np.full(len(rotation), file.lengths["pixel_um"])
    chips = Chip(rotation, centre[:, 0].copy(), centre[:, 1].copy(), pixel, pixel)
    return Camera(Optics("gnomonic", distortion), file.lengths["F_um"], chips)


def _exposures(file: ProblemFile) -> Exposure:
    """All exposures; computed together, so that the ranks' shares do not change a bit of them."""
    table = file.exposures
    vectors = (Vector(*table[name].T.copy()) for name in ("b_au", "beta", "sun_to_observer"))
    observer = Observer(table["t_yr"], *vectors, table["sun_dist_au"])
    axes = telescope_axes(*(np.radians(table[name]) for name in ("ra_deg", "dec_deg", "pa_deg")))
    return Exposure(observer, jax.tree.map(np.asarray, axes))


def _orbit(orbit: FileOrbit, exposures: Exposure) -> Orbit:
    return Orbit(
        number=orbit.number,
        unit=0,
        drift=np.zeros(len(orbit.exposures)),
        exposures=jax.tree.map(lambda values: values[orbit.exposures, None], exposures),
        offset=orbit.offset,
        source=orbit.source,
        chip=orbit.chip,
        pixel=orbit.pixel,
        sigma=orbit.sigma,
    )
