"""Several processes at one problem: the communicator, who has which GPU, who has which orbits."""
