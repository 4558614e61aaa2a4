"""A small problem file of invented numbers, for tests of what becomes of it."""

from pathlib import Path

import h5py
import numpy as np

N_SOURCE, N_EXPOSURE, N_ORBIT = 12, 6, 3

F_UM, PIXEL_UM = 4370400.0, 10.0
CHIP_ROTATION = np.array([0.0, -np.pi / 2, np.pi, np.pi / 2])
CHIP_CENTRE = 11200.0 * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
OBLIQUITY = np.radians(23.4393)


def write_problem(path: Path, seed: int = 1) -> None:
    """Orbits 7, 3 and 5 take turns, and the measurements are shuffled.

    Measurements are where the priors predict them, but for aberration and parallax, which move all stars of
    an exposure alike, and for 0.01 pixel.
    """
    rng = np.random.default_rng(seed)
    pairs = [(e, s) for e in range(N_EXPOSURE) for s in range(N_SOURCE) if (e + s) % 4]
    exposure, source = np.array(pairs)[rng.permutation(len(pairs))].T
    t = np.linspace(-1, 1, N_EXPOSURE)
    angle = 2 * np.pi * t + 0.5
    sun = np.stack(
        [np.cos(angle), np.sin(angle) * np.cos(OBLIQUITY), np.sin(angle) * np.sin(OBLIQUITY)], axis=-1
    )
    along = np.stack(
        [-np.sin(angle), np.cos(angle) * np.cos(OBLIQUITY), np.cos(angle) * np.sin(OBLIQUITY)], axis=-1
    )
    stars = 266.0 + rng.uniform(-0.15, 0.15, N_SOURCE), -29.0 + rng.uniform(-0.15, 0.15, N_SOURCE)
    pointings = 266.0 + rng.uniform(-0.04, 0.04, N_EXPOSURE), -29.0 + rng.uniform(-0.04, 0.04, N_EXPOSURE)
    pa = rng.uniform(0, 360, N_EXPOSURE)
    chip, pixel = _pixels(
        *(values[source] for values in stars), *(values[exposure] for values in (*pointings, pa))
    )
    pixel = pixel + rng.normal(0, 0.01, pixel.shape)
    tables = {
        "observations": {
            "source": source.astype(np.int32),
            "exposure": exposure.astype(np.int32),
            "chip": chip.astype(np.uint8),
            "nx_pix": pixel[0],
            "ny_pix": pixel[1],
        },
        "exposures": {
            "ra_deg": pointings[0],
            "dec_deg": pointings[1],
            "pa_deg": pa,
            "t_yr": t,
            "b_au": sun,
            "beta": 1e-4 * along,
            "sun_to_observer": sun,
            "sun_dist_au": np.ones(N_EXPOSURE),
            "orbit": np.array([7, 3, 5, 7, 3, 5], dtype=np.int32),
            "field": np.zeros(N_EXPOSURE, dtype=np.int32),
        },
        "sources": {
            "ra_deg": stars[0],
            "dec_deg": stars[1],
            "rv_km_s": np.zeros(N_SOURCE),
            "prior_mean": rng.normal(size=(N_SOURCE, 5)),
            "prior_sigma": rng.uniform(1, 2, (N_SOURCE, 5)),
        },
        "priors": {
            "attitude_scale_sigma": np.array([3.6e6, 3.6e6, 3.6e6, np.inf, 131.0]),
            "detector_sigma": np.array([1745.0, 100.0, 100.0, 1e4, 1e4]),
            "distortion_sigma_um": np.array(1.0),
            "chip_rotation_rad": CHIP_ROTATION,
            "chip_centre_um": CHIP_CENTRE,
        },
        "truth": {"s": np.zeros((N_SOURCE, 5))},
    }
    with h5py.File(path, "w") as file:
        file.attrs.update(F_um=F_UM, pixel_um=PIXEL_UM, L_um=21000.0, t0_jyear=2032.0, sigma_pix=0.01)
        for group, columns in tables.items():
            for name, values in columns.items():
                file[f"{group}/{name}"] = values


def _pixels(ra, dec, ra0, dec0, pa):
    """Chip, and pixel from its centre, of stars about pointings [deg], by the formulas of the projection.

    At position angle 0, X is west and Y north; a chip is wherever its quadrant of the focal plane is.
    """
    ra, dec, ra0, dec0, pa = np.radians([ra, dec, ra0, dec0, pa])
    depth = np.sin(dec0) * np.sin(dec) + np.cos(dec0) * np.cos(dec) * np.cos(ra - ra0)
    east = np.cos(dec) * np.sin(ra - ra0) / depth
    north = (np.cos(dec0) * np.sin(dec) - np.sin(dec0) * np.cos(dec) * np.cos(ra - ra0)) / depth
    y = F_UM * (np.cos(pa) * north + np.sin(pa) * east)
    x = F_UM * (np.sin(pa) * north - np.cos(pa) * east)
    chip = np.where(y < 0, np.where(x < 0, 0, 1), np.where(x > 0, 2, 3))
    dx, dy = np.stack([x, y]) - CHIP_CENTRE[chip].T
    sin, cos = np.sin(CHIP_ROTATION[chip]), np.cos(CHIP_ROTATION[chip])
    return chip, np.stack([cos * dx - sin * dy, sin * dx + cos * dy]) / PIXEL_UM
