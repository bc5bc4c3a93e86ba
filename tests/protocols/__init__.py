"""The tests of the Twisted classes, on transports and clocks that are not real."""
