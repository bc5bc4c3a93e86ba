"""Programs whose standard output is a terminal."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import threading

from twisted.python.runtime import platform
from twisted.trial.unittest import SkipTest

from tests.support import PATIENCE, until


class Terminal:
    """A program in a pseudo-terminal. `output` grows with what it prints, colours and all."""

    def __init__(self, *command: str, **env: str) -> None:
        if platform.isWindows():
            raise SkipTest("Windows has no pseudo-terminals")
        import pty

        self._master, slave = pty.openpty()
        environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=slave,
            stderr=slave,
            env={**environment, "TERM": "xterm", "PYTHONIOENCODING": "utf-8", **env},
        )
        os.close(slave)
        self._data = b""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        with contextlib.suppress(OSError):  # at its end a terminal fails
            while data := os.read(self._master, 1 << 16):
                self._data += data

    @property
    def output(self) -> str:
        """All that it printed so far."""
        return self._data.decode("utf-8", "backslashreplace").replace("\r\n", "\n")

    @property
    def lines(self) -> list[str]:
        """The same, as lines."""
        return self.output.splitlines()

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Wait for something in a line; return its match."""
        until(lambda: bool(re.search(pattern, self.output)), f"{pattern!r} in {self.output}")
        found = re.search(pattern, self.output)
        assert found
        return found

    def ended(self) -> int:
        """Wait until it has ended; return its exit status."""
        status = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        return status

    def close(self) -> None:
        """End it, if it has not ended."""
        if self.process.poll() is None:
            self.process.kill()
        self.ended()
        os.close(self._master)
