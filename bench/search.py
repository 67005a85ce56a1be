"""Search over many hours of made transcripts: load, size, and how long each kind of question takes."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import numpy as np
import psycopg
from numpy.typing import NDArray

from sonicgen.local.postgres import LocalPostgres
from sonicgen.store import search
from sonicgen.store.database import Database
from sonicgen.store.migrations import migrate

HOURS = float(os.environ.get("SONICGEN_BENCH_HOURS", "1000"))
LINES_PER_HOUR = 700
WORDS_PER_LINE = 13
VOCABULARY = 30_000
CHANNELS, RECORDING_HOURS = 40, 2 / 3
NAMES = ("Ada Lovelace", "Grace Hopper", "Alan Turing", "Emmy Noether", "Kurt Gödel")
QUERIES_OF_EACH_KIND = 40
_SYLLABLES = ("ka", "to", "ri", "men", "sal", "do", "ven", "pi", "lor", "gra", "us", "ne", "bel", "chi", "sta", "om")


class Archive:
    """A made archive: words by how common they are (the first most), lines of them, recordings."""

    def __init__(self, hours: float, seed: int = 5) -> None:
        self.rng = np.random.default_rng(seed)
        self.words = [_word(rank) for rank in range(VOCABULARY)]
        shares = 1.0 / np.arange(1, VOCABULARY + 1)  # Zipf's law
        self.shares = np.cumsum(shares / shares.sum())
        self.lines = int(hours * LINES_PER_HOUR)
        count = max(1, int(hours / RECORDING_HOURS))
        self.recordings = [UUID(int=int(self.rng.integers(1 << 62)) << 64 | i) for i in range(count)]
        # Arrived in no order of publication, as an archive does that is fetched backwards.
        self.dates = [
            datetime(2026, 1, 1, tzinfo=UTC) - timedelta(days=int(d)) for d in self.rng.integers(1500, size=count)
        ]

    def line(self) -> NDArray[np.int64]:
        """Return the ranks of a line's words."""
        count = 1 + int(self.rng.geometric(1 / WORDS_PER_LINE))
        return np.searchsorted(self.shares, self.rng.random(min(count, 80)))

    def rows(self) -> Iterator[str]:
        """Yield every line as COPY reads it."""
        per_recording = self.lines / len(self.recordings)
        for number in range(self.lines):
            recording = min(int(number / per_recording), len(self.recordings) - 1)
            position = number - int(recording * per_recording)
            texts = [self.words[rank] for rank in self.line()]
            start_ms = position * 5100
            starts = range(start_ms, start_ms + 380 * len(texts), 380)
            speaker = int(self.rng.integers(4))
            # Every fourth recording has names.
            name = NAMES[(recording + speaker) % len(NAMES)] if recording % 4 == 0 else "\\N"
            yield (
                "\t".join(
                    (
                        str(self.recordings[recording]),
                        str(self.recordings[recording]),
                        str(position + 1),
                        f"{start_ms / 1000}",
                        f"{(start_ms + 380 * len(texts)) / 1000}",
                        "ABCD"[speaker],
                        name,
                        " ".join(texts),
                        "en",
                        "0.9",
                        _array(texts),
                        _array(starts),
                        _array(at + 370 for at in starts),
                        _array(900 for _ in texts),
                    )
                )
                + "\n"
            )

    def load(self, url: str) -> None:
        """Put all of it into a migrated database."""
        with psycopg.connect(url) as connection:
            for number in range(CHANNELS):
                connection.execute("insert into channels (id, title) values (%s, %s)", (f"UC{number}", f"No. {number}"))
            with connection.cursor() as cursor:
                cursor.executemany(
                    "insert into videos (id, title, channel_id, published_at) values (%s, %s, %s, %s)",
                    [(r, f"Recording {i}", f"UC{i % CHANNELS}", self.dates[i]) for i, r in enumerate(self.recordings)],
                )
                cursor.executemany(
                    "insert into transcripts (id, video_id, state, reason, language)"
                    " values (%s, %s, 'ready', 'transcribed', 'en')",
                    [(r, r) for r in self.recordings],
                )
                with cursor.copy(
                    "copy utterances (video_id, transcript_id, position, start_seconds, end_seconds, speaker,"
                    " speaker_name, text, language, confidence, word_texts, word_starts_ms, word_ends_ms,"
                    " word_confidences) from stdin"
                ) as copy:
                    for row in self.rows():
                        copy.write(row)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("vacuum analyze")  # as autovacuum does within a minute


def _array(values: Iterable[object]) -> str:
    return "{" + ",".join(map(str, values)) + "}"


def _word(rank: int) -> str:
    """Return a word that no other rank has; common ones are short."""
    digits, rest = [], rank + len(_SYLLABLES)
    while rest:
        rest, digit = divmod(rest, len(_SYLLABLES))
        digits.append(_SYLLABLES[digit])
    return "".join(digits)


Question = tuple[str, search.Filters]


def questions(archive: Archive) -> dict[str, Callable[[], Question]]:
    """Return a maker of questions for each kind."""
    rng, words = archive.rng, archive.words

    def pick(low: int, high: int) -> str:
        return words[int(rng.integers(low, high))]

    def phrase(count: int) -> str:
        while len(ranks := archive.line()) < count:
            pass
        return '"' + " ".join(words[rank] for rank in ranks[:count]) + '"'

    def day() -> datetime:
        return archive.dates[int(rng.integers(len(archive.dates)))]

    every = search.Filters()
    return {
        "rare word": lambda: (pick(3_000, VOCABULARY), every),
        "middling word": lambda: (pick(100, 3_000), every),
        "common word": lambda: (pick(0, 20), every),
        "two common words": lambda: (f"{pick(0, 20)} {pick(0, 20)}", every),
        "common and rare word": lambda: (f"{pick(0, 20)} {pick(3_000, VOCABULARY)}", every),
        "phrase of two, as said": lambda: (phrase(2), every),
        "phrase of four, as said": lambda: (phrase(4), every),
        "phrase of two common words": lambda: (f'"{pick(0, 20)} {pick(0, 20)}"', every),
        "phrase of middling words": lambda: (f'"{pick(50, 500)} {pick(50, 500)}"', every),
        "either of two": lambda: (f"{pick(0, 100)} or {pick(100, 3_000)}", every),
        "exclusion": lambda: (f"{pick(20, 500)} -{pick(0, 3)}", every),
        "common, speaker's label": lambda: (pick(0, 20), search.Filters(speaker="C")),
        "common, speaker's name": lambda: (pick(0, 20), search.Filters(speaker="lovelace")),
        "rare, speaker's name": lambda: (pick(3_000, VOCABULARY), search.Filters(speaker="Ada Lovelace")),
        "common, channel": lambda: (pick(0, 20), search.Filters(channel=f"UC{rng.integers(CHANNELS)}")),
        "middling, channel": lambda: (pick(100, 3_000), search.Filters(channel=f"No. {rng.integers(CHANNELS)}")),
        "common, before": lambda: (pick(0, 20), search.Filters(before=day())),
        "common, after": lambda: (pick(0, 20), search.Filters(after=day())),
        "middling, a month": lambda: (
            pick(100, 3_000),
            search.Filters(after=(begin := day()), before=begin + timedelta(days=30)),
        ),
        "common, one recording": lambda: (
            pick(0, 20),
            search.Filters(video_id=archive.recordings[int(rng.integers(len(archive.recordings)))]),
        ),
        "found nowhere": lambda: ("nowhere", every),
    }


def deep_pages(database: Database, text: str, pages: int) -> Iterator[float]:
    """Turn pages and yield how long each took."""
    cursor = None
    for _ in range(pages):
        started = time.perf_counter()
        page = search.search(database, text, limit=100, cursor=cursor)
        yield time.perf_counter() - started
        cursor = page.next_cursor
        if cursor is None:
            return


def measure_search() -> dict[str, str]:
    """Search over 1,000 hours (or SONICGEN_BENCH_HOURS), one question after the other."""
    archive = Archive(HOURS)
    folder = Path(tempfile.mkdtemp(prefix="sonicgen-search-"))
    try:
        with LocalPostgres(folder / "postgres") as server, Database(server.url) as database:
            migrate(database)
            started = time.perf_counter()
            archive.load(server.url)
            loaded = time.perf_counter() - started
            figures = {
                "archive": f"{archive.lines:,} lines, {len(archive.recordings):,} recordings, {HOURS:,.0f} h",
                "load": f"{loaded:.0f} s, {archive.lines / loaded:,.0f} lines/s",
                "size": _sizes(server.url),
            }
            return figures | measure_questions(database, archive)
    finally:
        shutil.rmtree(folder)


def measure_questions(database: Database, archive: Archive) -> dict[str, str]:
    """Ask every kind of question in turn and return how long they took."""
    asked: dict[str, list[float]] = {kind: [] for kind in questions(archive)}
    makers = questions(archive)
    before = os.getloadavg()[0]
    for _ in range(QUERIES_OF_EACH_KIND):
        for kind, make in makers.items():
            text, filters = make()
            started = time.perf_counter()
            search.search(database, text, filters)
            asked[kind].append(time.perf_counter() - started)
    asked["a page of 100, thirty deep"] = [
        took for rank in (2, 40, 400) for took in deep_pages(database, archive.words[rank], 30)
    ]
    everything = [took for times in asked.values() for took in times]
    figures = {kind: _quantiles(times) for kind, times in asked.items()}
    load = f"load average {before:.1f} before, {os.getloadavg()[0]:.1f} after, {os.cpu_count()} cores"
    return figures | {"all of these": _quantiles(everything), "machine": load}


def _quantiles(seconds: list[float]) -> str:
    p50, p95, p99 = np.quantile(seconds, [0.5, 0.95, 0.99]) * 1000
    return f"p50 {p50:.1f}, p95 {p95:.1f}, p99 {p99:.1f}, most {max(seconds) * 1000:.1f} ms ({len(seconds)})"


def _sizes(url: str) -> str:
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "select pg_database_size(current_database()), pg_table_size('utterances'), pg_indexes_size('utterances'),"
            " pg_total_relation_size('utterance_words'), pg_relation_size('utterance_words_search')"
        ).fetchone()
    assert row is not None
    whole, table, indexes, words, index = (size / 2**20 for size in row)
    return (
        f"{whole:,.0f} MB: lines {table:,.0f}, their indexes {indexes:,.0f}, what is searched {words:,.0f}"
        f" (of which the index for words {index:,.0f})"
    )
