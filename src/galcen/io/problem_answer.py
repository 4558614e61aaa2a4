"""The answer to a problem file: the same layout, with the solution in it."""

from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np
from jaxtyping import Float

from galcen.errors import SchemaError
from galcen.io.hdf5 import create, write_array

PRODUCT = "problem_answer"

COPIED = ("observations", "exposures", "sources", "priors")

PREDICTED = ("nx_fit_pix", "ny_fit_pix")


def write_problem_answer(
    path: Path,
    problem: Path,
    solution: Mapping[str, np.ndarray | float],
    predicted: Float[np.ndarray, "2 n_obs"],
    attributes: Mapping[str, str | float],
) -> None:
    """Write the answer, whole or not at all.

    Parameters
    ----------
    path
        To be written; it may be read as a problem again.
    problem
        Measurements, exposures, sources, priors and attributes are taken from it.
    solution
        Datasets of the group `solution`.
    predicted
        Prediction of each measurement [pixel], in the order of the problem.
    attributes
        Of the root, besides those of the problem.

    Raises
    ------
    SchemaError
        The file cannot be written, or the problem is no longer to be read.
    """
    with create(path, PRODUCT, {}) as out:
        try:
            with h5py.File(problem, "r") as source:
                for name, value in source.attrs.items():
                    if name not in out.attrs:
                        out.attrs[name] = value
                for name in COPIED:
                    source.copy(source[name], out)
        except (OSError, KeyError, RuntimeError) as error:
            raise SchemaError(f"{problem}: cannot be copied from ({error}); is it still there?") from None
        for name, value in attributes.items():
            out.attrs[name] = value
        group = out["observations"]
        for name, values in zip(PREDICTED, predicted, strict=True):
            if name in group:
                del group[name]
            write_array(group, name, values)
        group = out.create_group("solution")
        for name, values in solution.items():
            if np.ndim(values):
                write_array(group, name, values)
            else:
                group[name] = values
