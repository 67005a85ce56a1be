"""Sound to fingerprint: decoding, spectrum, peaks, landmarks. Pure signal processing."""
