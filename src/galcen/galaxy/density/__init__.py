"""Densities of the components."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from galcen.galaxy.density import bar, disc, halo, nuclear_cluster, nuclear_disc
from galcen.galaxy.tables import NuclearDiscMoments

__all__ = ["Density", "build_density"]


class Density(eqx.Module):
    """Shapes S_i of the twelve components; those switched off are zero."""

    table: nuclear_disc.TabulatedDensity
    bar_form: str = eqx.field(static=True)
    nuclear_disc_form: str = eqx.field(static=True)
    nuclear_cluster: bool = eqx.field(static=True)
    halo: bool = eqx.field(static=True)
    disc_scale_height: str = eqx.field(static=True)
    disc_inner: str = eqx.field(static=True)

    def __call__(
        self, x: Float[Array, "..."], y: Float[Array, "..."], z: Float[Array, "..."]
    ) -> Float[Array, "12 ..."]:
        """Shapes at positions in the model frame [pc].

        Discs, bar and halo are dimensionless; the nuclear disc is in Msun/pc^3 and the
        nuclear cluster in pc^-3. Times `Normalisation.n_living` they are living stars per pc^3.
        """
        r = jnp.hypot(x, y)
        off = jnp.zeros_like(r + z)
        rest = (
            bar.shape(self.bar_form, x, y, z),
            self._nuclear_disc(x, y, z, r, off),
            nuclear_cluster.shape(r, z) if self.nuclear_cluster else off,
            halo.shape(r, z) if self.halo else off,
        )
        discs = disc.shape(x, y, z, self.disc_scale_height, self.disc_inner)
        return jnp.concatenate([discs, jnp.stack(rest)])

    def _nuclear_disc(self, x: Array, y: Array, z: Array, r: Array, off: Array) -> Float[Array, "..."]:
        match self.nuclear_disc_form:
            case "table":
                return self.table(r, z)
            case "sormani2020":
                return nuclear_disc.sormani2020(r, z)
            case "off":
                return off
            case name:
                return nuclear_disc.exponential(name, x, y, z)


def build_density(
    moments: NuclearDiscMoments,
    *,
    bar: str = "E+E_X",
    nuclear_disc: str = "table",
    nuclear_cluster: bool = True,
    halo: bool = False,
    disc_scale_height: str = "constant",
    disc_inner: str = "flat",
) -> Density:
    """The densities that a configuration asks for."""
    from galcen.galaxy.density.nuclear_disc import tabulated  # the parameter hides the module

    return Density(
        tabulated(moments), bar, nuclear_disc, nuclear_cluster, halo, disc_scale_height, disc_inner
    )
