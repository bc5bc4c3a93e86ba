"""`netlab xray`: what each thread of a running program waits for, as Linux tells."""
