"""Tests of netlab.report."""
