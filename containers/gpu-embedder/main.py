"""The embedder's entry in its container: port and address come from the environment, all else from the settings."""

import os

from sonicgen.embedder.serve import make_server

if __name__ == "__main__":
    make_server(os.environ.get("HOST", "127.0.0.1"), int(os.environ.get("PORT", "8080"))).run()
