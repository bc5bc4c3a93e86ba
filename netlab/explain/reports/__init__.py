"""Reports on a capture: for the terminal, for a browser, for programs."""
