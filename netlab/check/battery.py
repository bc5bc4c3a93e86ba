"""Runs the cases against a server, and judges what each has left behind."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from netlab.check import kernel
from netlab.check.cases import Case
from netlab.check.client import Client
from netlab.check.diagnosis import diagnose, model_of
from netlab.check.evidence import Evidence, Exchange, Fact
from netlab.check.findings import Closing, Diagnosis, Finding, Level, Verdict
from netlab.check.judged import Judged
from netlab.check.programs import CannotStart, NotListening
from netlab.check.server import Server
from netlab.check.shown import steps
from netlab.check.waiting import CLOSE
from netlab.wire.text import printable

GROWTH = 20 << 20
"""Bytes that a program may have grown by through one case: what faults exceed, and caches do not."""

MUCH = 64 << 20
"""Bytes that no program may have grown by: between the two, it may be one that tidies its memory later."""

LEFT = 1
"""Sockets that may be left open: the accepting loop's `conn` still names the last one."""

STDERR_LINES = 12
"""Lines of standard error that a finding keeps: a traceback's end, and what it says."""


class Battery:
    """One program, and the cases that it is put to.

    server: whom to talk to. fresh: start the program anew for each case. again: makes of an id the command
    that runs this case alone.
    """

    def __init__(
        self, server: Server | Client, fresh: bool = True, again: Callable[[str], str] = str
    ) -> None:
        self.server = server
        self.evidence: list[Evidence] = []
        self._fresh = fresh
        self._again = again

    def end(self) -> None:
        """End the program."""
        self.server.end()

    def diagnosed(self) -> tuple[list[Diagnosis], list[str]]:
        """What is wrong, and the failed cases that this does not explain."""
        server = self.server
        return diagnose(model_of(server.variant, server.echo, server.layout), server.variant, self.evidence)

    def judge(self, case: Case) -> Finding:
        """Run a case. Raises CannotStart and NotListening for the first."""
        begun = time.monotonic()
        server = self.server
        evidence = Evidence(case.id, case.level is Level.CORE)
        try:
            if self._fresh:
                server.end()
            server.begin(evidence)
        except (NotListening, CannotStart) as error:
            if not self.evidence:
                raise
            return self._finding(case, evidence, Judged(Verdict.ERROR, str(error)), begun)
        before = self._state()
        judged = self._verdict(case)
        seen = (judged and judged.exchange) or evidence.last
        closing = seen.closing if seen is not None else None
        if server.program is not None:
            server.rested()
            evidence.printed, evidence.errors = server.printed, server.errors()
        ended = self._alive()
        judged = judged or ended
        stderr = server.complaints(STDERR_LINES)  # before the checker's own leaving shows there
        server.leave()
        judged = judged or self._aftermath(case, before)
        evidence.failed = judged is not None and judged.verdict.failed
        self.evidence.append(evidence)
        return self._finding(case, evidence, judged, begun, seen, closing, stderr)

    def _verdict(self, case: Case) -> Judged | None:
        """Why the case has not ended well, None where it has."""
        if case.echoed and not self.server.echo:
            return Judged(Verdict.INFO, "not judged without --echo")
        if case.started and self.server.start is None:
            return Judged(Verdict.INFO, "not judged: netlab must start the program for this")
        try:
            case.run(self.server)
        except Judged as judged:
            return judged
        except OSError as error:
            return Judged(Verdict.ERROR, f"the checker itself met {error.strerror or error}")
        return None

    # What it has left behind.

    def _state(self) -> tuple[int | None, int | None]:
        """Descriptors and memory of the program, as far as they are known."""
        program = self.server.program
        if program is None:
            return None, None
        return kernel.descriptors(program.pids), kernel.memory(program.pids)

    def _alive(self) -> Judged | None:
        """What is wrong if the program has ended."""
        program = self.server.program
        if program is None or program.alive:
            return None
        self.server.evidence.facts[Fact.DIES] = True
        why = program.last_error() or f"exit status {program.status}"
        return Judged(Verdict.FAIL, f"the program ended: {printable(why)}", "it goes on")

    def _aftermath(self, case: Case, before: tuple[int | None, int | None]) -> Judged | None:
        """What is wrong when all connections of a case that went well are gone."""
        program = self.server.program
        if program is None or case.level is Level.CORE or before[0] is None or before[1] is None:
            return None
        if case.id.endswith(("descriptors/1", "restart/1")):
            return None  # the program is another one now
        over = self.server.patience.over(CLOSE)
        while (now := kernel.descriptors(program.pids)) is not None and now > before[0] + LEFT:
            if over():
                self.server.evidence.facts[Fact.LEAKS] = True
                return Judged(Verdict.FAIL, f"{now - before[0]} sockets were left open", "they are closed")
            time.sleep(0.02)
        while (memory := kernel.memory(program.pids)) is not None and memory > before[1] + GROWTH:
            if over():
                grown = memory - before[1]
                verdict = Verdict.FAIL if grown > MUCH else Verdict.LOOSE
                return Judged(verdict, f"it has grown by {grown >> 20} MiB", "less than 20 MiB")
            time.sleep(0.02)
        return None

    def _finding(
        self,
        case: Case,
        evidence: Evidence,
        judged: Judged | None,
        begun: float,
        seen: Exchange | None = None,
        closing: Closing | None = None,
        stderr: Sequence[str] = (),
    ) -> Finding:
        """seen: the exchange that decided; closing: how it had ended before the checker left."""
        server = self.server
        failed = judged is not None and judged.verdict.failed
        return Finding(
            case.id,
            case.level,
            case.requirement,
            case.guide,
            case.clause,
            judged.verdict if judged else Verdict.OK,
            judged.summary if judged else "",
            closing,
            steps(server.variant, server.layout, evidence, seen) if failed else (),
            judged.expected if judged else "",
            stderr if failed else (),
            self._again(case.id),
            time.monotonic() - begun,
        )
