"""What changed between two costs: by module and operator, what only moved apart, equal modules together.

A cost is an amount by place: a module's path and an operator. Amounts are numbers or closed forms.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..algebra.polynomial import Polynomial

Amount = int | Polynomial

Place = tuple[str, str]
"""A module's path and an operator's name."""

Amounts = Mapping[Place, Amount]


@dataclass(frozen=True)
class Change:
    """The same change of one operator in each of some modules, whose paths differ in numbers alone."""

    paths: tuple[str, ...]
    operator: str
    base: Amount
    head: Amount

    @property
    def each(self) -> Amount:
        """By how much each of them changed."""
        return self.head - self.base


@dataclass(frozen=True)
class Move:
    """What stands elsewhere at the same cost: from each path to the path at its place."""

    before: tuple[str, ...]
    after: tuple[str, ...]
    operator: str
    amount: Amount


@dataclass(frozen=True)
class Respelled:
    """Modules that cost the same by other operators, as a linear layer without its bias does."""

    paths: tuple[str, ...]
    before: tuple[str, ...]
    after: tuple[str, ...]


@dataclass(frozen=True)
class Changes:
    """All changes, in the order of the modules; what only moved; and what other operators do at the same cost."""

    changed: tuple[Change, ...]
    moved: tuple[Move, ...]
    respelled: tuple[Respelled, ...] = ()


def changes(base: Amounts, head: Amounts) -> Changes:
    """Compare two costs place by place.

    What is gone from one place and new in another, with the same operator and the same amount, has moved: a module
    was renamed, layers were reordered, a product was put into a module of its own. A place that is in both is
    compared with itself where something would be left of it before and after the moves: in a transformer twice as
    wide a projection costs what the first layer of a feed-forward did. Where operators took the place of others
    within a module, and what they do adds up to the same, nothing changed but their names.
    """
    places = [place for place in {**base, **head} if base.get(place, 0) != head.get(place, 0)]
    respelled = _respelled(places, base, head)
    places = [place for place in places if place[0] not in respelled]
    gone = {place: base[place] for place in places if base.get(place, 0)}
    new = {place: head[place] for place in places if head.get(place, 0)}
    moves = _matched(gone, new)
    for before, after in moves:
        del gone[before], new[after]
    groups: dict[tuple[str, str, Amount, Amount], list[str]] = defaultdict(list)
    for path, operator in places:
        old, now = gone.get((path, operator), 0), new.get((path, operator), 0)
        if old or now:
            groups[pattern(path), operator, old, now].append(path)
    changed = [
        Change(tuple(sorted(paths, key=_by_number)), key[1], key[2], key[3]) for key, paths in groups.items()
    ]
    return Changes(tuple(changed), _grouped(moves, base), _alike(respelled))


def _respelled(
    places: Sequence[Place], base: Amounts, head: Amounts
) -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    """Modules whose changes add up to nothing, with the operators that they had in their place and have."""
    sums: dict[str, Amount] = {}
    for place in places:
        sums[place[0]] = sums.get(place[0], 0) + head.get(place, 0) - base.get(place, 0)
    found = {
        path: (_operators(path, places, base), _operators(path, places, head))
        for path, amount in sums.items()
        if not amount
    }
    return {path: (before, after) for path, (before, after) in found.items() if not set(before) & set(after)}


def _operators(path: str, places: Sequence[Place], amounts: Amounts) -> tuple[str, ...]:
    return tuple(operator for module, operator in places if module == path and amounts.get((module, operator), 0))


def _alike(respelled: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]) -> tuple[Respelled, ...]:
    groups: dict[Any, list[str]] = defaultdict(list)
    for path, operators in respelled.items():
        groups[pattern(path), operators].append(path)
    return tuple(
        Respelled(tuple(sorted(paths, key=_by_number)), before, after)
        for (_, (before, after)), paths in groups.items()
    )


def blocks(changed: Sequence[Change]) -> list[tuple[tuple[str, ...], Amount]]:
    """Blocks that changed alike, all within each together: what ``blocks.0`` to ``blocks.11`` gained, each.

    Those in which one module changed are a line already.
    """
    within: dict[str, list[Change]] = defaultdict(list)
    for change in changed:
        for path in change.paths:
            if found := re.match(r"(?:[^.]*\.)*?\d+(?![^.])", path):
                within[found[0]].append(change)
    groups: dict[tuple[str, tuple[Change, ...]], list[str]] = defaultdict(list)
    for block, parts in within.items():
        groups[pattern(block), tuple(parts)].append(block)
    return [
        (tuple(sorted(alike, key=_by_number)), amount)
        for (_, parts), alike in groups.items()
        if len(alike) > 1 and len(parts) > 1 and (amount := sum(part.each for part in parts))
    ]


def _matched(gone: Amounts, new: Amounts) -> list[tuple[Place, Place]]:
    """Places of equal operators and amounts: those that share most of their paths first, then in their order.

    Else a layer that became several in each block would take those of other blocks.
    """
    found: dict[Place, Place] = {}
    for depth in range(max((len(path.split(".")) for path, _ in gone), default=0), -1, -1):
        taken = {*found.values()}
        waiting: dict[Any, list[Place]] = defaultdict(list)
        for place, amount in new.items():
            if place not in taken:
                waiting[_within(place, depth), amount].append(place)
        for place, amount in gone.items():
            if place not in found and (there := waiting[_within(place, depth), amount]):
                found[place] = there.pop(0)
    for start in found.keys() - found.values():
        chain = [start]
        while chain[-1] in found:
            chain.append(found[chain[-1]])
        if start in new and chain[-1] in gone:
            for place in chain[:-1]:
                del found[place]
    return [(place, found[place]) for place in gone if place in found]


def _within(place: Place, depth: int) -> tuple[str, tuple[str, ...]]:
    """An operator and the first parts of its module's path."""
    path, operator = place
    return operator, tuple(path.split(".")[:depth])


def _grouped(moves: Sequence[tuple[Place, Place]], base: Amounts) -> tuple[Move, ...]:
    groups: dict[tuple[str, str, str, Amount], list[tuple[str, str]]] = defaultdict(list)
    for (before, operator), (after, _) in moves:
        groups[pattern(before), pattern(after), operator, base[before, operator]].append((before, after))
    return tuple(
        Move(tuple(before for before, _ in pairs), tuple(after for _, after in pairs), operator, amount)
        for (_, _, operator, amount), pairs in groups.items()
    )


def pattern(path: str) -> str:
    """A path with a star for each number: ``blocks.*.attn``."""
    return re.sub(r"(?<![^.])\d+(?![^.])", "*", path)


def _by_number(path: str) -> list[int]:
    """The numbers of a path."""
    return [int(part) for part in path.split(".") if part.isdecimal()]


def together(paths: Sequence[str]) -> str:
    """Paths of one pattern as one: ``blocks.0–11.attn``, or with stars where several numbers vary."""
    parts = [path.split(".") for path in paths]
    varying = [place for place, each in enumerate(zip(*parts, strict=True)) if len(set(each)) > 1]
    shown = list(parts[0])
    for place in varying:
        shown[place] = _numbers([int(part[place]) for part in parts]) if len(varying) == 1 else "*"
    return ".".join(shown) or "(root)"


SHOWN = 4
"""Numbers that are listed one by one."""


def _numbers(found: Sequence[int]) -> str:
    numbers = sorted(set(found))
    if len(numbers) == numbers[-1] - numbers[0] + 1:
        return f"{numbers[0]}–{numbers[-1]}"
    return ",".join(map(str, numbers)) if len(numbers) <= SHOWN else "*"
