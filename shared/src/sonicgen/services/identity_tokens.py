"""Identity tokens of this process's Google account, by which services on Cloud Run know it."""

from __future__ import annotations

import base64
import binascii
import json
import threading
import time
from contextlib import suppress
from typing import Any

from sonicgen.errors import UnavailableError

# A token is renewed this long before it ends; Google's live for an hour.
_MARGIN_SECONDS = 300.0


class IdentityTokens:
    """Identity tokens of this process's Google account for one audience; kept while good, safe to share."""

    def __init__(self, audience: str) -> None:
        self._audience = audience
        self._lock = threading.Lock()
        self._token = ""
        self._good_until = 0.0

    def __call__(self) -> str:
        """Return a token; raise UnavailableError when Google gives none."""
        with self._lock:
            if time.time() >= self._good_until:
                self._token = self._fetch()
                self._good_until = _expiry(self._token) - _MARGIN_SECONDS
            return self._token

    def _fetch(self) -> str:
        import google.auth.transport.requests
        from google.auth.exceptions import GoogleAuthError
        from google.oauth2 import id_token

        try:
            request = google.auth.transport.requests.Request()
            fetch: Any = id_token.fetch_id_token  # without types
            return str(fetch(request, self._audience))
        except GoogleAuthError as error:
            raise UnavailableError(
                f"Google gives no identity token for the embedder at {self._audience}; "
                f"run as a service account that may invoke it: {error}"
            ) from error


def _expiry(token: str) -> float:
    """Return when a token ends, as its own claims say; 0 for one that cannot be read, which is then used once."""
    with suppress(IndexError, ValueError, KeyError, TypeError, binascii.Error):
        claims = token.split(".")[1]
        return float(json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["exp"])
    return 0.0
