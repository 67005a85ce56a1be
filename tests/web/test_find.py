"""The start page in a real browser: choose, drop, watch, reload, look at what came out."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING

from playwright.sync_api import expect

from tests.web.conftest import Site, shoot, violations

if TYPE_CHECKING:
    from playwright.sync_api import Page, Request, Route

DROP = """([name, data]) => {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], name, { type: "audio/mpeg" }));
  const place = document.querySelector("#ask"), event = { dataTransfer: transfer, bubbles: true, cancelable: true };
  for (const kind of ["dragenter", "dragover", "drop"]) place.dispatchEvent(new DragEvent(kind, event));
}"""


def ask(page: Page, site: Site, name: str) -> None:
    page.goto("/")
    page.set_input_files("#file", site.folder / name)
    page.click("#go")
    expect(page.locator("#answer article").first).to_be_visible()


def test_a_clip_is_found_with_its_sound_at_the_second_and_its_words(page: Page, site: Site) -> None:
    ask(page, site, "talk.mp3")
    card = page.get_by_role("article", name="Where it is from")
    expect(card.get_by_role("heading", level=2)).to_have_text("conversation.opus")
    expect(card).to_contain_text("at 0:10")
    expect(card).to_contain_text("certain")
    expect(card.locator(".said li").first).to_be_visible()
    moment = card.locator("audio").evaluate(
        "async (audio) => { if (audio.readyState < 1) await new Promise((r) => audio.onloadedmetadata = r);"
        " await new Promise((r) => setTimeout(r, 100)); return audio.currentTime; }"
    )
    assert abs(moment - 10.0) < 0.1
    assert violations(page) == []
    card.get_by_role("button", name="Copy a link to the moment").click()
    link = page.evaluate("navigator.clipboard.readText()")
    assert re.fullmatch(rf"{site.url}/recordings/{site.id_of('conversation.opus')}\?t=(9\.9|10\.0)\d*|.*\?t=10", link)


def test_the_player_of_youtube_is_asked_for_by_a_button_alone_and_starts_at_the_second(page: Page, site: Site) -> None:
    with site.cloud.services.database.transaction() as connection:
        connection.execute("update videos set youtube_id = 'dQw4w9WgXcQ' where id = %s", (site.id_of("piece 2.mp3"),))
    asked: list[Request] = []

    def answer(route: Route) -> None:
        asked.append(route.request)
        route.fulfill(content_type="text/html", body="<title>player</title><p>a player</p>")

    page.route("https://www.youtube-nocookie.com/**", answer)
    ask(page, site, "excerpt of piece 2.mp3")
    card = page.get_by_role("article", name="Where it is from")
    button = card.get_by_role("button", name=re.compile("YouTube"))
    expect(button).to_contain_text("contacts youtube-nocookie.com")
    assert asked == []
    button.click()
    expect(card.frame_locator("iframe").get_by_text("a player")).to_be_visible()
    [request] = asked
    assert request.url == "https://www.youtube-nocookie.com/embed/dQw4w9WgXcQ?start=12&autoplay=1"
    assert request.headers["referer"] == f"{site.url}/"  # without it the player refuses to play
    assert page.troubles == [f"asked of another address: {request.url}"]  # type: ignore[attr-defined]
    page.troubles.clear()  # type: ignore[attr-defined]


def test_progress_is_told_at_once_and_survives_a_reload(page: Page, site: Site) -> None:
    page.goto("/")
    data = base64.b64encode((site.folder / "piece 1.mp3").read_bytes()).decode()
    page.evaluate(
        "new MutationObserver(() => { window.seen ??= performance.now(); }).observe("
        "document.querySelector('#progress'), { attributes: true })"
    )
    page.evaluate("window.began = performance.now()")
    page.evaluate(DROP, ["piece 1.mp3", data])
    page.wait_for_function("window.seen !== undefined")
    assert page.evaluate("window.seen - window.began") < 200
    page.wait_for_url("**/?job=*")
    page.reload()
    expect(page.get_by_role("article", name="Where it is from")).to_contain_text("piece 1.mp3")
    page.reload()  # the answer is still under its address
    expect(page.get_by_role("article", name="Where it is from")).to_contain_text("at 0:00")


def test_not_this_steps_on_is_on_record_and_can_be_taken_back(page: Page, site: Site) -> None:
    ask(page, site, "compilation.mp3")
    timeline = page.get_by_role("group", name="What the clip is made of").get_by_role("button")
    expect(timeline).to_have_count(2)
    first = page.locator("#answer h2").first.text_content()
    timeline.nth(1).click()
    expect(page.locator("#answer section audio")).to_be_visible()
    shoot(page, "compilation")
    assert violations(page) == []
    with page.expect_response("**/rejections"):
        page.get_by_role("button", name=re.compile("^Not this")).click()
    expect(page.locator("#answer h2").first).not_to_have_text(first or "")
    with page.expect_response("**/rejections"):
        page.get_by_role("button", name="Not this", exact=True).click()
    expect(page.get_by_role("article", name="Nothing found")).to_contain_text("No more guesses")
    job = page.url.rpartition("=")[2]
    with page.expect_response("**/rejections/*"):
        page.get_by_role("button", name="Take that back").click()
    with site.cloud.services.database.transaction() as connection:
        rows = connection.execute(
            "select undone_at from decisions where kind = 'find_rejected' and subject_ids[1] = %s::uuid "
            "order by made_at",
            (job,),
        ).fetchall()
    assert [row["undone_at"] is not None for row in rows] == [False, True]


def test_nothing_found_says_what_was_tried_and_offers_to_add_it(page: Page, site: Site) -> None:
    ask(page, site, "elsewhere.mp3")
    card = page.get_by_role("article", name="Nothing found")
    shoot(page, "nothing found")
    expect(card).to_contain_text("No known recording holds it.")
    expect(card).to_contain_text(re.compile(r"6\.0 s were listened to and compared with \d+ recordings"))
    assert violations(page) == []
    card.get_by_role("button", name="Add it to the library").click()
    expect(card).to_contain_text("on its way")
    assert site.cloud.final("elsewhere.mp3").match_status == "fingerprinted"


def test_what_is_no_audio_and_what_leads_into_the_own_network_are_explained(page: Page, site: Site) -> None:
    page.goto("/")
    page.set_input_files("#file", {"name": "notes.mp3", "mimeType": "audio/mpeg", "buffer": b"these are words" * 400})
    page.click("#go")
    expect(page.locator("#answer")).to_contain_text("not audio or video")
    page.goto("/")
    page.fill("#link", "http://169.254.169.254/latest/meta-data")
    page.keyboard.press("Enter")
    expect(page.locator("#answer")).to_contain_text("private")
    assert violations(page) == []


def test_the_field_takes_a_link_or_a_file_never_both(page: Page, site: Site) -> None:
    page.goto("/")
    page.fill("#link", "https://example.com/a.mp3")
    page.set_input_files("#file", site.folder / "talk.mp3")
    expect(page.locator("#link")).to_be_hidden()
    assert page.input_value("#link") == ""
    page.get_by_role("button", name="Take another file").click()
    expect(page.locator("#link")).to_be_focused()


def test_the_first_page_is_small(page: Page, site: Site) -> None:
    sizes: list[int] = []
    page.on("requestfinished", lambda request: sizes.append(request.sizes()["responseBodySize"]))
    page.goto("/", wait_until="networkidle")
    assert len(sizes) > 4
    assert sum(sizes) < 150_000
