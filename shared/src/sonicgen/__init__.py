"""SonicGen: where a recording comes from, to the second, and who is speaking."""

__version__ = "0.1.0"
