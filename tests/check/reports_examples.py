"""Reports made by hand: what a check may find, and the worst that a program could have it say."""

from __future__ import annotations

import re
from dataclasses import replace

from netlab.check.findings import Closing, Diagnosis, Finding, Level, Report, Step, Verdict
from netlab.wire import fields
from netlab.wire.variable import Frame, Layout

PROGRAM = "tcpv3 -- python3 server.py"

HOSTILE = (
    "<script>document.title='owned'</script><img src=x onerror=document.title='owned'>"
    "\"'><b>bold</b>&lt;&#60; ]]> <!-- --> </pre></style></textarea>"
    "\x1b[2J\x1b]0;owned\x07\x00\x7f\x9b31m\r\n\tnext\u2028line \u202eesrever\u2066"
    " \udcff\udc80\ud800\ufffe\uffff %s %(x)s {0} {{x}} $(x) `x` gr\u00fc\u00dfe \U0001f44b"
)
"""Markup, what terminals obey, what turns its neighbours round, what no UTF-8 or XML can hold, formats."""

HOSTILE_NAME = "../../=HYPERLINK(\"javascript:alert(1)\")/<b onload='x'>\x1b[2J\u202e\udcff#?%41:&.html"

UNSAFE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""What no terminal may get, besides newlines."""


def squeezed(text: str) -> str:
    """Without blanks: however it was broken into lines."""
    return re.sub(r"\s+", "", text)


def finding(id: str, verdict: Verdict = Verdict.OK, level: Level = Level.CORE, **more: object) -> Finding:
    """A case as the checker would fill it in."""
    made = Finding(
        id,
        level,
        requirement="Each frame is echoed, byte for byte.",
        guide="5.3",
        clause="V8",
        verdict=verdict,
        again=f"netlab check tcpv3 --only {id} -- python3 server.py",
        seconds=0.02,
    )
    return replace(made, **more)  # type: ignore[arg-type]


def rows(text: str, order: int = 1, cuts: tuple[int, ...] = ()) -> list[str]:
    """A frame's fields over its bytes."""
    frame = Frame(1, order, len(text.encode()), text.encode())
    return fields.table(fields.variable(frame, Layout.GUIDE), cuts)


STDERR = (
    "Exception in thread Thread-3 (serve):",
    "Traceback (most recent call last):",
    '  File "/home/student/lab5/server.py", line 31, in serve',
    '    version, order, size = struct.unpack("!BLL", connection.recv(9))',
    "struct.error: unpack requires a buffer of 9 bytes",
)

ONE_RECV = Diagnosis(
    "one-recv",
    "One recv() is taken for one frame",
    "TCP is a stream: what one recv() returns may be a part of a frame, or several. As soon as a frame comes "
    "in two segments, the header is unpacked from too few bytes. The thread ends with struct.error, and its "
    "connection with it.",
    "header = connection.recv(9)               # at most 9 bytes: maybe 3\n"
    "header = receive_exactly(connection, 9)   # calls recv() until all 9 are there",
    "5.2",
    ("v3/split/1", "v3/split/2", "v3/split/3", "v3/bytewise/1"),
)

SENDALL = Diagnosis(
    "send-once",
    "send() is taken for sendall()",
    "send() may take only a part of what it is given, and says how much. What was not taken is lost.",
    "connection.send(data)\nconnection.sendall(data)",
    "2.4",
    ("v3/large/1",),
    ("v3/late/1", "v3/never/1", "v3/never/2", "v3/half/1", "v3/bytes/1"),
    ties=(
        Diagnosis(
            "small-buffer",
            "A frame is read with one recv() of a fixed size",
            "A payload that is longer than the number in recv() loses its end.",
            "payload = connection.recv(1024)",
            "5.2",
        ),
    ),
)

VERSIONS = {"netlab": "0.1.0", "Python": "3.11.7", "Twisted": "24.3.0"}

FAILED = (
    finding(
        "v3/split/1",
        Verdict.FAIL,
        requirement="A frame that comes in two pieces is echoed once it is whole, wherever it is split.",
        clause="S1",
        summary="the connection was closed after the first piece; 0 of 26 bytes came back",
        expected="the same 26 bytes",
        closing=Closing.FIRST,
        steps=(
            Step(">>", "bytes 0 to 2 of a frame of 26", ("01 00 00",)),
            Step("--", "0.1 s later"),
            Step(">>", "the other 23", rows("any size you like", cuts=(3,))),
            Step("<<", "nothing: the end of the stream"),
        ),
        stderr=STDERR,
    ),
    finding(
        "v3/split/2",
        Verdict.TIMEOUT,
        requirement="Two frames in one segment are both echoed.",
        clause="S1",
        summary="the second echo did not come within 2 s",
        expected="both frames, 72 bytes",
        closing=Closing.OPEN,
        steps=(
            Step(
                ">>",
                "two frames in one segment, 72 bytes",
                (*rows("a text that is a little longer"), *rows("gr\u00fc\u00dfe aus dem Labor, alle!", 2)),
            ),
            Step("<<", "39 bytes", rows("a text that is a little longer")),
            Step("--", "2 s without a byte"),
        ),
    ),
    finding("v3/split/3", Verdict.FAIL, summary="other bytes came back", closing=Closing.RESET),
    finding(
        "v3/large/1",
        Verdict.FAIL,
        requirement="A payload of 1 MiB comes back whole, also when the client reads late.",
        clause="C3",
        guide="5.4",
        summary="524,288 of 1,048,585 bytes came back",
        closing=Closing.CLEAN,
        steps=(Step(">>", "a frame of 1,048,585 bytes", rows("x" * 5000)),),
    ),
)


def good() -> Report:
    """All that the guide asks for, and a thing to learn."""
    return Report(
        "tcpv3 127.0.0.1:5005",
        "tcpv3",
        "server",
        (
            *(finding(f"v3/echo/{number}") for number in range(1, 7)),
            finding(
                "v3/close/1", Verdict.LOOSE, summary="it closes 0.8 s after the client's FIN, not at once"
            ),
            finding(
                "v3/stderr/1", Verdict.INFO, summary="the server was not started here: stderr cannot be seen"
            ),
            finding("v3/robust/1", Verdict.OK, Level.ROBUST),
            finding(
                "v3/robust/2",
                Verdict.FAIL,
                Level.ROBUST,
                requirement="A size of 4,294,967,295 is refused before memory is taken for it.",
                clause="V4",
                guide="5.6",
                summary="the server waits for the payload; its memory grew by 512 MB",
                closing=Closing.OPEN,
            ),
        ),
        notes=(
            "No network namespace could be made here: v3/restart/1 was judged on the machine's own ports.",
        ),
        started="2026-11-24T10:15:00",
        seconds=4.25,
        versions=VERSIONS,
    )


def one_recv() -> Report:
    """A server with mistakes, as students write them."""
    return Report(
        PROGRAM,
        "tcpv3",
        "server",
        (
            *(finding(f"v3/echo/{number}") for number in range(1, 7)),
            *FAILED[:3],
            finding("v3/bytewise/1", Verdict.TIMEOUT, summary="nothing came back", seconds=2.0),
            FAILED[3],
            finding(
                "v3/close/1", Verdict.LOOSE, summary="it closes 0.8 s after the client's FIN, not at once"
            ),
            finding("v3/restart/1", Verdict.ERROR, summary="no free port was found in ten tries"),
            finding("v3/print/1", Verdict.INFO, summary="it prints nothing: what it has read cannot be seen"),
            *(finding(f"v3/robust/{number}", Verdict.OK, Level.ROBUST) for number in (1, 3, 4)),
            finding(
                "v3/robust/2",
                Verdict.FAIL,
                Level.ROBUST,
                requirement="A size of 4,294,967,295 is refused before memory is taken for it.",
                clause="V4",
                guide="5.6",
                summary="the server waits for the payload; its memory grew by 512 MB",
                closing=Closing.OPEN,
            ),
        ),
        diagnoses=(ONE_RECV, SENDALL),
        unexplained=("v3/split/3",),
        notes=(
            "No network namespace could be made here: v3/restart/1 was judged on the machine's own ports.",
        ),
        started="2026-11-24T10:15:00",
        seconds=17.5,
        versions=VERSIONS,
    )


def troubled() -> Report:
    """A program that could not be judged."""
    return Report(
        PROGRAM,
        "tcpv3",
        "server",
        (),
        started="2026-11-24T10:15:00",
        seconds=10.0,
        trouble="the program ended with status 1 before it listened on port 40001: SyntaxError",
        versions=VERSIONS,
    )


def unseen() -> Report:
    """A program of which nothing was judged, although nothing was in the way."""
    return Report(
        "udp 127.0.0.1:5005",
        "udp",
        "server",
        (finding("udp/echo/1", Verdict.INFO, summary="no echo asked for"),),
    )


def hostile() -> Report:
    """Every text that comes from outside, or might, is the worst."""
    diagnosis = Diagnosis("a-name", HOSTILE, HOSTILE, HOSTILE, HOSTILE, ("v3/split/1",))
    return Report(
        HOSTILE,
        "tcpv3",
        "server",
        (
            finding(
                "v3/split/1",
                Verdict.FAIL,
                requirement=HOSTILE,
                summary=HOSTILE,
                expected=HOSTILE,
                steps=(Step("<<", HOSTILE, (HOSTILE, HOSTILE)),),
                stderr=(HOSTILE, HOSTILE),
                again=HOSTILE,
                guide=HOSTILE,
                clause=HOSTILE,
            ),
            finding("v3/split/2", Verdict.ERROR, summary=HOSTILE),
            finding("v3/split/3", Verdict.INFO, summary=HOSTILE),
            finding("v3/split/4", Verdict.LOOSE, summary=HOSTILE),
            finding("v3/split/5", Verdict.TIMEOUT, Level.ROBUST, summary=HOSTILE, requirement=HOSTILE),
        ),
        diagnoses=(replace(diagnosis, ties=(diagnosis,)),),
        notes=(HOSTILE,),
        trouble=HOSTILE,
        versions={HOSTILE: HOSTILE},
    )


def klass() -> dict[str, Report]:
    """Some submissions."""
    return {
        "Ada Lovelace": good(),
        "Grace Hopper": one_recv(),
        "J\u00fcrgen M\u00fcller": replace(one_recv(), diagnoses=(ONE_RECV,)),
        "Linus": troubled(),
        "=1+1": unseen(),
        HOSTILE_NAME: hostile(),
    }


ALL = {"good": good, "one_recv": one_recv, "troubled": troubled, "unseen": unseen, "hostile": hostile}
"""What each kind of report must be able to show."""
