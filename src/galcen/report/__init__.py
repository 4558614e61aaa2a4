"""Figures and pages of the report."""
