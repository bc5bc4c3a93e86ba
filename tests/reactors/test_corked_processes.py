"""CorkedReactor as the reactor of a process: installed, as a daemon, and short of descriptors."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from twisted.trial.unittest import SynchronousTestCase

from tests.reactors.byhand import HAS_EPOLL, INSTALL, MUCH, NO_EPOLL
from tests.support import PATIENCE, ROOT, Program, receive, receive_all, reset, script, until

if not HAS_EPOLL:
    skip = NO_EPOLL

HERE = "127.0.0.1"

ECHO = """
from twisted.application.internet import TCPServer
from twisted.application.service import Application
from twisted.internet.protocol import Factory
from twisted.protocols.wire import Echo

application = Application("echo")
TCPServer(0, Factory.forProtocol(Echo), interface="127.0.0.1").setServiceParent(application)
"""
"""A Twisted application that is nobody's in particular."""

FEW = f"""
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
from netlab.reactors.corked import install
install()
from twisted.internet import reactor
from twisted.internet.protocol import Factory
from twisted.protocols.wire import Echo
port = reactor.listenTCP(0, Factory.forProtocol(Echo), interface="{HERE}")
print("port", port.getHost().port, flush=True)
reactor.run()
"""
"""The same in a process that may have 64 descriptors."""


def echoes(connection: socket.socket, data: bytes = b"hello") -> bool:
    """Whether a server answers with the same."""
    connection.sendall(data)
    return receive(connection, len(data)) == data


class Processes(SynchronousTestCase):
    def test_install_makes_it_the_reactor_once(self) -> None:
        code = INSTALL.format(module="corked", reactor="CorkedReactor")
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, timeout=PATIENCE, check=False, cwd=ROOT
        )
        self.assertEqual((done.stdout.split(), done.stderr), ([b"True", b"already", b"True"], b""))

    def test_a_daemon_serves_and_ends(self) -> None:
        folder = TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        here = Path(folder.name)
        pid, diary = here / "pid", here / "log"
        (here / "echo.tac").write_text(ECHO)
        subprocess.run(
            [
                script("twistd"),
                "--reactor=corked",
                f"--pidfile={pid}",
                f"--logfile={diary}",
                "--no_save",
                "--python=echo.tac",
            ],
            cwd=here,
            stdin=subprocess.DEVNULL,
            timeout=PATIENCE,
            check=True,
        )
        number = int(pid.read_text())
        self.addCleanup(self.end, number, pid)
        until(lambda: " starting on " in diary.read_text(), "it listens")
        self.assertIn("CorkedReactor", diary.read_text())
        port = int(diary.read_text().partition(" starting on ")[2].split()[0])
        with (
            socket.create_connection((HERE, port), PATIENCE) as connection,
            socket.create_connection((HERE, port), PATIENCE) as another,
        ):
            self.assertTrue(echoes(connection))
            self.assertTrue(echoes(another, MUCH[:200_000]))
            os.kill(number, signal.SIGTERM)
            self.assertEqual(receive_all(connection), b"")
        until(lambda: not pid.exists(), "it has ended")
        text = diary.read_text()
        self.assertIn("Server Shut Down", text)
        self.assertNotIn("Traceback", text)

    def end(self, number: int, pid: Path) -> None:
        """Should it still run: then it has not taken its pidfile away."""
        if pid.exists():
            os.kill(number, signal.SIGKILL)

    def serve(self) -> tuple[Program, int]:
        """A server that may have few descriptors, and its port."""
        program = Program(sys.executable, "-c", FEW, env={"PYTHONPATH": str(ROOT)})
        program.__enter__()
        self.addCleanup(program.__exit__, None, None, None)
        return program, int(program.wait_for(r"^port (\d+)")[0][1])

    def test_one_that_has_no_descriptors_left_turns_clients_away(self) -> None:
        """It goes on to serve those that it has, and others when some have left."""
        program, port = self.serve()
        clients = [socket.create_connection((HERE, port), PATIENCE) for _ in range(100)]
        for client in clients:
            self.addCleanup(client.close)
        served = []
        for client in clients:
            try:
                if echoes(client):
                    served.append(client)
            except (ConnectionResetError, BrokenPipeError):
                pass  # it was turned away
        self.assertGreater(len(served), 30)
        self.assertLess(len(served), 64)
        self.assertTrue(echoes(served[0], MUCH[:100_000]))
        for client in clients:
            client.close()
        until(lambda: program.descriptors() < 30, "they have left")
        with socket.create_connection((HERE, port), PATIENCE) as later:
            self.assertTrue(echoes(later))
        self.assertIsNone(program.process.poll())

    def test_no_descriptor_is_lost(self) -> None:
        """More clients come and go, in all ways, than it may have descriptors."""
        program, port = self.serve()
        with socket.create_connection((HERE, port), PATIENCE) as client:
            self.assertTrue(echoes(client))  # now the reactor has all that it needs for itself
            before = program.descriptors()
        for number in range(200):
            with socket.create_connection((HERE, port), PATIENCE) as client:
                if number % 2:
                    self.assertTrue(echoes(client))
                if number % 3 == 0:
                    client.sendall(MUCH[:100_000])
                    reset(client)
        until(lambda: program.descriptors() == before - 1, "all are closed")
