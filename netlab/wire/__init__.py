"""Bytes <-> messages, with the standard library alone: no Twisted, no clock, no I/O.

`framing` cuts a stream into runs of frames; `text`, `fixed` and `variable` are the laboratory's formats
(docs/protocol.md, T, F and V); `orders` says what is odd about an order number; `violations` names what a
peer can get wrong; `vectors` is the golden table of them all.
"""
