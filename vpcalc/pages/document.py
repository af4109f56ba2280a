"""One file of a page's data, its functions and the template; nothing else may run in it, nor be loaded."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

SCRIPTS = ("exact", "state", "elements", "settings", "result", "table", "chart", "stages", "share", "start")
"""Parts of the page's script, in their order."""


def document(title: str, about: str, data: Mapping[str, Any], code: str) -> str:
    """The file. Texts of the reader's stand in it as data and as escaped text, never as markup or code."""
    script = "\n".join(['"use strict";', code, *(_template(f"{name}.js") for name in SCRIPTS)])
    style = _template("page.css")
    policy = (
        f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    parts = {
        "POLICY": policy,
        "TITLE": html.escape(title),
        "ABOUT": html.escape(about),
        "STYLE": style,
        "DATA": _as_data(data),
        "SCRIPT": script,
    }
    pieces = _template("page.html").split("%%")
    return "".join(parts[piece] if place % 2 else piece for place, piece in enumerate(pieces))


def _as_data(data: Mapping[str, Any]) -> str:
    """JSON that no parser of HTML takes for the end of its element."""
    spelled = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return re.sub(r"<(?=[/!s])", r"\\u003c", spelled, flags=re.IGNORECASE)


def _digest(content: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()


@cache
def _template(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")
