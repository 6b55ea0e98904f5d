"""How good the models are, next to the literature's numbers. `make bench-quality`."""
