r"""What Gaia says of stars whose true astrometry is known.

Errors where there are none, after the performance of Gaia DR3: with :math:`z = \max(10^{-0.8}, 10^{0.4 (G -
15)})`

.. math:: \sigma_\varpi = \sqrt{40 + 800 z + 30 z^2} \; \mu as

and fixed multiples of it for the others. Systematic errors of Gaia, such as its parallax zero point, are left
out.

References
----------
Gaia Collaboration, Prusti et al. (2016), A&A 595, A1, sect. 8; ESA, Gaia science performance pages, DR3.
"""

import numpy as np
from jaxtyping import Bool, Float

from galcen.mapping.catalogue_covariance import CORRELATIONS, ERRORS
from galcen.mapping.space_motion import Column, SpaceMotion, displaced

SCALES = {"ra_error": 0.80, "dec_error": 0.70, "parallax_error": 1.0, "pmra_error": 1.03, "pmdec_error": 0.89}
"""Sky averages of the errors of DR3 in units of that of the parallax; motions per year."""


def parallax_error(g: Column) -> Column:
    """Error of a DR3 parallax [mas] by G magnitude, sky average; constant for stars brighter than 13."""
    z = np.maximum(10**-0.8, 10 ** (0.4 * (g - 15.0)))
    return 1e-3 * np.sqrt(40.0 + 800.0 * z + 30.0 * z**2)


def filled_errors(given: dict[str, Column], g: Column) -> dict[str, Column]:
    """The five errors, those that are missing from the parallax's, and that from G."""
    missing = np.full(len(g), np.nan)
    parallax = given.get("parallax_error", missing)
    parallax = np.where(np.isnan(parallax), parallax_error(g), parallax)
    filled = {}
    for name in ERRORS:
        values = given.get(name, missing)
        filled[name] = np.where(np.isnan(values), SCALES[name] * parallax, values)
    return filled


def n_score(rms: float) -> int:
    """Standard normal scores that `random_correlations` of this size need."""
    return 5 * round(1.0 / rms**2) if rms > 0 else 0


def random_correlations(scores: Float[np.ndarray, "n_score n_star"]) -> dict[str, Column]:
    """Correlations of random matrices, positive definite, of a size by the number of scores.

    They are those of samples of n = n_score / 5 uncorrelated quintuples: their root mean square is 1 /
    sqrt(n).
    """
    n_star = scores.shape[1]
    if len(scores) == 0:
        return {name: np.zeros(n_star) for name in CORRELATIONS}
    sample = scores.reshape(5, -1, n_star)
    products = (sample[:, None] * sample[None]).sum(axis=2)
    size = np.sqrt(products[range(5), range(5)])
    pairs = [(i, j) for i in range(5) for j in range(i + 1, 5)]
    return {
        name: products[i, j] / (size[i] * size[j]) for name, (i, j) in zip(CORRELATIONS, pairs, strict=True)
    }


def drawn_catalogue(
    truth: SpaceMotion, covariance: Float[np.ndarray, "n_star 5 5"], scores: Float[np.ndarray, "5 n_star"]
) -> SpaceMotion:
    """The catalogue that a normal deviate of its errors makes of the truth at its epoch."""
    lower = np.linalg.cholesky(covariance)
    # Written out: a matrix product may add in another order for another number of stars.
    error = [sum(lower[:, i, j] * scores[j] for j in range(i + 1)) for i in range(5)]
    ra, dec = displaced(truth.ra, truth.dec, error[0], error[1])
    return truth._replace(
        ra=ra,
        dec=dec,
        parallax=truth.parallax + error[2],
        pmra=truth.pmra + error[3],
        pmdec=truth.pmdec + error[4],
    )


def with_wrong_motions(
    catalogue: SpaceMotion,
    errors: dict[str, Column],
    wrong: Bool[np.ndarray, " n_star"],
    turn: Column,
    sigma: float,
) -> SpaceMotion:
    """The catalogue with some motions displaced by `sigma` times their error, in direction `turn` [turns]."""
    size = np.where(wrong, sigma, 0.0)
    return catalogue._replace(
        pmra=catalogue.pmra + size * errors["pmra_error"] * np.cos(2 * np.pi * turn),
        pmdec=catalogue.pmdec + size * errors["pmdec_error"] * np.sin(2 * np.pi * turn),
    )
