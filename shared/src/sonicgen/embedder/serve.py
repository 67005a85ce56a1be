"""Serve the embedder on one port until SIGTERM; what is under way then is worked off first.

python -m sonicgen.embedder.serve [PORT] [HOST]
"""

from __future__ import annotations

import os
import sys
from types import FrameType

import uvicorn

from sonicgen.embedder.app import create_app
from sonicgen.settings import Settings, settings

# On a machine that it shares with everything else, where recordings come from is told before who speaks in them.
NICENESS = 5
# Longer than clients keep an idle connection, so that none of them sends into one that is just being closed.
KEEP_ALIVE_SECONDS = 75


class DrainingServer(uvicorn.Server):
    """Tells the service when its end begins: from then on readiness is denied, and whoever still asks is sent on."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin the end."""
        self.config.app.state.house.is_draining = True  # type: ignore[union-attr]
        super().handle_exit(sig, frame)


def make_server(host: str, port: int, given: Settings | None = None) -> DrainingServer:
    """Return the server, which is not started."""
    chosen = given or settings()
    config = uvicorn.Config(
        create_app(chosen),
        host=host,
        port=port,
        log_config=None,  # requests are logged by the door, as JSON
        access_log=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=int(chosen.embedder_drain_seconds),
    )
    return DrainingServer(config)


def main(arguments: list[str]) -> None:
    """Read the command line and serve, after everybody else."""
    os.nice(NICENESS)
    port = int(arguments[0]) if arguments else 8080
    host = arguments[1] if len(arguments) > 1 else "127.0.0.1"
    make_server(host, port).run()


if __name__ == "__main__":
    main(sys.argv[1:])
