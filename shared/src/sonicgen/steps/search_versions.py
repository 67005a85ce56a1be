"""A search of the whole index while recordings in it are heard anew by another version of the algorithm.

Each version's fingerprint of a clip is compared with that version's recordings alone. A recording moves from one
version to the next in one transaction, and gets a new number: whoever searches the older version first and then looks
at what came meanwhile sees it before or after its move, never in neither place; should they see it in both, the later
counts.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from uuid import UUID

import numpy as np

from sonicgen.domain.match import Decision, Match
from sonicgen.domain.recording import Recording
from sonicgen.errors import UnavailableError
from sonicgen.log import log
from sonicgen.match.search import find_matches
from sonicgen.sound.fingerprint import Fingerprint
from sonicgen.sound.versions import ALGORITHMS, current_version
from sonicgen.steps.search_index import PostgresIndex
from sonicgen.store import postings, recordings
from sonicgen.store.database import Database

logger = logging.getLogger(__name__)

# Moves are as slow as decoding, a look at what came since is as fast as a search of a few minutes: two are rare.
_MOST_LOOKS = 10


def versions_wanted(database: Database) -> tuple[int, ...]:
    """Return the versions that a clip has to be heard in, so that it can be compared with all of the index."""
    return postings.state(database).versions


def search_all(database: Database, clip: Fingerprint, *, false_positive_rate: float) -> list[tuple[Match, Recording]]:
    """Return the matches of a clip, best first, each with its recording, whatever moves within the index meanwhile.

    Of versions that the clip was not heard in, nothing is found. Raises UnavailableError.
    """
    seen = postings.state(database)
    found = search(database, clip, seen.versions, false_positive_rate=false_positive_rate, seconds=seen.seconds)
    known = recordings.by_numbers(database, {match.recording for match in found})
    for _ in range(_MOST_LOOKS):
        now = postings.state(database)
        if now.departures == seen.departures:
            break
        versions = sorted({*seen.versions, *now.versions})
        late = search(database, clip, versions, after=seen.latest_number, false_positive_rate=false_positive_rate)
        found += [match for match in late if match.recording not in known]  # the rest was seen before
        known |= recordings.by_numbers(database, {match.recording for match in late})
        seen = now
    return _once_each(found, known)


def search(
    database: Database,
    clip: Fingerprint,
    versions: Collection[int],
    *,
    false_positive_rate: float,
    after: int | None = None,
    exclude: Collection[int] = (),
    seconds: float | None = None,
) -> list[Match]:
    """Return the matches of a clip with recordings of these versions, the older versions' first.

    `after` looks only at what was stored after that number; `exclude` are numbers that are left out; `seconds` is how
    much sound the index holds, for whoever knows.
    """
    found: list[Match] = []
    is_mixed = len({*versions}) > 1
    for version in sorted(versions):
        heard = clip.by_version.get(version)
        if heard is None:
            log(logger, f"Fingerprints of version {version} are in the index and cannot be compared with this clip.")
            continue
        index = PostgresIndex(database, after=after, version=version if is_mixed else None, seconds=seconds)
        matches = find_matches(heard, index, false_positive_rate=false_positive_rate, exclude=exclude)
        found += matches if is_mixed else _of_version(database, matches, version)
    return found


def ensure_comparable(versions: Collection[int], clip: Fingerprint) -> None:
    """Raise UnavailableError when a clip has to be stored that was not heard as recordings in the index were.

    What only an older release could compare is no reason: such recordings are compared when they are heard anew.
    """
    for version in versions:
        if version > current_version():
            raise UnavailableError(
                f"The index holds fingerprints of version {version}, which this release does not know; update SonicGen."
            )
        if version in ALGORITHMS and version not in clip.by_version:
            raise UnavailableError(f"Fingerprints of version {version} came into the index meanwhile; try again.")


def comparable(clip: Fingerprint, recording: Recording) -> Fingerprint:
    """Return a clip's fingerprint in the version of a recording; the current one for a recording that has none."""
    return clip.by_version.get(recording.index_version or clip.version, clip)


def _of_version(database: Database, matches: list[Match], version: int) -> list[Match]:
    """Leave out what came with another version while an index was searched that had only one."""
    if not matches:
        return []
    own = set(postings.of_version(database, np.array([m.recording for m in matches], np.int64), version).tolist())
    return [match for match in matches if match.recording in own]


def _once_each(found: list[Match], known: dict[int, Recording]) -> list[tuple[Match, Recording]]:
    latest: dict[UUID, int] = {}
    for number, recording in known.items():
        latest[recording.id] = max(number, latest.get(recording.id, 0))
    pairs = [
        (match, known[match.recording])
        for match in found
        if match.recording in known and latest[known[match.recording].id] == match.recording
    ]
    return sorted(pairs, key=lambda pair: (pair[0].decision is Decision.UNSURE, pair[0].log10_chance))
