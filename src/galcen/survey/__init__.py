"""The mission observes the truth catalogue: orbits, exposures, attitude, optics, detectors, noise."""
