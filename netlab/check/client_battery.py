"""Runs the cases against a client, and judges what each has left behind."""

from __future__ import annotations

import errno

from netlab.check.battery import Battery
from netlab.check.cases import Case
from netlab.check.client import Client
from netlab.check.diagnosis import diagnose
from netlab.check.findings import Diagnosis, Finding, Verdict
from netlab.check.judged import Judged
from netlab.check.models import Model, clients
from netlab.check.models.simulation import signature

RESET = signature(ConnectionResetError(errno.ECONNRESET, ""))
BROKEN_PIPE = "BrokenPipeError: "
"""Either of them tells that the connection is lost: which one is a matter of time."""


class ClientBattery(Battery):
    """One client, started afresh for each case that it is put to, and the cases."""

    @property
    def _client(self) -> Client:
        assert isinstance(self.server, Client)
        return self.server

    def diagnosed(self) -> tuple[list[Diagnosis], list[str]]:
        """What is wrong, and the failed cases that this does not explain."""
        client = self._client
        model = client_model_of(client.variant, client.echo, client.layout)
        return diagnose(model, client.variant, self.evidence)

    def judge(self, case: Case) -> Finding:
        """Run a case. Raises CannotStart for the first."""
        finding = super().judge(case)
        evidence = self.evidence[-1]
        evidence.errors = [RESET if each.startswith(BROKEN_PIPE) else each for each in evidence.errors]
        return finding

    def _verdict(self, case: Case) -> Judged | None:
        judged = super()._verdict(case)
        if judged is not None and judged.verdict.failed:
            return judged
        if self._client.program is not None:
            self._client.rest()
            if errors := self._client.errors():
                return Judged(Verdict.FAIL, f"it raised {errors[-1]}", "no exception that nobody catches")
        if judged is not None:
            # What is tolerated is a way of its own: it neither speaks for a mistake nor against one.
            evidence = self._client.evidence
            for seen in (evidence.exchanges, evidence.texts, evidence.facts):
                seen.clear()
        return judged

    def _alive(self) -> Judged | None:
        """A client may end when it likes."""
        return None

    def _aftermath(self, case: Case, before: tuple[int | None, int | None]) -> Judged | None:
        """What it still has open is gone with it."""
        return None


def client_model_of(variant: str, echo: bool, layout: str) -> Model:
    """How clients of a variant are written. layout: guide or scripts, of v3."""
    return clients.model(variant, echo, layout == "scripts" and variant == "v3")
