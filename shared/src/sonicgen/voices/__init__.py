"""Where somebody speaks in a recording, and which of it is the same voice."""
