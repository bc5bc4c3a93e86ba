"""Echo servers for the benchmarks to compare with: each a small program, idiomatic in what it is written
for.
"""
