"""A transcript as the files that other programs read."""
