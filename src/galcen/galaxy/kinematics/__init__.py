"""Velocities of the components."""

from galcen.galaxy.kinematics.draw import Kinematics, build_kinematics, draw_velocity

__all__ = ["Kinematics", "build_kinematics", "draw_velocity"]
