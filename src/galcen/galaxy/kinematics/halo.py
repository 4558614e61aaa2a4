"""Velocities of the stellar halo (Huston et al. 2026): no rotation."""

SIGMA = (131.0, 106.0, 85.0)
"""Dispersions in R, phi, z [km/s]."""
