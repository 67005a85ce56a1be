"""A real browser on a real embedded cloud with real recordings."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from sonicgen.domain.match import Decision, Match
from sonicgen.local.demo_sounds import RATE_HZ, write_sound
from sonicgen.sound.decode import Decoder
from sonicgen.store import matches
from tests.acceptance.conftest import Cloud, clean_environment, cloud, sound, wait_for

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = Path("/usr/bin/chromium")
CONVERSATION = Path(__file__).parents[2] / "shared/src/sonicgen/local/conversation.opus"
PIECES = 3

Open = Callable[..., "Page"]


@dataclass
class Site:
    """The pages, what lies behind them, and clips to ask about."""

    cloud: Cloud
    folder: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.cloud.port}"

    def id_of(self, title: str) -> str:
        return next(str(one.id) for one in self.cloud.all() if one.title == title)


def cut(source: Path, start: float, seconds: float, path: Path) -> Path:
    """Write a stretch of a recording as a file of its own."""
    samples = np.concatenate(list(Decoder(source, rate_hz=RATE_HZ)))
    write_sound(path, samples[round(start * RATE_HZ) : round((start + seconds) * RATE_HZ)].astype(np.float32))
    return path


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A cloud that holds a conversation, with its words, and some music; one match of it waits for a review."""
    folder = tmp_path_factory.mktemp("clips")
    names = [f"piece {number}.mp3" for number in range(PIECES)]
    for number, name in enumerate(names):
        write_sound(folder / name, sound(number + 40, 30.0))
    cut(CONVERSATION, 10.0, 5.0, folder / "talk.mp3")
    write_sound(folder / "elsewhere.mp3", sound(77, 6.0))
    write_sound(folder / "excerpt of piece 2.mp3", sound(42, 30.0)[round(12.4 * RATE_HZ) : 20 * RATE_HZ])
    both = np.concatenate((sound(40, 30.0)[5 * RATE_HZ : 15 * RATE_HZ], sound(41, 30.0)[8 * RATE_HZ : 18 * RATE_HZ]))
    write_sound(folder / "compilation.mp3", both)
    with cloud(tmp_path_factory.mktemp("data"), SONICGEN_TRANSCRIPTION="local", SONICGEN_EMBEDDER="on") as running:
        done = subprocess.run(
            [sys.executable, "-m", "sonicgen", "add", str(CONVERSATION), *(str(folder / name) for name in names)],
            env=clean_environment(running.folder.root), capture_output=True, check=True, timeout=100,
        )  # fmt: skip
        made = Site(running, folder)
        assert b"conversation.opus" in done.stdout
        talk = running.final("conversation.opus")
        wait_for(lambda: "ready" in _transcript_state(running, str(talk.id)), 60)
        query, reference = (running.final(name) for name in names[:2])
        doubtful = Match(reference.number or 0, 4.0, 9.0, 6.0, 11.0, 1.0, 1.0, 14, 0.97, -1.2, Decision.UNSURE)
        with running.services.database.transaction() as connection:
            matches.replace(connection, query.id, [(reference.id, doubtful)], "test")
        yield made


def _transcript_state(running: Cloud, identifier: str) -> str:
    with running.services.database.transaction() as connection:
        row = connection.execute("select state from transcripts where video_id = %s", (identifier,)).fetchone()
    return str(row["state"]) if row else ""


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's chromium; without it these tests are skipped, and say so."""
    if not CHROMIUM.exists():
        pytest.skip(f"there is no {CHROMIUM}: the pages are not looked at here")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def page(site: Site, browser: Browser) -> Iterator[Page]:
    """A page that fails its test when anything is refused, fails to load, or is asked of another address."""
    context = browser.new_context(base_url=site.url, reduced_motion="reduce")
    context.grant_permissions(["clipboard-read", "clipboard-write"], origin=site.url)
    opened = context.new_page()
    opened.set_default_timeout(15_000)
    troubles: list[str] = []
    opened.on("console", lambda said: troubles.append(said.text) if said.type == "error" else None)
    opened.on("pageerror", lambda error: troubles.append(str(error)))
    opened.on("request", lambda asked: _check_address(asked.url, site, troubles))
    opened.troubles = troubles  # type: ignore[attr-defined]
    yield opened
    context.close()
    assert troubles == []


def _check_address(url: str, site: Site, troubles: list[str]) -> None:
    if not url.startswith((site.url, "data:", "blob:")):
        troubles.append(f"asked of another address: {url}")


def shoot(page: Any, name: str) -> None:
    """Keep a picture of a page for people to look at, in the folder that SONICGEN_SHOTS names."""
    if folder := os.environ.get("SONICGEN_SHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def violations(page: Any) -> list[str]:
    """Return what axe finds wrong with a page by WCAG 2.2 AA, each with the element."""
    script = Path(__file__).parents[1] / "vendor" / "axe.min.js"
    page.evaluate(script.read_text())
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    found = page.evaluate("tags => axe.run(document, { runOnly: tags })", tags)
    return [f"{one['id']}: {node['html'][:120]}" for one in found["violations"] for node in one["nodes"]]
