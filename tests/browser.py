"""A headless browser for tests: how wide pages are, at the widths that screens have."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

needs_browser = pytest.mark.skipif(shutil.which("chromium") is None, reason="needs apt-get install chromium")


def dom(page: Path, profile: Path, *options: str) -> str:
    """What a page has become when its scripts have run."""
    quiet = ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
    quiet += ["--disable-component-update", "--disable-sync", f"--user-data-dir={profile}", *options]
    command = ["chromium", "--headless", "--no-sandbox", *quiet, "--dump-dom", page.as_uri()]
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
