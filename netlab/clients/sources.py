"""Where a client's messages come from: the command line, standard input, or a prompt.

Each is an iterable of texts that may block, for a thread of its own.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from netlab.wire import text

PROMPT = "Message to send? "

MAX_LINE = 1 << 24
"""Bytes of one line of standard input: 16 times the longest frame that a server takes by default."""

SWITCH_INTERVAL = 0.0002
"""Seconds that the prompt's thread may keep the reactor's waiting."""


class LineTooLong(Exception):
    """A line is no message; the argument says why."""


class Source(Protocol):
    """Where messages come from."""

    asks: bool
    """Is there a person who may go on after a reply that did not come?"""
    shows: bool
    """May replies be written while it waits for a message?"""

    def __iter__(self) -> Iterator[str]: ...

    def fresh_line(self) -> None:
        """Something is about to be written: leave the line in which a person types."""

    def close(self) -> None:
        """Ask no more. May be called in any thread."""

    def restore(self) -> None:
        """Leave the terminal as it was: the last call."""


class Unasked:
    """A source that has no terminal to look after."""

    asks = False
    shows = True

    def fresh_line(self) -> None:
        """Nobody types."""

    def close(self) -> None:
        """There is nobody who is asked."""

    def restore(self) -> None:
        """There is nothing to restore."""


class Given(Unasked):
    """Messages of the command line. count: how many times the list is sent."""

    def __init__(self, messages: list[str], count: int = 1) -> None:
        self._messages = messages
        self._count = count

    def __iter__(self) -> Iterator[str]:
        for _ in range(self._count):
            yield from self._messages


class Lines(Unasked):
    """The lines of standard input. Bytes that are no UTF-8 go out as they are."""

    def __iter__(self) -> Iterator[str]:
        while line := sys.stdin.buffer.readline(MAX_LINE + 1):
            if len(line) > MAX_LINE:
                raise LineTooLong(f"a line of standard input is longer than {MAX_LINE:,} bytes")
            yield text.decode(line.removesuffix(b"\n").removesuffix(b"\r"))


class PlainPrompt:
    """A prompt with Python's input(): what serves where prompt_toolkit is not installed.

    A reply would be written into the line that is being typed: it is waited for before the next prompt.
    """

    asks = True
    shows = False

    def __init__(self) -> None:
        with contextlib.suppress(ImportError):
            import readline  # noqa: F401 (gives input() its editing and its history)
        self._settings = _terminal_settings()
        self._asking = False

    def __iter__(self) -> Iterator[str]:
        with contextlib.suppress(EOFError):
            while True:
                self._asking = True
                line = input(PROMPT)
                self._asking = False
                yield line
        self.fresh_line()

    def fresh_line(self) -> None:
        """What is written now would stand behind the prompt."""
        if self._asking:
            self._asking = False
            print()  # noqa: T201

    def close(self) -> None:
        """Nothing ends an input() that waits: its thread is left behind."""

    def restore(self) -> None:
        """Undo what input() did to the terminal, which it would undo itself if it returned."""
        self._settings()


class Prompt:
    """A prompt with history and editing, above which replies appear: prompt_toolkit's."""

    asks = True
    shows = True

    def __init__(self) -> None:
        from prompt_toolkit import PromptSession
        from prompt_toolkit.patch_stdout import patch_stdout

        self._session: Any = PromptSession()
        self._closed = False
        self._patched = contextlib.ExitStack()
        self._patched.enter_context(patch_stdout())
        # It draws the prompt anew while the reply is on its way. With Python's usual 5 ms a thread, that
        # would be most of the round-trip time.
        sys.setswitchinterval(SWITCH_INTERVAL)

    def __iter__(self) -> Iterator[str]:
        with contextlib.suppress(EOFError):
            while not self._closed:
                # Of several lines that were pasted, each is a message, as it is where they are piped in.
                yield from self._session.prompt(PROMPT).removesuffix("\n").split("\n")

    def fresh_line(self) -> None:
        """It does so itself: what is written appears above it."""

    def close(self) -> None:
        """End the prompt, and ask no more."""
        self._closed = True
        app = self._session.app

        def leave() -> None:
            with contextlib.suppress(Exception):  # it is just about to return by itself
                app.exit(exception=EOFError)

        if app.loop is not None and app.is_running:
            app.loop.call_soon_threadsafe(leave)

    def restore(self) -> None:
        """Write past the prompt no more."""
        self._patched.close()


def _terminal_settings() -> Callable[[], None]:
    """What restores the terminal's settings of now: input() changes them while it waits."""
    try:
        import termios

        settings = termios.tcgetattr(0)
    except (ImportError, OSError):
        return lambda: None
    except Exception:  # termios.error, of a standard input that is no terminal
        return lambda: None
    return lambda: termios.tcsetattr(0, termios.TCSANOW, settings)


def source(messages: list[str] | None, count: int) -> Source:
    """The source for what stands on the command line."""
    if messages is not None:
        return Given(messages, count)
    if sys.stdin is None:
        return Given([])
    if not sys.stdin.isatty():
        return Lines()
    if not sys.stdout.isatty() or os.environ.get("TERM") == "dumb":
        return PlainPrompt()
    try:
        return Prompt()
    except ImportError:
        return PlainPrompt()
