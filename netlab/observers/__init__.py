"""Who listens to netlab/events: `lines` writes the guide's log lines, `stats` counts."""
