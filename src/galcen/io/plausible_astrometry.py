"""Median parallaxes, motions, distances and errors that no table of stars has."""

from collections.abc import Iterator

import numpy as np

from galcen.io.sample import FEW, SOME, Finding, Sample

SMALLEST_PARALLAX = 0.005
"""A median below belongs to stars 200 kpc away [mas]."""

LARGEST_PARALLAX = 50.0
"""A hundred systems are nearer than 20 pc for every one that a field of the bulge has [mas]."""

SMALLEST_MOTION = 0.03
"""1 km/s at 7 kpc: stars of any field move faster [mas/yr]."""

LARGEST_MOTION = 1000.0
"""Some 800 stars of the sky move faster [mas/yr]."""

SMALLEST_VELOCITY = 0.02
"""A median below is a redshift of 5,000 km/s at most taken for a velocity [km/s]."""

NEAREST_MEDIAN = 30.0
"""Of distances [pc]."""

SIGNIFICANT = 10.0
"""A parallax that many times its error is a distance."""

AGREEMENT = 2.0
"""Parallax and distance of the same star differ by no more than this factor (median)."""

TOO_WIDE = 3.0
"""Measured values scatter by their errors at least: the errors are no more than their scatter."""

TOO_NARROW = 5.0
"""A negative parallax is so many times its error at most, but for single stars."""


def judge_parallaxes(sample: Sample) -> Iterator[Finding]:
    """Parallaxes in arcsec or uas."""
    (parallax,) = sample.together("parallax")
    size = np.abs(parallax[parallax != 0])
    if len(size) < FEW:
        return
    column, median = sample.names["parallax"], float(np.median(size))
    if median < SMALLEST_PARALLAX:
        yield Finding(
            f"column {column}: the median parallax is {median:.2g} mas, expected above "
            f"{SMALLEST_PARALLAX:g}; in arcsec? set units: {{parallax: arcsec}}"
        )
    elif median > LARGEST_PARALLAX and len(size) >= SOME:
        yield Finding(
            f"column {column}: the median parallax is {median:.3g} mas, that of stars at {1000 / median:.2g} "
            "pc; in uas? set units: {parallax: uas}",
            is_impossible=False,
        )


def judge_motions(sample: Sample) -> Iterator[Finding]:
    """Proper motions in arcsec, degrees or uas a year."""
    pmra, pmdec = sample.together("pmra", "pmdec")
    size = np.hypot(pmra, pmdec)
    size = size[size > 0]
    if len(size) < FEW:
        return
    columns, median = f"columns {sample.names['pmra']} and {sample.names['pmdec']}", float(np.median(size))
    if median < SMALLEST_MOTION:
        unit = "deg/yr" if median < SMALLEST_MOTION / 1e3 else "arcsec/yr"
        yield Finding(
            f"{columns}: the median proper motion is {median:.2g} mas/yr, expected above "
            f"{SMALLEST_MOTION:g}; in {unit}? set units: {{pmra: {unit}, pmdec: {unit}}}"
        )
    elif median > LARGEST_MOTION and len(size) >= SOME:
        yield Finding(
            f"{columns}: the median proper motion is {median:.3g} mas/yr, which few stars of the sky have; "
            "in uas/yr? set units: {pmra: uas/yr, pmdec: uas/yr}",
            is_impossible=False,
        )


def judge_velocities(sample: Sample) -> Iterator[Finding]:
    """Radial velocities as redshifts."""
    (velocity,) = sample.together("radial_velocity")
    size = np.abs(velocity[velocity != 0])
    if len(size) >= SOME and np.median(size) < SMALLEST_VELOCITY:
        yield Finding(
            f"column {sample.names['radial_velocity']}: the median radial velocity is {np.median(size):.2g} "
            f"km/s, expected above {SMALLEST_VELOCITY}; are they redshifts? multiply by 299792.458"
        )


def judge_distances(sample: Sample) -> Iterator[Finding]:
    """Distances in kpc, or in another unit than the parallaxes."""
    (distance,) = sample.together("r_med_photogeo")
    if len(distance) < FEW:
        return
    column, median = sample.names["r_med_photogeo"], float(np.median(distance))
    kpc = "in kpc? set units: {r_lo_photogeo: kpc, r_med_photogeo: kpc, r_hi_photogeo: kpc}"
    parallax, error, distance = sample.together("parallax", "parallax_error", "r_med_photogeo")
    clear = parallax > SIGNIFICANT * error
    if np.count_nonzero(clear) >= FEW:
        ratio = float(np.median((parallax * distance)[clear])) / 1000.0
        if not 1 / AGREEMENT < ratio < AGREEMENT:
            hint = kpc if ratio < 0.01 else "are both in their units?"
            yield Finding(
                f"column {column}: distances are {ratio:.3g} times those of the parallaxes (median of "
                f"{np.count_nonzero(clear)} stars with parallaxes of {SIGNIFICANT:g} errors), expected 1; "
                f"{hint}"
            )
    elif median < NEAREST_MEDIAN:
        yield Finding(
            f"column {column}: the median distance is {median:.3g} pc, expected above "
            f"{NEAREST_MEDIAN:g}; {kpc}"
        )


def judge_errors(sample: Sample) -> Iterator[Finding]:
    """Errors that contradict the values they belong to: in per cent, or of another unit."""
    if not sample.is_measured:
        return
    for name in ("parallax", "pmra", "pmdec", "radial_velocity"):
        values, errors = sample.together(name, f"{name}_error")
        if len(values) < SOME:
            continue
        column, median = sample.names[f"{name}_error"], float(np.median(errors))
        low, middle, high = np.percentile(values, (15.865, 50.0, 84.135))
        scatter = float(high - low) / 2.0
        if median > TOO_WIDE * scatter:
            yield Finding(
                f"column {column}: the median error is {median:.3g}, but {sample.names[name]} scatters by "
                f"{scatter:.3g} only about {middle:.3g}; are the errors in per cent, or of another unit?",
                is_impossible=False,
            )
    parallax, errors = sample.together("parallax", "parallax_error")
    if len(parallax) >= SOME:
        part = float(np.mean(parallax < -TOO_NARROW * errors))
        if part > 0.1:
            yield Finding(
                f"column {sample.names['parallax_error']}: {100 * part:.0f} per cent of the parallaxes are "
                f"below -{TOO_NARROW:g} of their errors; are the errors in arcsec, or of another unit?",
                is_impossible=False,
            )


def judge_ruwe(sample: Sample) -> Iterator[Finding]:
    """Another statistic in the place of RUWE."""
    (ruwe,) = sample.together("ruwe")
    if len(ruwe) >= SOME and not 0.5 < np.median(ruwe) < 5.0:
        yield Finding(
            f"column {sample.names['ruwe']}: the median RUWE is {np.median(ruwe):.3g}, expected near 1; is "
            "it another statistic of the fit?",
            is_impossible=False,
        )


JUDGES = (judge_parallaxes, judge_motions, judge_velocities, judge_distances, judge_errors, judge_ruwe)
