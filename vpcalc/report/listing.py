"""A list that reads on any width: a line of names, and below it what each says, set in."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap
from typing import NamedTuple

INDENT = "  "
NARROW = 64
"""Below so many columns a title has a line of its own."""


class Entry(NamedTuple):
    """One thing of a list: its name, a word on it, its title, and what is said of it, a paragraph each."""

    name: str
    word: str
    title: str
    says: tuple[str, ...] = ()


def listing(entries: Sequence[Entry], width: int) -> list[tuple[str, str, list[str]]]:
    """For each entry its name and its word, filled up to stand in columns, and the lines that go with them.

    The first of the lines stands on the line of the name, unless it is empty; the others below.
    """
    names = max((len(entry.name) for entry in entries), default=0)
    words = max((len(entry.word) for entry in entries), default=0)
    taken = names + words + len(INDENT) * (1 + bool(words))
    return [(entry.name.ljust(names), entry.word.ljust(words), _lines(entry, taken, width)) for entry in entries]


def _lines(entry: Entry, taken: int, width: int) -> list[str]:
    if width < NARROW and taken > NARROW // 4:
        first, rest = "", _set_in(entry.title, width)
    else:
        first, *more = wrap(entry.title, max(width - taken, 1), break_on_hyphens=False) or [""]
        rest = _set_in(" ".join(more), width)
    return [first, *rest, *(line for paragraph in entry.says for line in _set_in(paragraph, width))]


def _set_in(text: str, width: int) -> list[str]:
    return wrap(text, max(width, 20), initial_indent=INDENT, subsequent_indent=INDENT, break_on_hyphens=False)
