"""Velocities of the components."""

from galcen.galaxy.kinematics.draw import Kinematics, VelocityTable, build_kinematics, draw_velocity

__all__ = ["Kinematics", "VelocityTable", "build_kinematics", "draw_velocity"]
