"""What the page says whatever was measured."""

from __future__ import annotations

INTRODUCTION = """# How far does each carry?

A thread for each client, or one thread and a selector: the guide has you write both. This page says how far
each carries, how netlab compares with what else can be written, and how you repeat it. All figures are of
one run, and written by the program that measured.
"""

QUICK = "**This was a quick run: it shows that all works, and its figures say little.**\n"

THREADS_OR_SELECTOR = """\
A thread costs memory for its stack, and a switch whenever another client's message comes. A selector costs
one more system call, which is shared by all clients that are ready at once; then one thread does the work of
all, and a message that takes long lets all others wait. How much of a difference that makes depends on what
is asked, line by line. What netlab adds to either, or saves, stands in the last two columns: it handles all
frames that one read brought together.
"""

HOW = """## How it is measured

- Each server runs in a fresh process; the order is random, and another one in every round.
- The load keeps so many messages on their way on so many connections (64 x 1: 64 connections, 1 message on
  each), and sends a new one for each echo that has come. No message of a connection is like another one, and
  every echo is compared byte by byte with what was sent. A run with one that is wrong, missing or late is not
  counted.
- Servers are quiet but where it says that they print. All check every frame.
- **CPU a message** is the server's CPU time, user and system, divided by the messages: the least of all
  rounds, since whatever else a machine does can only add to it. It is the steadier figure. Rates and times
  are medians.
- **x netlab** says how many times as much a server needs as netlab with its selector: above 1, netlab needs
  less.
- p50 and p99: half of the messages, and 99 of 100, were back within this time. Where a server is loaded as
  fast as it answers, that is mostly the time that messages wait for each other.
"""

LIMITS = """## What the figures do not say

- It is one machine, and server and client talk through its loopback: no network, no losses, no distance.
  Between machines, latency is the network's, and most servers here would wait for it.
- One server has one core. Go and C would use more if they had them, threads in Python hardly: they take
  turns at the interpreter. Several processes were not measured.
- The machine has other work to do. Rates within some 10 to 15 % of each other are ties.
- All echo. A program that computes something for a message is measured by that, not by how it reads sockets.
- That something is slower does not make it wrong: a thread for each client is the easiest to write and to
  read, and at a prompt nobody notices any of this.
"""

REPEAT = """## Repeat it

It takes Linux; Go and a C compiler are welcome (what cannot be compiled is left out).

<!-- not run: it needs a machine that does nothing else for a while; tests/benchmarks runs a short one -->
```bash
.venv/bin/pip install -e ".[benchmarks]"
.venv/bin/python -m benchmarks --quick
.venv/bin/python -m benchmarks --only text-64x1 idle --servers plain-threads plain-selector
.venv/bin/python -m benchmarks --out docs
```

The first `benchmarks` only shows that all works; the second asks threads and selectors two questions; the
last measures all and writes this page. The page can be made again from
[its figures](performance/figures.json) with `--from`. The programs can be read: the
[scenarios](../benchmarks/scenarios.py), the [servers](../benchmarks/servers.py) and peers such as the one
[in Go](../benchmarks/peers/server.go), [in C](../benchmarks/peers/server.c) and
[on asyncio](../benchmarks/peers/asyncio_protocol.py), and the [load](../benchmarks/peers/load.c).
"""
