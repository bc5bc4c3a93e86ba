"""What was measured as JSON: for scripts, and for plots of one's own."""

from __future__ import annotations

import json
import platform
from datetime import datetime, timezone
from typing import Any

from netlab import __version__
from netlab.load.compare import Entrant, Outcome
from netlab.load.errors import Kind
from netlab.load.measurement import Measurement

FORMAT = 1
"""Goes up when a field changes its meaning or goes away; new ones may come at any time."""


def render(outcome: Outcome) -> str:
    """One object, ended by a newline. Times are seconds, sizes bytes; docs/load.md explains the fields."""
    settings = outcome.settings
    whole = {
        "format": FORMAT,
        "settings": {
            "format": settings.format,
            "layout": settings.layout,
            "echo": settings.echo,
            "connections": settings.connections,
            "pipeline": settings.pipeline,
            "size": list(settings.size),
            "duration": settings.duration,
            "rate": settings.rate,
            "timeout": settings.timeout,
            "late": settings.late,
        },
        "targets": [_target(each) for each in outcome.entrants],
        "started": datetime.fromtimestamp(outcome.started, timezone.utc).isoformat(timespec="seconds"),
        "interrupted": outcome.interrupted,
        "trouble": outcome.trouble,
        "versions": {
            "netlab": __version__,
            "Python": platform.python_version(),
            "system": platform.platform(terse=True),
        },
    }
    return json.dumps(whole, indent=2) + "\n"


def _target(entrant: Entrant) -> dict[str, Any]:
    target = entrant.target
    return {
        "name": entrant.name,
        "address": target.written if target.place is not None else None,
        "command": list(target.command) or None,
        "median": {
            "messages_per_second": entrant.median(lambda each: each.rate),
            "bytes_per_second": entrant.median(lambda each: each.throughput),
            "p50": entrant.percentile(50.0),
            "p99": entrant.percentile(99.0),
            "cpu_per_message": entrant.median(lambda each: each.processor_per_message),
        },
        "rounds": [_measurement(each) for each in entrant.rounds],
    }


def _measurement(measured: Measurement) -> dict[str, Any]:
    latencies, late = measured.latencies, {"count": measured.late, "share": measured.share_of_late}
    return {
        "seconds": measured.seconds,
        "connections": measured.connections,
        "due": measured.due,
        "sent": measured.sent,
        "answered" if measured.echo else "taken": measured.messages,
        "bytes": measured.size,
        "messages_per_second": measured.rate,
        "bytes_per_second": measured.throughput,
        "late": late if measured.echo else None,
        "latency": {
            **{f"p{percent:g}": seconds for percent, seconds in latencies.percentiles().items()},
            "max": latencies.longest,
            "mean": latencies.mean,
            "count": latencies.count,
            "counts": [list(each) for each in latencies.recorded()],
            "hdr": latencies.encoded(),
        }
        if latencies.count
        else None,
        "errors": {kind.word: measured.errors.counts[kind] for kind in Kind},
        "first_errors": {kind.word: seen for kind, seen in measured.errors.first.items()},
        "over_time": [each._asdict() for each in measured.moments],
        "server_cpu": measured.processor,
        "own_cpu": measured.own_processor,
        "interrupted": measured.interrupted,
        "notes": list(measured.notes),
    }
