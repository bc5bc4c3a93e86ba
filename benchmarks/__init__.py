"""Benchmarks: netlab's servers and their peers side by side, measured in one run and told on one page."""
