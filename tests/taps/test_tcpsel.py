"""twistd netlab-tcpsel: text, a selector and one thread."""

from __future__ import annotations

from tests.support import ServerTestCase
from tests.taps.test_tcp import TextBehaviour


class Selector(TextBehaviour, ServerTestCase):
    command = ("netlab-tcpsel",)
    threaded = False
