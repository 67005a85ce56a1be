"""Voices named and people looked after, in a real browser."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from playwright.sync_api import expect

from tests.acceptance.conftest import wait_for
from tests.web.conftest import Site, violations

if TYPE_CHECKING:
    from playwright.sync_api import Page


def test_voices_are_named_with_the_keyboard_and_people_looked_after(page: Page, site: Site) -> None:
    wait_for(lambda: len(page.request.get(f"{site.url}/v1/voices").json()["voices"]) >= 2, 60)
    page.goto("/label")
    expect(page.locator("#voice-title")).to_contain_text("voice 1")
    expect(page.locator("#name")).to_be_focused()
    assert violations(page) == []
    first = page.locator("#clips audio").first.get_attribute("src") or ""
    assert page.request.get(site.url + first).headers["content-type"] == "audio/flac"
    page.keyboard.type("Ada Lovelace")
    page.keyboard.press("Enter")
    expect(page.locator("#toast")).to_contain_text("Ada Lovelace")
    expect(page.locator("#voice-title")).not_to_contain_text("voice 1")
    page.keyboard.press("Alt+u")
    expect(page.locator("#toast")).to_have_text("Taken back.")
    expect(page.locator("#voice-title")).to_contain_text("voice 1")
    page.keyboard.type("Ada Lovelace")
    page.keyboard.press("Enter")
    expect(page.locator("#voice-title")).not_to_contain_text("voice 1")

    page.goto("/speakers")
    page.get_by_role("link", name="Ada Lovelace").click()
    expect(page.locator("#appearances")).to_contain_text("conversation.opus")
    assert violations(page) == []
    page.get_by_label("Name", exact=True).fill("Ada King")
    page.get_by_role("button", name="Rename").click()
    expect(page.locator("#profile-name")).to_have_text("Ada King")
    page.goto(f"/recordings/{site.id_of('conversation.opus')}")
    expect(page.locator(".voices")).to_contain_text("Ada King")
    page.goto("/speakers")
    page.get_by_role("link", name="Ada King").click()
    page.get_by_role("button", name="Forget this person").click()
    page.get_by_role("button", name="Keep them").click()
    expect(page.get_by_role("link", name=re.compile("Ada King"))).to_be_visible()
