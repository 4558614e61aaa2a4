"""Invariances of the whole chain, and the way back."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from galcen.constants import KM_S_PER_MAS_YR_KPC
from galcen.mapping.detector import affine, moved
from galcen.mapping.distortion import Distortion
from galcen.mapping.forward import (
    Optics,
    apparent_direction,
    direction_of_pixel,
    focal_plane,
    nominal_plane,
    plane_on_path,
)
from galcen.mapping.frames import along
from galcen.mapping.linearisation import linearised
from galcen.mapping.projection import gnomonic
from galcen.mapping.source_motion import RAD_PER_MAS, Offsets, path, triad
from galcen.mapping.vector import Vector, added, normalised, sky_angles
from mapping_cases import drawn, predicted

BOTH = [
    Optics("gnomonic", Distortion()),
    Optics("equidistant", Distortion(order=4, direction="real_to_ideal")),
    Optics("gnomonic", Distortion("sip", 3)),
]
_predicted = jax.jit(predicted, static_argnums=0)


@pytest.mark.parametrize("optics", BOTH, ids=str)
def test_rotation_of_sky_and_attitude_changes_nothing(optics):
    """Sources, observer and telescope turned together: pixels unchanged to 1e-8."""
    case = drawn(optics)
    matrix = Rotation.random(rng=np.random.default_rng(4)).as_matrix()

    def turned(part):
        is_vector = lambda node: isinstance(node, Vector)  # noqa: E731 - a predicate
        rotate = lambda node: Vector(*(matrix @ jnp.stack(node))) if is_vector(node) else node  # noqa: E731
        return jax.tree.map(rotate, part, is_leaf=is_vector)

    other = case._replace(source=turned(case.source), exposure=turned(case.exposure))
    np.testing.assert_allclose(_predicted(optics, other), _predicted(optics, case), rtol=0, atol=1e-8)


def test_comparison_direction_is_arbitrary():
    """Another comparison direction, 1 arcsec away, the same path written about it: pixels to 1e-8."""
    optics, rng = Optics(), np.random.default_rng(6)
    case = drawn(optics)
    ra, dec = sky_angles(case.source.at.radial)
    arcsec = np.deg2rad(1 / 3600)
    at = triad(ra + arcsec * rng.normal(size=len(ra)), dec + arcsec * rng.normal(size=len(ra)))
    way = path(case.offsets, case.source.at, case.source.radial_velocity)
    # The depth along the new direction becomes the unit of length.
    start = np.array(along_triad(at, added(way.at, way.offset)))
    velocity = np.array(along_triad(at, way.velocity))
    (a, d), (pma, pmd, radial) = start[:2] / RAD_PER_MAS, velocity / RAD_PER_MAS / start[2]
    parallax = np.array(way.parallax) / RAD_PER_MAS / start[2]
    offsets = Offsets(a / start[2], d / start[2], parallax, pma, pmd)
    rv = radial * KM_S_PER_MAS_YR_KPC / parallax
    other = case._replace(offsets=offsets, source=case.source._replace(at=at, radial_velocity=rv))
    np.testing.assert_allclose(_predicted(optics, other), _predicted(optics, case), rtol=0, atol=1e-8)


def along_triad(at, vector):
    """Components to the east, north and outwards."""
    return tuple(sum(p * q for p, q in zip(axis, vector, strict=True)) for axis in at)


def test_turn_of_all_chips_is_a_turn_of_the_telescope():
    """Gauge: without distortion and with equal focal lengths, psi is undone by the chips, to 1e-8 pixel."""
    optics = Optics()
    case = drawn(optics, size_um=0.0)
    nominal, angle = case.calibration.chip, 3e-4
    case = case._replace(
        focal_length=case.focal_length._replace(f_y=case.focal_length.f_x),
        calibration=case.calibration._replace(
            chip_offsets=jax.tree.map(jnp.zeros_like, case.calibration.chip_offsets)
        ),
    )
    sin, cos = np.sin(angle), np.cos(angle)
    # The telescope's axes turn, so that positions turn from +Y to +X, by psi.
    chip = nominal._replace(
        rotation=nominal.rotation + angle,
        x=cos * nominal.x - -sin * nominal.y,
        y=-sin * nominal.x + cos * nominal.y,
    )
    attitude = case.attitude._replace(psi=case.attitude.psi + angle / RAD_PER_MAS)
    other = case._replace(attitude=attitude, calibration=case.calibration._replace(chip=chip))
    np.testing.assert_allclose(_predicted(optics, other), _predicted(optics, case), rtol=0, atol=1e-8)


def test_shift_of_all_chips_is_a_pointing():
    """Gauge: the derivative by a shift of all chips is one of attitude, scale and distortion combined.

    Exactly so about no distortion and no attitude, where a pointing by a_X shifts by F (1 + x^2, x y).
    """
    optics = Optics("gnomonic", Distortion(order=2))
    case = drawn(optics, 60, size_um=0.0)
    still = partial(jax.tree.map, lambda leaf: jnp.zeros(()))
    case = case._replace(attitude=still(case.attitude))
    case = case._replace(focal_length=case.focal_length._replace(f_x=jnp.zeros(()), f_y=jnp.zeros(())))
    found = jax.jit(partial(linearised, optics))(*case)
    columns = [*found.exposure]
    columns += [tuple(part * term for part in column) for column in found.shift for term in found.basis]
    matrix = np.array(columns).reshape(len(columns), -1).T
    matrix /= np.linalg.norm(matrix, axis=0)
    for shift in found.chip[1:3]:
        target = np.array(shift).ravel()
        target /= np.linalg.norm(target)
        miss = target - matrix @ np.linalg.lstsq(matrix, target)[0]
        assert np.abs(miss).max() < 1e-11


@pytest.mark.parametrize("optics", BOTH, ids=str)
def test_pixel_to_sky_and_back(optics):
    """Direction to pixel to direction within 1e-12 rad (0.2 uas), and its pixel within 1e-10."""
    case = drawn(optics)
    chip = affine(moved(case.calibration.chip, case.calibration.chip_offsets))
    seen = _predicted(optics, case)
    back = jax.jit(direction_of_pixel, static_argnums=0)(
        optics,
        tuple(seen),
        chip,
        case.calibration.distortion,
        case.focal_length,
        case.attitude,
        case.exposure.axes,
    )
    expected = apparent_direction(case.offsets, case.source, case.exposure.observer)
    np.testing.assert_allclose(np.array(normalised(back)), np.array(expected), rtol=0, atol=1e-14)
    plane = gnomonic(along(case.exposure.axes, back))
    ideal = focal_plane(optics.projection, *plane, case.attitude, case.focal_length)
    original = focal_plane(
        optics.projection,
        *nominal_plane(case.offsets, case.source, *case.exposure),
        case.attitude,
        case.focal_length,
    )
    # 1e-10 pixel of 10 um.
    np.testing.assert_allclose(ideal, original, rtol=0, atol=1e-9)


def test_path_and_unknowns_give_the_same_plane():
    """The gathered form of a source and its unknowns, and the direction itself, agree to 1e-16 rad."""
    case = drawn(Optics())
    found = nominal_plane(case.offsets, case.source, *case.exposure)
    way = path(case.offsets, case.source.at, case.source.radial_velocity)
    np.testing.assert_array_equal(plane_on_path(way, *case.exposure), found)
    proper = apparent_direction(case.offsets, case.source, case.exposure.observer)
    # Components of a unit vector are rounded to 1e-16.
    np.testing.assert_allclose(gnomonic(along(case.exposure.axes, proper)), found, rtol=0, atol=5e-16)
