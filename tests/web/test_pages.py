"""Library, recording, search, review and operations in a real browser."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

import pytest
from playwright.sync_api import expect

from tests.web.conftest import Site, shoot, violations

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


def test_the_library_filters_sorts_and_asks_before_it_forgets(page: Page, site: Site) -> None:
    page.goto("/library?sort=title")
    titles = page.locator("tbody th a").all_text_contents()
    assert titles == sorted(titles, key=str.lower)
    assert {"conversation.opus", "piece 0.mp3"} <= set(titles)
    assert violations(page) == []
    page.get_by_role("searchbox", name="Title").fill("piece")
    page.get_by_role("button", name="Show", exact=True).click()
    assert all("piece" in title for title in page.locator("tbody th a").all_text_contents())
    row = page.locator("tr", has_text="piece 2.mp3")
    row.get_by_role("button", name="Forget").click()
    expect(page.get_by_role("dialog")).to_contain_text("piece 2.mp3")
    page.get_by_role("button", name="Keep it").click()
    expect(row).to_be_visible()
    row.get_by_role("button", name=re.compile("again")).click()
    expect(page.locator("#toast")).to_contain_text("is read again")
    assert site.cloud.final("piece 2.mp3").match_status == "fingerprinted"
    page.goto("/library?title=no+such+title")
    expect(page.locator(".empty")).to_contain_text("No recording fits")


def test_a_recording_plays_follows_and_can_be_corrected(page: Page, site: Site) -> None:
    page.goto(f"/recordings/{site.id_of('conversation.opus')}?t=16")
    page.wait_for_selector("canvas[data-ready]")
    painted = "(c) => c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some((value) => value)"
    assert page.locator("#wave").evaluate(painted)
    now = page.locator(".line.now")
    expect(now).to_have_count(1)
    assert float(now.get_attribute("data-from") or "nan") <= 16 <= float(now.get_attribute("data-to") or "nan")
    page.locator(".line .time").first.click()
    expect(page.locator(".line").first).to_have_class(re.compile("now"))
    assert violations(page) == []

    line = page.locator(".line").first
    before = line.locator(".text").text_content() or ""
    line.get_by_role("button", name=re.compile("^Edit")).click()
    page.get_by_label("What is said").fill("Good evening, and welcome to the program.")
    page.get_by_label("Who says it").fill("Ada")
    assert violations(page) == []
    page.get_by_role("button", name="Save").click()
    expect(line.locator(".text")).to_have_text("Good evening, and welcome to the program.")
    expect(line.locator(".speaker")).to_have_text("Ada")
    page.reload()
    expect(line.locator(".text")).to_have_text("Good evening, and welcome to the program.")
    for _ in range(2):
        line.get_by_role("button", name=re.compile("^Edit")).click()
        page.get_by_role("button", name="Undo the last change").click()
        expect(page.locator("#toast")).to_have_text("Saved.")
        page.keyboard.press("Escape")
    expect(line.locator(".text")).to_have_text(before)
    with page.expect_download() as download:
        page.get_by_role("link", name="SRT").click()
    assert "-->" in download.value.path().read_text()


def test_search_leads_to_the_second(page: Page, site: Site) -> None:
    page.goto("/search")
    page.get_by_label("Words").fill("tonight")
    page.get_by_role("button", name="Search").click()
    hit = page.locator(".hit").first
    expect(hit.locator("mark").first).to_have_text("tonight")
    assert violations(page) == []
    hit.get_by_role("link").click()
    expect(page.locator("h1")).to_have_text("conversation.opus")
    assert float(page.input_value("#seek")) > 0.5
    page.goto("/search?q=-tonight")
    expect(page.get_by_role("alert")).to_contain_text("only says what to leave out")


def test_a_match_is_reviewed_with_the_keyboard_and_taken_back(page: Page, site: Site) -> None:
    with site.cloud.services.database.transaction() as connection:
        # What the synthetic pieces have in common by themselves.
        connection.execute("delete from matches where decision = 'unsure' and decided_by <> 'test'")
    page.goto("/review")
    expect(page.get_by_role("heading", name="piece 0.mp3")).to_be_visible()
    picture = page.locator("#query-picture")
    expect(picture).to_have_attribute("aria-label", re.compile(r"Spectrogram: \d+ landmarks"))
    shoot(page, "review")
    assert page.locator("#reference-audio").get_attribute("src").endswith("#t=6,11")  # type: ignore[union-attr]
    assert violations(page) == []
    with page.expect_response("**/review"):
        page.keyboard.press("r")
    expect(page.get_by_role("heading", name="piece 0.mp3")).to_be_hidden()
    assert reviews(site) == [("rejected", "this machine")]
    with page.expect_response("**/review"):
        page.keyboard.press("u")
    expect(page.get_by_role("heading", name="piece 0.mp3")).to_be_visible()
    assert reviews(site) == []
    with page.expect_response("**/review"):
        page.get_by_role("button", name=re.compile("^Accept")).click()
    assert reviews(site) == [("accepted", "this machine")]
    page.reload()
    expect(page.locator("#pair:not([hidden]), #none:not([hidden])")).to_have_count(1)
    expect(page.get_by_role("heading", name="piece 0.mp3")).to_be_hidden()


def reviews(site: Site) -> list[tuple[str, str]]:
    with site.cloud.services.database.transaction() as connection:
        rows = connection.execute("select review, reviewed_by from matches where review is not null").fetchall()
    return [(row["review"], row["reviewed_by"]) for row in rows]


def test_operations_are_live(page: Page, site: Site) -> None:
    page.goto("/operations")
    expect(page.locator("#live")).to_have_text("live")
    expect(page.locator("#queues")).to_contain_text("fingerprint-match")
    expect(page.locator("#costs svg")).to_be_visible()
    assert violations(page) == []
    (site.folder / "words.mp3").write_bytes(b"no audio at all" * 200)
    site.cloud.command("add", site.folder / "words.mp3")
    expect(page.locator("#failures")).to_contain_text("words.mp3")
    page.get_by_role("button", name="Look").click()
    expect(page.locator("#dead-said")).to_have_text("None.")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_is_legible_and_fits_a_narrow_screen(
    browser: Browser, site: Site, scheme: Literal["light", "dark"]
) -> None:
    context = browser.new_context(
        base_url=site.url,
        color_scheme=scheme,
        viewport={"width": 360, "height": 740},
    )
    opened = context.new_page()
    for path in (
        "/",
        "/library",
        f"/recordings/{site.id_of('conversation.opus')}",
        "/search?q=tonight",
        "/label",
        "/speakers",
        "/operations",
        "/signin",
        "/none",
    ):
        opened.goto(path)
        shoot(opened, f"{path.strip('/').partition('?')[0].replace('/', ' ') or 'find'} {scheme} narrow")
        assert violations(opened) == [], path
        assert opened.evaluate("document.documentElement.scrollWidth") <= 360, path
    opened.get_by_role("button", name="Theme: automatic").click()
    assert opened.evaluate("document.documentElement.dataset.theme") == "light"
    context.close()


def test_a_page_is_walked_through_with_the_keyboard(page: Page, site: Site) -> None:
    page.goto("/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="To the content")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.locator("#link")).to_be_focused()
