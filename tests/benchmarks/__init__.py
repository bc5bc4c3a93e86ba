"""The benchmarks work; nothing is said about their figures."""
