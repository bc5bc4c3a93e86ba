"""Who runs the messages, on fake sessions."""
