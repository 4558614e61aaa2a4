"""The global solution: sources, attitudes and camera of a whole survey, over any number of ranks."""
