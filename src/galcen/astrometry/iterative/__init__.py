"""The global solution: sources, attitudes and camera of a whole survey, block by block over any number of ranks."""
