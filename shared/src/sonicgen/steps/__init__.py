"""The use cases, one file each. Every step may be run again at any time."""
