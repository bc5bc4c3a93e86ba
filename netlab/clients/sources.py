"""Where a client's messages come from: the command line, standard input, or a prompt.

Each is an iterable of texts that may block, for a thread of its own.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
import os
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from netlab.wire import text

PROMPT = "Message to send? "

MAX_LINE = 1 << 24
"""Bytes of one line of standard input: 16 times the longest frame that a server takes by default."""

MAX_HELD = 1_000
"""Lines that wait to be written above the prompt; who has more to say waits for it to be drawn."""

DRAWING = 5.0
"""Seconds that a prompt gets to be drawn, before what waits for it is held without a bound."""

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

    def show(self, write: Callable[[], None]) -> None:
        """Have lines written, at once or soon, where they do not disturb the line in which a person types.

        write: writes them. Calls are made in the order in which they came, in any thread.
        """

    def close(self) -> None:
        """Ask no more. May be called in any thread."""

    def restore(self) -> None:
        """Leave the terminal as it was: the last call."""


class Unasked:
    """A source that has no terminal to look after."""

    asks = False
    shows = True

    def show(self, write: Callable[[], None]) -> None:
        """Nobody types."""
        write()

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
        self._fresh_line()

    def show(self, write: Callable[[], None]) -> None:
        """Not behind the prompt, but in the line below."""
        self._fresh_line()
        write()

    def _fresh_line(self) -> None:
        if self._asking:
            self._asking = False
            print()  # noqa: T201

    def close(self) -> None:
        """Nothing ends an input() that waits: its thread is left behind."""

    def restore(self) -> None:
        """Undo what input() did to the terminal, which it would undo itself if it returned."""
        self._settings()


class Prompt:
    """A prompt with history and editing, above which replies appear: prompt_toolkit's.

    prompt_toolkit's own patch_stdout() is not enough: what it writes in the moment in which a prompt begins
    stands behind the prompt, and an echo comes in just that moment. Here what is to be shown is held from
    before the prompt begins until it has ended; in between the prompt's own thread writes it: just before
    it draws the prompt first, or above it.
    """

    asks = True
    shows = True

    def __init__(self) -> None:
        from prompt_toolkit import PromptSession

        self._session: Any = PromptSession()
        self._closed = False
        self._changed = threading.Condition()
        self._held: list[Callable[[], None]] = []
        self._asking = False  # what is to be shown is held
        self._above: Callable[[], object] | None = None  # has it written above the prompt
        # It draws the prompt anew while the reply is on its way. With Python's usual 5 ms a thread, that
        # would be most of the round-trip time.
        sys.setswitchinterval(SWITCH_INTERVAL)

    def __iter__(self) -> Iterator[str]:
        with contextlib.suppress(EOFError):
            while not self._closed:
                # Of several lines that were pasted, each is a message, as it is where they are piped in.
                yield from self._ask().removesuffix("\n").split("\n")

    def _ask(self) -> str:
        with self._changed:
            self._asking = True
        try:
            line: str = self._session.prompt(PROMPT, pre_run=self._about_to_draw)
        finally:
            self.restore()
        return line

    def _about_to_draw(self) -> None:
        import asyncio

        from prompt_toolkit.application import run_in_terminal

        with self._changed:
            self._write_held()
            self._above = functools.partial(
                asyncio.get_running_loop().call_soon_threadsafe,
                lambda: run_in_terminal(self._write_held),
                context=contextvars.copy_context(),  # where run_in_terminal() finds this prompt
            )

    def show(self, write: Callable[[], None]) -> None:
        """Above the prompt, if there is one."""
        with self._changed:
            if not self._asking:
                write()
                return
            self._changed.wait_for(lambda: len(self._held) < MAX_HELD, DRAWING)
            self._held.append(write)
            if self._above is not None and len(self._held) == 1:
                with contextlib.suppress(RuntimeError):  # it has ended; what is held is written after it
                    self._above()

    def _write_held(self) -> None:
        with self._changed:  # a lock that may be taken twice
            held, self._held = self._held, []
            for write in held:
                write()
            self._changed.notify_all()

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
        """Write what is held: there is no prompt any more."""
        with self._changed:
            self._asking, self._above = False, None
            self._write_held()


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
