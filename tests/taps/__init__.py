"""Each command as its users run it: a real twistd, real sockets."""
