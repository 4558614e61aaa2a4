"""Files: schema, HDF5, provenance, users' tables."""
