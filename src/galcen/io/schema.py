"""Tables that galcen writes, each declared once: type, unit, UCD and meaning of every column."""

from typing import NamedTuple

from galcen.galaxy.components import COMPONENTS

FORMAT_VERSION = 3
"""Raised when a file of an older version can no longer be read as it is."""


class Column(NamedTuple):
    """One column. Floats that are missing are NaN, integers -1."""

    name: str
    dtype: str
    unit: str
    ucd: str
    description: str


class Table(NamedTuple):
    """A product: its name stands in every file that holds one."""

    name: str
    columns: tuple[Column, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns, in order."""
        return tuple(column.name for column in self.columns)


def _photometry() -> tuple[Column, ...]:
    bands = (("mj", "J"), ("mh", "H"), ("mks", "Ks"))
    return tuple(
        column
        for name, band in bands
        for column in (
            Column(name, "f8", "mag", f"phot.mag;em.IR.{band[0]}", f"observed {band}, 2MASS, Vega"),
            Column(f"{name}_error", "f8", "mag", f"stat.error;phot.mag;em.IR.{band[0]}", f"error of {name}"),
        )
    )


_POSITION = (
    Column("source_id", "i8", "", "meta.id;meta.main", "identifier, below 2^53"),
    Column("ra", "f8", "deg", "pos.eq.ra;meta.main", "right ascension, ICRS, at ref_epoch"),
    Column("dec", "f8", "deg", "pos.eq.dec;meta.main", "declination, ICRS, at ref_epoch"),
    Column("ref_epoch", "f8", "yr", "time.epoch", "epoch of the position, Julian year"),
    Column("glon", "f8", "deg", "pos.galactic.lon", "Galactic longitude, -180 to 180"),
    Column("glat", "f8", "deg", "pos.galactic.lat", "Galactic latitude"),
)

_MEMBERSHIP = (
    Column(
        "surveys", "i4", "", "meta.code", "bit field of the surveys that saw the star, see attribute surveys"
    ),
    Column("gaia_source_id", "i8", "", "meta.id.cross", "Gaia DR3 identifier; -1 without one"),
)

_ASTROMETRY = (
    Column("parallax_obs", "f8", "mas", "pos.parallax", "observed parallax"),
    Column("parallax_obs_error", "f8", "mas", "stat.error;pos.parallax", "error of parallax_obs"),
    Column("ruwe", "f8", "", "stat.fit.goodness", "renormalised unit weight error of Gaia"),
    Column("pmra_obs", "f8", "mas/yr", "pos.pm;pos.eq.ra", "observed proper motion, times cos dec"),
    Column("pmra_obs_error", "f8", "mas/yr", "stat.error;pos.pm;pos.eq.ra", "error of pmra_obs"),
    Column("pmdec_obs", "f8", "mas/yr", "pos.pm;pos.eq.dec", "observed proper motion"),
    Column("pmdec_obs_error", "f8", "mas/yr", "stat.error;pos.pm;pos.eq.dec", "error of pmdec_obs"),
    Column("radial_velocity_obs", "f8", "km/s", "spect.dopplerVeloc", "observed barycentric radial velocity"),
    Column(
        "radial_velocity_obs_error",
        "f8",
        "km/s",
        "stat.error;spect.dopplerVeloc",
        "error of radial_velocity_obs",
    ),
    Column(
        "r_lo_photogeo", "f8", "pc", "pos.distance;stat.value", "16 per cent quantile, Bailer-Jones+ 2021"
    ),
    Column("r_med_photogeo", "f8", "pc", "pos.distance;stat.median", "median distance, Bailer-Jones+ 2021"),
    Column(
        "r_hi_photogeo", "f8", "pc", "pos.distance;stat.value", "84 per cent quantile, Bailer-Jones+ 2021"
    ),
    Column(
        "a_ks_obs", "f8", "mag", "phys.absorption;em.IR.K", "extinction of the star in Ks, as given with it"
    ),
)

# What a simulated survey knows of its stars; missing for real ones.
_INJECTED = (
    Column(
        "true_comp", "i1", "", "meta.code.class", "component a model star was drawn from; -1 for real stars"
    ),
    Column("true_id", "i8", "", "meta.id", "model star that was seen; -1 for real and spurious ones"),
    Column("true_dist", "f8", "pc", "pos.distance", "distance a model star was drawn at"),
    Column("true_mass_ini", "f8", "Msun", "phys.mass", "initial mass of a model star"),
    Column(
        "true_pml", "f8", "mas/yr", "pos.pm;pos.galactic.lon", "proper motion of a model star, times cos b"
    ),
    Column("true_pmb", "f8", "mas/yr", "pos.pm;pos.galactic.lat", "proper motion of a model star"),
    Column("true_rv", "f8", "km/s", "spect.dopplerVeloc", "radial velocity of a model star"),
)

OBSERVED = Table("observed", _POSITION + _MEMBERSHIP + _photometry() + _ASTROMETRY + _INJECTED)
"""Stars of one survey or of the complete catalogue, in one tile."""

MEMBERS = Table(
    "members",
    (
        Column(
            "source_id", "i8", "", "meta.id;meta.main", "identifier of the star in the complete catalogue"
        ),
        Column("survey", "i1", "", "meta.code", "bit of the survey that saw it, see attribute surveys"),
        Column("member_id", "i8", "", "meta.id", "identifier of the detection in that survey"),
        Column(
            "separation",
            "f8",
            "arcsec",
            "pos.angDistance",
            "from the star as the surveys before had it; 0 for its first detection",
        ),
        Column(
            "member_true_id", "i8", "", "meta.id", "model star that was seen; -1 for real and spurious ones"
        ),
    ),
)
"""The detections behind each star of the complete catalogue of one tile."""

_BIAS = tuple(
    Column(f"{what}_{name}", "f8", "mag", "phot.mag;arith.diff", f"{text} of observed minus true {name}")
    for name in ("mj", "mh", "mks")
    for what, text in (("sum", "sum"), ("sum2", "sum of squares"))
)

MERGE_QUALITY = Table(
    "merge_quality",
    (
        Column("tile", "i4", "", "meta.id.part", "place of the tile in the attribute tiles"),
        Column("mag_low", "f8", "mag", "phot.mag", "bright edge of the bin in the band of the selection"),
        Column("n_true", "i8", "", "meta.number", "model stars of that true magnitude inside the limits"),
        Column("n_found", "i8", "", "meta.number", "of these, how many are in the complete catalogue"),
        Column("n_duplicate", "i8", "", "meta.number", "further stars of the catalogue that are one of them"),
        Column("n_star", "i8", "", "meta.number", "stars of the catalogue of that observed magnitude"),
        Column("n_false", "i8", "", "meta.number", "of these, matched out of detections of different stars"),
        Column("n_spurious", "i8", "", "meta.number", "of these, made of detections of nothing"),
        *(
            Column(f"n_{name}", "i8", "", "meta.number", f"stars of that true magnitude measured in {name}")
            for name in ("mj", "mh", "mks")
        ),
        *_BIAS,
    ),
)
"""How well the surveys of a simulated sky were put together, by tile and magnitude."""

SKY = Table(
    "sky",
    (
        Column("true_id", "i8", "", "meta.id;meta.main", "identifier of the model star"),
        *_POSITION[1:],
        Column("mj", "f8", "mag", "phot.mag;em.IR.J", "true apparent J"),
        Column("mh", "f8", "mag", "phot.mag;em.IR.H", "true apparent H"),
        Column("mks", "f8", "mag", "phot.mag;em.IR.K", "true apparent Ks"),
    ),
)
"""The model stars of one tile, seen or not."""

_CLASS = tuple(
    Column(f"p_comp_{i}", "f8", "", "stat.probability", f"probability of component {i}, {name}")
    for i, name in enumerate(COMPONENTS)
)

_DIST_SOURCE = Column(
    "dist_source", "i1", "", "meta.code", "0 photometry, 1 parallax and photometry, if any, 2 Bailer-Jones"
)

POSTERIOR = Table(
    "posterior",
    (
        Column("source_id", "i8", "", "meta.id;meta.main", "identifier"),
        *_CLASS,
        Column("dist_p16", "f8", "pc", "pos.distance;stat.value", "16 per cent quantile of the distance"),
        Column("dist_p50", "f8", "pc", "pos.distance;stat.median", "median of the distance"),
        Column("dist_p84", "f8", "pc", "pos.distance;stat.value", "84 per cent quantile of the distance"),
        Column(
            "ln_evidence",
            "f8",
            "",
            "stat.likelihood",
            "ln of the integral of prior times likelihood (pc, mag, mas, mas/yr, km/s); NaN for Bailer-Jones",
        ),
        Column("chi2_min", "f8", "", "stat.fit.chi2", "smallest photometric chi-square of any model star"),
        _DIST_SOURCE,
        Column("flags", "i4", "", "meta.code.qual", "bit field, see docs/file_format.md"),
    ),
)
"""Posterior of each star of one tile, with its draws of class and distance beside it."""

TRUTH = Table(
    "truth",
    (
        *_POSITION,
        *_MEMBERSHIP,
        Column("healpix", "i8", "", "pos.healpix", "nested HEALPix index of (ra, dec), see healpix_nside"),
        Column("cell", "i4", "", "meta.id.part", "cell of the extinction map: 580 i_lon + i_lat"),
        Column("realisation", "i2", "", "meta.number", "draw of the posterior that this row is"),
        Column("comp", "i1", "", "meta.code.class", "drawn component"),
        *_CLASS,
        Column("dist", "f8", "pc", "pos.distance", "drawn (true) distance"),
        *POSTERIOR.columns[1 + len(_CLASS) : 4 + len(_CLASS)],
        Column("parallax", "f8", "mas", "pos.parallax", "true parallax, 1000 / dist"),
        Column("mass_ini", "f8", "Msun", "phys.mass", "drawn initial mass"),
        Column("mass", "f8", "Msun", "phys.mass", "present mass"),
        *_photometry(),
        Column("mj_mod", "f8", "mag", "phot.mag;em.IR.J", "model J at (mass_ini, dist), with extinction"),
        Column("mh_mod", "f8", "mag", "phot.mag;em.IR.H", "model H at (mass_ini, dist), with extinction"),
        Column("mks_mod", "f8", "mag", "phot.mag;em.IR.K", "model Ks at (mass_ini, dist), with extinction"),
        Column("hw", "f8", "mag", "phot.mag;em.IR", "Hw from J and H, observed or model where missing"),
        Column("a_j", "f8", "mag", "phys.absorption;em.IR.J", "extinction in J at dist"),
        Column("a_h", "f8", "mag", "phys.absorption;em.IR.H", "extinction in H at dist"),
        Column("a_ks", "f8", "mag", "phys.absorption;em.IR.K", "extinction in Ks at dist"),
        Column(
            "x",
            "f8",
            "pc",
            "pos.cartesian.x;pos.galactocentric",
            "right-handed, from Sgr A*; the Sun at x < 0",
        ),
        Column("y", "f8", "pc", "pos.cartesian.y;pos.galactocentric", "towards l = 90 deg"),
        Column("z", "f8", "pc", "pos.cartesian.z;pos.galactocentric", "towards the north Galactic pole"),
        Column("vx", "f8", "km/s", "phys.veloc;pos.galactocentric", "Galactocentric velocity along x"),
        Column("vy", "f8", "km/s", "phys.veloc;pos.galactocentric", "Galactocentric velocity along y"),
        Column("vz", "f8", "km/s", "phys.veloc;pos.galactocentric", "Galactocentric velocity along z"),
        Column("pmra", "f8", "mas/yr", "pos.pm;pos.eq.ra", "true proper motion, times cos dec"),
        Column("pmdec", "f8", "mas/yr", "pos.pm;pos.eq.dec", "true proper motion"),
        Column("pml", "f8", "mas/yr", "pos.pm;pos.galactic.lon", "true proper motion, times cos b"),
        Column("pmb", "f8", "mas/yr", "pos.pm;pos.galactic.lat", "true proper motion"),
        Column("radial_velocity", "f8", "km/s", "spect.dopplerVeloc", "true barycentric radial velocity"),
        _DIST_SOURCE,
        Column("flags", "i4", "", "meta.code.qual", "bit field, see docs/file_format.md"),
        *_ASTROMETRY,
        *_INJECTED,
    ),
)
"""The truth catalogue; one row a star, by nested HEALPix index."""

CALIBRATION = Table(
    "calibration",
    (
        Column("glon", "f8", "deg", "pos.galactic.lon", "Galactic longitude, -180 to 180"),
        Column("glat", "f8", "deg", "pos.galactic.lat", "Galactic latitude"),
        *_photometry(),
        Column("parallax_obs", "f8", "mas", "pos.parallax", "observed parallax"),
        Column("parallax_obs_error", "f8", "mas", "stat.error;pos.parallax", "error of parallax_obs"),
        Column("reddening", "f8", "mag", "phot.color.excess", "E(J-Ks) of the direction at the bulge"),
        Column("true_comp", "i1", "", "meta.code.class", "component the star was drawn from"),
        Column("true_dist", "f8", "pc", "pos.distance", "distance the star was drawn at"),
        Column("rank", "f8", "", "stat.rank", "rank of true_dist among the posterior's draws, 0 to 1"),
        *POSTERIOR.columns[1:],
    ),
)
"""Stars drawn from the model and what was inferred of them, see `galcen.catalogue.calibration`."""
