"""The observation model against the reference tables, made with other code."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from galcen.mapping.aberration import proper_direction
from galcen.mapping.deflection import bent
from galcen.mapping.detector import Chip, affine, to_pixel
from galcen.mapping.distortion import Coefficients, Distortion, distorted
from galcen.mapping.forward import Source, apparent_direction
from galcen.mapping.frames import along, telescope_axes
from galcen.mapping.projection import gnomonic, to_equidistant
from galcen.mapping.source_motion import Observer, Offsets, coordinate_direction, triad
from galcen.mapping.vector import Vector, direction, sky_angles
from mapping_cases import UAS, parameters, table


def _chain(values, projection="gnomonic", distortion="legendre"):
    """Ideal, real and pixel coordinates of one star from the reference's own parameters."""
    axes = telescope_axes(*(jnp.deg2rad(values[k]) for k in ("tel_ra", "tel_dec", "tel_pa")))
    star = direction(jnp.deg2rad(values["ra"]), jnp.deg2rad(values["dec"]))
    plane = gnomonic(along(axes, star))
    if projection == "equidistant":
        plane = to_equidistant(*plane)
    ideal = values["Fx"] * plane[0], values["Fy"] * plane[1]
    real = ideal
    if distortion != "none":
        real = distorted(Distortion(distortion), Coefficients(values["A"], values["B"]), *ideal)
    chip = Chip(jnp.deg2rad(values["det_r"]), *(values[f"det_{k}"] for k in ("o_x", "o_y", "p_x", "p_y")))
    return ideal, real, to_pixel(affine(chip), *real)


def _values(row):
    own, chip = parameters()[row["case"]], int(row["detector"])
    star = {k: float(row[f"{k}_deg"]) for k in ("ra", "dec")}
    telescope = {f"tel_{k}": own[k][0] for k in ("ra", "dec", "pa")}
    camera = {"Fx": own["Fx"][0], "Fy": own["Fy"][0], "A": jnp.asarray(own["A"]), "B": jnp.asarray(own["B"])}
    return star | telescope | camera | {k: v[chip] for k, v in own.items() if k.startswith("det_")}


def test_positions_of_the_reference():
    """Ideal, real and pixel positions of all six parameter sets, to 1e-6 pixel (and 1e-5 um)."""
    for row in table("mapping_pairs.csv"):
        ideal, real, pixels = _chain(_values(row), row["projection"], row["distortion"])
        expected = [float(row[k]) for k in ("p_um", "q_um", "x_um", "y_um", "nx_pix", "ny_pix")]
        np.testing.assert_allclose([*ideal, *real], expected[:4], rtol=0, atol=1e-5, err_msg=str(row))
        np.testing.assert_allclose(pixels, expected[4:], rtol=0, atol=1e-6, err_msg=str(row))


def test_plus_x_is_west():
    """Trap T1: at position angle 0 a star west of the boresight has positive X, one north positive Y."""
    row = table("mapping_pairs.csv")[1]
    assert float(row["ra_deg"]) < parameters()[row["case"]]["ra"][0]
    assert float(row["dec_deg"]) < parameters()[row["case"]]["dec"][0]
    (p, q), _, _ = _chain(_values(row))
    assert p > 1e4 and q < -4e3


@pytest.mark.parametrize("case", ["c2_legendre", "c3_legendre_strong"])
def test_derivatives_of_the_reference(case):
    """Derivatives by every parameter, to 1e-7 relative to the pair's length."""
    rows = {row["row"]: _values(row) for row in table("mapping_pairs.csv") if row["case"] == case}
    slopes = {}
    for row in table("mapping_jacobian.csv"):
        if row["case"] != case:
            continue
        if row["row"] not in slopes:
            values = jax.tree.map(jnp.asarray, rows[row["row"]])
            slopes[row["row"]] = jax.jit(jax.jacfwd(lambda v: jnp.stack(_chain(v)[2])))(values)
        name = row["parameter"]
        slope = slopes[row["row"]]
        got = slope[name] if name in slope else slope[name[0]][:, int(name[1:])]
        expected = np.array([float(row["dnx"]), float(row["dny"])])
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-7 * np.hypot(*expected), err_msg=name)
    assert len(slopes) == 2


def test_directions_of_the_reference():
    """Coordinate, bent and proper directions, each to 0.01 uas, as vectors and as angles."""
    rows = table("apparent_direction.csv")
    columns = {k: np.array([float(row[k]) for row in rows]) for k in rows[0] if k != "id"}

    def vector(name, unit=""):
        return Vector(*(jnp.asarray(columns[f"{name}_{axis}{unit}"]) for axis in "xyz"))

    observer = Observer(
        columns["dt_yr"], vector("eb", "_au"), vector("beta"), vector("eh"), columns["sun_dist_au"]
    )
    at = triad(*(jnp.deg2rad(columns[k]) for k in ("ra_deg", "dec_deg")))
    zero = np.zeros(len(rows))
    offsets = Offsets(zero, zero, columns["plx_mas"], columns["pmra_mas_yr"], columns["pmdec_mas_yr"])
    straight = coordinate_direction(offsets, at, columns["rv_km_s"], observer)
    curved = bent(straight, observer)
    steps = {"p": straight, "q": curved, "w": proper_direction(curved, observer)}
    steps |= {"w ": apparent_direction(offsets, Source(at, columns["rv_km_s"]), observer)}
    for name, found in steps.items():
        expected = np.array(vector(name.strip()))
        assert np.linalg.norm(np.array(found) - expected, axis=0).max() < 0.01 * UAS, name
        angles = np.rad2deg(sky_angles(found))
        for got, axis in zip(angles, ("ra_deg", "dec_deg"), strict=True):
            # The angles are given to 1e-14 of 266 deg, 0.2 nas.
            np.testing.assert_allclose(got, columns[f"{name.strip()}_{axis}"], rtol=0, atol=0.01 / 3600e6)
