"""The checker, tried on real programs."""
