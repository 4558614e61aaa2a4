"""Living stars of each component: intervals of the isochrones with their numbers.

Magnitudes, present mass and radius are linear in initial mass between the rows of a table.
Where the evolution is discontinuous (from the tip of the giant branch to core helium
burning) two rows lie magnitudes apart and no star lies between them: such an interval is
marked as a gap and its stars are given to its two ends.
"""

import equinox as eqx
import numpy as np
from jaxtyping import Bool, Float, Int

from galcen.galaxy.components import COMPONENTS, ISOCHRONE_OF
from galcen.galaxy.imf import LOWEST, Imf
from galcen.galaxy.tables import IsochroneTable

GAP_MAG = 2.0  # a larger step in Ks is a gap [mag]
GAP_ABOVE_MASS = 0.15  # steps of the brown dwarfs are large and real [Msun]


class Intervals(eqx.Module):
    """Intervals between rows, all components one after another by increasing mass."""

    comp: Int[np.ndarray, " n_interval"]
    mass_low: Float[np.ndarray, " n_interval"]  # initial mass at the ends [Msun]
    mass_high: Float[np.ndarray, " n_interval"]
    present_low: Float[np.ndarray, " n_interval"]  # present mass at the ends [Msun]
    present_high: Float[np.ndarray, " n_interval"]
    mag_low: Float[np.ndarray, "3 n_interval"]  # absolute J, H, Ks at the ends
    mag_high: Float[np.ndarray, "3 n_interval"]
    weight: Float[np.ndarray, " n_interval"]  # fraction of the component's living stars
    gap: Bool[np.ndarray, " n_interval"]
    start: Int[np.ndarray, " 13"]  # first interval of each component


def build_intervals(
    isochrones: dict[str, IsochroneTable], imf: Imf, *, interpolate_gaps: bool = False
) -> Intervals:
    """Intervals of all components; stars below a table's first row have its magnitudes."""
    parts = [_intervals(isochrones[name], imf, interpolate_gaps) for name in ISOCHRONE_OF]
    count = [len(part["weight"]) for part in parts]
    columns = {name: np.concatenate([part[name] for part in parts], axis=-1) for name in parts[0]}
    return Intervals(
        comp=np.repeat(np.arange(len(COMPONENTS)), count),
        start=np.concatenate([[0], np.cumsum(count)]),
        **columns,
    )


def _intervals(table: IsochroneTable, imf: Imf, interpolate_gaps: bool) -> dict[str, np.ndarray]:
    mag = np.stack([table.m_j, table.m_h, table.m_ks])
    first = slice(0, 1)
    mass = np.concatenate([[LOWEST], table.mass_ini])
    present = np.concatenate([table.mass[first], table.mass])
    mag = np.concatenate([mag[:, first], mag], axis=1)
    number = np.diff(imf.number_below_exact(mass))
    step = np.abs(np.diff(mag[2]))
    gap = (step > GAP_MAG) & (mass[:-1] > GAP_ABOVE_MASS) & (not interpolate_gaps)
    return {
        "mass_low": mass[:-1],
        "mass_high": mass[1:],
        "present_low": present[:-1],
        "present_high": present[1:],
        "mag_low": mag[:, :-1],
        "mag_high": mag[:, 1:],
        "weight": number / number.sum(),
        "gap": gap,
    }
