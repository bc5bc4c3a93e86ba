"""What was measured, as a table, as plots, as JSON."""
