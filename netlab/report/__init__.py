"""What check, explain and load share to make a page for people."""
