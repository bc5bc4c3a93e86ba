"""SelectorReactor has the table of a selector, tells its watcher, and serves nobody who is gone."""

from __future__ import annotations

import os
import selectors
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from selectors import EVENT_READ, EVENT_WRITE, SelectorKey
from tempfile import TemporaryFile
from typing import Any

from twisted.internet.error import ConnectionFdescWentAway
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.test.reactormixins import ReactorBuilder
from twisted.internet.threads import deferToThreadPool
from twisted.python.failure import Failure
from twisted.python.log import Logger
from twisted.trial.unittest import SynchronousTestCase

from netlab.reactors.files import Selector
from netlab.reactors.selectors import SelectorReactor
from tests.reactors import byhand
from tests.support import PATIENCE, ROOT

BOTH = EVENT_READ | EVENT_WRITE


def nothing() -> None:
    """What a descriptor does when there is nothing to do."""


class Descriptor(Logger):
    """One end of a socket pair, with what it does when it is served; the other end is its `peer`."""

    def __init__(self, case: ByHand, doing: Callable[[], Any] = nothing) -> None:
        self.doing = doing
        self.called: list[str] = []
        self.lost: list[Failure] = []
        self.socket, self.peer = socket.socketpair()
        case.descriptors.append(self)

    def fileno(self) -> int:
        """The number of its socket, -1 where that is closed."""
        return self.socket.fileno()

    def doRead(self) -> Any:
        """Called by the reactor. What was sent stays where it is: the socket is ready again and again."""
        self.called.append("doRead")
        return self.doing()

    def doWrite(self) -> Any:
        """Called by the reactor."""
        self.called.append("doWrite")
        return self.doing()

    def connectionLost(self, reason: Failure) -> None:
        """Called by the reactor when it has given the descriptor up."""
        self.lost.append(reason)


class Recorder:
    """A watcher that writes down what it is told, of each key its data and its events."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []

    def registered(self, key: SelectorKey) -> None:
        """See netlab.reactors.selectors.Watcher."""
        self.told.append(("registered", key.data, key.events))

    def modified(self, key: SelectorKey, before: int) -> None:
        """See there."""
        self.told.append(("modified", key.data, key.events, before))

    def unregistered(self, key: SelectorKey) -> None:
        """See there."""
        self.told.append(("unregistered", key.data, key.events))

    def ready(self, key: SelectorKey, events: int) -> None:
        """See there."""
        self.told.append(("ready", key.data, events))

    def served(self) -> None:
        """See there."""
        self.told.append(("served",))


class ByHand(byhand.ByHand):
    """With a SelectorReactor, and its watcher."""

    def make_reactor(self) -> SelectorReactor:
        """See there."""
        return SelectorReactor()

    def close_reactor(self) -> None:
        """See there."""
        self.reactor._selector.close()

    def setUp(self) -> None:
        """A reactor, and its watcher."""
        super().setUp()
        self.reactor.watcher = self.watcher = Recorder()
        self.descriptors: list[Descriptor] = []

    def tearDown(self) -> None:
        """Close what is open."""
        self.reactor.watcher = None
        super().tearDown()
        for descriptor in self.descriptors:
            descriptor.socket.close()
            descriptor.peer.close()

    def of(self, descriptor: object) -> list[SelectorKey]:
        """The keys of a descriptor: one, or none."""
        table = self.reactor.keys()
        return [key for key in table if key.data is descriptor]


class Table(ByHand):
    def test_keys_are_those_of_the_selector(self) -> None:
        port = self.reactor.listenTCP(0, Factory.forProtocol(Protocol), interface="127.0.0.1")
        [key] = self.of(port)
        self.assertIs(type(key), selectors.SelectorKey)
        self.assertIs(key.fileobj, port.socket)
        self.assertEqual((key.fd, key.events), (port.socket.fileno(), EVENT_READ))
        self.assertIs(self.reactor._selector.get_key(port.socket), key)

    def test_a_connection_has_a_key_from_its_beginning_to_its_end(self) -> None:
        port = self.reactor.listenTCP(0, Factory.forProtocol(Protocol), interface="127.0.0.1")
        before = self.reactor.keys()
        with socket.create_connection(("127.0.0.1", port.getHost().port), PATIENCE) as client:
            self.reactor.iterate(PATIENCE)
            after = self.reactor.keys()
            [key] = [key for key in after if key not in before]
            assert isinstance(key.fileobj, socket.socket)
            self.assertEqual(key.fileobj.getpeername(), client.getsockname())
            self.assertEqual(key.events, EVENT_READ)
        self.reactor.iterate(PATIENCE)
        self.assertEqual(self.reactor.keys(), before)

    def test_what_has_no_socket_is_its_own_file_object(self) -> None:
        waker = self.reactor.waker
        self.assertEqual([key.fileobj for key in self.of(waker)], [waker])

    def test_keys_are_in_the_order_of_their_numbers(self) -> None:
        descriptors = [Descriptor(self) for _ in range(5)]
        for descriptor in reversed(descriptors):
            self.reactor.addReader(descriptor)
        table = self.reactor.keys()
        numbers = [key.fd for key in table]
        self.assertEqual(numbers, sorted(numbers))
        self.assertLessEqual({descriptor.fileno() for descriptor in descriptors}, set(numbers))

    def test_a_descriptor_waits_to_read_to_write_or_for_both(self) -> None:
        descriptor = Descriptor(self)
        for change, reads, writes in (
            (self.reactor.addWriter, False, True),
            (self.reactor.addReader, True, True),
            (self.reactor.removeWriter, True, False),
            (self.reactor.removeWriter, True, False),
            (self.reactor.removeReader, False, False),
            (self.reactor.removeReader, False, False),
        ):
            change(descriptor)
            self.assertEqual(descriptor in self.reactor.getReaders(), reads)
            self.assertEqual(descriptor in self.reactor.getWriters(), writes)
            events = EVENT_READ * reads + EVENT_WRITE * writes
            self.assertEqual([key.events for key in self.of(descriptor)], [events] if events else [])

    def test_removeall_leaves_what_the_reactor_needs_for_itself(self) -> None:
        descriptor = Descriptor(self)
        self.reactor.addWriter(descriptor)
        self.assertEqual(self.reactor.removeAll(), [descriptor])
        self.assertEqual(self.reactor.keys(), self.of(self.reactor.waker))


class Watched(ByHand):
    def test_the_watcher_is_told_everything_in_its_order(self) -> None:
        descriptor = Descriptor(self)

        def doing() -> None:
            if descriptor.called == ["doRead"]:
                self.reactor.addWriter(descriptor)
            else:
                self.reactor.removeReader(descriptor)
                self.reactor.removeWriter(descriptor)

        descriptor.doing = doing
        descriptor.peer.send(b"hello")
        self.reactor.addReader(descriptor)
        self.turn()
        self.turn()
        self.turn()
        self.assertEqual(
            self.watcher.told,
            [
                ("registered", descriptor, EVENT_READ),
                ("ready", descriptor, EVENT_READ),
                ("modified", descriptor, BOTH, EVENT_READ),
                ("served",),
                ("ready", descriptor, BOTH),
                ("modified", descriptor, EVENT_WRITE, BOTH),
                ("unregistered", descriptor, EVENT_WRITE),
                ("served",),
            ],
        )

    def test_what_changes_nothing_is_not_told(self) -> None:
        descriptor = Descriptor(self)
        self.reactor.removeWriter(descriptor)
        self.reactor.addReader(descriptor)
        self.reactor.addReader(descriptor)
        self.reactor.removeWriter(descriptor)
        self.assertEqual(self.watcher.told, [("registered", descriptor, EVENT_READ)])

    def test_the_end_of_a_serving_is_told_whatever_the_application_does(self) -> None:
        descriptor = Descriptor(self, lambda: 1 / 0)
        descriptor.connectionLost = lambda reason: 1 // 0  # type: ignore[method-assign,assignment]
        self.reactor.addWriter(descriptor)
        self.turn()
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)
        self.assertEqual(
            [told[0] for told in self.watcher.told], ["registered", "ready", "unregistered", "served"]
        )

    def test_a_reactor_works_unwatched(self) -> None:
        self.reactor.watcher = None
        descriptor = Descriptor(self)
        self.reactor.addWriter(descriptor)
        self.turn()
        self.reactor.addReader(descriptor)
        self.reactor.removeReader(descriptor)
        self.reactor.removeWriter(descriptor)
        self.assertEqual(descriptor.called, ["doWrite"])


class Serving(ByHand):
    def test_reading_comes_before_writing(self) -> None:
        descriptor = Descriptor(self)
        descriptor.peer.send(b"hello")
        self.reactor.addWriter(descriptor)
        self.reactor.addReader(descriptor)
        self.turn()
        self.assertEqual(descriptor.called, ["doRead", "doWrite"])

    def test_one_that_was_closed_earlier_in_the_same_turn_is_not_called(self) -> None:
        first, second = Descriptor(self), Descriptor(self)

        def close(other: Descriptor) -> None:
            self.reactor.removeWriter(other)
            other.socket.close()

        first.doing = lambda: close(second)
        second.doing = lambda: close(first)
        self.reactor.addWriter(first)
        self.reactor.addWriter(second)
        self.turn()
        self.assertEqual(first.called + second.called, ["doWrite"])  # whichever it was
        self.assertEqual(len([told for told in self.watcher.told if told[0] == "ready"]), 1)
        self.assertEqual(first.lost + second.lost, [])

    def test_one_that_stops_to_wait_earlier_in_the_same_turn_is_not_called(self) -> None:
        descriptor = Descriptor(self, lambda: self.reactor.removeWriter(descriptor))
        descriptor.peer.send(b"hello")
        self.reactor.addReader(descriptor)
        self.reactor.addWriter(descriptor)
        self.turn()
        self.assertEqual(descriptor.called, ["doRead"])

    def test_one_whose_socket_was_closed_behind_its_back_is_told(self) -> None:
        first, second = Descriptor(self), Descriptor(self)
        first.doing = second.socket.close
        second.doing = first.socket.close
        for descriptor in first, second:
            descriptor.peer.send(b"hello")
            self.reactor.addReader(descriptor)
            self.reactor.addWriter(descriptor)
        self.turn()
        self.assertEqual(first.called + second.called, ["doRead", "doWrite"])  # whichever it was
        [reason] = first.lost + second.lost
        self.assertIsInstance(reason.value, ConnectionFdescWentAway)
        [left] = self.reactor.getWriters()
        self.assertEqual(left.called, ["doRead", "doWrite"])

    def test_one_that_has_lost_its_connection_by_reading_does_not_write(self) -> None:
        error = ConnectionResetError()
        descriptor = Descriptor(self, lambda: error)
        descriptor.peer.send(b"hello")
        self.reactor.addReader(descriptor)
        self.reactor.addWriter(descriptor)
        self.turn()
        self.assertEqual(descriptor.called, ["doRead"])
        self.assertEqual([reason.value for reason in descriptor.lost], [error])
        self.assertNotIn(descriptor, self.reactor.getReaders() + self.reactor.getWriters())

    def test_a_stale_one_gives_way_to_the_next_with_its_number(self) -> None:
        stale, fresh = Descriptor(self), Descriptor(self)
        self.reactor.addReader(stale)
        number = stale.socket.fileno()
        stale.socket.close()  # and the reactor is not told
        with fresh.socket as its_socket:
            os.dup2(its_socket.fileno(), number)
        fresh.socket = socket.socket(fileno=number)
        self.reactor.addReader(fresh)
        self.assertEqual(self.reactor.getReaders().count(fresh), 1)
        self.assertNotIn(stale, self.reactor.getReaders())
        self.assertEqual(
            self.watcher.told,
            [
                ("registered", stale, EVENT_READ),
                ("unregistered", stale, EVENT_READ),
                ("registered", fresh, EVENT_READ),
            ],
        )
        self.reactor.removeReader(stale)  # as its connectionLost() would: it is another's number now
        fresh.peer.send(b"hello")
        self.turn()
        self.assertEqual((stale.called, fresh.called), ([], ["doRead"]))

    def test_an_error_ends_one_connection_and_is_logged(self) -> None:
        bad, good = Descriptor(self, lambda: 1 / 0), Descriptor(self)
        self.reactor.addWriter(bad)
        self.reactor.addWriter(good)
        self.turn()
        self.turn()
        self.assertEqual((bad.called, good.called), (["doWrite"], ["doWrite", "doWrite"]))
        self.assertEqual([reason.type for reason in bad.lost], [ZeroDivisionError])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)


class Daemon(ByHand):
    def test_a_child_that_inherits_nothing_of_the_selector_watches_the_same(self) -> None:
        descriptor = Descriptor(self)
        self.reactor.addReader(descriptor)
        self.reactor.addWriter(descriptor)
        descriptor.peer.send(b"x")
        before = self.reactor.keys()
        self.reactor.beforeDaemonize()
        self.reactor.afterDaemonize()
        self.assertEqual(self.reactor.keys(), before)
        self.reactor.doIteration(0)
        self.assertEqual(descriptor.called, ["doRead", "doWrite"])
        self.reactor.removeReader(descriptor)
        self.reactor.doIteration(0)
        self.assertEqual(descriptor.called[2:], ["doWrite"])


class Divider(Protocol):
    """Answers a number with its reciprocal, and cannot always."""

    def dataReceived(self, data: bytes) -> None:
        """A number."""
        assert self.transport is not None
        self.transport.write(b"%d" % (1 // int(data)))


class Running(ReactorBuilder, SynchronousTestCase):
    """With a reactor that runs."""

    reactorFactory = SelectorReactor
    timeout = PATIENCE

    def test_an_error_of_a_protocol_closes_its_connection_only(self) -> None:
        reactor = self.buildReactor()
        port = reactor.listenTCP(0, Factory.forProtocol(Divider), interface="127.0.0.1")
        address = ("127.0.0.1", port.getHost().port)
        answers: list[bytes] = []

        def talk() -> None:
            """In a thread, as a client in a program of its own would."""
            with (
                socket.create_connection(address, PATIENCE) as bad,
                socket.create_connection(address, PATIENCE) as good,
            ):
                bad.sendall(b"0")
                answers.append(bad.recv(10))
                good.sendall(b"1")
                answers.append(good.recv(10))

        errors: list[Any] = []

        def begin() -> None:
            talking = deferToThreadPool(reactor, reactor.getThreadPool(), talk)
            talking.addErrback(errors.append).addCallback(lambda _: reactor.stop())

        reactor.callWhenRunning(begin)
        self.runReactor(reactor)
        self.assertEqual((errors, answers), ([], [b"", b"1"]))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)


class Files(SynchronousTestCase):
    """files.Selector: poll(), select() and kqueue take regular files by themselves, epoll by this class."""

    def setUp(self) -> None:
        """A selector, a regular file with something in it, and a socket."""
        self.selector = Selector()
        self.addCleanup(self.selector.close)
        self.file = TemporaryFile()  # noqa: SIM115
        self.addCleanup(self.file.close)
        self.file.write(b"hello")
        self.file.seek(0)
        self.socket, self.peer = socket.socketpair()
        self.addCleanup(self.socket.close)
        self.addCleanup(self.peer.close)

    def test_a_regular_file_is_always_ready(self) -> None:
        key = self.selector.register(self.file, EVENT_READ, "data")
        self.assertEqual(key, SelectorKey(self.file, self.file.fileno(), EVENT_READ, "data"))
        for _ in range(2):
            self.assertEqual(self.selector.select(PATIENCE), [(key, EVENT_READ)])

    def test_it_may_be_a_number(self) -> None:
        key = self.selector.register(self.file.fileno(), EVENT_READ)
        self.assertEqual(self.selector.select(PATIENCE), [(key, EVENT_READ)])
        self.assertEqual((key.fileobj, key.fd), (self.file.fileno(), self.file.fileno()))

    def test_it_can_be_modified_and_unregistered(self) -> None:
        self.selector.register(self.file, EVENT_READ, "before")
        key = self.selector.modify(self.file, EVENT_WRITE, "after")
        self.assertEqual(key, SelectorKey(self.file, self.file.fileno(), EVENT_WRITE, "after"))
        self.assertEqual(self.selector.select(PATIENCE), [(key, EVENT_WRITE)])
        self.assertEqual(self.selector.unregister(self.file), key)
        self.assertEqual(self.selector.select(0), [])

    def test_a_socket_beside_it_is_served_as_ever(self) -> None:
        of_file = self.selector.register(self.file, EVENT_READ)
        of_socket = self.selector.register(self.socket, EVENT_READ)
        self.assertEqual(self.selector.select(PATIENCE), [(of_file, EVENT_READ)])
        self.peer.send(b"hello")
        self.assertCountEqual(
            self.selector.select(PATIENCE), [(of_file, EVENT_READ), (of_socket, EVENT_READ)]
        )
        of_socket = self.selector.modify(self.socket, BOTH, "both")
        self.assertIn((of_socket, BOTH), self.selector.select(PATIENCE))
        self.assertEqual(self.selector.unregister(self.socket), of_socket)
        self.assertEqual(self.selector.select(PATIENCE), [(of_file, EVENT_READ)])

    def test_other_mistakes_are_told_as_ever(self) -> None:
        self.selector.register(self.socket, EVENT_READ)
        self.assertRaises(KeyError, self.selector.register, self.socket, EVENT_READ)
        self.assertRaises(KeyError, self.selector.modify, self.peer, EVENT_READ)
        self.assertRaises(KeyError, self.selector.unregister, self.peer)
        self.assertEqual(self.selector.select(0), [])


SHOUT = """
from netlab.reactors.selectors import install
install()
from twisted.internet import reactor
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import Protocol
from twisted.internet.stdio import StandardIO
from zope.interface import implementer

@implementer(IHalfCloseableProtocol)
class Shout(Protocol):
    def dataReceived(self, data):
        self.transport.write(data.upper())
    def readConnectionLost(self):
        self.transport.loseConnection()
    def writeConnectionLost(self):
        pass
    def connectionLost(self, reason):
        reactor.stop()

StandardIO(Shout())
reactor.run()
"""
"""Half-closeable, since a StandardIO that is not forgets at the end of its input what it has not written."""


class Processes(SynchronousTestCase):
    """With a reactor that is the one of its process."""

    def python(self, code: str, **files: Any) -> subprocess.CompletedProcess[bytes]:
        """Run code to its end, which it has to reach without a word of complaint."""
        done = subprocess.run(
            [sys.executable, "-c", code],
            **{"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, **files},
            stderr=subprocess.PIPE,
            timeout=PATIENCE,
            check=False,
            cwd=ROOT,
        )
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        return done

    def test_standard_input_may_be_a_file(self) -> None:
        text = b"all work and no play\n" * 20_000  # more than is read at once
        path = Path(self.mktemp())
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text)
        with path.open("rb") as file:
            self.assertEqual(self.python(SHOUT, stdin=file).stdout, text.upper())

    def test_standard_output_may_be_a_file(self) -> None:
        with TemporaryFile() as into, TemporaryFile() as file:
            file.write(b"hello")
            file.seek(0)
            self.python(SHOUT, stdin=file, stdout=into)
            into.seek(0)
            self.assertEqual(into.read(), b"HELLO")

    def test_standard_input_may_be_nothing(self) -> None:
        self.assertEqual(self.python(SHOUT).stdout, b"")

    def test_install_makes_it_the_reactor_once(self) -> None:
        code = byhand.INSTALL.format(module="selectors", reactor="SelectorReactor")
        self.assertEqual(self.python(code).stdout.split(), [b"True", b"already", b"True"])
