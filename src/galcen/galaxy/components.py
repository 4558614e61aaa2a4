"""Names and order of the model's components; the index is written into every catalogue.

The first eleven are the components of Koshimoto, Baba & Bennett (2021, ApJ 917, 78)
with the nuclear stellar cluster kept apart; the halo is optional.
"""

COMPONENTS = (
    "thin1",
    "thin2",
    "thin3",
    "thin4",
    "thin5",
    "thin6",
    "thin7",
    "thick",
    "bar",
    "NSD",
    "NSC",
    "halo",
)
N_COMPONENT = len(COMPONENTS)
THIN = range(7)
DISCS = range(8)
THICK, BAR, NSD, NSC, HALO = range(7, 12)

ISOCHRONE_OF = (*COMPONENTS[:10], "NSD", "thick")
"""Isochrone table of each component: the cluster shares the disc's; the halo, which has
no table of its own, takes the oldest and most metal-poor one."""
