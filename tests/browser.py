"""A headless browser for tests: how wide pages are, what their scripts say, and what keys do to them."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

needs_browser = pytest.mark.skipif(shutil.which("chromium") is None, reason="needs apt-get install chromium")


def _command(profile: Path, *options: str) -> list[str]:
    quiet = ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
    quiet += ["--disable-component-update", "--disable-sync", f"--user-data-dir={profile}", *options]
    return ["chromium", "--headless", "--no-sandbox", *quiet]


def dom(page: Path, profile: Path, *options: str) -> str:
    """What a page has become when its scripts have run."""
    command = [*_command(profile, *options), "--dump-dom", page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False, timeout=560)
    return done.stdout


_MEASURE = """<!doctype html><meta charset="utf-8"><body><script>
const pages = PAGES, widths = WIDTHS, found = [];
const frame = document.createElement("iframe");
document.body.append(frame);
// Whether a box that scrolls for itself holds an element within the window.
function within(element, width) {
  for (let box = element.parentElement; box && box.tagName != "BODY"; box = box.parentElement) {
    if (box.tagName == "ARTICLE") return false;
    const scrolls = frame.contentWindow.getComputedStyle(box).overflowX;
    if (/auto|scroll/.test(scrolls) && box.getBoundingClientRect().right <= width) return true;
  }
  return false;
}
async function measure() {
  for (const page of pages) for (const width of widths) {
    frame.style.width = width + "px";
    frame.style.height = "800px";
    await new Promise(done => { frame.onload = done; frame.src = page; });
    const root = frame.contentDocument.documentElement;
    const wide = [];
    let right = root.scrollWidth;
    for (const each of frame.contentDocument.querySelectorAll("article, article *")) {
      const reaches = Math.floor(each.getBoundingClientRect().right);
      if (reaches <= width || within(each, width)) continue;
      right = Math.max(right, reaches);
      if (wide.length < 3) wide.push(each.tagName + " " + each.textContent.slice(0, 60));
    }
    found.push([page, width, right, wide]);
  }
  document.body.textContent = "MEASURED" + JSON.stringify(found);
}
measure();
</script></body>
"""


def too_wide(folder: Path, pages: Sequence[str], widths: Sequence[int]) -> list[tuple[str, int, int, list[str]]]:
    """Pages of a folder that run out of a window: their width there, and what of their text is beyond it."""
    harness = folder / "measure.html"
    source = _MEASURE.replace("PAGES", json.dumps(list(pages))).replace("WIDTHS", json.dumps(list(widths)))
    harness.write_text(source, encoding="utf-8")
    shown = dom(
        harness, folder.parent / "profile", "--allow-file-access-from-files", "--virtual-time-budget=600000"
    )
    measured = re.search(r"MEASURED(\[.*\])", shown, re.S)
    assert measured is not None, shown[:2000]
    found = json.loads(measured[1].replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">"))
    assert len(found) == len(pages) * len(widths)
    return [(page, width, wide, what) for page, width, wide, what in found if wide > width]


class Tab:
    """An open page, spoken to by the browser's own protocol. ``heard`` is what it said unasked, by method."""

    def __init__(self, asks: Any, answers: Any) -> None:
        self._asks, self._answers = asks, answers
        self._session: str | None = None
        self._number = 0
        self.heard: list[tuple[str, dict[str, Any]]] = []

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """One command, and what comes back."""
        self._number += 1
        asked = {"id": self._number, "method": method, "params": params}
        asked |= {"sessionId": self._session} if self._session else {}
        self._asks.write(json.dumps(asked).encode() + b"\0")
        self._asks.flush()
        while True:
            said = self._read()
            if said.get("id") == self._number:
                assert "error" not in said, said
                return dict(said["result"])

    def _read(self) -> dict[str, Any]:
        raw = bytearray()
        while (byte := self._answers.read(1)) != b"\0":
            assert byte, "the browser has ended"
            raw += byte
        said: dict[str, Any] = json.loads(raw)
        if "method" in said:
            self.heard.append((said["method"], said["params"]))
        return said

    def start(self) -> None:
        """Open a tab, and listen to what it asks the network for and complains of."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")
        self.call("Page.setLifecycleEventsEnabled", enabled=True)

    def open(self, address: str) -> None:
        """Go to a page and wait until it is there."""
        self.call("Page.navigate", url="about:blank")
        self.settle()
        self.heard.clear()
        loader = self.call("Page.navigate", url=address)["loaderId"]  # what is heard of the page before is late
        while not any(("load", loader) == (said.get("name"), said.get("loaderId")) for _, said in self.heard):
            self._read()
        self.settle()

    def settle(self) -> None:
        """Until what was asked of the page has been drawn."""
        self.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(0))))")

    def run(self, script: str) -> Any:
        """What a script gives; a promise is waited for."""
        done = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    def press(self, key: str, code: int, text: str = "", shift: bool = False) -> None:
        """A key goes down and up."""
        pressed = {"key": key, "windowsVirtualKeyCode": code, "modifiers": 8 if shift else 0}
        self.call("Input.dispatchKeyEvent", type="keyDown", **pressed, **({"text": text} if text else {}))
        self.call("Input.dispatchKeyEvent", type="keyUp", **pressed)
        self.settle()

    def complaints(self) -> list[str]:
        """What went wrong on the page, by its own account."""
        found = [str(params) for method, params in self.heard if method == "Runtime.exceptionThrown"]
        entries = [params["entry"] for method, params in self.heard if method == "Log.entryAdded"]
        return found + [entry["text"] for entry in entries if entry["level"] == "error"]

    def requests(self) -> list[str]:
        """What it asked for, the page itself among it."""
        return [params["request"]["url"] for method, params in self.heard if method == "Network.requestWillBeSent"]


@contextmanager
def tab(profile: Path, *options: str) -> Iterator[Tab]:
    """A browser with one open page, for as long as it is needed."""
    to_read, asks = os.pipe()
    answers, to_write = os.pipe()
    command = shlex.join([*_command(profile, *options), "--remote-debugging-pipe"])
    browser = subprocess.Popen(
        ["bash", "-c", f"exec {command} 3<&{to_read} 4>&{to_write}"],
        pass_fds=(to_read, to_write),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(to_read)
    os.close(to_write)
    try:
        with os.fdopen(asks, "wb") as asking, os.fdopen(answers, "rb") as answering:
            opened = Tab(asking, answering)
            opened.start()
            yield opened
    finally:
        browser.terminate()
        browser.wait(timeout=30)
