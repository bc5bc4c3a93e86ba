"""The one way to the log: what it cannot show is escaped, nothing is a format, one thread at a time (P)."""

from __future__ import annotations

from threading import Lock

from twisted.logger import Logger

from netlab.wire.text import writable

_logger = Logger()

_writing = Lock()
"""Before Python 3.12.4, what two threads write at once may be lost or doubled."""


class Log:
    """Twisted's log. encoding: what it is written in; what that lacks is escaped (P2)."""

    def __init__(self, encoding: str = "utf-8") -> None:
        self._encoding = encoding

    def line(self, bracket: str, line: str, warn: bool = False) -> None:
        """Write a line. bracket: what stands in the brackets in front."""
        emit = _logger.warn if warn else _logger.info
        with _writing:
            # The line goes in as a value: a format that a peer wrote would be obeyed (P3).
            emit("{line}", line=self._writable(line), log_system=self._writable(bracket))

    def failure(self, bracket: str, line: str) -> None:
        """Write a line, and the traceback of the exception that is being handled."""
        with _writing:
            _logger.failure("{line}", line=self._writable(line), log_system=self._writable(bracket))

    def _writable(self, text: str) -> str:
        return writable(text, self._encoding)
