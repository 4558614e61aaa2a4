"""Colours that no field of stars has: the mark of a column map gone wrong."""

import numpy as np

from galcen.config.survey_tables import SurveyTable
from galcen.errors import SchemaError

N_NEEDED = 20
"""Fewer stars may be odd ones."""

BLUEST = -0.25
"""The bluest stars have J - H = -0.2 and H - Ks = -0.1; a field's median is above 0.1 and 0.0 [mag]."""

REDDENED = 0.3
STEEPEST = 0.5
"""Reddened stars have (J - H) / (H - Ks) = 1.2 to 2.2 in every law of extinction."""


class ColourCheck:
    """Keeps a sample of colours of the batches that it is shown, and judges their medians."""

    def __init__(self, survey: SurveyTable) -> None:
        self._survey = survey
        self._colours: list[np.ndarray] = []

    def look_at(self, stars: dict[str, np.ndarray]) -> None:
        """Take note of the stars of a batch with all three magnitudes, of every n-th in a long one."""
        if all(name in stars for name in ("mj", "mh", "mks")):
            colour = np.stack([stars["mj"] - stars["mh"], stars["mh"] - stars["mks"]])
            whole = colour[:, np.isfinite(colour).all(axis=0)]
            self._colours.append(whole[:, :: max(1, whole.shape[1] // 4096)])

    def judge(self) -> None:
        """Refuse a table whose colours cannot be.

        Raises
        ------
        SchemaError
            The medians of J - H and H - Ks are not those of stars.
        """
        colours = np.concatenate(self._colours, axis=1) if self._colours else np.empty((2, 0))
        if colours.shape[1] < N_NEEDED:
            return
        jh, hk = np.median(colours, axis=1)
        if jh < BLUEST or hk < BLUEST or (hk > REDDENED and jh < STEEPEST * hk):
            columns = ", ".join(f"{name}: {self._survey.columns[name]}" for name in ("mj", "mh", "mks"))
            raise SchemaError(
                f"{self._survey.path}: the median colours are J - H = {jh:.2f}, H - Ks = {hk:.2f} mag, which "
                f"no field of stars has; expected both above {BLUEST} and J - H above {STEEPEST} (H - Ks); "
                f"is a band in another's column? the column map has {columns}"
            )
