"""How well a merged catalogue of model stars is: complete, without false matches, duplicates and bias."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

BANDS = ("mj", "mh", "mks")


class Sources(NamedTuple):
    """What the stars of a catalogue are made of."""

    true_id: Int[np.ndarray, " n_star"]  # the model star of the position; -1 if it is none
    is_false: Bool[np.ndarray, " n_star"]  # detections of different stars, or of a star and of nothing
    is_spurious: Bool[np.ndarray, " n_star"]  # detections of nothing only


def sources(
    source_id: Int[np.ndarray, " n_star"],
    true_id: Int[np.ndarray, " n_star"],
    member_of: Int[np.ndarray, " n_member"],
    member_true_id: Int[np.ndarray, " n_member"],
) -> Sources:
    """Compare the detections behind each star.

    Parameters
    ----------
    source_id, true_id
        Stars of the catalogue, ascending, and the model star their position was taken from.
    member_of, member_true_id
        Detections: the star they are part of, and the model star that was seen.
    """
    row = np.searchsorted(source_id, member_of)
    largest = np.full(len(source_id), -2)
    smallest = np.full(len(source_id), np.iinfo(np.int64).max)
    np.maximum.at(largest, row, member_true_id)
    np.minimum.at(smallest, row, member_true_id)
    return Sources(true_id, largest != smallest, largest == -1)


def quality(
    edges: Float[np.ndarray, " n_edge"],
    sky_id: Int[np.ndarray, " n_sky"],
    sky_mag: Float[np.ndarray, " n_sky"],
    sky_bands: Float[np.ndarray, "3 n_sky"],
    found_times: Int[np.ndarray, " n_sky"],
    made_of: Sources,
    star_mag: Float[np.ndarray, " n_star"],
    star_bands: Float[np.ndarray, "3 n_star"],
) -> dict[str, np.ndarray]:
    """Numbers in bins of magnitude; see the table `merge_quality` of the schema.

    Parameters
    ----------
    edges
        Edges of the bins [mag].
    sky_id, sky_mag, sky_bands
        Model stars, ascending: true magnitude in the band of the selection, and in J, H, Ks.
    found_times
        How many stars of the catalogue are each of them.
    made_of, star_mag, star_bands
        Stars of the catalogue: what they are, observed magnitude, observed J, H, Ks.
    """

    def count(mag: np.ndarray, weight: np.ndarray | None = None) -> np.ndarray:
        return np.histogram(mag, edges, weights=weight)[0]

    counts = {
        "n_true": count(sky_mag),
        "n_found": count(sky_mag[found_times > 0]),
        "n_duplicate": count(sky_mag, np.maximum(found_times - 1, 0)).astype(np.int64),
        "n_star": count(star_mag),
        "n_false": count(star_mag[made_of.is_false]),
        "n_spurious": count(star_mag[made_of.is_spurious]),
    }
    place = np.minimum(np.searchsorted(sky_id, made_of.true_id), max(len(sky_id) - 1, 0))
    known = np.flatnonzero(sky_id[place] == made_of.true_id) if len(sky_id) else np.empty(0, int)
    place = place[known]
    for name, observed, true in zip(BANDS, star_bands, sky_bands, strict=True):
        error = observed[known] - true[place]
        measured = np.isfinite(error)
        mag, error = sky_mag[place][measured], error[measured]
        counts |= {
            f"n_{name}": count(mag),
            f"sum_{name}": count(mag, error),
            f"sum2_{name}": count(mag, error**2),
        }
    return counts
