"""What observers make of events."""
