"""The command `sonicgen`."""
