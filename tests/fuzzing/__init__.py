"""A mutation fuzzer for codecs and sessions: any stream is accepted, or refused with a documented word.

`python -m tests.fuzzing --help` says how to run it. mutations makes streams from the golden vectors, rules
says what must come of them, cutters and sessions hold netlab against that, and minimise makes small what
broke it.
"""
