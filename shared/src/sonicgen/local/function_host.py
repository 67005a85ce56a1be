"""Many light functions in one process: each is the framework's own application under its own path.

In the cloud every function has instances of its own. On one machine a process for each would cost about 90 MB whether
anything happens or not; functions that mostly wait (for a service, for the database) share one here, with threads.

    python -m sonicgen.local.function_host PORT FOLDER...
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import functions_framework
from flask import Flask
from functions_framework._http.gunicorn import GunicornApplication
from werkzeug.exceptions import NotFound
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from sonicgen.errors import LocalError

HOST = "127.0.0.1"
# What is under way when the process is told to end (a download of minutes) is cut off then; its event comes again.
GRACE_SECONDS = 2


def create_app(folders: list[Path]) -> Any:
    """Return one WSGI application that answers `/<folder's name>/…` with the function of that folder.

    Raises LocalError for a coroutine: it cannot share a process, and topology.json gives it one of its own.
    """
    # The decorator in main.py says whether a function takes events or requests; the framework asks it while it loads.
    mounted = {f"/{folder.name}": functions_framework.create_app("main", str(folder / "main.py")) for folder in folders}
    for path, function in mounted.items():
        if not isinstance(function, Flask):
            raise LocalError(f"{path[1:]} is a coroutine: set shares_a_process to false for it in topology.json.")
    return DispatcherMiddleware(NotFound(), mounted)


def main() -> None:
    """Serve the named functions until the process is told to end."""
    port, *folders = sys.argv[1:]
    server = GunicornApplication(create_app([Path(folder) for folder in folders]), HOST, int(port), False)
    server.cfg.set("graceful_timeout", GRACE_SECONDS)
    server.run()


if __name__ == "__main__":
    main()
