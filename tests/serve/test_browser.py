"""The page in a real browser, as a person uses it: drop, paste, choose, remove; in two languages, on a phone.

Needs Chromium: `apt-get install chromium` (Debian), or the variable CHROMIUM names another one. On a machine
without it the tests are skipped; under CI, where the variable CI is set, they fail instead.
"""

from __future__ import annotations

import base64
import os
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from serve.running import digits, one_colour, png, wait_for_index

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx
    from playwright.sync_api import Browser, Page

    from plumbline.inference.trained import TrainedModel

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
PATIENCE = 60_000  # milliseconds; a slow machine is no failure

# What a hand with a mouse or a keyboard would do. Runs in the page, where its policy allows no eval.
GIVE = """({ kind, files }) => {
  const data = new DataTransfer();
  for (const { name, type, content } of files) {
    const bytes = Uint8Array.from(atob(content), (one) => one.charCodeAt(0));
    data.items.add(new File([bytes], name, { type }));
  }
  const given = { bubbles: true, cancelable: true };
  const event = kind === "paste"
    ? new ClipboardEvent(kind, { ...given, clipboardData: data })
    : new DragEvent(kind, { ...given, dataTransfer: data });
  document.querySelector("main").dispatchEvent(event);
}"""

pytestmark = pytest.mark.skipif(
    CHROMIUM is None and not os.environ.get("CI"), reason="needs Chromium: apt-get install chromium"
)


def picture(index: int) -> bytes:
    return png(np.ascontiguousarray(digits().test.images[index].permute(1, 2, 0).numpy()))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    assert CHROMIUM is not None, "under CI the browser must be there: apt-get install chromium"
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])


class Visit:
    """One open page; notes what its console says and what it asks for."""

    def __init__(self, browser: Browser, *, address: str, **settings: Any) -> None:  # noqa: ANN401
        self.page: Page = browser.new_context(**settings).new_page()
        self.page.set_default_timeout(PATIENCE)
        self.console, self.asked = list[str](), set[str]()
        self.page.on("console", lambda message: self.console.append(message.text))
        self.page.on("pageerror", lambda error: self.console.append(str(error)))
        self.page.on("request", lambda request: self.asked.add(request.url.split("?")[0]))
        self.page.goto(address)

    def give(self, kind: str, **files: bytes) -> None:
        """Drop or paste files; a name's last underscore stands for its dot."""
        sent = [
            {
                "name": ".".join(name.rsplit("_", 1)),
                "type": "image/png",
                "content": base64.b64encode(content).decode(),
            }
            for name, content in files.items()
        ]
        self.page.evaluate(GIVE, {"kind": kind, "files": sent})

    def cards(self, count: int) -> list[str]:
        """Wait until so many cards have their answer, and give what they say, the newest first."""
        done = self.page.locator('.card[aria-busy="false"]')
        done.nth(count - 1).wait_for()
        return done.all_inner_texts()


def test_a_person_shows_pictures(browser: Browser, client: httpx.Client, trained: TrainedModel) -> None:
    """Dropped, pasted and chosen pictures each get a card with classes, numbers, map and neighbours."""
    wait_for_index(client)
    visit = Visit(browser, address=str(client.base_url), locale="en-GB")
    page = visit.page
    visit.give("drop", one_png=picture(0), two_png=picture(1))
    assert len(visit.cards(2)) == 2
    visit.give("paste", image_png=picture(2))
    visit.cards(3)
    page.set_input_files("#choose", {"name": "four.png", "mimeType": "image/png", "buffer": picture(3)})
    newest, pasted, *_ = visit.cards(4)
    assert newest.startswith("four.png")
    assert pasted.startswith("Pasted picture")
    assert page.locator(".card").first.locator("tbody tr").count() == 6  # five classes, and the others
    assert " %" in newest
    assert "What speaks for" in newest
    assert page.locator(".card").first.locator(".near img").count() == 6
    assert page.locator("#index").inner_text().startswith(f"{trained.record.dataset.counts.train:,}")
    drawn = "canvas => canvas.getContext('2d').getImageData(160, 160, 1, 1).data[3]"
    assert page.locator(".card canvas").first.evaluate(drawn) == 255
    assert "four.png: " in page.locator("[role=status]").inner_text()
    page.get_by_role("button", name="Remove four.png").press("Enter")
    assert page.locator(".card").count() == 3
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Remove Pasted picture"
    page.get_by_role("button", name="Remove all").click()
    assert page.locator(".card").count() == 0
    assert visit.console == []
    assert all(url.startswith((str(client.base_url), "data:")) for url in visit.asked)


def test_what_cannot_be_used_is_said_in_japanese(browser: Browser, client: httpx.Client) -> None:
    """On a phone, dark, in Japanese: no picture, one of 60 megapixels and one of 21 MB, beside a good one."""
    visit = Visit(
        browser,
        address=str(client.base_url),
        locale="ja-JP",
        color_scheme="dark",
        viewport={"width": 360, "height": 700},
        has_touch=True,
        is_mobile=True,
    )
    page = visit.page
    files = {"good_png": picture(0), "wrong_txt": b"hello", "huge_png": one_colour(10_000, 6_000)}
    visit.give("drop", **files)
    good, wrong, huge = visit.cards(3)
    assert "よく似た学習画像" in good
    assert "画像として読み取れません" in wrong
    assert "5,000 万" in huge
    page.evaluate(
        """() => {
          const data = new DataTransfer();
          data.items.add(new File([new Uint8Array(21e6)], "heavy.png", { type: "image/png" }));
          dispatchEvent(new DragEvent("drop", { dataTransfer: data, cancelable: true }));
        }"""
    )
    assert "20 MB を超えています" in visit.cards(4)[0]
    assert page.get_by_text("写真を撮る").is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(20, 23, 26)"
    page.get_by_role("link", name="English").click()
    page.get_by_role("heading", name="Drop pictures here").wait_for()
    assert visit.console == []
