"""Our servers with other people's clients, and our clients with other people's servers."""
