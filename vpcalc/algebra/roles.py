"""Which letters may stand for which symbol: a reader's n for the tokens, d for the width, never one for the other.

A formula is read under every renaming that keeps roles; whether one of them makes it equal is for others to ask.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from .. import symbols
from .forms import together
from .polynomial import Polynomial, symbol


class Role(NamedTuple):
    """What symbols of ours mean, and the letters by which papers call that."""

    meaning: str
    ours: tuple[str, ...]
    spellings: tuple[str, ...]


ROLES = (
    Role("tokens", ("hw", "N", "T"), ("n", "N", "L", "l", "T", "t", "S", "hw", "seq_len", "tokens")),
    Role("model width", ("C", "d_model"), ("C", "c", "d", "D", "E", "d_model", "dim")),
    Role("side of a window", ("M",), ("M", "m", "w", "W")),
    Role("reduction ratio", ("R",), ("R", "r")),
    Role("side of the pooled grid, or of a patch", ("P",), ("P", "p")),
    Role("heads", ("a",), ("a", "h", "heads")),
    Role("expansion ratio", ("r",), ("r", "e")),
    Role("feed-forward width", ("d_ff",), ("d_ff", "f", "F", "m")),
    Role("kernel side", ("k",), ("k", "K")),
    Role("chunk length", ("b",), ("b", "c", "chunk")),
    Role("hidden size of a recurrent network", ("n",), ("n", "h", "H", "d_h")),
    Role("input size of a recurrent network", ("d",), ("d", "x", "d_x", "d_in")),
    Role("input channels", ("c_in",), ("c_in", "C_in", "d_in")),
    Role("output channels", ("c_out",), ("c_out", "C_out", "d_out")),
    Role("batch", ("B",), ("B", "b")),
    Role("layers", ("L",), ("L", "l")),
)
"""The table of spellings. A letter may stand in several roles (r, b); a renaming takes one of them."""

LETTERS = tuple(dict.fromkeys(name for role in ROLES for name in role.spellings if name != "hw"))
"""Every letter of the table."""

GRIDS = frozenset("".join(pair) for pair in symbols.GRIDS)
"""Pairs that one letter may stand for: hw, HW."""

MOST = 400
"""Renamings that are tried."""

Reading = Mapping[str, str]
"""Letters of a reader, each with the symbol of ours that it stands for."""


def readings(theirs: Iterable[str], ours: Polynomial) -> Iterator[Reading]:
    """Renamings of a reader's letters that keep roles and never give two letters one symbol, the plainest first.

    Args:
        theirs: the letters of a reader's formula. One that has no reading stays what it is.
        ours: the derived form; ``hw`` is one of its symbols where h and w occur as their product alone.
    """
    letters = sorted(theirs, key=lambda name: (name not in ours.letters, name))
    choices = [
        [*[name] * (name in ours.letters), *others_for(name, ours), *[name] * (name not in ours.letters)]
        for name in letters
    ]
    for place, found in enumerate(_chosen(letters, choices, {}, frozenset())):
        if place == MOST:
            return
        yield found


def others_for(name: str, ours: Polynomial) -> list[str]:
    """The symbols of the derived form, other than itself, that a letter may stand for."""
    grids = ["".join(pair) for pair in symbols.GRIDS if set(pair) <= ours.letters and together(ours, pair)]
    known = {*ours.letters, *grids}
    return [own for role in ROLES if name in role.spellings for own in role.ours if own in known and own != name]


def _chosen(
    letters: Sequence[str], choices: Sequence[Sequence[str]], chosen: dict[str, str], used: frozenset[str]
) -> Iterator[Reading]:
    if len(chosen) == len(letters):
        yield dict(chosen)
        return
    letter = letters[len(chosen)]
    for own in choices[len(chosen)]:
        parts = frozenset(own) if own in GRIDS else frozenset((own,))
        if not parts & used:
            yield from _chosen(letters, choices, {**chosen, letter: own}, used | parts)


def renamed(polynomial: Polynomial, reading: Reading) -> Polynomial:
    """A formula with each letter replaced by what it stands for."""
    changed = {
        letter: symbol(own[0]) * symbol(own[1]) if own in GRIDS else symbol(own)
        for letter, own in reading.items()
        if own != letter
    }
    return polynomial.subs(changed)


def role_of(own: str) -> str:
    """What a symbol of ours means, in a word or two."""
    return next((role.meaning for role in ROLES if own in role.ours), own)
