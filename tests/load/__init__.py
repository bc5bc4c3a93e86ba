"""Tests of netlab/load."""
