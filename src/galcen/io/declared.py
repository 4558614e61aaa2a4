"""What a table says of its coordinates: reference frame, equinox and epoch."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from galcen.errors import SchemaError

J2000, B1950 = 2000.0, 1950.0

_SYSTEMS = {
    **dict.fromkeys(("icrs", "icrf", "icrf1", "icrf2", "icrf3", "hipparcos"), "icrs"),
    **dict.fromkeys(("fk5", "eq_fk5"), "fk5"),
    **dict.fromkeys(("fk4", "eq_fk4"), "fk4"),
    **dict.fromkeys(("fk4-no-e", "fk4noeterms", "fk4_no_e"), "fk4noeterms"),
    **dict.fromkeys(("galactic", "galactic_ii", "gal", "g"), "galactic"),
    **dict.fromkeys(("super_galactic", "supergalactic"), "supergalactic"),
    **dict.fromkeys(("ecliptic", "ecl_fk5", "ecl", "barycentricmeanecliptic"), "ecliptic"),
}
"""Spellings in VOTable, FITS, STC and astropy -> our name of a frame."""

_NO_EQUINOX = ("icrs", "galactic", "supergalactic")
_UNSTATED = ("", "unknown", "unknownframe", "none", "null", "---")


class Frame(NamedTuple):
    """A reference frame of coordinates on the sky."""

    name: str
    """icrs, fk5, fk4, fk4noeterms, galactic, supergalactic or ecliptic."""
    equinox: float | None = None
    """Year of the equinox, Besselian for FK4, Julian otherwise; None where the frame has none."""

    def __str__(self) -> str:
        if self.equinox is None:
            return "ICRS" if self.name == "icrs" else self.name
        letter = "B" if self.name.startswith("fk4") else "J"
        name = "ecliptic" if self.name == "ecliptic" else self.name.upper()
        return f"{name} {letter}{self.equinox:g}"


ICRS = Frame("icrs")


class Declaration(NamedTuple):
    """What is stated of the column of a coordinate; None for what is not."""

    frame: Frame | None = None
    epoch: float | None = None
    """Epoch of the positions [Julian year]."""
    doubt: str = ""
    """Why the file does not tell which of several frames or epochs is meant."""

    def filled(self, other: "Declaration") -> "Declaration":
        """The declaration, with what it leaves open taken from another one."""
        return Declaration(
            other.frame if self.frame is None else self.frame,
            other.epoch if self.epoch is None else self.epoch,
            self.doubt or other.doubt,
        )


NOTHING = Declaration()

_YEAR = re.compile(r"\s*(?P<letter>[JB]?)\s*(?P<year>\d{4}(\.\d*)?)\s*", re.IGNORECASE)


def year_of(text: object) -> tuple[str, float] | None:
    """Letter (J, B or none) and year of such as J2016.0; None where there is none."""
    match = _YEAR.fullmatch(str(text))
    return None if match is None else (match["letter"].upper(), float(match["year"]))


def julian_epoch(text: object, where: str, is_besselian: bool = False) -> float:
    """Epoch [Julian year] of such as J2016.0, B1950 or 2016.0.

    Raises
    ------
    SchemaError
        It is none.
    """
    found = year_of(text)
    date = re.match(r"\d{4}-\d\d-\d\d", str(text))
    if found is None and date is not None:
        return (
            2000.0
            + (np.datetime64(date[0]) - np.datetime64("2000-01-01T12")) / np.timedelta64(1, "D") / 365.25
        )
    if found is None:
        raise SchemaError(
            f"{where} declares the epoch {text!s}, expected a Julian or Besselian year such as J2016.0; "
            "correct it in the file"
        )
    letter, year = found
    if letter == "B" or (is_besselian and not letter):
        # Lieske 1979: a Besselian year has 365.242198781 days, B1900 is JD 2415020.31352.
        return 2000.0 + (2415020.31352 + (year - 1900.0) * 365.242198781 - 2451545.0) / 365.25
    return year


def frame_of(system: object, equinox: object, where: str) -> Frame | None:
    """The frame that a file names, or None where it names none.

    Parameters
    ----------
    system
        Its name in any spelling, or None.
    equinox
        Such as J2000, B1950.0 or 1950, or None; without a name it tells FK4 from FK5, as in FITS.
    where
        The file and what in it declares the frame, for the message of an error.

    Raises
    ------
    SchemaError
        The frame is none that coordinates can be converted from.
    """
    name = "" if system is None else str(system).strip().lower()
    year = None
    if equinox is not None and str(equinox).strip().lower() not in _UNSTATED:
        year = year_of(equinox)
        if year is None:
            raise SchemaError(
                f"{where} declares the equinox {equinox!s}, expected such as J2000.0 or B1950.0"
            )
    if name in _UNSTATED:
        if year is None:
            return None
        # FITS 4.0, table 27: before 1984 the equinox means FK4, from then on FK5.
        return Frame("fk4" if year[0] == "B" or (not year[0] and year[1] < 1984.0) else "fk5", year[1])
    known = _SYSTEMS.get(name)
    if known is None:
        raise SchemaError(
            f"{where} declares the frame {system!s}, which cannot be converted to ICRS; expected one of "
            "ICRS, "
            "FK5, FK4, galactic, ecliptic; convert the coordinates, or correct the file"
        )
    if known in _NO_EQUINOX:
        return Frame(known)
    default = B1950 if known.startswith("fk4") else J2000
    letter = "B" if known.startswith("fk4") else "J"
    if year is not None and year[0] not in ("", letter):
        raise SchemaError(
            f"{where} declares {system!s} of {equinox!s}, expected an equinox such as {letter}{default:g}"
        )
    return Frame(known, default if year is None else year[1])


_SYSTEM_KEYS = (
    "radesys",
    "radecsys",
    "frame",
    "coordinate_frame",
    "coosys",
    "coordsys",
    "refframe",
    "ref_frame",
)
_EPOCH_KEYS = ("ref_epoch", "refepoch", "epoch")


def from_keywords(keywords: Mapping[str, Any], where: str, *, is_fits: bool = False) -> Declaration:
    """What keywords of a file state, in any case of letters: RADESYS, EQUINOX, EPOCH, ref_epoch and such.

    In FITS, EPOCH once meant the equinox; it does so where there is no EQUINOX and it is a year in which
    catalogues had their equinox.
    """
    plain = {
        str(key).lower(): value for key, value in keywords.items() if isinstance(value, str | int | float)
    }
    # Headers of FITS may have a FRAME that is none of coordinates.
    systems = _SYSTEM_KEYS[:2] if is_fits else _SYSTEM_KEYS
    system = next((plain[key] for key in systems if key in plain), None)
    equinox = plain.get("equinox")
    epoch = next((plain[key] for key in _EPOCH_KEYS if key in plain), None)
    if is_fits and epoch is not None and "ref_epoch" not in plain and "refepoch" not in plain:
        found = year_of(epoch)
        if equinox is None and found is not None and found[1] in (1855.0, 1875.0, 1900.0, 1950.0, 2000.0):
            equinox, epoch = epoch, None
    frame = frame_of(system, equinox, where)
    return Declaration(frame, None if epoch is None else julian_epoch(epoch, where))


_IN_WORDS = re.compile(r"\b(ICRS|FK5|FK4)\b")
_EPOCH_IN_WORDS = re.compile(r"\bEpoch\s*=\s*([JB]?\d{4}(?:\.\d+)?)", re.IGNORECASE)
_EQUINOX_IN_WORDS = re.compile(r"\bEquinox\s*=\s*([JB]?\d{4}(?:\.\d+)?)", re.IGNORECASE)


def from_words(text: str, where: str) -> Declaration:
    """What the description of a column states, as VizieR writes it: (ICRS, Epoch=J2016.0)."""
    system, equinox, epoch = (
        None if (match := pattern.search(text)) is None else match[1]
        for pattern in (_IN_WORDS, _EQUINOX_IN_WORDS, _EPOCH_IN_WORDS)
    )
    return Declaration(
        frame_of(system, equinox, where),
        None if epoch is None else julian_epoch(epoch, where, system == "FK4"),
    )


_NAME_WITH_EQUINOX = re.compile(
    r"_?(?:ra|de|dec|ra_?deg|de_?deg|dec_?deg|alpha|delta)_?(?P<letter>b?)(?P<year>1855|1875|1900|1950)(?:\.0*)?",
    re.IGNORECASE,
)


def from_name(name: str) -> Declaration:
    """What the name of a column states, as in RAB1950: the equinoxes of old catalogues are those of FK4.

    J2000 and years of observations in a name state no frame: they stand for ICRS as well as for FK5, or
    for an epoch.
    """
    match = _NAME_WITH_EQUINOX.fullmatch(name)
    return NOTHING if match is None else Declaration(Frame("fk4", float(match["year"])))
