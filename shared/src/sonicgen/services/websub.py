"""WebSub, the subscriber's side: ask a hub for pushes, and tell whether a push is the hub's.

Specification: https://www.w3.org/TR/websub/
"""

from __future__ import annotations

import hashlib
import hmac
from urllib.parse import quote, urlencode

from sonicgen.errors import InputError, UnavailableError
from sonicgen.services.fetch import fetch
from sonicgen.services.guard import Guard

# YouTube's hub gives five days at most when it is asked for more; a day before the end it is asked again.
LEASE_SECONDS = 5 * 86_400
# The hub may ask back before it answers.
_TIMEOUT_SECONDS = 30.0
_ANSWER_BYTES = 64 * 1024
# Those that the specification names; sha1 is what YouTube's hub uses.
_DIGESTS = {"sha1": hashlib.sha1, "sha256": hashlib.sha256, "sha384": hashlib.sha384, "sha512": hashlib.sha512}


def youtube_topic(channel_id: str) -> str:
    """Return the address of the feed that YouTube's hub pushes for a channel."""
    return f"https://www.youtube.com/xml/feeds/videos.xml?channel_id={quote(channel_id)}"


def ask_hub(hub: str, mode: str, topic: str, callback: str, secret: str, guard: Guard) -> None:
    """Ask a hub to `subscribe` or `unsubscribe`; it asks back at the callback before that holds.

    Raises InputError when the hub refuses, UnavailableError when it does not answer.
    """
    form = {
        "hub.mode": mode,
        "hub.topic": topic,
        "hub.callback": callback,
        "hub.secret": secret,
        "hub.lease_seconds": str(LEASE_SECONDS),
        "hub.verify": "async",  # which hubs of the older protocol ask for
    }
    answer = fetch(
        hub,
        data=urlencode(form).encode(),
        headers={"Content-Type": "application/x-www-form-urlencoded"},
        maximum_bytes=_ANSWER_BYTES,
        timeout_seconds=_TIMEOUT_SECONDS,
        guard=guard,
    )
    if answer.status == 429 or answer.status >= 500:
        raise UnavailableError(f"The hub {hub} answers {answer.status}; it is asked again later.")
    if not 200 <= answer.status < 300:
        said = " ".join(answer.body.decode("utf-8", "replace").split())[:200]
        raise InputError(f"The hub {hub} refuses to {mode} ({answer.status}): {said}")


def is_signed(body: bytes, signature: str | None, secret: str | None) -> bool:
    """Return whether a push carries the signature that only those who know the secret can make."""
    method, _, given = (signature or "").strip().partition("=")
    digest = _DIGESTS.get(method.lower())
    if digest is None or not secret or not given.isascii():
        return False
    wanted = hmac.new(secret.encode(), body, digest).hexdigest()
    return hmac.compare_digest(wanted, given.lower())
