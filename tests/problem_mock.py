"""A small problem file of invented numbers, for tests of what becomes of it."""

from pathlib import Path

import h5py
import numpy as np

N_SOURCE, N_EXPOSURE, N_ORBIT = 12, 6, 3


def write_problem(path: Path, seed: int = 1) -> None:
    """Orbits 7, 3 and 5 take turns, and the measurements are shuffled."""
    rng = np.random.default_rng(seed)
    pairs = [(e, s) for e in range(N_EXPOSURE) for s in range(N_SOURCE) if (e + s) % 4]
    exposure, source = np.array(pairs)[rng.permutation(len(pairs))].T
    angle = rng.uniform(0.0, 2 * np.pi, N_EXPOSURE)
    sun = np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=-1)
    tables = {
        "observations": {
            "source": source.astype(np.int32),
            "exposure": exposure.astype(np.int32),
            "chip": rng.integers(0, 4, len(pairs)).astype(np.uint8),
            "nx_pix": rng.uniform(-900, 900, len(pairs)),
            "ny_pix": rng.uniform(-900, 900, len(pairs)),
        },
        "exposures": {
            "ra_deg": 266.0 + rng.normal(0, 0.1, N_EXPOSURE),
            "dec_deg": -29.0 + rng.normal(0, 0.1, N_EXPOSURE),
            "pa_deg": rng.uniform(0, 360, N_EXPOSURE),
            "t_yr": np.linspace(-1, 1, N_EXPOSURE),
            "b_au": sun,
            "beta": 1e-4 * sun[:, [1, 0, 2]],
            "sun_to_observer": sun,
            "sun_dist_au": np.ones(N_EXPOSURE),
            "orbit": np.array([7, 3, 5, 7, 3, 5], dtype=np.int32),
            "field": np.zeros(N_EXPOSURE, dtype=np.int32),
        },
        "sources": {
            "ra_deg": 266.0 + rng.normal(0, 0.1, N_SOURCE),
            "dec_deg": -29.0 + rng.normal(0, 0.1, N_SOURCE),
            "rv_km_s": np.zeros(N_SOURCE),
            "prior_mean": rng.normal(size=(N_SOURCE, 5)),
            "prior_sigma": rng.uniform(1, 2, (N_SOURCE, 5)),
        },
        "priors": {
            "attitude_scale_sigma": np.array([3.6e6, 3.6e6, 3.6e6, np.inf, 131.0]),
            "detector_sigma": np.array([1745.0, 100.0, 100.0, 1e4, 1e4]),
            "distortion_sigma_um": np.array(1.0),
            "chip_rotation_rad": np.array([0.0, -np.pi / 2, np.pi, np.pi / 2]),
            "chip_centre_um": 11200.0 * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]),
        },
        "truth": {"s": np.zeros((N_SOURCE, 5))},
    }
    with h5py.File(path, "w") as file:
        file.attrs.update(F_um=4370400.0, pixel_um=10.0, L_um=21000.0, t0_jyear=2032.0, sigma_pix=0.01)
        for group, columns in tables.items():
            for name, values in columns.items():
                file[f"{group}/{name}"] = values
