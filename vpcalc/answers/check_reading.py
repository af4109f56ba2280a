"""How a reader's letters are taken: the renaming under which a formula fits, and how it is shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ..algebra import Polynomial
from ..algebra.parser import parse
from ..algebra.roles import GRIDS, ROLES, Reading, others_for, readings
from ..cost import Quantity
from ..errors import InputError
from ..report import Column, Table
from ..symbols import ALPHABET

_ALPHABET = frozenset(letter.name for letter in ALPHABET)

Fits = Callable[[Reading], bool]


def reading_of(given: Sequence[Polynomial], ours: Polynomial, fits: Fits) -> Reading:
    """The first renaming under which the formulas fit; where none does, one that leaves fewest letters unread."""
    letters = {letter for formula in given for letter in formula.letters}
    found = []
    for reading in readings(letters, ours):
        if fits(reading):
            return reading
        found.append(reading)
    known = {*ours.letters, *GRIDS}
    return min(found, key=lambda reading: sum(own not in known for own in reading.values()), default={})


def changed(reading: Reading) -> dict[str, str]:
    """What a renaming changes, tokens and grids first."""
    return {letter: reading[letter] for letter in in_order(reading) if reading[letter] != letter}


def in_order(reading: Reading) -> list[str]:
    """The letters in the order of the roles that they are read in."""
    places = {own: place for place, role in enumerate(ROLES) for own in role.ours}
    return sorted(reading, key=lambda letter: (places.get(reading[letter], len(ROLES)), letter))


def refuse_unread(reading: Reading, ours: Polynomial) -> None:
    """Refuse a letter of the table of spellings that means nothing here; where it stands is no longer known."""
    if not (letters := unread(reading, ours)):
        return
    try:
        parse(letters[0], likely=sorted(ours.letters))
    except InputError as error:
        raise InputError(f"formula: {str(error).partition(': ')[2]}") from None


def unread(reading: Reading, ours: Polynomial) -> list[str]:
    """Letters of the table of spellings that mean nothing here."""
    known = {*_ALPHABET, *ours.letters}
    return [
        letter
        for letter, own in reading.items()
        if letter == own and letter not in known and not others_for(own, ours)
    ]


def spellings() -> Table:
    """Which letters of a reader may stand for which symbol of ours."""
    columns = (Column("role", "Role"), Column("ours", "Ours"), Column("spellings", "Read as it"))
    rows = tuple((role.meaning, ", ".join(role.ours), ", ".join(role.spellings)) for role in ROLES)
    notes = ("two letters never stand for one symbol; a letter that the derived form has is itself first",)
    return Table("Spellings", columns, rows, notes)


def headline(
    given: str, name: str, verdict: str, renaming: Mapping[str, str], quantity: Quantity, convention: str
) -> str:
    """What was held against what, how it ended, under which renaming, and what is counted."""
    under = f" with {', '.join(f'{theirs} = {own}' for theirs, own in renaming.items())}" if renaming else ""
    unit = Quantity.FLOPS if quantity is Quantity.MACS and convention == "flops" else quantity
    return f"{given} against {name}: {verdict}{under} ({unit.meaning})"
