"""The console's container: uvicorn with our application, on the port that Cloud Run names."""

from __future__ import annotations

import os

import uvicorn

if __name__ == "__main__":
    uvicorn.run(
        "sonicgen.console.app:create_app",
        factory=True,
        host="0.0.0.0",  # noqa: S104 - a container answers whoever reaches it; who that is decides console/access.py
        port=int(os.environ.get("PORT", "8080")),
        # Whether a proxy's word counts is decided by SONICGEN_TRUSTED_PROXIES.
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=8,
        log_level="warning",
    )
