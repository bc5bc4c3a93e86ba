"""A person at a terminal: the prompt, replies that arrive in the midst of a line, Ctrl-C and Ctrl-D.

The client runs in a pseudo-terminal; what a person would see is read from an emulated screen.
"""

from __future__ import annotations

import io
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pyte
from prompt_toolkit.application import create_app_session
from prompt_toolkit.data_structures import Size
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output.vt100 import Vt100_Output
from twisted.python.runtime import platform
from twisted.trial.unittest import SynchronousTestCase

from netlab.clients.sources import Prompt
from tests.support import PATIENCE, ServerTestCase, plain, receive

ROWS, COLUMNS = 24, 100
PROMPT = "Message to send? "

WITHOUT_PROMPT_TOOLKIT = (
    "import sys; sys.modules['prompt_toolkit'] = None; from netlab.cli import main; sys.exit(main())"
)


class Terminal:
    """A client in a terminal of its own."""

    def __init__(self, *options: str, fallback: bool = False) -> None:
        import fcntl
        import pty
        import termios

        self._master, slave = pty.openpty()
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        self.settings = lambda: termios.tcgetattr(self._master)
        self.at_first = self.settings()
        self._screen = pyte.Screen(COLUMNS, ROWS)
        self._stream = pyte.ByteStream(self._screen)
        self._lock = threading.Lock()
        start = ["-c", WITHOUT_PROMPT_TOOLKIT] if fallback else ["-m", "netlab"]
        self.process = subprocess.Popen(
            [sys.executable, *start, "client", *options],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # so that Ctrl-C is a signal to it
            env={
                **os.environ,
                "TERM": "xterm",
                "PYTHONIOENCODING": "utf-8",
                # The emulated terminal does not say where its cursor is.
                "PROMPT_TOOLKIT_NO_CPR": "1",
            },
        )
        os.close(slave)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while True:
            try:
                if not select.select([self._master], [], [], 0.2)[0]:
                    continue
                data = os.read(self._master, 65536)
            except (OSError, ValueError):
                return  # the client has ended
            if not data:
                return
            with self._lock:
                self._stream.feed(data)

    @property
    def lines(self) -> list[str]:
        """What is on the screen, without what is empty."""
        with self._lock:
            return [line.rstrip() for line in self._screen.display if line.strip()]

    def type(self, keys: str) -> None:
        """Press these keys."""
        os.write(self._master, keys.encode())

    def shows(self, *lines: str) -> None:
        """Wait until the screen ends in these lines, empty ones left out."""
        self.until(lambda seen: seen[-len(lines) :] == [line.rstrip() for line in lines], repr(lines))

    def until(self, condition: Callable[[list[str]], bool], what: str) -> None:
        """Wait for something on the screen."""
        deadline = time.monotonic() + PATIENCE
        while not condition(self.lines):
            if time.monotonic() > deadline:
                raise AssertionError(f"not {what} but:\n" + "\n".join(self.lines))
            time.sleep(0.02)

    def ended(self) -> int:
        """Wait for its end; return its exit status."""
        status = self.process.wait(PATIENCE)
        self._reader.join(1)
        return status

    def close(self) -> None:
        """End it, if it has not ended."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(PATIENCE)
        os.close(self._master)
        self._reader.join(PATIENCE)


class Server:
    """Takes one client on a socket, and does what the test says."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]

    def accept(self) -> socket.socket:
        self._listener.settimeout(PATIENCE)
        connection, _ = self._listener.accept()
        connection.settimeout(PATIENCE)
        self._listener.close()
        return connection


class AtATerminal(ServerTestCase):
    """What holds with prompt_toolkit and without it."""

    fallback = False

    def terminal(self, *options: str) -> Terminal:
        terminal = Terminal(*options, fallback=self.fallback)
        self.addCleanup(lambda: self.assertNotIn("Traceback", "\n".join(terminal.lines)))
        self.addCleanup(terminal.close)
        return terminal


class Prompts(AtATerminal):
    if platform.isWindows():
        skip = "Windows has no pseudo-terminals"

    def test_a_conversation_ends_with_ctrl_d(self) -> None:
        server = self.serve("netlab-tcpv3", "--echo")
        terminal = self.terminal("tcpv3", f"127.0.0.1:{server.port}", "--echo")
        terminal.shows(PROMPT)
        port = server.wait_for(r"Accepted connection from 127.0.0.1:(\d+)")[0][1]
        self.assertTrue(
            any(f"source port {port}, chosen by the kernel" in line for line in terminal.lines),
            terminal.lines,
        )
        terminal.type("grüße\r")
        terminal.until(
            lambda seen: (
                any(
                    line.startswith("Received ver: 1, order: 1, size: 7 -> grüße (echo of order 1 after ")
                    for line in seen
                )
                and seen[-1] == PROMPT.rstrip()
            ),
            "the echo, and the next prompt",
        )
        terminal.type("\x04")
        self.assertEqual(terminal.ended(), 0)
        self.assertIn("1 of 1 messages came back", terminal.lines[-1])
        server.wait_for(r"Closed connection .* \(finished\)")

    def test_ctrl_c_ends_it_with_130_and_the_terminal_as_it_was(self) -> None:
        server = self.serve("netlab-tcp")
        terminal = self.terminal("tcp", f"127.0.0.1:{server.port}")
        terminal.shows(PROMPT)
        terminal.type("half a li")
        terminal.shows(PROMPT + "half a li")
        terminal.type("\x03")
        self.assertEqual(terminal.ended(), 130)
        self.assertEqual(terminal.lines[-1], "Interrupted")
        self.assertEqual(terminal.settings(), terminal.at_first)

    def test_sigterm_ends_it_with_143_and_the_terminal_as_it_was(self) -> None:
        server = self.serve("netlab-tcp")
        terminal = self.terminal("tcp", f"127.0.0.1:{server.port}")
        terminal.shows(PROMPT)
        terminal.process.terminate()
        self.assertEqual(terminal.ended(), 143)
        self.assertIn("Terminated", terminal.lines)
        self.assertEqual(terminal.settings(), terminal.at_first)
        server.wait_for(r"Closed connection")

    def test_a_server_that_leaves_ends_it_and_the_terminal_is_as_it_was(self) -> None:
        server = Server()
        terminal = self.terminal("tcp", f"127.0.0.1:{server.port}")
        with server.accept():
            terminal.shows(PROMPT)
        self.assertEqual(terminal.ended(), 0)
        self.assertIn("The server closed the connection", terminal.lines)
        self.assertEqual(terminal.settings(), terminal.at_first)

    def test_an_echo_that_does_not_come_is_told_and_the_prompt_goes_on(self) -> None:
        with plain("server_udp", "--port", "0") as server:
            port = server.wait_for(r"Listening on \S+:(\d+)")[0][1]
            terminal = self.terminal("udp", f"127.0.0.1:{port}", "--echo", "--timeout", "0.5")
            terminal.shows(PROMPT)
            terminal.type("one\r")
            terminal.until(
                lambda seen: seen[-1] == PROMPT.rstrip() and "No echo of message 1" in seen[-2], "told"
            )
            terminal.type("\x04")
            self.assertEqual(terminal.ended(), 1)


class PromptsWithoutPromptToolkit(Prompts):
    """The same, with Python's input()."""

    fallback = True


class Editing(AtATerminal):
    """What prompt_toolkit adds."""

    if platform.isWindows():
        skip = "Windows has no pseudo-terminals"

    def test_a_reply_in_the_midst_of_a_line_garbles_nothing(self) -> None:
        server = Server()
        terminal = self.terminal("tcpv3", f"127.0.0.1:{server.port}")
        with server.accept() as connection:
            terminal.shows(PROMPT)
            for order in 1, 2, 3:
                terminal.type("half")
                terminal.until(lambda seen, order=order: seen[-1] == PROMPT + "half" * order, "typed")  # type: ignore[misc]
                connection.sendall(struct.pack("!BLL", 1, order, 5) + b"hello")
                terminal.shows(f"Received ver: 1, order: {order}, size: 5 -> hello", PROMPT + "half" * order)
            terminal.type("\x7f\x7fLF\x1b[H>\r")  # backspace twice, and at the beginning of the line
            frame = struct.pack("!BLL", 1, 1, 13) + b">halfhalfhaLF"
            self.assertEqual(receive(connection, len(frame)), frame)
            # While a line is written above the prompt, a key would not be the prompt's.
            terminal.shows("Sent ver: 1, order: 1, size: 13 -> >halfhalfhaLF", PROMPT)
            terminal.type("\x04")
            self.assertEqual(connection.recv(100), b"")
        self.assertEqual(terminal.ended(), 0)

    def test_each_line_that_is_pasted_is_a_message(self) -> None:
        server = Server()
        terminal = self.terminal("tcpv3", f"127.0.0.1:{server.port}")
        with server.accept() as connection:
            terminal.shows(PROMPT)
            terminal.type("\x1b[200~one\ntwo\n\x1b[201~\r")
            frames = struct.pack("!BLL", 1, 1, 3) + b"one" + struct.pack("!BLL", 1, 2, 3) + b"two"
            self.assertEqual(receive(connection, len(frames)), frames)
            terminal.shows("Sent ver: 1, order: 2, size: 3 -> two", PROMPT)
            terminal.type("\x04")
            self.assertEqual(connection.recv(100), b"")
        self.assertEqual(terminal.ended(), 0)

    def test_what_is_shown_as_the_prompt_begins_never_stands_behind_it(self) -> None:
        server = self.serve("netlab-tcpv3", "--echo")
        terminal = self.terminal("tcpv3", f"127.0.0.1:{server.port}")
        garbled = f"{PROMPT}(Sent|Received)"
        for order in range(1, 31):
            terminal.shows(PROMPT)
            terminal.type(f"{order}\r")
            terminal.until(
                lambda seen, order=order: any(f"Received ver: 1, order: {order}," in line for line in seen),  # type: ignore[misc]
                f"echo {order}",
            )
            self.assertNotRegex("\n".join(terminal.lines), garbled)
        terminal.shows(PROMPT)
        terminal.type("\x04")
        self.assertEqual(terminal.ended(), 0)

    def test_history(self) -> None:
        server = Server()
        terminal = self.terminal("tcpv3", f"127.0.0.1:{server.port}")
        with server.accept() as connection:
            terminal.shows(PROMPT)
            terminal.type("first\r")
            receive(connection, 14)
            terminal.shows("Sent ver: 1, order: 1, size: 5 -> first", PROMPT)
            terminal.type("\x1b[A!\r")
            self.assertEqual(receive(connection, 15)[9:], b"first!")
            terminal.shows("Sent ver: 1, order: 2, size: 6 -> first!", PROMPT)
            terminal.type("\x04")
        self.assertEqual(terminal.ended(), 0)


class Moments(SynchronousTestCase):
    """A line to be shown may come at any moment of a prompt's life."""

    def test_it_never_stands_behind_the_prompt(self) -> None:
        screen = pyte.Screen(COLUMNS, ROWS)
        screen.set_mode(pyte.modes.LNM)
        terminal = io.StringIO()
        output = Vt100_Output(terminal, lambda: Size(ROWS, COLUMNS))
        with create_pipe_input() as keys, create_app_session(input=keys, output=output):
            prompt = Prompt()
            session = prompt._session
            shown: list[str] = []

            def show(line: str) -> None:
                if line not in shown:  # from a thread of its own, as the reactor's is
                    shown.append(line)
                    other = threading.Thread(
                        target=prompt.show, args=(lambda: terminal.write(line + "\r\n") and None,)
                    )
                    other.start()
                    other.join(PATIENCE)

            real = session.prompt

            def ask(*args: Any, **options: Any) -> Any:
                show("as it is asked for")
                answer = real(*args, **options)
                show("as it has ended")
                return answer

            def rendered(_: object) -> None:
                show("as it was drawn")
                keys.send_text("typed\r")

            session.prompt = ask
            session.app.before_render += lambda _: show("as it is drawn")
            session.app.after_render += rendered
            answers = iter(prompt)
            show("before it")
            self.assertEqual(next(answers), "typed")
            show("after it")
        pyte.Stream(screen).feed(terminal.getvalue())
        lines = [line.rstrip() for line in screen.display if line.strip()]
        self.assertEqual(sorted(shown), sorted(line for line in lines if not line.startswith(PROMPT)))
        self.assertEqual(
            lines[:2] + lines[-2:], ["before it", "as it is asked for", "as it has ended", "after it"]
        )
        self.assertEqual([line for line in lines if PROMPT.strip() in line], [PROMPT + "typed"])


class WithoutAPrompt(ServerTestCase):
    def test_sigint_ends_a_client_that_waits_for_a_line_with_130(self) -> None:
        server = self.serve("netlab-tcp")
        client = subprocess.Popen(
            [sys.executable, "-m", "netlab", "client", "tcp", f"127.0.0.1:{server.port}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.addCleanup(client.kill)
        server.wait_for("Accepted connection")
        client.send_signal(signal.SIGINT)
        _, errors = client.communicate(timeout=PATIENCE)
        self.assertEqual((client.returncode, errors), (130, b"Interrupted\n"))
