"""Stages of the workflow: read, compute, write; one module a rule."""
