"""The versions of the fingerprint, and what differs between them.

Fingerprints of different versions say nothing of each other. While an index is moved from one version to the next, it
holds both: what is looked for is then heard in each of them (`Fingerprint.older`), and compared only with its own.

To change the algorithm: make what changes a field of `Algorithm`, add the new version to `ALGORITHMS` and keep the old
one until no index holds it (`sonicgen doctor` says), then run `sonicgen backfill --refingerprint`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sonicgen.sound.peaks import RANK_KEEP


@dataclass(frozen=True, slots=True)
class Algorithm:
    """One version: how many peaks stay of those that sound together (see `sonicgen.sound.peaks`)."""

    version: int
    peaks_kept: int


ALGORITHMS: Mapping[int, Algorithm] = {1: Algorithm(1, peaks_kept=RANK_KEEP)}


def current_version() -> int:
    """Return the version that recordings are stored with."""
    return max(ALGORITHMS)


def algorithms(versions: Collection[int] = ()) -> list[Algorithm]:
    """Return the current algorithm, then those of the other versions wanted, the newest first.

    Versions that this release does not know are left out.
    """
    others = sorted({*versions} - {current_version()}, reverse=True)
    return [ALGORITHMS[current_version()], *(ALGORITHMS[version] for version in others if version in ALGORITHMS)]
