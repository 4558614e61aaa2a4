"""Astrometric solutions: what is estimated from exposures, without knowing the truth."""
