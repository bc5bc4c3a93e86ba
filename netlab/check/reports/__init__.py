"""What a check found, shown: each module makes one kind of text of a Report, and files.py writes it."""
