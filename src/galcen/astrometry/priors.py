r"""What a catalogue says of its sources at another epoch, with the errors of all five parameters.

A source has offsets :math:`s = (a, d, \varpi, \mu_a, \mu_d)` [mas, mas, mas, mas/yr, mas/yr] about its
catalogue position; at the catalogue's epoch the first two are 0 and the covariance is C. At another epoch

.. math:: s(t) = A s, \quad C(t) = A C A^T

where A adds t times the proper motion to the offsets. Perspective terms are left out. After 16 years they
move a star at 1 kpc with 10 mas/yr and 200 km/s by 0.5 uas, and others as the product of parallax, motion and
radial velocity; errors change by 3e-4 of themselves at 3 mas and 100 km/s.

References
----------
ESA (1997), SP-1200, vol. 1, eq. 1.5.10; Lindegren et al. (2012), A&A 538, A78, sect. 3.1.
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple

import equinox as eqx
import numpy as np
from jaxtyping import Float, Int

from galcen.errors import SchemaError
from galcen.mapping.catalogue_covariance import covariance_of
from galcen.mapping.source_motion import LIGHT_TIME_YR_PER_AU
from galcen.mapping.space_motion import Column, triads


class Catalogue(NamedTuple):
    """Sources of a catalogue."""

    source_id: Int[np.ndarray, " n_star"]
    ra: Column  # [deg]; with `dec` also the comparison direction of the offsets
    dec: Column
    parallax: Column  # [mas]
    pmra: Column  # [mas/yr], times cos dec
    pmdec: Column
    ref_epoch: Column  # [Julian year]
    covariance: Float[np.ndarray, "n_star 5 5"]
    ruwe: Column  # NaN where there is none

    def take(self, rows: np.ndarray) -> "Catalogue":
        """Some of the sources."""
        return Catalogue(*(column[rows] for column in self))


class Prior(NamedTuple):
    """Normal priors of two or five parameters of each source, about its comparison direction."""

    mean: Float[np.ndarray, "n_star n_par"]
    covariance: Float[np.ndarray, "n_star n_par n_par"]


class PriorOptions(eqx.Module):
    """How the errors of a catalogue become those of a prior."""

    propagation: Literal["covariance", "linear_sum"] = "covariance"
    """`linear_sum` is the reference's own: the error of a position is sigma_0 + t sigma_mu, whatever the sign
    of t, and all correlations are 0. It is too wide after the catalogue's epoch and too narrow before it."""
    ruwe_inflation: bool = True
    """Errors are multiplied by the RUWE where this is above 1."""
    ra_error: Literal["sky", "coordinate"] = "sky"
    """Whether `ra_error` is that of ra cos dec, as in Gaia, or of ra itself, as the reference takes it: 14
    per cent at the Galactic centre."""

    def __check_init__(self) -> None:
        if self.propagation not in ("covariance", "linear_sum"):
            raise ValueError(f"propagation = {self.propagation}; expected covariance or linear_sum")
        if self.ra_error not in ("sky", "coordinate"):
            raise ValueError(f"ra_error = {self.ra_error}; expected sky or coordinate")


def catalogue_of(columns: Mapping[str, np.ndarray]) -> Catalogue:
    """Sources of a table with the columns of the Gaia archive.

    Raises
    ------
    SchemaError
        A column is missing, a value is not finite, or errors and correlations are no covariance; see
        `galcen.mapping.catalogue_covariance.covariance_of`.
    """
    names = ("source_id", "ra", "dec", "parallax", "pmra", "pmdec", "ref_epoch")
    for name in names:
        if name not in columns:
            raise SchemaError(f"no column {name}; a prior needs {', '.join(names)}, errors and correlations")
        bad = ~np.isfinite(columns[name])
        if bad.any():
            raise SchemaError(
                f"source {columns['source_id'][np.argmax(bad)]}: {name} is not finite "
                f"({np.count_nonzero(bad)} such sources); give the source another prior or leave it out"
            )
    source_id = columns["source_id"]
    ruwe = columns.get("ruwe", np.full(len(source_id), np.nan))
    return Catalogue(*(columns[name] for name in names), covariance_of(columns, source_id), ruwe)


def position_prior(
    catalogue: Catalogue, t: float, b: Float[np.ndarray, " 3"], options: PriorOptions
) -> Prior:
    """Priors of the offsets (a, d) [mas] as they are seen at one time, parallax included.

    Parameters
    ----------
    catalogue
        The sources.
    t
        Time [Julian year, TCB], such as the mean epoch of an orbit.
    b
        Barycentric position [au] of the observer.
    options
        How errors are propagated.
    """
    at = triads(catalogue.ra, catalogue.dec)
    years = t - catalogue.ref_epoch + LIGHT_TIME_YR_PER_AU * (b @ at.radial)
    view = np.zeros((len(years), 2, 5))
    view[:, 0, 0] = view[:, 1, 1] = 1.0
    view[:, 0, 2], view[:, 1, 2] = -(b @ at.east), -(b @ at.north)
    view[:, 0, 3] = view[:, 1, 4] = years
    mean = np.einsum("nij,nj->ni", view, _offsets(catalogue))
    if options.propagation == "linear_sum":
        return Prior(mean, _linear_sum(catalogue, years, options)[:, :2, :2])
    return Prior(mean, view @ _covariance(catalogue, options) @ view.transpose(0, 2, 1))


def motion_prior(catalogue: Catalogue, epoch: float, options: PriorOptions) -> Prior:
    """Priors of all five parameters at a reference epoch [Julian year]."""
    years = epoch - catalogue.ref_epoch
    step = transition(years)
    mean = np.einsum("nij,nj->ni", step, _offsets(catalogue))
    if options.propagation == "linear_sum":
        return Prior(mean, _linear_sum(catalogue, years, options))
    return Prior(mean, step @ _covariance(catalogue, options) @ step.transpose(0, 2, 1))


def transition(years: Column) -> Float[np.ndarray, "n_star 5 5"]:
    """Matrices A that move the five parameters by some years."""
    step = np.broadcast_to(np.eye(5), (len(years), 5, 5)).copy()
    step[:, 0, 3] = step[:, 1, 4] = years
    return step


def _offsets(catalogue: Catalogue) -> Float[np.ndarray, "n_star 5"]:
    """The five parameters at the catalogue's epoch."""
    here = np.zeros_like(catalogue.parallax)
    return np.stack([here, here, catalogue.parallax, catalogue.pmra, catalogue.pmdec], axis=-1)


def _covariance(catalogue: Catalogue, options: PriorOptions) -> Float[np.ndarray, "n_star 5 5"]:
    """Covariances at the catalogue's epoch."""
    covariance = catalogue.covariance
    if options.ra_error == "coordinate":
        scale = np.ones((len(catalogue.dec), 5))
        scale[:, 0] = np.cos(np.radians(catalogue.dec))
        covariance = covariance * scale[:, :, None] * scale[:, None, :]
    if options.ruwe_inflation:
        # fmax, unlike maximum, ignores a missing value.
        covariance = covariance * np.fmax(catalogue.ruwe, 1.0)[:, None, None] ** 2
    return covariance


def _linear_sum(
    catalogue: Catalogue, years: Column, options: PriorOptions
) -> Float[np.ndarray, "n_star 5 5"]:
    """The reference's own propagation."""
    error = np.sqrt(np.diagonal(_covariance(catalogue, options), axis1=1, axis2=2))
    error[:, :2] += years[:, None] * error[:, 3:]
    bad = (error[:, :2] <= 0).any(axis=1)
    if bad.any():
        first = int(np.argmax(bad))
        raise SchemaError(
            f"source {catalogue.source_id[first]}: sigma_0 + t sigma_mu is not above 0 at t = "
            f"{years[first]:.2f} yr ({np.count_nonzero(bad)} such sources); use propagation: covariance"
        )
    return error[:, :, None] ** 2 * np.eye(5)
