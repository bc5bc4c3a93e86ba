"""One module a twistd command: Options and makeService(options, reactor=None).

`common` has the options that the commands share, `build` makes of them what serves, `server` is the service
that listens, announces and drains, `machine` what must be known of the machine.
"""
