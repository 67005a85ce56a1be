"""A stand-in for AssemblyAI: its HTTP interface, its webhooks, and real words from a recogniser on this machine."""

# What it takes as key. It keeps nobody out: whoever reaches loopback may do everything.
LOCAL_KEY = "local"
