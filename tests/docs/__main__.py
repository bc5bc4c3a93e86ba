"""Counts the commands of the README and docs, or walks pages and shows it: python -m tests.docs [PAGE...]."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

from tests.docs.blocks import Block, mistakes, of, pages
from tests.docs.walk import in_a_namespace


def counts(found: list[Block]) -> str:
    """One line: how many blocks of commands are run, how many are not, and why."""
    commands = [block for block in found if block.is_command]
    not_run = Counter(block.why_not_run for block in commands if block.why_not_run is not None)
    setup = sum(block.marked("setup: ") is not None for block in commands)
    missing = Counter(block.missing for block in commands if block.missing is not None)
    run = len(commands) - sum(not_run.values()) - setup - sum(missing.values())
    outputs = sum(block.is_output for block in found)
    excerpts = sum(block.marked("from ") is not None for block in found)
    line = f"docs: {run} blocks of commands run by tests, {setup} by .ci/run in a fresh clone, "
    line += f"{sum(not_run.values())} not: " + ", ".join(f"{n} {why}" for why, n in not_run.most_common())
    if missing:
        line += "; here also not: " + ", ".join(
            f"{n} without {program}" for program, n in missing.most_common()
        )
    return f"{line}; {outputs} outputs and {excerpts} excerpts compared"


def main(arguments: list[str]) -> int:
    """Exit status: 0 when all pages were walked to their end."""
    for argument in arguments:
        page = Path(argument).resolve()
        if wrong := mistakes(page):
            print(*wrong, sep="\n")  # noqa: T201
            return 1
        if in_a_namespace(page, telling=True).returncode:
            return 1
    if not arguments:
        print(counts([block for page in pages() for block in of(page)]))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
