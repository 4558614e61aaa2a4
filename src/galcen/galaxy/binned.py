"""Luminosity functions and distances as the program genstars bins them, to compare counts with it.

Its bins (0.02 mag from -10, half a bin added twice) make counts 0.5 to 0.9 per cent too large; nothing else
of galcen uses them. Read from genstars (Koshimoto, commit 9b0ecb0) and shown by its counts to 1e-6.
"""

import numpy as np
from jaxtyping import Float

from galcen.galaxy.components import N_COMPONENT
from galcen.galaxy.imf import Imf
from galcen.galaxy.isochrones import Intervals

BRIGHTEST, BIN = -10.0, 0.02
FAINTEST = 40  # of any table
# A table ends at the absolute magnitude that a star of the faint limit has at 100 pc.
MODULUS_OF_END = 5
N_STEP = 10  # of equal log10 mass in each row interval of an isochrone
DIST_MAX = 16000.0


def distances(lon_deg: float, lat_deg: float) -> Float[np.ndarray, " n_dist"]:
    """Its distances [pc] for the cell with this centre (no nuclear cluster)."""
    far = max(abs(lon_deg), abs(lat_deg))
    step = (
        5.0 if far < 0.05 else 10.0 if far < 0.1 else 25.0 if abs(lon_deg) < 5 and abs(lat_deg) < 2 else 100.0
    )
    return np.linspace(0.0, DIST_MAX, round(DIST_MAX / step) + 1)


def selected_fraction(
    intervals: Intervals,
    stars: Imf,
    band: int,
    shift: Float[np.ndarray, " n_dist"],
    bright: float,
    faint: float,
) -> Float[np.ndarray, "12 n_dist"]:
    """Fraction of each component's living stars with `bright` < m < `faint` in one of J, H, Ks.

    Parameters
    ----------
    intervals
        Isochrones, with gaps interpolated.
    stars
        Mass function.
    band
        0, 1, 2 for J, H, Ks.
    shift
        Extinction plus distance modulus in that band at each distance [mag].
    bright, faint
        Limits [mag].
    """
    n_bin = round((min(int(faint) - MODULUS_OF_END, FAINTEST) - BRIGHTEST) / BIN)
    log_low, log_high = np.log10(intervals.mass_low), np.log10(intervals.mass_high)
    edges = 10 ** (log_low[:, None] + (log_high - log_low)[:, None] * np.arange(N_STEP + 1) / N_STEP)
    weight = np.diff(stars.number_below_exact(edges), axis=1)
    middle = np.sqrt(edges[:, 1:] * edges[:, :-1])
    width = intervals.mass_high - intervals.mass_low
    t = (middle - intervals.mass_low[:, None]) / np.where(width > 0, width, 1.0)[:, None]
    mag = intervals.mag_low[band][:, None] * (1 - t) + intervals.mag_high[band][:, None] * t
    number = np.maximum(((mag - BRIGHTEST) / BIN).astype(int), 0)
    # What is fainter than the table's end is put three bins before it.
    number[number >= n_bin] = n_bin - 3
    fraction = np.zeros((N_COMPONENT, len(shift)))
    nodes = BRIGHTEST + BIN * np.arange(n_bin + 1)
    for i in range(N_COMPONENT):
        mine = slice(intervals.start[i], intervals.start[i + 1])
        counts = np.bincount(number[mine].ravel(), weight[mine].ravel(), minlength=n_bin + 1)
        below = np.concatenate([[0.0], np.cumsum(0.5 * (counts[1:] + counts[:-1]))])
        below /= below[-1]
        fraction[i] = np.interp(faint - shift, nodes, below) - np.interp(bright - shift, nodes, below)
    return fraction
