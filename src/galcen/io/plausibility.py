"""Medians that no table of stars has: the mark of a wrong unit, or of a column map gone wrong.

What is certainly wrong is refused; what is only hard to believe, and could be a strange selection of stars,
is a warning.
"""

import logging
from collections.abc import Callable, Iterator, Mapping

import numpy as np

from galcen.errors import SchemaError
from galcen.io import plausible_astrometry, plausible_photometry, plausible_repeats
from galcen.io.sample import Finding, Sample

log = logging.getLogger(__name__)

MOST_KEPT = 1 << 16
"""Rows that are kept at most; of longer tables every so many-th."""

PER_BATCH = 4096

_JUDGES: tuple[Callable[[Sample], Iterator[Finding]], ...] = (
    *plausible_photometry.JUDGES,
    *plausible_astrometry.JUDGES,
    *plausible_repeats.JUDGES,
)


class MedianCheck:
    """Keeps a sample of the rows of the batches that it is shown, and judges their medians.

    Parameters
    ----------
    path
        The table, for messages.
    names
        Galcen's name of a column -> the table's.
    is_measured
        Whether the values are measured, with the errors that stand beside them, or count as true.
    """

    def __init__(self, path: str, names: Mapping[str, str], *, is_measured: bool = True) -> None:
        self._path, self._names, self._is_measured = path, names, is_measured
        self._parts: list[dict[str, np.ndarray]] = []
        self._n_kept = 0

    def look_at(self, stars: Mapping[str, np.ndarray]) -> None:
        """Take note of the stars of a batch, of every so many-th in a long one."""
        numbers = {name: values for name, values in stars.items() if values.dtype.kind == "f"}
        n_row = len(next(iter(numbers.values())))
        step = -(-n_row // PER_BATCH) or 1
        self._parts.append({name: values[::step] for name, values in numbers.items()})
        self._n_kept += -(-n_row // step)
        if self._n_kept > MOST_KEPT:
            self._parts = [{name: values[::2] for name, values in part.items()} for part in self._parts]
            self._n_kept = sum(len(next(iter(part.values()))) for part in self._parts)

    def judge(self) -> None:
        """Refuse a table whose medians cannot be, and warn of one whose medians are strange.

        Raises
        ------
        SchemaError
            One line: the file, the median, what is expected and what may be the reason.
        """
        if not self._parts:
            return
        whole = {name: np.concatenate([part[name] for part in self._parts]) for name in self._parts[0]}
        sample = Sample(whole, self._names, self._is_measured)
        findings = [finding for judge in _JUDGES for finding in judge(sample)]
        for finding in findings:
            if finding.is_impossible:
                raise SchemaError(f"{self._path}: {finding.text}")
        for finding in findings:
            log.warning("%s: %s", self._path, finding.text)
