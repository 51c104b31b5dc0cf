"""The status page in a real browser: its script runs under its own policy and shows the table."""

import html.parser
import os
import shutil
import subprocess

BROWSER = os.environ.get("CHROMIUM") or shutil.which("chromium")
QUIET = [
    "--headless",
    "--no-sandbox",  # the tests may run as root
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--no-first-run",
]


def test_the_page_shows_each_region_and_the_leader(proxy, names, tmp_path):
    assert BROWSER, "no chromium on this machine: run `make sdk`, which installs one"
    done = subprocess.run(
        [
            BROWSER,
            *QUIET,
            f"--user-data-dir={tmp_path}",
            "--virtual-time-budget=3000",  # a few polls of the page, in the browser's own time
            "--dump-dom",
            proxy.admin,
        ],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    page = Page()
    page.feed(done.stdout)
    order = [region["region"] for region in proxy.ranking("gpt-4o")["order"]]
    assert sorted(page.regions["gpt-4o"]) == sorted(names)
    assert page.leaders["gpt-4o"] == order[:1]
    assert "alert" not in page.visible, done.stdout


class Page(html.parser.HTMLParser):
    """Per deployment the regions, in order, and those marked as leading."""

    def __init__(self):
        super().__init__()
        self.regions = {}
        self.leaders = {}
        self.visible = set()
        self.within = ""
        self.leads = False

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if "hidden" not in attributes:
            self.visible.add(attributes.get("id"))
        if tag == "tr":
            self.leads = attributes.get("class") == "leader"
        self.within = tag if tag == "h2" else attributes.get("class", "")

    def handle_endtag(self, tag):
        self.within = ""

    def handle_data(self, text):
        if self.within == "h2":
            self.deployment = text
            self.regions[text], self.leaders[text] = [], []
        elif self.within == "region":
            self.regions[self.deployment].append(text)
            if self.leads:
                self.leaders[self.deployment].append(text)
