"""Who may do what."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """What a caller may do; each may do what those before it may."""

    ANONYMOUS = "anonymous"  # ask where a clip is from, a few times an hour
    VIEWER = "viewer"  # read everything
    LABELLER = "labeller"  # correct words, review matches, name voices, add recordings
    ADMIN = "admin"  # forget, retry, replay, keys and webhooks

    def includes(self, other: Role) -> bool:
        """Return whether this role may do what the other may."""
        return _ORDER.index(self) >= _ORDER.index(other)


_ORDER = (Role.ANONYMOUS, Role.VIEWER, Role.LABELLER, Role.ADMIN)
