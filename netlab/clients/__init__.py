"""The clients: `netlab client`, thin around the client protocols of each variant.

`arguments` is the command line, `sources` where messages come from, `connect` how a socket comes about,
`talk` what is said and expected, `variants` the protocols, and `run` puts them on the reactor.
"""
