"""How long answers took: an HDR histogram, whose percentiles are right to three digits at any size."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import ceil, log10

from hdrh.histogram import HdrHistogram

PERCENTILES = (50.0, 90.0, 99.0, 99.9)

LONGEST = 3_600_000_000
"""Microseconds: an hour, which is the longest measurement."""

DIGITS = 3

GATHERED = 50_000
"""Different times that are gathered before they are recorded: to record one costs a microsecond or two."""

PER_DECADE = 10
"""Buckets of a picture from one power of ten to the next."""


class Latencies:
    """Times in seconds; they are recorded in whole microseconds."""

    def __init__(self) -> None:
        self._recorded = HdrHistogram(1, LONGEST, DIGITS)
        self._gathered: dict[int, int] = {}
        self._longest = 0

    def add(self, took: Mapping[int, int]) -> None:
        """Add messages. took: how many of them took so many microseconds."""
        gathered = self._gathered
        for microseconds, count in took.items():
            gathered[microseconds] = gathered.get(microseconds, 0) + count
        self._longest = max(self._longest, max(took, default=0))
        if len(gathered) > GATHERED:
            self._record()

    def merge(self, others: Latencies) -> None:
        """Add the messages of other ones."""
        self._histogram.add(others._histogram)
        self._longest = max(self._longest, others._longest)

    def _record(self) -> None:
        for microseconds, count in self._gathered.items():
            self._recorded.record_value(min(max(microseconds, 1), LONGEST), count)
        self._gathered.clear()

    @property
    def _histogram(self) -> HdrHistogram:
        if self._gathered:
            self._record()
        return self._recorded

    @property
    def count(self) -> int:
        """How many messages there are."""
        return int(self._histogram.total_count)

    def percentiles(self, wanted: tuple[float, ...] = PERCENTILES) -> dict[float, float]:
        """The times within which so many percent of the messages were answered; empty without a message."""
        if not self.count:
            return {}
        found = self._histogram.get_percentile_to_value_dict(list(wanted))
        return {each: found[each] / 1e6 for each in wanted}

    @property
    def longest(self) -> float:
        return self._longest / 1e6

    @property
    def mean(self) -> float:
        return float(self._histogram.get_mean_value()) / 1e6

    def recorded(self) -> Iterator[tuple[float, int]]:
        """Each time at which there are messages, to three digits (the highest that counts as it)."""
        for each in self._histogram.get_recorded_iterator():
            yield each.value_iterated_to / 1e6, each.count_added_in_this_iter_step

    def buckets(self) -> list[tuple[float, int]]:
        """Counts for a picture: from the first bucket with messages to the last, on a log axis with ten to a
        decade. Each has its lower bound.
        """
        counts: dict[int, int] = {}
        for seconds, count in self.recorded():
            place = ceil(round(log10(seconds) * PER_DECADE, 6)) - 1  # a bound belongs to the bucket below it
            counts[place] = counts.get(place, 0) + count
        if not counts:
            return []
        return [
            (10 ** (place / PER_DECADE), counts.get(place, 0))
            for place in range(min(counts), max(counts) + 1)
        ]

    def encoded(self) -> str:
        """All of it as HdrHistogram's own text (V2, compressed), which its tools can read; microseconds."""
        written: bytes = self._histogram.encode()
        return written.decode("ascii")
