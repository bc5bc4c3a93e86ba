"""How figures are shown: three significant digits, and a unit."""

from __future__ import annotations

from collections.abc import Callable

Form = Callable[[float], str]


def amount(value: float) -> str:
    """A number of things: 7.81 M, 146 k, 830."""
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if value >= 0.9995 * size:
            return f"{_digits(value / size)} {unit}"
    return _digits(value)


def microseconds(value: float) -> str:
    """A time that is given in microseconds."""
    if value >= 999.5:
        return milliseconds(value / 1e3)
    return f"{value:.3f} \u00b5s" if value < 1 else f"{_digits(value)} \u00b5s"


def milliseconds(value: float) -> str:
    """A time that is given in milliseconds."""
    return f"{_digits(value)} ms"


def size(value: float) -> str:
    """A number of bytes."""
    return f"{value:,.0f} B"


def megabytes(value: float) -> str:
    """Megabytes a second."""
    return f"{value:,.0f} MB/s"


def share(value: float) -> str:
    """A part of one."""
    return f"{value:.1%}"


def _digits(value: float) -> str:
    """Not as a power of ten."""
    return f"{value:.0f}" if value >= 99.95 else f"{value:.1f}" if value >= 9.995 else f"{value:.2f}"
