"""Makes the pages and pictures of docs that follow from the code: `.venv/bin/python -m docs.generate`."""
