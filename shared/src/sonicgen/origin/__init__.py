"""Which recording is the source of which: verdicts, coverage, novel ranges. Pure."""
