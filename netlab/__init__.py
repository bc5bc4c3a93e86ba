"""netlab: the reference implementation of the socket laboratory, on Twisted.

Importing it imports no reactor. docs/protocol.md says what is on the wire; CONTRIBUTING.md says which room
holds what.
"""

__version__ = "0.1.0"

PORT = 5005
"""The guide's port: where servers listen and clients look, unless told otherwise."""
