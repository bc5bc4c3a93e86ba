"""The recorder writes what happened, in its own time, and whatever becomes of its file stops nothing."""

from __future__ import annotations

import contextlib
import errno
import os
import threading
import time
from pathlib import Path
from typing import Any
from unittest import skipUnless

from twisted.python.runtime import platform
from twisted.trial.unittest import SynchronousTestCase

from netlab import __version__
from netlab.events import (
    ChunkReceived,
    ChunkSent,
    Closed,
    Finished,
    HalfClosed,
    Observers,
    Opened,
    Outcome,
    Peer,
    PeerHalfClosed,
)
from netlab.observers import recorder
from netlab.observers.dialects import TEXT
from netlab.observers.recorder import AN_EVENT, CannotRecord, Recorder
from tests.observers.recordings import Recording, fields, recording, tshark
from tests.support import PATIENCE, until

PEER = Peer("tcp", "192.0.2.7:50001", "client-1", ("192.0.2.7", 50_001), ("192.0.2.1", 5005), 9)
SENDER = Peer("udp", "192.0.2.7:50001", "MainThread", ("192.0.2.7", 50_001), ("192.0.2.1", 5005), 9)

HELLO = (
    Opened(PEER),
    ChunkReceived(PEER, b"hello"),
    ChunkSent(PEER, b"ECHO: hello"),
    PeerHalfClosed(PEER),
    HalfClosed(PEER),
    Closed(PEER, Outcome.FINISHED),
)
"""A conversation: 11 packets."""


class RecorderTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.told: list[tuple[str, bool]] = []
        self.clock = 0

    def recorder(self, name: str | Path) -> Recorder:
        made = Recorder(str(name), "netlab-tcp", TEXT, True, self.tell, self.now)
        self.addCleanup(made.close)
        return made

    def tell(self, line: str, warn: bool) -> None:
        self.told.append((line, warn))

    def now(self) -> int:
        self.clock += 1_000
        return self.clock

    def path(self) -> Path:
        return Path(self.mktemp())

    def happens(self, recorder: Recorder, *events: Any) -> None:
        observers = Observers([recorder])
        for event in events:
            observers.tell(event)

    @property
    def warnings(self) -> list[str]:
        return [line for line, warn in self.told if warn]


class Recordings(RecorderTestCase):
    def test_are_what_happened(self) -> None:
        path = self.path()
        made = self.recorder(path)
        self.happens(made, *HELLO, Finished(PEER, Outcome.FINISHED, 5, 11))
        made.close()
        (conversation,) = recording(path).conversations
        self.assertEqual((conversation.sent, conversation.received), (b"hello", b"ECHO: hello"))
        self.assertEqual([packet.at for packet in recording(path).packets][::3], [1_000, 2_000, 3_000, 5_000])
        self.assertEqual(
            self.told, [(f"Recorded 11 packets in {path}; look at them: wireshark {path}", False)]
        )

    def test_say_what_they_are(self) -> None:
        path = self.path()
        self.recorder(path).close()
        empty = recording(path)
        self.assertTrue(empty.comment.startswith("Reconstructed, not captured: "))
        self.assertEqual(empty.application, f"netlab {__version__}")
        self.assertEqual((empty.interface, empty.description), ("netlab-tcp", "reconstructed, not captured"))
        self.assertEqual(empty.packets, [])
        self.assertEqual(self.told, [(f"Recorded 0 packets in {path}", False)])

    def test_replace_what_was_there(self) -> None:
        path = self.path()
        path.write_bytes(b"old" * 10_000)
        self.recorder(path).close()
        self.assertEqual(recording(path).packets, [])

    def test_are_readable_while_they_grow(self) -> None:
        path = self.path()
        made = self.recorder(path)
        self.happens(made, *HELLO[:2])
        until(lambda: len(path.read_bytes()) > 700, "the file grows")
        until(lambda: len(recording(path).packets) == 5, "each packet is whole")

    def test_end_with_the_first_close(self) -> None:
        path = self.path()
        made = self.recorder(path)
        self.happens(made, *HELLO)
        made.close()
        before = path.read_bytes()
        self.happens(made, *HELLO)
        made.close()
        self.assertEqual((path.read_bytes(), len(self.told)), (before, 1))

    def test_of_much_at_once_are_whole(self) -> None:
        path = self.path()
        made = self.recorder(path)
        self.happens(made, Opened(PEER), *[ChunkReceived(PEER, b"x" * 60_000)] * 200)
        made.close()
        (conversation,) = recording(path).conversations
        self.assertEqual(len(conversation.sent), 200 * 60_000)
        self.assertEqual(made._size, 0)

    def test_have_a_thread_only_once_there_is_something_to_write(self) -> None:
        # When a server becomes a daemon, its threads are left behind.
        before = set(threading.enumerate())
        made = self.recorder(self.path())
        self.assertEqual(set(threading.enumerate()) - before, set())
        self.happens(made, *HELLO)
        (thread,) = set(threading.enumerate()) - before
        made.close()
        self.assertFalse(thread.is_alive())

    @skipUnless(os.path.isdir("/proc/self/fd"), "nothing shows here what is open")
    def test_open_no_descriptor_for_good(self) -> None:
        for events in (), HELLO:
            path = self.path()
            made = self.recorder(path)
            self.assertIn(str(path.resolve()), self.open_files())
            self.happens(made, *events)
            made.close()
            self.assertNotIn(str(path.resolve()), self.open_files())

    def open_files(self) -> list[str]:
        """What this process's descriptors stand for."""
        found = []
        for each in os.listdir("/proc/self/fd"):
            with contextlib.suppress(OSError):  # the one that lists them is closed by now
                found.append(os.readlink(f"/proc/self/fd/{each}"))
        return found

    def test_are_shown_by_tshark_with_their_comments(self) -> None:
        path = self.path()
        made = self.recorder(path)
        self.happens(made, *HELLO)
        made.close()
        said = [line for (line,) in fields(path, "frame.comment")]
        self.assertEqual(said, [packet.comment for packet in recording(path).packets])
        self.assertIn(
            "reconstructed, not captured", tshark(path, "-T", "fields", "-e", "frame.interface_description")
        )


class CannotBegin(RecorderTestCase):
    """One line says why, and what to do."""

    def refuses(self, name: str | Path) -> str:
        error = self.assertRaises(CannotRecord, self.recorder, name)
        line = str(error)
        self.assertNotIn("\n", line)
        self.assertEqual(self.told, [])
        return line

    def test_a_folder_that_is_not_there(self) -> None:
        path = self.path() / "f.pcapng"
        self.assertEqual(
            self.refuses(path),
            f"cannot record in {path}: No such file or directory; choose another file for --record",
        )

    def test_a_folder(self) -> None:
        self.assertIn(": Is a directory; choose another file", self.refuses(os.curdir))

    def test_a_full_disk(self) -> None:
        if not os.path.exists("/dev/full"):
            self.skipTest("there is no /dev/full")
        self.assertEqual(self.refuses("/dev/full"), "cannot record in /dev/full: No space left on device")

    def test_a_pipe_that_nobody_reads(self) -> None:
        if platform.isWindows():
            self.skipTest("Windows has no named pipes in folders")
        path = self.path()
        os.mkfifo(path)
        self.assertIn(": nobody reads this pipe; choose another file", self.refuses(path))


class Troubles(RecorderTestCase):
    """One warning, and all else goes on."""

    def written(self, room: int) -> Path:
        """Record into a disk that takes so many bytes, and the last write not whole."""
        path = self.path()
        made = self.recorder(path)
        left = [room]

        def write(file: int, data: Any) -> int:
            if left[0] == 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            taken = os_write(file, bytes(data)[: left[0]])
            left[0] -= taken
            return taken

        os_write = os.write
        self.patch(os, "write", write)
        self.happens(made, *HELLO, *HELLO)
        made.close()
        self.patch(os, "write", os_write)
        return path

    def test_a_disk_that_is_full_leaves_whole_packets(self) -> None:
        whole = len(self.written(1 << 20).read_bytes())
        lengths = set()
        for room in range(0, whole - 400, 97):
            self.told.clear()
            path = self.written(room)
            packets = recording(path).packets
            lengths.add(len(packets))
            self.assertEqual(
                self.told,
                [
                    (
                        f"The recording in {path} ends here, after {len(packets)} packets: "
                        "No space left on device; all else goes on",
                        True,
                    )
                ],
            )
        self.assertGreater(len(lengths), 5)

    def test_a_disk_that_is_gone(self) -> None:
        def fail(*_: object) -> int:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        path = self.path()
        made = self.recorder(path)
        write, truncate = os.write, os.ftruncate
        self.patch(os, "write", fail)
        self.patch(os, "ftruncate", fail)
        self.happens(made, *HELLO)
        made.close()
        self.patch(os, "write", write)
        self.patch(os, "ftruncate", truncate)
        (line,) = self.warnings
        self.assertIn("ends here, after 0 packets: Input/output error; all else goes on", line)

    def test_a_reader_who_goes_away(self) -> None:
        path = self.path()
        os.mkfifo(path)
        reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        made = self.recorder(path)
        self.happens(made, *HELLO[:2])
        until(lambda: made._count == 5, "two events are written")
        os.close(reader)
        self.happens(made, *HELLO[2:])
        until(lambda: bool(self.told), "it is noticed")
        self.happens(made, *HELLO)
        made.close()
        self.assertEqual(
            self.told,
            [
                (
                    f"The recording in {path} ends here, after 5 packets: nobody reads it any more; "
                    "all else goes on",
                    True,
                )
            ],
        )

    def test_a_reader_who_never_reads(self) -> None:
        path = self.path()
        os.mkfifo(path)
        reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, reader)
        self.patch(recorder, "MAX_WAITING", 1 << 20)
        self.patch(recorder, "LAST_WORDS", 0.1)
        made = self.recorder(path)
        chunk = ChunkReceived(PEER, b"x" * 100_000)
        self.happens(made, Opened(PEER))
        for _ in range(100):
            self.happens(made, chunk)
            self.assertLessEqual(made._size, 1 << 20)
            self.assertLessEqual(sum(AN_EVENT + 100_000 for _ in made._waiting), (1 << 20) + 100_000)
        self.assertEqual(len(made._waiting), 0, "what cannot be written is not kept")
        begun = time.monotonic()
        made.close()
        self.assertLess(time.monotonic() - begun, 20)
        (line,) = self.warnings
        self.assertIn("MiB wait to be written: the disk, or who reads, is too slow; all else goes on", line)
        self.assertEqual(len(self.told), 1)

    def test_a_reader_who_does_not_read_the_last_words(self) -> None:
        path = self.path()
        os.mkfifo(path)
        reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, reader)
        self.patch(recorder, "LAST_WORDS", 0.1)
        made = self.recorder(path)
        self.happens(made, Opened(PEER), *[ChunkReceived(PEER, b"x" * 100_000)] * 5)
        begun = time.monotonic()
        made.close()
        self.assertLess(time.monotonic() - begun, 20)
        self.assertEqual(len(self.told), 1)
        self.assertRegex(
            self.warnings[0],
            "ends here, after [0-9]+ packets: the program stops, and [0-9,]+ bytes of what it saw are not "
            "written$",
        )

    def test_a_disk_that_is_slow_at_the_stop(self) -> None:
        may_write = threading.Event()
        count = 20

        def write(file: int, data: Any) -> int:
            may_write.wait(PATIENCE)
            return os_write(file, data)

        path = self.path()
        made = self.recorder(path)
        os_write = os.write
        self.patch(os, "write", write)
        self.patch(recorder, "LAST_WORDS", 0.1)
        self.happens(made, *[ChunkReceived(SENDER, b"x" * 1_000)] * count)
        until(lambda: len(made._waiting) == count - 1, "the first one is being written")
        made.close()
        missing = (count - 1) * (1_000 + AN_EVENT)
        self.assertEqual(
            self.told,
            [
                (
                    f"The recording in {path} ends here, after 0 packets: the program stops, and "
                    f"{missing:,} bytes of what it saw are not written",
                    True,
                )
            ],
        )
        may_write.set()
        assert made._thread is not None
        made._thread.join(PATIENCE)
        self.assertEqual(len(recording(path).packets), 1)
        self.assertEqual(len(self.told), 1)

    def test_a_slow_reader_gets_all(self) -> None:
        path = self.path()
        os.mkfifo(path)
        reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        os.set_blocking(reader, True)
        made = self.recorder(path)
        self.happens(made, Opened(PEER), *[ChunkReceived(PEER, b"x" * 100_000)] * 10)
        data = bytearray()

        def read() -> None:
            with os.fdopen(reader, "rb") as file:
                data.extend(file.read())

        thread = threading.Thread(target=read)
        thread.start()
        made.close()
        thread.join(PATIENCE)
        (conversation,) = Recording(bytes(data)).conversations
        self.assertEqual(len(conversation.sent), 1_000_000)
        self.assertEqual(self.warnings, [])

    def test_an_error_of_its_own(self) -> None:
        path = self.path()
        made = self.recorder(path)
        self.happens(made, *HELLO, HELLO[-1])  # closed twice, which no connection is
        made.close()
        self.assertEqual(len(recording(path).packets), 11)
        (line,) = self.warnings
        self.assertIn("ends here, after 11 packets: an error in netlab, KeyError(", line)
        self.assertTrue(line.endswith("; all else goes on"), line)
        self.assertEqual(len(self.told), 1)
