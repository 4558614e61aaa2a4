"""The Milky Way model: densities, kinematics, stars and extinction."""
