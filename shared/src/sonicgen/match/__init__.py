"""Fingerprint to answer: candidates, verification, ranges, chance, decision. Pure."""
