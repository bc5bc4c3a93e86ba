"""The one way to the log: what it cannot show is escaped, nothing is a format, one thread at a time (P).

A line is an event of Twisted's log. To make one and have it formatted costs twenty times what it takes to
decode, answer and word a message; so a command whose log is plain text on a console has its lines take the
short way (go_straight): the same text, many lines at once, straight to the Writer on which Twisted's observer
writes, too. There all lines have one order.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from threading import Lock

from twisted.logger import Logger, formatTime

from netlab.observers.writer import Writer
from netlab.wire.text import writable

_logger = Logger()

_writing = Lock()
"""Before Python 3.12.4, what two threads write at once may be lost or doubled."""

_straight: Writer | None = None
"""Where lines go without an event: of the whole process, as Twisted's log is."""

_now = (0, "")
"""A second, and how the log writes it."""


def go_straight(writer: Writer | None) -> None:
    """From now on lines take the short way to this writer; None: as events, which is how it begins.

    Only where Twisted's log is what its textFileLogObserver writes to this writer, and nobody else is told of
    its events. Between the two ways no line is lost or overtaken.
    """
    global _straight
    _straight = writer


class Log:
    """Twisted's log. encoding: what it is written in; what that lacks is escaped (P2)."""

    def __init__(self, encoding: str = "utf-8") -> None:
        self._encoding = encoding

    def line(self, bracket: str, line: str, warn: bool = False) -> None:
        """Write a line. bracket: what stands in the brackets in front."""
        writer = _straight
        if writer is not None:
            if line:  # the observer leaves out what is empty
                writer.write_patiently(_dressed(bracket, "", (line,)))
            return
        emit = _logger.warn if warn else _logger.info
        with _writing:
            # The line goes in as a value: a format that a peer wrote would be obeyed (P3).
            emit("{line}", line=self._writable(line), log_system=self._writable(bracket))

    def lines(self, bracket: str, start: str, texts: Sequence[str]) -> None:
        """Write several lines, one at least. start: what each begins with."""
        writer = _straight
        if writer is not None:
            writer.write_patiently(_dressed(bracket, start, texts))
            return
        for text in texts:
            self.line(bracket, start + text)

    def failure(self, bracket: str, line: str) -> None:
        """Write a line, and the traceback of the exception that is being handled."""
        with _writing:
            _logger.failure("{line}", line=self._writable(line), log_system=self._writable(bracket))

    def _writable(self, text: str) -> str:
        return writable(text, self._encoding)


def _dressed(bracket: str, start: str, texts: Sequence[str]) -> str:
    """The lines as Twisted's textFileLogObserver writes them; what the encoding lacks, the writer escapes."""
    global _now
    seconds = int(time.time())
    known, shown = _now
    if seconds != known:
        shown = formatTime(seconds)
        _now = seconds, shown
    begin = f"{shown} [{bracket}] {start}"
    lines = begin + f"\n{begin}".join(texts) + "\n"
    if lines.count("\n") > len(texts):  # a line that has several: the observer indents them
        lines = "".join([f"{begin}{text}".replace("\n", "\n\t") + "\n" for text in texts])
    return lines
