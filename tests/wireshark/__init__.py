"""What Wireshark makes of our bytes: every test here runs the real tshark, and is skipped without one."""
