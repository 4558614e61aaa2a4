"""Reddening laws: extinction in J, H, Ks (2MASS) per unit of E(J-Ks) in the VVV system.

Each follows from its paper's numbers; the VVV bands are at 1254, 1646 and 2149 nm, the
2MASS bands at 1240, 1664 and 2164 nm.
"""

import numpy as np
from jaxtyping import Float

VVV = np.array([1.254, 1.646, 2.149])  # [um]
TWOMASS = np.array([1.240, 1.664, 2.164])
VVV_PER_2MASS_EXCESS = 0.970  # colour excess in the VVV system per unit of the 2MASS one

# A_Ks / E and the second ratio of each quadrant: north-east (l > 0, b > 0), north-west,
# south-east, south-west, and all together (on the axes).
QUADRANTS = {
    "N09": ((0.497, 0.494, 0.534, 0.587, 0.528), (1.64, 1.48, 1.54, 1.63, 1.61)),
    "AG17": ((0.390, 0.384, 0.464, 0.415, 0.428), (1.02, 0.97, 1.30, 1.21, 1.10)),
}


def law(
    name: str, lon_deg: Float[np.ndarray, "..."], lat_deg: Float[np.ndarray, "..."]
) -> Float[np.ndarray, "3 ..."]:
    """A_J, A_H, A_Ks per unit of E(J-Ks) at the centre [deg] of a cell."""
    lon, lat = np.broadcast_arrays(np.asarray(lon_deg, dtype=float), np.asarray(lat_deg, dtype=float))
    if name == "WC19":
        return np.broadcast_to(wang_chen_2019().reshape(3, *[1] * lon.ndim), (3, *lon.shape))
    k_s, second = (np.array(values)[_quadrant(lon, lat)] for values in QUADRANTS[name])
    return nishiyama_2009(k_s, second) if name == "N09" else alonso_garcia_2017(k_s, second)


def wang_chen_2019() -> Float[np.ndarray, " 3"]:
    """Wang & Chen (2019, ApJ 877, 116): a power law of the wavelength beyond 1 um."""
    power = -2.07
    return TWOMASS**power / (VVV[0] ** power - VVV[2] ** power)


def nishiyama_2009(
    k_s: Float[np.ndarray, "..."], h_ratio: Float[np.ndarray, "..."]
) -> Float[np.ndarray, "3 ..."]:
    """Nishiyama et al. (2009, ApJ 696, 1407) from A_Ks/E(J-Ks) and A_Ks/E(H-Ks)."""
    return np.stack([k_s + 1.0, k_s * (1 + 1 / h_ratio), k_s]) / VVV_PER_2MASS_EXCESS


def alonso_garcia_2017(
    k_s: Float[np.ndarray, "..."], h_ratio: Float[np.ndarray, "..."]
) -> Float[np.ndarray, "3 ..."]:
    """Alonso-Garcia et al. (2017, ApJL 849, L13), carried from the VVV to the 2MASS bands."""
    vvv = np.stack([k_s + 1.0, k_s * (1 + 1 / h_ratio), k_s])
    return vvv * ((TWOMASS / VVV) ** -2.47).reshape(3, *[1] * np.ndim(k_s))


def _quadrant(lon: Float[np.ndarray, "..."], lat: Float[np.ndarray, "..."]) -> np.ndarray:
    north, south, east, west = lat > 0, lat < 0, lon > 0, lon < 0
    return np.select([north & east, north & west, south & east, south & west], [0, 1, 2, 3], 4)
