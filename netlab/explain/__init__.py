"""Explanations: of captures, and of programs at work."""
