"""Sessions under Hypothesis: any stream, in any pieces and with any end, gets its answers and its end."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netlab.wire.vectors import VECTORS
from tests.fuzzing.campaign import TARGETS
from tests.fuzzing.cases import Case, Target
from tests.fuzzing.sessions import SessionTarget
from tests.wire import bounded, reads, soup, wrecked

SESSIONS = [target for target in TARGETS if isinstance(target, SessionTarget)]

streams = st.one_of(
    soup, wrecked(st.sampled_from([each.stream for each in VECTORS if each.variant != "udp"]))
)
"""Anything, and the golden vectors, most of them wrecked."""


@st.composite
def visits(draw: st.DrawFn) -> tuple[Target, Case]:
    """A client's visit of any server."""
    target = draw(st.sampled_from(SESSIONS))
    end, lag = draw(st.sampled_from(target.ends)), draw(st.integers(0, 3))
    return target, Case(draw(streams), tuple(draw(reads)), end, lag)


class AnyStream(SynchronousTestCase):
    @bounded
    @given(visits())
    def test_gets_its_answers_and_its_end(self, visit: tuple[Target, Case]) -> None:
        target, case = visit
        target.check(case)

    def test_in_every_server_with_every_end(self) -> None:
        """The golden vectors as they are: whole, and in reads of three bytes."""
        for target in SESSIONS:
            for vector in VECTORS:
                if vector.variant == target.variant:
                    for end in target.ends:
                        for sizes in (len(vector.stream) or 1,), (3,):
                            target.check(Case(vector.stream, sizes, end))
