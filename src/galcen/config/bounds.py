"""Quantities that several sections have, each with the bounds that physics or files set."""

from typing import Annotated

from pydantic import Field

from galcen.config.base import Within

Magnitude = Annotated[float, Within(-10, 40, "magnitudes are expected; where there is no limit, -10 or 40")]
"""[mag]; the brightest star in Ks has -4, and no survey sees 35."""
MagnitudeError = Annotated[float, Within(1e-4, 2, "magnitudes are expected: is it in per cent or mmag?")]
"""[mag]."""
Epoch = Annotated[
    float,
    Within(1800, 2200, "a Julian year such as 2016.0 is expected: is it a Julian date, MJD or in days?"),
]
"""[Julian year]."""
SmallAngle = Annotated[float, Within(1e-5, 1e5, "milliarcseconds are expected")]
"""Error of a position, or of a parallax, that can be worked with [mas]."""
ErrorOfMotion = Annotated[float, Within(1e-5, 1e5, "mas/yr are expected")]
"""[mas/yr]."""
Width = Annotated[float | None, Field(gt=0, le=1e6)]
"""Of a normal prior of lengths [um]; null is a flat one."""
WidthAngle = Annotated[float | None, Field(gt=0, le=360)]
"""Of a normal prior of angles [deg]; null is a flat one."""
FilePath = Annotated[str, Field(min_length=1, max_length=4096, pattern=r"^[^\x00-\x1f\x7f]+$")]
"""Path of a user's file or folder; without control characters, which no shell and no log passes on."""
