"""Both pages in a real browser: no error in its console, no request, no scrolling sideways on a phone.

Needs Chromium: `apt-get install chromium` (Debian), or the variable CHROMIUM names another one. On a machine
without it the tests are skipped; under CI, where the variable CI is set, they fail instead.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from plumbline.analysis.comparison import write_comparison
from plumbline.report import write_comparison_report, write_run_report
from report.sample import sample_comparison, sample_run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--enable-logging=stderr", "--v=0", "--window-size=1400,1000", "--dump-dom"),
)
DARK = "--blink-settings=preferredColorScheme=0"
# Frames as wide as a phone and a desktop; what is measured in them is written into this page's own title.
FRAMES = """<!doctype html><link rel="icon" href="data:,"><title>waiting</title>
<iframe src="/page" style="width:360px;height:800px;border:0"></iframe>
<iframe src="/page" style="width:1280px;height:800px;border:0"></iframe>
<script>onload = () => { document.title = [...document.querySelectorAll('iframe')].map((frame) => {
  const page = frame.contentDocument, root = page.documentElement;
  const ground = frame.contentWindow.getComputedStyle(root).backgroundColor;
  return [root.scrollWidth, page.querySelectorAll('.chart').length, ground].join(' ');
}).join('; '); };</script>"""

pytestmark = pytest.mark.skipif(
    CHROMIUM is None and not os.environ.get("CI"), reason="needs Chromium: apt-get install chromium"
)


class Site:
    """Serves one page and the frames around it on this machine, and notes what is asked for."""

    def __init__(self) -> None:
        self.page, self.asked = "", list[str]()
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.asked.append(self.path)
                content = {"/": FRAMES, "/page": site.page}.get(self.path, "").encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}/"


@pytest.fixture
def site() -> Iterator[Site]:
    found = Site()
    thread = Thread(target=found.server.serve_forever)
    thread.start()
    yield found
    found.server.shutdown()
    thread.join()
    found.server.server_close()


def open_page(site: Site, page: str, *flags: str, profile: Path) -> tuple[str, list[str]]:
    """Open a page in both frames; give what was measured, and the lines of the console."""
    assert CHROMIUM is not None, "under CI the browser must be there: apt-get install chromium"
    site.page = page
    command = [CHROMIUM, *FLAGS, f"--user-data-dir={profile}", *flags, site.address]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    title = re.search("<title>(.*?)</title>", done.stdout)
    assert title is not None, done.stderr
    return title[1], [line for line in done.stderr.splitlines() if "CONSOLE" in line]


def test_a_page_is_quiet_and_fits(tmp_path: Path, site: Site) -> None:
    """The run's page, light, and the comparison's, dark: silent, alone, and no wider than a phone."""
    run = write_run_report(sample_run(tmp_path / "run"))
    write_comparison(sample_comparison(), path=tmp_path / "comparison.json")
    comparison = write_comparison_report(tmp_path)
    for path, charts, flags, ground in (
        (run, 5, (), "rgb(251, 250, 247)"),
        (comparison, 2, (DARK,), "rgb(20, 23, 26)"),
    ):
        site.asked.clear()
        source = path.read_text(encoding="utf-8")
        measured, console = open_page(site, source, *flags, profile=tmp_path / path.parent.name / "profile")
        assert measured == f"360 {charts} {ground}; 1280 {charts} {ground}"
        assert console == []
        assert sorted(site.asked) == ["/", "/page", "/page"]


def test_the_browser_would_have_told(tmp_path: Path, site: Site) -> None:
    """A page that asks for a picture is stopped by its own policy, with an error; a wide one is measured."""
    write_comparison(sample_comparison(), path=tmp_path / "comparison.json")
    source = write_comparison_report(tmp_path).read_text(encoding="utf-8")
    wrong = '<img src="/leak" alt=""><div style="width: 950px">wide</div></main>'
    measured, console = open_page(site, source.replace("</main>", wrong), profile=tmp_path / "profile")
    assert int(measured.split()[0]) > 900
    assert any("Content Security Policy" in line for line in console)
    assert "/leak" not in site.asked
