"""A first alignment of plates, from the stars that they share, for the joint solution to start from."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from galcen.astrometry.joint_plates import PlateData, Unknowns
from galcen.astrometry.plane_map import PlaneMap, fit_map
from galcen.astrometry.plate_frame import Frame, ReferencePlate, Targets
from galcen.astrometry.plate_polynomial import basis, n_terms
from galcen.errors import SchemaError


class NominalPlate(NamedTuple):
    """Reference exposure, and what its plane is taken for on the sky."""

    exposure: int
    scale: float  # [mas/pixel]
    x_sign: float  # -1 where the stars' x shall fall as the plate's x rises


class LabelCatalogue(NamedTuple):
    """Given positions and motions of some stars."""

    star: Int[np.ndarray, " n"]
    position: Float[np.ndarray, "n 2"]  # [mas]
    motion: Float[np.ndarray, "n 2"]  # [mas/yr]
    epoch: Float[np.ndarray, " n"]  # of the position [yr]
    position_weight: Float[np.ndarray, " n"] | None = None  # in the mean that holds the frame; alike without
    motion_weight: Float[np.ndarray, " n"] | None = None


class Alignment(NamedTuple):
    """Where each star is, to a small part of the field."""

    place: Float[np.ndarray, "n_star 2"]  # [mas]; NaN for a star on no aligned exposure
    origin: Float[np.ndarray, " 2"]  # of the stars' plane, on the reference exposure [pixel]


def align(data: PlateData, n_star: int, nominal: NominalPlate, names: Sequence[str]) -> Alignment:
    """Affine alignment of all exposures on the reference exposure, one after the other.

    Parameters
    ----------
    data
        Observations.
    n_star
        Number of stars.
    nominal
        The reference exposure and its scale.
    names
        Of the exposures, for errors.

    Raises
    ------
    SchemaError
        An exposure shares fewer than three stars with the others.
    """
    rows = [np.flatnonzero(data.exposure == e) for e in range(len(data.epoch))]
    first = data.position[rows[nominal.exposure]]
    origin = (first.min(axis=0) + first.max(axis=0)) / 2.0
    mapped = np.full((len(data.star), 2), np.nan)
    direction = nominal.scale * np.array([nominal.x_sign, 1.0])
    mapped[rows[nominal.exposure]] = (first - origin) * direction
    waiting = [e for e in range(len(rows)) if e != nominal.exposure]
    place = _median(data, mapped, n_star)
    while waiting:
        known = np.isfinite(place[:, 0])
        shared = [int(np.count_nonzero(known[data.star[rows[e]]])) for e in waiting]
        best = waiting.pop(int(np.argmax(shared)))
        common = rows[best][known[data.star[rows[best]]]]
        if len(common) < n_terms(1):
            raise SchemaError(
                f"exposure {names[best]} shares {len(common)} stars with the exposures aligned so far, "
                f"expected {n_terms(1)} at least; leave it out, or give common names to more of its stars"
            )
        to_sky = fit_map(data.position[common], place[data.star[common]], 1)
        mapped[rows[best]] = to_sky(data.position[rows[best]])
        place = _median(data, mapped, n_star)
    return Alignment(place, origin)


def _median(
    data: PlateData, mapped: Float[np.ndarray, "n_obs 2"], n_star: int
) -> Float[np.ndarray, "n_star 2"]:
    """Median place of each star over the aligned exposures."""
    out = np.full((n_star, 2), np.nan)
    seen = np.isfinite(mapped[:, 0])
    star, places = data.star[seen], mapped[seen]
    for axis in (0, 1):
        order = np.lexsort((places[:, axis], star))
        ids, first, count = np.unique(star[order], return_index=True, return_counts=True)
        values = places[order, axis]
        middle = (values[first + (count - 1) // 2] + values[first + count // 2]) / 2.0
        out[ids, axis] = middle
    return out


def on_reference(
    data: PlateData,
    alignment: Alignment,
    nominal: NominalPlate,
    t0: float,
    frame_stars: Int[np.ndarray, " n"] | None,
    order: int,
) -> tuple[Frame, Unknowns]:
    """Frame held by the reference exposure, and by the mean motion of some stars.

    Parameters
    ----------
    data, alignment, nominal
        As for `align`.
    t0
        Epoch of the positions [yr].
    frame_stars
        Stars whose motions have no polynomial part; None for a solution without motions.
    order
        Of the plates.
    """
    centre, half_size = _extent(alignment.place)
    plate = np.zeros((2, n_terms(order)))
    direction = np.array([nominal.x_sign, 1.0]) / nominal.scale
    plate[:, 0] = alignment.origin + direction * centre
    # Terms 1 and 2 are the coordinates themselves.
    plate[0, 1], plate[1, 2] = direction * half_size
    motion = None
    if frame_stars is not None:
        terms = basis(order, (alignment.place[frame_stars] - centre) / half_size)
        motion = Targets(frame_stars, terms, np.zeros((len(terms), 2)), np.zeros(len(terms)))
    frame = Frame(t0, centre, half_size, ReferencePlate(nominal.exposure, plate), motion)
    return frame, _unknowns(data, alignment.place, frame, order)


def on_label(
    data: PlateData, alignment: Alignment, label: LabelCatalogue, t0: float, has_motion: bool, order: int
) -> tuple[Frame, Unknowns]:
    """Frame held by the positions, and motions, of a catalogue, by the weights of its stars."""
    to_label: PlaneMap = fit_map(alignment.place[label.star], label.position, 1)
    place = to_label(alignment.place)
    centre, half_size = _extent(place)
    terms = basis(order, (place[label.star] - centre) / half_size)
    time = label.epoch - t0
    position = Targets(label.star, terms, label.position, time, label.position_weight)
    motion = Targets(label.star, terms, label.motion, time, label.motion_weight) if has_motion else None
    frame = Frame(t0, centre, half_size, position, motion)
    return frame, _unknowns(data, place, frame, order)


def _extent(place: Float[np.ndarray, "n 2"]) -> tuple[Float[np.ndarray, " 2"], float]:
    """Centre and half the larger side of what holds all stars."""
    low, high = place.min(axis=0), place.max(axis=0)
    return (low + high) / 2.0, float((high - low).max()) / 2.0


def _unknowns(data: PlateData, place: Float[np.ndarray, "n_star 2"], frame: Frame, order: int) -> Unknowns:
    """Stars at rest where the alignment has them, and the plates that fit them."""
    n_par = 2 if frame.motion is None else 4
    star = np.zeros((len(place), n_par))
    star[:, :2] = place
    scaled = (place - frame.centre) / frame.half_size
    plate = np.zeros((len(data.epoch), 2, n_terms(order)))
    for exposure in range(len(plate)):
        rows = data.exposure == exposure
        # Of first order: higher terms of a plate with few stars may run away between them.
        fitted = fit_map(scaled[data.star[rows]], data.position[rows], 1)
        slope = fitted.coefficient[1:3] / fitted.half_size
        plate[exposure, :, 0] = fitted.coefficient[0] - fitted.centre @ slope
        plate[exposure, :, 1:3] = slope.T
    return Unknowns(star, plate)
