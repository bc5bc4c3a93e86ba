"""Tests of netlab.explain.xray."""
