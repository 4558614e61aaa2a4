"""Masses, extinctions and model magnitudes of stars whose class and distance are drawn."""

from typing import NamedTuple

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float, Int, Key

from galcen.catalogue.extinction_spread import Extinctions, Spread, extinctions, has_sub_cells
from galcen.catalogue.likelihood import N_ISOCHRONE, Pieces
from galcen.catalogue.mass import MassTable, draw_mass
from galcen.catalogue.piece_sums import PieceTable, ln_likelihood
from galcen.catalogue.posterior import ISOCHRONE, OUTLIER_CHI2, Data, ln_within
from galcen.catalogue.sampling import uniform_numbers
from galcen.catalogue.survey_limit import Limit, SurveyLimit, without_magnitude
from galcen.galaxy.model import Galaxy, Sightlines, extinction, sightlines
from galcen.galaxy.photometry import distance_modulus

BATCH = 2048


class StarValues(NamedTuple):
    """What a star is at its drawn class and distance."""

    mass_ini: Float[np.ndarray, " n_star"]  # [Msun]
    mass: Float[np.ndarray, " n_star"]
    mag: Float[np.ndarray, "3 n_star"]  # apparent J, H, Ks of the model star
    extinction: Float[np.ndarray, "3 n_star"]


def draw_values(
    galaxy: Galaxy,
    error_floor: float,
    root: Key[Array, ""],
    source_id: Int[np.ndarray, " n_star"],
    data: Data,
    lon_deg: Float[np.ndarray, " n_star"],
    lat_deg: Float[np.ndarray, " n_star"],
    comp: Int[np.ndarray, " n_star"],
    dist: Float[np.ndarray, " n_star"],
    spread: Spread = None,
    a_ks: Float[np.ndarray, " n_star"] | None = None,
    limit: Limit | None = None,
) -> StarValues:
    """Draw the mass of each star given its class and distance [pc] and its photometry.

    Where the likelihood is averaged over extinctions, one of them is drawn first. `a_ks` [mag] are stars'
    own extinctions, see `galcen.galaxy.model.sightlines`. A star without magnitudes is any living one, or
    with `limit` any that is within the limits of its survey.
    """
    pieces = Pieces.build(galaxy.intervals, error_floor)
    table = MassTable.build(pieces)
    line = sightlines(galaxy, lon_deg, lat_deg, a_ks)
    here = dist[:, None]
    survey = None if limit is None else SurveyLimit.build(galaxy.intervals, limit)
    if spread is not None:
        u = uniform_numbers(jax.random.fold_in(root, 1), source_id, 1)[:, 0, 0]
        line = _draw_extinction(galaxy, PieceTable.build(pieces), survey, spread, u, data, line, comp, here)
    absorption = np.asarray(extinction(line, here))[:, :, 0]
    shift = absorption + np.asarray(distance_modulus(here))[:, 0]
    uniform = uniform_numbers(root, source_id, 1)[:, :, 0]
    mass_ini, mass, absolute = draw_mass(table, uniform, comp, data.mag - shift, data.inverse_error)
    dark = np.flatnonzero(without_magnitude(data.inverse_error))
    if survey is not None and len(dark):
        drawn = survey.draw(uniform[dark], ISOCHRONE[comp[dark]], shift[:, dark])
        mass_ini[dark], mass[dark], absolute[:, dark] = drawn
    return StarValues(mass_ini, mass, absolute + shift, absorption)


def _draw_extinction(
    galaxy: Galaxy,
    table: PieceTable,
    survey: SurveyLimit | None,
    spread: Spread,
    uniform: Float[np.ndarray, " n_star"],
    data: Data,
    line: Sightlines,
    comp: Int[np.ndarray, " n_star"],
    here: Float[np.ndarray, "n_star 1"],
) -> Sightlines:
    """Lines of sight with one reddening each, by weight and likelihood at the drawn class and distance."""
    reddening = np.array(line.reddening)
    resolved = has_sub_cells(galaxy, line) if spread == "sub_cells" else np.zeros(len(comp), dtype=bool)
    for value in (False, True):
        members = np.flatnonzero(resolved == value)
        for start in range(0, len(members), BATCH):
            rows = members[start : start + BATCH]
            some = line.take(rows)
            nodes = extinctions(galaxy, some, spread, value)
            weight = _node_weights(table, survey, nodes, data.take(rows), some, comp[rows], here[rows])
            steps = np.cumsum(weight, axis=1)
            chosen = (steps <= uniform[rows, None] * steps[:, -1:]).sum(axis=1)
            reddening[:, rows] = nodes.reddening[chosen, :, np.arange(len(rows))].T
    return eqx.tree_at(lambda one: one.reddening, line, reddening)


def _node_weights(
    table: PieceTable,
    survey: SurveyLimit | None,
    nodes: Extinctions,
    data: Data,
    line: Sightlines,
    comp: Int[np.ndarray, " n_star"],
    here: Float[np.ndarray, "n_star 1"],
) -> Float[np.ndarray, "n_star n_node"]:
    """Weight times likelihood of each extinction; the weight alone where no model star fits."""
    targets = [
        data.mag[:, :, None]
        - np.asarray(extinction(eqx.tree_at(lambda one: one.reddening, line, reddening), here))
        - np.asarray(distance_modulus(here))
        for reddening in nodes.reddening
    ]
    mine = np.arange(N_ISOCHRONE)[:, None] == ISOCHRONE[comp]
    prior = np.where(mine[:, :, None], np.log(nodes.weight), -np.inf)
    likelihood, chi2 = ln_likelihood(table, np.concatenate(targets, axis=2), data.inverse_error, prior)
    dark = np.flatnonzero(without_magnitude(data.inverse_error))
    likelihood[:, dark] = ln_within(survey, -np.concatenate(targets, axis=2)[:, dark])
    ln_weight = likelihood[ISOCHRONE[comp], np.arange(len(comp))] + np.log(nodes.weight)
    ln_weight = np.where((chi2 > OUTLIER_CHI2)[:, None], np.log(nodes.weight), ln_weight)
    return np.exp(ln_weight - ln_weight.max(axis=1, keepdims=True))
