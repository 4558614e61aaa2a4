"""From observed stars to a truth catalogue: tiles, likelihood, posterior, draws."""
