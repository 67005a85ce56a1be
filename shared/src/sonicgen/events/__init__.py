"""One dataclass per event, and the envelopes that events arrive in."""
