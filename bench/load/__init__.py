"""A day of a busy archive, compressed: `python -m bench load`."""
