"""Names of topics and subscriptions, as Pub/Sub allows them."""

from __future__ import annotations

import re

from sonicgen.errors import InputError

# What a subscription's topic reads once that topic is deleted; the real service uses the same words.
DELETED_TOPIC = "_deleted-topic_"

_PATH = re.compile(
    r"projects/(?P<project>[^/\s]+)/(?P<collection>topics|subscriptions)/(?P<id>[A-Za-z][\w.~+%-]{2,254})"
)


def check_topic(path: str) -> str:
    """Return `path` when it is `projects/P/topics/T`; raise InputError otherwise."""
    return _check(path, "topics")


def check_subscription(path: str) -> str:
    """Return `path` when it is `projects/P/subscriptions/S`; raise InputError otherwise."""
    return _check(path, "subscriptions")


def split(path: str) -> tuple[str, str]:
    """Return the project and the short name of a checked path."""
    parts = path.split("/")
    return parts[1], parts[3]


def _check(path: str, collection: str) -> str:
    found = _PATH.fullmatch(path) if path.isascii() else None
    if found is None or found["collection"] != collection or found["id"].lower().startswith("goog"):
        raise InputError(
            f"{path!r} is no name of a Pub/Sub resource: use projects/PROJECT/{collection}/NAME, where NAME starts "
            "with a letter, has 3 to 255 letters, digits or -_.~+% and does not start with goog."
        )
    return path
