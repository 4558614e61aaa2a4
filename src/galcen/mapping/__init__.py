"""Sky to pixel: the one forward model, of the mock survey and of every solver."""
