"""Further terms of the distortion: functions that others declare, found by name.

A name runs code. Only what an installed package has registered for this purpose is run, or what lies in a
module that the configuration lists; names in a file are not enough.
"""

import importlib
from collections.abc import Callable, Sequence
from importlib.metadata import entry_points

import jax
import jax.numpy as jnp
from jaxtyping import Array

from galcen.errors import ConfigError

GROUP = "galcen.calibration_terms"
"""Entry points by which a package registers terms."""

Term = Callable[[Array, Array], Array]

_KEY = "solver.calibration.extra_terms"


def terms_of(names: Sequence[str], modules: Sequence[str]) -> tuple[Term, ...]:
    """The functions of some names.

    Parameters
    ----------
    names
        Each that of an entry point, or `module:function`.
    modules
        Modules whose functions may be named.

    Raises
    ------
    ConfigError
        A name is not declared, its module cannot be imported, or it is no function of two numbers.
    """
    return tuple(_term(name, modules) for name in names)


def _term(name: str, modules: Sequence[str]) -> Term:
    module, colon, attribute = name.partition(":")
    if colon and module not in modules:
        raise ConfigError(
            f"{_KEY}: {name}: only modules in solver.calibration.term_modules are imported, which has "
            f"{', '.join(modules) or 'none'}; add {module} if its code may be run"
        )
    try:
        found = getattr(importlib.import_module(module), attribute, None) if colon else _registered(name)
    except ImportError as error:
        raise ConfigError(f"{_KEY}: {name}: {error}; put the module on the Python path of the job") from None
    except ConfigError:
        raise
    except Exception as error:
        raise ConfigError(f"{_KEY}: {name}: importing it fails: {type(error).__name__}: {error}") from None
    if not callable(found):
        raise ConfigError(f"{_KEY}: {module} has no function {attribute or name}")
    place = jax.ShapeDtypeStruct((2,), jnp.float64)
    try:
        value = jax.eval_shape(found, place, place)
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise ConfigError(f"{_KEY}: {name}: f(p, q) fails: {type(error).__name__}: {reason}") from None
    if getattr(value, "shape", None) not in ((), (2,)):
        raise ConfigError(
            f"{_KEY}: {name}: expected f(p, q), one number for each place on the focal plane, in JAX"
        )
    return found


def _registered(name: str) -> object:
    known = entry_points(group=GROUP)
    if name not in known.names:
        listed = ", ".join(sorted(known.names)) or "none"
        raise ConfigError(
            f"{_KEY}: {name}: no installed package has it among its entry points {GROUP}; known: {listed}"
        )
    return next(iter(known.select(name=name))).load()
