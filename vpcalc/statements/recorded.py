"""Verdicts as they were last computed, so that a list of all statements starts at once.

The file is written by ``python docs/verdicts.py`` and holds a fingerprint of what each verdict rests on:
the statement's words, and the text of this room, in which its demonstration stands. Whose fingerprint is another
has no verdict here. The tests compute every verdict again and compare.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from .. import files
from .registry import Statement

PATH = Path(__file__).parent.parent / "data" / "verdicts.json"


class Recorded(NamedTuple):
    """A verdict and its note, and what they were computed from."""

    fingerprint: str
    verdict: str
    note: str


@cache
def _demonstrations() -> bytes:
    """The text of this room, but for what only records."""
    texts = sorted(path for path in Path(__file__).parent.glob("*.py") if path != Path(__file__))
    return b"".join(path.name.encode() + path.read_bytes().replace(b"\r\n", b"\n") for path in texts)


def fingerprint(one: Statement) -> str:
    """What a verdict rests on: the statement's words and the code of the evidence."""
    words = "\0".join((one.id, one.title, one.claim, one.source))
    return sha256(words.encode() + _demonstrations()).hexdigest()[:16]


@cache
def _recorded() -> Mapping[str, Recorded]:
    try:
        return {id: Recorded(*entry) for id, entry in json.loads(PATH.read_text(encoding="utf-8")).items()}
    except FileNotFoundError:
        return {}


def recorded(one: Statement) -> Recorded | None:
    """The verdict that was computed from this very statement and code, if there is one."""
    found = _recorded().get(one.id)
    return found if found is not None and found.fingerprint == fingerprint(one) else None


def write(settled: Iterable[tuple[Statement, str, str]]) -> None:
    """Record verdicts and notes, whole or not at all."""
    entries = {one.id: Recorded(fingerprint(one), verdict, note) for one, verdict, note in settled}
    files.replace(PATH, (json.dumps(entries, indent=1, ensure_ascii=False) + "\n").encode())
