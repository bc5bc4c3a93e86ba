"""The twistd commands of netlab, and its reactor: data only."""

from twisted.application.reactors import Reactor
from twisted.application.service import ServiceMaker

udp = ServiceMaker(
    "netlab UDP", "netlab.taps.udp", "Lab 1: a UDP server: a datagram is a message.", "netlab-udp"
)
tcp = ServiceMaker(
    "netlab TCP", "netlab.taps.tcp", "Lab 2: TCP text, a thread for each client.", "netlab-tcp"
)
tcpsel = ServiceMaker(
    "netlab TCP selector", "netlab.taps.tcpsel", "Lab 3: TCP text, a selector.", "netlab-tcpsel"
)
tcpv2 = ServiceMaker(
    "netlab TCP v2", "netlab.taps.tcpv2", "Lab 4: TCP, frames of fixed size.", "netlab-tcpv2"
)
tcpv3 = ServiceMaker(
    "netlab TCP v3", "netlab.taps.tcpv3", "Lab 5: TCP, frames of variable size.", "netlab-tcpv3"
)
selectors = Reactor(
    "selectors", "netlab.reactors.selectors", "The standard library's selectors, written to be read (netlab)."
)
corked = Reactor(
    "corked",
    "netlab.reactors.corked",
    "Linux's epoll, with sends that do not wait: for many small messages (netlab).",
)
