"""The answer to a problem file: the same layout, with the solution in it."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Float

from galcen.errors import SchemaError
from galcen.io.hdf5 import create, open_hdf5, write_array
from galcen.io.hdf5_guard import find, guarded

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
        with open_hdf5(problem) as source:
            for name in source.attrs:
                if name not in out.attrs:
                    where = f"{problem}: attribute {name}"
                    out.attrs[name] = guarded(where, lambda name=name: source.attrs[name])
            for name in COPIED:
                group = find(source, name)
                if group is None:
                    raise SchemaError(
                        f"{problem}: {name} has gone since it was read; is it still the same file?"
                    )
                source.copy(group, out)
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
