"""Extinction: the map of the bulge, the law and the profile along the line of sight."""
