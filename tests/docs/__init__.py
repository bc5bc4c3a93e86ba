"""Tests that the README and docs do what they say."""
