"""Reactors of our own: selectors.py is the first chapter, written to be read."""
