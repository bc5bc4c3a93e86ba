"""A selector that takes regular files, too: they are always ready, and Linux's epoll refuses them."""

from __future__ import annotations

import selectors
from selectors import SelectorKey
from typing import Any


class Selector(selectors.DefaultSelector):
    """The system's best selector.

    poll() and select() call a regular file ready at once. epoll does not take it: PermissionError. Standard
    input that comes from a file would be nothing that could be waited for.
    """

    def __init__(self) -> None:
        super().__init__()
        self._files: dict[Any, SelectorKey] = {}

    def register(self, fileobj: Any, events: int, data: Any = None) -> SelectorKey:
        """Watch a file object."""
        try:
            return super().register(fileobj, events, data)
        except PermissionError:
            number = fileobj if isinstance(fileobj, int) else fileobj.fileno()
            key = self._files[fileobj] = SelectorKey(fileobj, number, events, data)
            return key

    def modify(self, fileobj: Any, events: int, data: Any = None) -> SelectorKey:
        """Watch it for other events."""
        if fileobj not in self._files:
            return super().modify(fileobj, events, data)
        key = self._files[fileobj] = self._files[fileobj]._replace(events=events, data=data)
        return key

    def unregister(self, fileobj: Any) -> SelectorKey:
        """Watch it no more."""
        key = self._files.pop(fileobj, None)
        return super().unregister(fileobj) if key is None else key

    def select(self, timeout: float | None = None) -> list[tuple[SelectorKey, int]]:
        """Wait for events, `timeout` seconds at most; not at all where a file is always ready."""
        if not self._files:
            return super().select(timeout)
        return super().select(0) + [(key, key.events) for key in self._files.values()]
