"""Mistakes that are made over text and over frames alike."""

from __future__ import annotations

from netlab.check.models import Mistake

ASCII = Mistake(
    "ascii",
    "text is taken for ASCII",
    "ü, ß and all else beyond ASCII are several bytes in UTF-8, and none of them is ASCII.",
    "data.decode('ascii')   ->   data.decode('utf-8')",
    "decode",
    [{"decoding": "ascii"}],
)

DECODED_ECHO = Mistake(
    "decoded-echo",
    "the echo is made from the decoded text",
    "What cannot be decoded was replaced or left out, and what comes back is no longer what was sent.",
    "send(text.encode())   ->   send(the bytes as they came)",
    "echo",
    [{"decoding": "replace"}, {"decoding": "ignore"}],
)

CLOSE_WITHOUT_BREAK = Mistake(
    "close-without-break",
    "the connection is closed, but the loop is not left",
    "When recv() returns nothing the client has gone. The socket is closed then, but the loop goes on, and "
    "the next recv() on the closed socket raises OSError: Bad file descriptor.",
    "if not data: conn.close()   ->   if not data: break",
    "loop",
    [{"end": "close"}],
)

FORGOTTEN = Mistake(
    "never-closed",
    "the connection is never closed",
    "When the client has gone the loop is left, but nobody calls close(): the client waits for the stream's "
    "end, and each client costs a descriptor until there are none.",
    "while data := conn.recv(n): ...   ->   with conn: while data := conn.recv(n): ...",
    "loop",
    [{"end": "forgotten"}],
)

RESETS = (
    Mistake(
        "reset-uncaught",
        "a reset is not caught",
        "A client that is killed, or unplugged, ends its connection with a reset: recv() and send() then "
        "raise ConnectionResetError.",
        "data = conn.recv(n)   ->   try: data = conn.recv(n) except OSError: close",
        "reset",
        [{"resets": "uncaught"}],
    ),
    Mistake(
        "getpeername",
        "getpeername() is called outside of the try, when the connection may be gone",
        "After a reset there is no peer any more, and getpeername() raises OSError. Keep the address that "
        "accept() has returned.",
        "print(conn.getpeername())   ->   print(addr)",
        "reset",
        [{"resets": "getpeername"}],
    ),
)
