"""One reading of a source: what its pages bring is kept and counted page by page, and announced after each."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import datetime

from sonicgen.domain.filters import Candidate, FilteredBy, filtered_by
from sonicgen.domain.source import Source
from sonicgen.errors import QuotaError
from sonicgen.services.youtube import Youtube
from sonicgen.steps.announce_videos import announce_videos
from sonicgen.steps.services import Services
from sonicgen.store import items, quota, sources
from sonicgen.store.items import Added, Item, Publisher

# A function may run for nine minutes; after half of that a reading goes on with a message of its own.
SLICE_SECONDS = 240.0


class Reading:
    """The work on one source between `sources.begin` and its end; raises SupersededError when another has begun."""

    def __init__(self, services: Services, source: Source) -> None:
        self.services = services
        self.database = services.database
        self.source = source
        self.units = 0  # spent since the last page was kept
        self.new = 0
        self._ends_at = time.monotonic() + SLICE_SECONDS

    @property
    def is_over_time(self) -> bool:
        """Whether the reading should go on in another message."""
        return time.monotonic() > self._ends_at

    def youtube(self) -> Youtube:
        """Return the Data API, on the day's quota. Raises SourceError without a key."""
        settings = self.services.settings
        return Youtube(
            settings.youtube_api_key,
            settings.youtube_endpoint,
            reserve=self._reserve,
            exhausted=self._exhaust,
        )

    def known(self, names: Sequence[str]) -> dict[str, bool]:
        """Return which items were brought before, and of each whether nobody could see it then."""
        return items.known(self.database, self.source.id, names)

    def verdict(self, candidate: Candidate) -> FilteredBy | None:
        """Return what leaves a candidate out, whatever else there is; None when nothing that is known of it does."""
        floor, published = self.source.oldest_taken_at, candidate.published_at
        if floor and published and published < floor:
            return FilteredBy.MAX_VIDEOS
        return filtered_by(candidate, self.source.filters)

    def judge(self, candidates: Sequence[Candidate], *, is_ordered: bool, channels: Mapping[str, str]) -> list[Item]:
        """Return the candidates with their verdicts, `max_videos` included.

        `is_ordered`: the newest come first. Then `max_videos` ends the first reading, and what is older than its last
        video stays out for good while all that is newer comes in; otherwise it bounds the whole. `channels` names each
        item's channel.
        """
        room = self._room(is_ordered)
        judged = []
        for candidate in candidates:
            verdict = self.verdict(candidate)
            if verdict is None and room is not None:
                room -= 1
                verdict = FilteredBy.MAX_VIDEOS if room < 0 else None
            judged.append(Item(candidate, verdict, channels.get(candidate.item)))
        return judged

    def is_full(self, judged: Sequence[Item], *, is_ordered: bool) -> bool:
        """Return whether `max_videos` is reached with these items."""
        room = self._room(is_ordered)
        return room is not None and sum(item.filtered_by is None for item in judged) >= room

    def keep(
        self,
        judged: Sequence[Item],
        *,
        page_token: str | None = None,
        channels: Sequence[Publisher] = (),
        last_seen: Mapping[str, str] | None = None,
        oldest_taken_at: datetime | None = None,
    ) -> Added:
        """Keep a page: its videos, its counts and the token of the next, all or nothing; then announce what is new."""
        with self.database.transaction() as connection:
            items.add_channels(connection, channels)
            added = items.add(connection, self.source.id, judged)
            self.source = sources.move_on(
                connection,
                self.source,
                page_token=page_token,
                last_seen=last_seen,
                oldest_taken_at=oldest_taken_at,
                discovered=added.new + added.known + added.filtered,
                taken=added.new,
                filtered=added.filtered,
                units=self.units,
            )
        self.units = 0
        self.new += added.new
        announce_videos(self.services, self.source.id)
        return added

    def keep_pushed(self, judged: Sequence[Item], channels: Sequence[Publisher]) -> Added:
        """Keep what came without being read; a reading that is under way goes on beside it."""
        with self.database.transaction() as connection:
            items.add_channels(connection, channels)
            added = items.add(connection, self.source.id, judged)
            sources.add_counts(
                connection,
                self.source,
                discovered=added.new + added.known + added.filtered,
                taken=added.new,
                filtered=added.filtered,
                units=self.units,
            )
        self.units = 0
        self.new += added.new
        announce_videos(self.services, self.source.id)
        return added

    def identify(self, channel: Publisher | None, title: str) -> None:
        """Keep what was found out about the source."""
        with self.database.transaction() as connection:
            items.add_channels(connection, [channel] if channel else [])
            self.source = sources.set_identity(
                connection,
                self.source,
                channel_id=channel.id if channel else None,
                title=title,
                uploads_playlist_id=channel.uploads_playlist_id if channel else None,
            )

    def _reserve(self, units: int) -> None:
        limit = self.services.settings.youtube_daily_units
        if not quota.reserve(self.database, quota.YOUTUBE, units, limit).is_granted:
            raise QuotaError(f"The {limit:,} units of the YouTube Data API for today are spent.")
        self.units += units

    def _exhaust(self) -> None:
        quota.exhaust(self.database, quota.YOUTUBE, self.services.settings.youtube_daily_units)

    def _room(self, is_ordered: bool) -> int | None:
        most = self.source.filters.max_videos
        if most is None or (is_ordered and self.source.is_read):
            return None
        return max(0, most - items.count_selected(self.database, self.source.id))
