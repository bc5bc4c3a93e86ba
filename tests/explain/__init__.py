"""Tests of netlab/explain."""
