"""The reactors, judged by Twisted's own contract tests, and by our own."""
