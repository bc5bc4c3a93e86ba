"""The twistd command `benchmark-empty`: data only."""

from twisted.application.service import ServiceMaker

empty = ServiceMaker("benchmark empty", "benchmark_empty", "Does nothing, and says so.", "benchmark-empty")
