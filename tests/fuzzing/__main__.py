"""`python -m tests.fuzzing`: tries mutated streams on the codecs and sessions until one breaks something."""

from __future__ import annotations

import argparse
import itertools
import random
import sys
import time

from tests.fuzzing.campaign import Campaign


def arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzzing", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="how long (60)")
    parser.add_argument("--seed", type=int, help="of all choices; another one each time if left out")
    parser.add_argument("--case", type=int, help="try the seed's case of this number only")
    given = parser.parse_args()
    if given.case is not None and given.seed is None:
        parser.error("--case needs its --seed")
    if given.seed is None:
        given.seed = random.SystemRandom().randrange(1_000_000)
    return given


def say(line: str) -> None:
    """Print a line at once."""
    print(line, flush=True)  # noqa: T201


def main() -> int:
    """Run; return 0 where nothing broke."""
    given = arguments()
    campaign = Campaign(given.seed)
    say(f"Fuzzing: seed {given.seed}, {given.seconds:g} s")
    end = time.monotonic() + given.seconds
    tried = 0
    for number in itertools.count() if given.case is None else [given.case]:
        if tried and time.monotonic() > end:
            break
        broken = campaign.broken(number)
        tried += 1
        if broken is not None:
            say(str(broken))
            say(f"To try it again: python -m tests.fuzzing --seed {given.seed} --case {number}")
            say(f"FAILED after {tried:,} cases")
            return 1
    say(f"passed: {tried:,} cases")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("stopped")
