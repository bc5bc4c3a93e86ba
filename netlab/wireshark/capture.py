"""Runs `netlab capture`: the tool first, then the command, then what there is to say of it."""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from typing import IO

from netlab import PORT, namespace
from netlab.wireshark import tools
from netlab.wireshark.attendance import Command, NoCommand, UntilTold, watch_reader
from netlab.wireshark.sniffer import CannotCapture, NoRight, Sniffer
from netlab.wireshark.summary import summary

ALONE = (
    "no right to capture here: the capture and the command get a network of their own. It has a loopback and "
    "nothing else: all ports are free, and a server outside cannot be reached (start it in the command, too)"
)


def run(options: argparse.Namespace) -> int:
    """Capture; return the exit status."""
    options.ports = options.ports or [PORT]
    options.interface = options.interface or tools.LOOPBACK
    options.stdout = options.stdout or options.file == "-"
    if options.stdout and (sys.stdout is None or sys.stdout.isatty()):
        options.parser.error("--stdout is for a pipe: netlab capture --stdout | wireshark -k -i -")
    try:
        _check_program(options.program)
        with _begun(options) as sniffer, _sink(options) as sink:
            return _attended(options, sniffer, sink)
    except CannotCapture as error:
        say(f"error: {error}")
        return error.status


def say(line: str) -> None:
    """Write a line to standard error: standard output may be the capture's, or the command's."""
    sys.stderr.write(f"netlab capture: {line}\n")
    sys.stderr.flush()


def _check_program(program: list[str]) -> None:
    """Before anything is begun: a capture of nothing helps nobody."""
    if program and shutil.which(program[0]) is None:
        if os.path.dirname(program[0]) and os.path.exists(program[0]):
            raise NoCommand(126, f"{program[0]!r} cannot be run: it is no program")
        raise NoCommand(127, f"there is no command {program[0]!r}: check its name, or its path")


def _begun(options: argparse.Namespace) -> Sniffer:
    """A sniffer that captures, here or in a network of our own."""
    found = tools.that_capture()
    if not found:
        raise NoRight(_advice("neither dumpcap nor tshark nor tcpdump is here", tools.how_to_install(), ""))
    try:
        return _first(found, options)
    except NoRight as denied:
        _go_alone(options, str(denied))
    try:
        sniffer = _first(found, options)
    except NoRight as denied:
        raise NoRight(_advice(str(denied), tools.how_to_get_the_right(), "")) from None
    namespace.forgo()
    say(ALONE)
    return sniffer


def _first(found: list[tools.Tool], options: argparse.Namespace) -> Sniffer:
    """The first tool that can, capturing. Raises CannotCapture, and NoRight where that is what keeps one."""
    errors: list[CannotCapture] = []
    for tool in found:
        with ExitStack() as stack:
            sniffer = stack.enter_context(Sniffer(tool, options.interface, options.ports))
            try:
                sniffer.begin()
            except CannotCapture as error:
                errors.append(error)
            else:
                stack.pop_all()
                return sniffer
    raise next((error for error in errors if isinstance(error, NoRight)), errors[0])


def _go_alone(options: argparse.Namespace, denied: str) -> None:
    instead = ""
    if sys.platform == "linux" and options.interface in (tools.LOOPBACK, "any"):
        if options.program:
            try:
                return namespace.enter()
            except OSError as error:
                why = namespace.forbidden_by() or error.strerror
                denied += f", and no network of your own can be had ({why})"
        else:
            instead = "give a COMMAND: `netlab capture -- COMMAND` gets a network of its own, with that right"
    raise NoRight(_advice(denied, tools.how_to_get_the_right(), instead))


def _advice(wrong: str, remedy: str, instead: str) -> str:
    record = "use --record FILE.pcapng of netlab's own servers and clients, which needs neither"
    return "\n  or ".join(filter(None, (f"{wrong}. What helps:\n  {remedy}", instead, record)))


@contextmanager
def _sink(options: argparse.Namespace) -> Iterator[IO[bytes]]:
    """What is written to, unbuffered: what was caught is there even if the worst happens."""
    if options.stdout:
        with open(sys.stdout.fileno(), "wb", buffering=0, closefd=False) as stream:
            yield stream
    else:
        with _opened(options) as file:
            yield file


def _opened(options: argparse.Namespace) -> IO[bytes]:
    mode = "wb"
    if options.file is None:
        options.file = f"netlab-{datetime.now():%Y%m%d-%H%M%S}.pcapng"
        mode = "xb"  # who has not named it does not mean an older one
    try:
        return open(options.file, mode, buffering=0)
    except OSError as error:
        why = f"cannot write {options.file}: {error.strerror}; choose another: -w FILE"
        raise CannotCapture(why) from None


def _attended(options: argparse.Namespace, sniffer: Sniffer, sink: IO[bytes]) -> int:
    """Have the packets written as long as it lasts; return the exit status."""
    ports = " and ".join(map(str, options.ports))
    into = "to standard output" if options.stdout else f"into {options.file}"
    until = "" if options.program else "; Enter or Ctrl-C ends it"
    lasting: Command | UntilTold = UntilTold()
    if options.program:
        lasting = Command(options.program, sys.stderr if options.stdout else None)
    try:
        with lasting:
            say(f"capturing port {ports} on {options.interface}, with {sniffer.tool.name}, {into}{until}")
            sniffer.write_to(sink, lasting.tell)
            if options.stdout:
                watch_reader(sys.stdout.fileno(), lambda: sniffer.abandon(BrokenPipeError()))
            status = lasting.wait()
    finally:
        sniffer.finish(settle=bool(options.program))
    if options.stdout and isinstance(sniffer.failure, BrokenPipeError):
        return status  # who read it has seen enough
    _tell(options, sniffer)
    return status or _trouble(options, sniffer)


def _tell(options: argparse.Namespace, sniffer: Sniffer) -> None:
    """Say what was caught, and what to do next."""
    packets = sniffer.packets
    if options.stdout:
        say(f"{_count(packets)} caught")
    else:
        say(f"{_count(packets)} in {options.file}{summary(options.file, options.ports, packets)}")
    if packets == 0:
        say(
            f"nothing used this port on {options.interface}: check --port, and -i (what comes from another "
            "machine does not come over the loopback)"
        )
    elif not options.stdout:
        say(f"see them: wireshark {shlex.quote(options.file)} (by name, after `netlab wireshark install`)")
    if dropped := sniffer.dropped():
        say(f"{_count(dropped)} came too fast, and are missing")


def _trouble(options: argparse.Namespace, sniffer: Sniffer) -> int:
    """Say what went wrong, if anything did; return its exit status."""
    failure = sniffer.failure
    if failure is not None:
        where = "to standard output" if options.stdout else options.file
        why = getattr(failure, "strerror", None) or failure
        say(f"error: cannot write {where} any further: {why}; what came before is there")
    elif sniffer.broke_off:
        say(f"error: {sniffer.tool.name} broke off: {sniffer.last_words()}; what came before is there")
    else:
        return 0
    return CannotCapture.status


def _count(packets: int) -> str:
    return f"{packets} packet{'s' * (packets != 1)}"
