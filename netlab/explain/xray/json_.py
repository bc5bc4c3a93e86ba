"""A picture as JSON: one object, whose names docs/xray.md explains."""

from __future__ import annotations

from typing import Any

from netlab import proc
from netlab.explain.xray.picture import Held, Picture, Selector, Shown, Thing, Waiting, Watched
from netlab.explain.xray.table import address


def as_json(picture: Picture) -> dict[str, Any]:
    """What json.dumps() takes. What is not known is null."""
    return {
        "processes": [_process(shown) for shown in picture.processes],
        "sockets": [_held(held, picture) for held in picture.sockets],
        "whole": picture.whole,
    }


def _process(shown: Shown) -> dict[str, Any]:
    process = shown.process
    return {
        "pid": process.pid,
        "command": list(process.command),
        "readable": not process.closed,
        "calls": process.silent or "told",
        "threads": [_thread(waiting) for waiting in shown.threads],
        "more_threads": process.more_threads,
        "selectors": [_selector(selector) for selector in shown.selectors],
    }


def _thread(waiting: Waiting) -> dict[str, Any]:
    thread, call = waiting.thread, waiting.thread.call
    return {
        "tid": thread.tid,
        "name": waiting.name,
        "comm": thread.name,
        "state": thread.state,
        "call": waiting.called or None,
        "syscall": (call.name if call else "") or None,
        "number": thread.number,
        "waits_for": call.wait.value if call else None,
        "fd": thread.fd,
        "thing": _thing(waiting.thing) if waiting.thing else None,
        "watches": None if waiting.watched is None else [_watched(each) for each in waiting.watched],
        "timeout": thread.timeout,
    }


def _selector(selector: Selector) -> dict[str, Any]:
    return {
        "fd": selector.fd,
        "threads": list(selector.threads),
        "watches": [_watched(each) for each in selector.watched],
    }


def _watched(watched: Watched) -> dict[str, Any]:
    return {"fd": watched.fd, "events": list(watched.events), "thing": _thing(watched.thing)}


def _held(held: Held, picture: Picture) -> dict[str, Any]:
    return {
        **_thing(held.thing),
        "holders": [{"pid": pid, "fd": fd} for pid, fd in held.holders],
        "threads": [{"pid": pid, "name": name} for pid, name in held.threads],
        "selectors": [{"pid": pid, "fd": fd} for pid, fd in held.selectors],
        "forgotten": held.forgotten if picture.whole else None,
        "backlog": [_thing(thing) for thing in held.backlog],
        "outside": [_thing(thing) for thing in held.outside],
    }


def _thing(thing: Thing) -> dict[str, Any]:
    return {
        "kind": thing.kind,
        "name": thing.name or None,
        "local": _address(thing.local),
        "remote": _address(thing.remote),
        "state": thing.state or None,
        "unread": thing.unread,
        "unsent": thing.unsent,
        "finished": thing.finished,
    }


def _address(of: proc.Address | None) -> str | None:
    return None if of is None else address(of)
