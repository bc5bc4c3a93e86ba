"""Writes the generated files of docs, and removes such as are generated no more."""

from __future__ import annotations

import sys

from docs.generate.files import FOLDERS, ROOT, files, left_out, stray
from netlab.wireshark.dissection import CannotRead
from netlab.wireshark.tools import how_to_install


def main() -> int:
    """Exit status: 0, or 1 if tshark is here and fails; it says what has changed, and what was left out."""
    try:
        return _write()
    except CannotRead as error:
        print(f"the ladders cannot be drawn: {error}", file=sys.stderr)  # noqa: T201
        return 1


def _write() -> int:
    for path in stray():
        path.unlink()
        print(f"removed {path.relative_to(ROOT)}")  # noqa: T201
    for folder in FOLDERS:
        folder.mkdir(exist_ok=True)
    for path, text in files().items():
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")
            print(f"wrote {path.relative_to(ROOT)}")  # noqa: T201
    if names := left_out():
        left = f"left as they are: {', '.join(names)}; no tshark is here: {how_to_install()}"
        print(left, file=sys.stderr)  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
