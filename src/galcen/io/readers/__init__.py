"""Readers of users' tables, one module a family of formats."""
