"""Google Cloud through its own clients, and the event ledger on top of them."""
