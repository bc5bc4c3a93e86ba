"""Which files of docs are generated, and what is to stand in them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from docs.generate import frames, ladders, one_page, reference

DOCS = Path(__file__).resolve().parent.parent
ROOT = DOCS.parent
FOLDERS = (DOCS / "reference", DOCS / "pictures")
"""Folders in which all is generated."""

PICTURES: dict[str, Callable[[], str]] = {
    **{name: picture.svg for name, picture in frames.PICTURES.items()},
    **{name: partial(ladders.svg, name) for name in ladders.PICTURES},
}
"""What draws each picture, by its name in docs/pictures: a function that returns the SVG."""


def left_out() -> list[str]:
    """The names of the pictures that cannot be drawn here: ladders, where there is no tshark."""
    return [] if ladders.can_be_drawn() else list(ladders.PICTURES)


def files() -> dict[Path, str]:
    """What is to stand in each generated file; without the pictures that are left out."""
    names = [name for name in PICTURES if name not in left_out()]
    return {
        **{DOCS / "reference" / name: text for name, text in reference.pages().items()},
        **{_picture(name): PICTURES[name]() for name in names},
        DOCS / "one_page.html": one_page.one_page(),
    }


def stray() -> list[Path]:
    """Files in those folders that nothing generates."""
    wanted = {*files(), *map(_picture, left_out())}
    return [path for folder in FOLDERS for path in folder.glob("*") if path not in wanted]


def stale() -> list[str]:
    """The files, by their path in the clone, that are not what they should be."""
    wrong = [path for path, text in files().items() if not path.exists() or path.read_text("utf-8") != text]
    return sorted(path.relative_to(ROOT).as_posix() for path in [*wrong, *stray()])


def _picture(name: str) -> Path:
    return DOCS / "pictures" / f"{name}.svg"
