"""The rate at which sound is fingerprinted; apart from the spectrum, as decoding alone need not load its compiler."""

SAMPLE_RATE_HZ = 11_025
