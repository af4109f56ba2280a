"""How a domain is written: ``4 | H, H ≥ 193``, from the set that it is.

A region is a product of sets of values, one a letter, and conditions on several letters. A set is written by what
is seen of it: from where to where, of which it is a multiple, or what remains. A domain is a union of regions:
parts that differ in one letter are joined first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from itertools import chain, product
from math import prod
from typing import Any, NamedTuple

import numpy

from ..algebra import domains as conjunctions
from ..algebra.conditions import listed, spell
from ..algebra.domains import Where
from ..algebra.floors import Floor, as_remainder
from ..algebra.polynomial import Polynomial, constant, symbol
from ..algebra.printers import PRINTERS
from .guards import EQUAL, Guard
from .regions import Mask, Range, Region, numbered

MOST_PERIOD = 512
"""The longest period of a set of values that is looked for."""

MOST_CONJUNCTIONS = 24
"""Parts beyond which a union is not written as guards."""

MOST_PIECES = 6
"""Pieces of a set beyond which it is written by its values' remainders, or not in full."""


@dataclass(frozen=True)
class Condition:
    """One condition in three spellings."""

    text: str
    latex: str
    python: str


@dataclass(frozen=True)
class Domain:
    """A union of conjunctions; ``everywhere`` if it is every size."""

    parts: tuple[tuple[Condition, ...], ...]

    @property
    def everywhere(self) -> bool:
        """Whether there is no condition."""
        return any(not part for part in self.parts)

    @property
    def text(self) -> str:
        """``4 | H, H ≥ 193; or …``; empty for every size."""
        return self._joined(lambda c: c.text, ", ", "; or ")

    @property
    def latex(self) -> str:
        """The same in LaTeX."""
        return self._joined(lambda c: c.latex, r",\ ", r";\ \text{or}\ ")

    @property
    def python(self) -> str:
        """A Python expression that is true exactly there."""
        if self.everywhere:
            return "True"
        if not self.parts:
            return "False"
        spelled = [" and ".join(condition.python for condition in part) for part in self.parts]
        return spelled[0] if len(spelled) == 1 else " or ".join(f"({part})" for part in spelled)

    def _joined(self, spell: Callable[[Condition], str], inner: str, outer: str) -> str:
        return "" if self.everywhere else outer.join(inner.join(map(spell, part)) for part in self.parts)

    def to_dict(self) -> dict[str, str]:
        """Fields of the JSON contract."""
        return {"text": self.text, "latex": self.latex, "python": self.python}


def domain(regions: Iterable[Region]) -> Domain:
    """What a union of regions is, written from its sets."""
    fewer = joined(list(regions))
    return Domain(tuple(_written(region) for region in fewer))


class InPart(NamedTuple):
    """What of a union of regions can be written as guards: those, the regions they say, and what is left."""

    where: Where
    said: list[Region]
    left: list[Region]


def where(regions: Iterable[Region]) -> Where | None:
    """The same as guards, which say nothing of the range's upper ends; None where that takes too many of them."""
    found = in_part(list(regions))
    return None if found.left else found.where


def in_part(regions: Sequence[Region], most: int | None = None) -> InPart:
    """As much of it as can be written as guards, the widest region first.

    Of a set that is no few stretches it is the longest one if that is most of it. ``most`` are conditions of
    several letters beyond which a region is left.
    """
    found: list[conjunctions.Domain] = []
    said, left = list[Region](), list[Region]()
    for whole in sorted(joined(regions), key=Region.extent, reverse=True):
        region = _in_stretches(whole)
        ways = [_as_guards(letter, mask, region.range) for letter, mask in region.axes.items()]
        ways += [_as_guard(guard, outcome) for guard, outcome in region.others]
        many = most is not None and len(region.others) > most
        if many or len(found) + prod(map(len, ways)) > MOST_CONJUNCTIONS or not all(ways):
            left.append(whole)
            continue
        letters = tuple(region.axes)
        every = (dict.fromkeys(chain.from_iterable(way)) for way in product(*ways))
        found += [conjunctions.Domain(letters, tuple(guards)) for guards in every]
        said.append(region)
        left += [] if region is whole else whole.without(region)
    return InPart(Where(tuple(each for each in found if not _is_within_another(each, found))), said, left)


def _is_within_another(one: conjunctions.Domain, all: Sequence[conjunctions.Domain]) -> bool:
    return any(set(other.guards) < set(one.guards) for other in all)


def _in_stretches(region: Region) -> Region:
    """A region with the longest stretch in the place of each set that cannot be written, if it is most of that."""
    axes = dict(region.axes)
    for letter, mask in axes.items():
        if not _as_guards(letter, mask, region.range):
            places = numpy.flatnonzero(mask)
            longest = max(_pieces_of(places), key=len)
            if 2 * len(longest) > len(places):
                axes[letter] = numpy.isin(numpy.arange(len(mask)), longest)
    changed = any(axes[letter] is not mask for letter, mask in region.axes.items())
    return Region(region.range, axes, region.others) if changed else region


Ways = list[tuple["conjunctions.Guard", ...]]
"""Conjunctions of which one holds."""


def _as_guards(letter: str, mask: Mask, extent: Range, alone: bool = False) -> Ways:
    """The values of one letter; nothing where they are not few stretches, a remainder, or a stretch and one."""
    low, high = extent.bounds[letter]
    values, size = extent.values(letter)[mask], symbol(letter)
    pieces = _pieces_of(values)

    def stretch(first: int, last: int, *also: conjunctions.Guard) -> tuple[conjunctions.Guard, ...]:
        ends = [conjunctions.at_least(size - first)] if first > low else []
        return (*also, *ends, *([conjunctions.at_least(last - size)] if last < high else []))

    if len(pieces) <= MOST_PIECES:
        return [stretch(int(piece[0]), int(piece[-1])) for piece in pieces]
    first, last = int(values[0]), int(values[-1])
    gaps = numpy.diff(values)
    step = int(gaps[0]) if (gaps == gaps[0]).all() else _period(mask[first - low : last - low + 1])
    if step is None:
        longest = max(pieces, key=len)
        rest = mask & ~numpy.isin(extent.values(letter), longest)
        others = [] if alone or len(longest) == 1 else _as_guards(letter, rest, extent, alone=True)
        return [stretch(int(longest[0]), int(longest[-1])), *others] if len(others) == 1 else []
    rests = sorted({int(value) % step for value in values})
    before, after = range(max(low, first - step), first), range(last + 1, min(high, last + step) + 1)
    first = first if any(size % step in rests for size in before) else low
    last = last if any(size % step in rests for size in after) else high
    if len(rests) == step - 1 and (len(rests) > 1 or rests == [1]):
        (missing,) = set(range(step)) - set(rests)
        return [stretch(first, last, conjunctions.divides(constant(step), size - missing).negation())]
    return [stretch(first, last, conjunctions.divides(constant(step), size - rest)) for rest in rests]


def _pieces_of(values: Any) -> list[Any]:
    """Sorted values, cut where some are missing."""
    return numpy.split(values, numpy.flatnonzero(numpy.diff(values) > 1) + 1)


def _as_guard(guard: Guard, outcome: bool) -> Ways:
    """A condition on several letters."""
    form = guard.form
    if guard.relation != EQUAL:
        return [(conjunctions.at_least(form if outcome else -form - 1),)]
    rest = as_remainder(form) or as_remainder(-form)
    if rest is not None:
        divides = conjunctions.divides(rest[1], rest[0])
        return [(divides if outcome else divides.negation(),)]
    if outcome:
        return [(conjunctions.at_least(form), conjunctions.at_least(-form))]
    return [(conjunctions.at_least(form - 1),), (conjunctions.at_least(-form - 1),)]


def joined(regions: Sequence[Region]) -> list[Region]:
    """Fewer and larger regions with the same union."""
    regions = [replace(region, others=region.binding) for region in regions]
    free = [region for region in regions if not region.others]
    bound = [region for region in regions if region.others]
    left = _largest(free) + bound
    changed = True
    while changed:
        changed = False
        for i, one in enumerate(left):
            for j in range(i + 1, len(left)):
                both = _union(one, left[j])
                if both is not None:
                    left[i] = both
                    del left[j]
                    changed = True
                    break
            if changed:
                break
    return left


def _largest(regions: Sequence[Region]) -> list[Region]:
    """Products of sets, each grown within the union letter by letter, and those dropped that others cover.

    Values of a letter that lie in the same regions are one class, so that the union is a small table of classes.
    """
    if len(regions) < 2:
        return [region for region in regions if not region.surely_empty]
    letters = list(regions[0].axes)
    classes = {n: _classes([region.axes[n] for region in regions]) for n in letters}
    rows = [tuple(classes[n][1][:, i] for n in letters) for i in range(len(regions))]
    union = numpy.zeros([len(classes[n][1]) for n in letters], bool)
    for row in rows:
        union |= _table(row)
    grown = [_grown(row, union) for row in rows]
    kept: list[tuple[Any, ...]] = []
    for i, row in enumerate(grown):
        others = kept + grown[i + 1 :]
        cover = numpy.zeros_like(union)
        for other in others:
            cover |= _table(other)
        if (_table(row) & ~cover).any():
            kept.append(row)
    return [
        Region(regions[0].range, {n: part[classes[n][0]] for n, part in zip(letters, row, strict=True)}, ())
        for row in kept
    ]


def _classes(masks: Sequence[Mask]) -> tuple[Any, Any]:
    """For each value its class, and for each class which of the masks hold it."""
    codes = numpy.zeros(len(masks[0]), numpy.int64)
    for mask in masks:
        codes = numbered(2 * codes + mask)
    places = numpy.zeros(int(codes.max(initial=-1)) + 1, numpy.int64)
    places[codes] = numpy.arange(len(codes))  # a value of each class
    return codes, numpy.stack(masks, axis=1)[places]


def _table(row: Sequence[Any]) -> Any:
    return reduce(lambda table, part: table[..., None] & part, row[1:], row[0])


def _grown(row: tuple[Any, ...], union: Any) -> tuple[Any, ...]:
    """Each letter in turn takes all the classes that the others' choice allows; the last ones first."""
    for axis in reversed(range(len(row))):
        without = [part if i != axis else numpy.ones_like(part) for i, part in enumerate(row)]
        allowed = union | ~_table(without)
        others = tuple(i for i in range(len(row)) if i != axis)
        row = (*row[:axis], allowed.all(axis=others), *row[axis + 1 :])
    return row


def _union(one: Region, other: Region) -> Region | None:
    differing = [n for n, mask in one.axes.items() if not numpy.array_equal(mask, other.axes[n])]
    mine, theirs = set(one.others), set(other.others)
    if mine <= theirs and _within(other, one):
        return one
    if theirs <= mine and _within(one, other):
        return other
    for fewer, more in ((one, other), (other, one)):  # where H ≥ 8 and W ≤ 7, H ≥ W says no more
        left = set(more.others) - set(fewer.others)
        if len(left) == len(more.others) - len(fewer.others) and len(differing) <= 1 and _met(fewer, left):
            return Region(one.range, {n: mask | other.axes[n] for n, mask in one.axes.items()}, more.others)
    if not differing and len(mine - theirs) == len(theirs - mine) == 1:
        ((guard, outcome),) = mine - theirs
        if (guard, not outcome) in theirs:
            return Region(one.range, one.axes, tuple(x for x in one.others if x != (guard, outcome)))
    return None


def _met(region: Region, conditions: Iterable[tuple[Guard, bool]]) -> bool:
    """Whether all hold on a region anyway, and divide by no symbols, which might be 0 there."""
    return all(not _by_symbols(guard.form) and region.always(guard, outcome) for guard, outcome in conditions)


def _by_symbols(form: Polynomial) -> bool:
    floors = (name for name in form.symbols if isinstance(name, Floor))
    return any(floor.divisor.symbols or _by_symbols(floor.numerator) for floor in floors)


def _within(inner: Region, outer: Region) -> bool:
    return all(_within_letter(inner, outer, letter) for letter in inner.axes)


def _within_letter(inner: Region, outer: Region, letter: str) -> bool:
    return not (inner.axes[letter] & ~outer.axes[letter]).any()


def _written(region: Region) -> tuple[Condition, ...]:
    found: list[Condition] = []
    for letter, mask in region.axes.items():
        found += _set(letter, mask, region.range)
    found += [_comparison(guard, outcome) for guard, outcome in region.others]
    return tuple(found)


def _comparison(guard: Guard, outcome: bool) -> Condition:
    """A condition on several letters: what divides, or its terms on the side on which they are positive."""
    form = guard.form
    if guard.relation == EQUAL and (as_remainder(form) or as_remainder(-form)):
        said = Where((conjunctions.Domain(tuple(sorted(form.letters)), *_as_guard(guard, outcome)),))
        return Condition(*(spell(said, spelling) for spelling in ("text", "latex", "python")))
    if guard.relation != EQUAL and not outcome:
        form = -form - 1
    left = type(form)({m: n for m, n in form.terms.items() if n > 0})
    right = type(form)({m: -n for m, n in form.terms.items() if n < 0})
    signs = ("=", "=", "==") if guard.relation == EQUAL else ("≥", r"\ge", ">=")
    if guard.relation == EQUAL and not outcome:
        signs = ("≠", r"\ne", "!=")
    spelled = [
        f"{PRINTERS[kind](left)} {sign} {PRINTERS[kind](right)}"
        for kind, sign in zip(("text", "latex", "python"), signs, strict=True)
    ]
    return Condition(*spelled)


def _set(letter: str, mask: Mask, extent: Range) -> list[Condition]:
    """The values of one letter, as conditions that hold together."""
    if mask.all():
        return []
    low, high = extent.bounds[letter]
    values = extent.values(letter)[mask]
    if not len(values):
        return [Condition("never", r"\text{never}", "False")]
    steps = numpy.diff(values)
    pieces = _pieces_of(values)
    if len(pieces) == 1:
        return _pieces(letter, pieces, low, high)
    if len(pieces) == 2 and values[0] == low and values[-1] == high and len(values) == high - low:
        return [_bound(letter, "≠", int(pieces[1][0]) - 1)]
    regular = _regular(letter, values, low, high)
    if regular and (len(pieces) > MOST_PIECES or (len(values) > 2 and (steps == steps[0]).all())):
        return regular
    if len(pieces) <= MOST_PIECES:
        return _pieces(letter, pieces, low, high)
    stretches = [int(piece[0]) for piece in pieces[1:MOST_PIECES]]
    for since in (*values[1:MOST_PIECES].tolist(), *stretches):  # small sizes, or stretches, that stand apart
        few = int(values.searchsorted(since))
        rest = _regular(letter, values[few:], since, high)
        if rest:
            apart = _pieces_of(values[:few])
            before = [_stretch(letter, int(piece[0]), int(piece[-1]), low, high) for piece in apart]
            return [_either([*before, [*rest, _bound(letter, "≥", since)]])]
    return _pieces(letter, pieces, low, high)


def _regular(letter: str, values: Any, low: int, high: int) -> list[Condition]:
    """Values that repeat with a period, or nothing."""
    first, last = int(values[0]), int(values[-1])
    steps = numpy.diff(values)
    if len(values) > 2 and (steps == steps[0]).all() and steps[0] > 1:
        period, rests = int(steps[0]), [first % int(steps[0])]
        condition = _multiple(letter, period, first)
    else:
        mask = numpy.zeros(last - first + 1, bool)
        mask[values - first] = True
        found = _period(mask)
        if found is None or mask.all():
            return []
        period, rests = found, sorted({int(value) % found for value in values if value < first + found})
        condition = _remainders(letter, period, rests)
    before = any(size % period in rests for size in range(max(low, first - period), first))
    after = any(size % period in rests for size in range(last + 1, min(high, last + period) + 1))
    return [condition, *_ends(letter, first if before else None, last if after else None)]


def _multiple(letter: str, step: int, first: int) -> Condition:
    rest = first % step
    name = _tex(letter)
    if not rest:
        return Condition(f"{step} | {letter}", rf"{step} \mid {name}", f"{letter} % {step} == 0")
    return Condition(
        f"{letter} mod {step} = {rest}", rf"{name} \bmod {step} = {rest}", f"{letter} % {step} == {rest}"
    )


def _remainders(letter: str, period: int, rests: Sequence[int]) -> Condition:
    missing = [rest for rest in range(period) if rest not in set(rests)]
    name = _tex(letter)
    if missing == [0]:
        return Condition(f"{period} ∤ {letter}", rf"{period} \not\mid {name}", f"{letter} % {period} != 0")
    runs = [
        (int(run[0]), int(run[-1])) for run in numpy.split(rests, numpy.flatnonzero(numpy.diff(rests) > 1) + 1)
    ]

    python = " or ".join(
        f"{letter} % {period} == {a}" if a == b else f"{letter} % {period} >= {a} and {letter} % {period} <= {b}"
        for a, b in runs
    )
    text, latex = listed(rests, "…"), listed(rests, r"\dots")
    return Condition(
        f"{letter} mod {period} ∈ {{{text}}}", rf"{name} \bmod {period} \in \{{{latex}\}}", f"({python})"
    )


def _bound(letter: str, sign: str, value: int) -> Condition:
    tex = {"≥": r"\ge", "≤": r"\le", "=": "=", "≠": r"\ne"}[sign]
    python = {"≥": ">=", "≤": "<=", "=": "==", "≠": "!="}[sign]
    return Condition(f"{letter} {sign} {value}", f"{_tex(letter)} {tex} {value}", f"{letter} {python} {value}")


def _pieces(letter: str, pieces: Sequence[Any], low: int, high: int) -> list[Condition]:
    """A union of stretches."""
    spelled = [_stretch(letter, int(piece[0]), int(piece[-1]), low, high) for piece in pieces]
    if len(spelled) == 1:
        return spelled[0]
    return [_either(spelled)]


def _either(ways: Sequence[Sequence[Condition]]) -> Condition:
    text = " or ".join(" and ".join(c.text for c in part) for part in ways)
    latex = r" \text{ or } ".join(r" \text{ and } ".join(c.latex for c in part) for part in ways)
    python = " or ".join(" and ".join(c.python for c in part) for part in ways)
    return Condition(f"({text})", f"({latex})", f"({python})")


def _stretch(letter: str, first: int, last: int, low: int, high: int) -> list[Condition]:
    if first == last:
        return [_bound(letter, "=", first)]
    return _ends(letter, first if first > low else None, last if last < high else None)


def _ends(letter: str, first: int | None, last: int | None) -> list[Condition]:
    """From where to where, 6 ≤ N ≤ 900, or the one end that there is."""
    if first is None or last is None:
        return [_bound(letter, sign, end) for sign, end in (("≥", first), ("≤", last)) if end is not None]
    python = f"{letter} >= {first} and {letter} <= {last}"
    return [Condition(f"{first} ≤ {letter} ≤ {last}", rf"{first} \le {_tex(letter)} \le {last}", python)]


def _period(mask: Mask) -> int | None:
    """The shortest shift under which a set stays, within itself."""
    for period in range(2, min(MOST_PERIOD, len(mask) // 2) + 1):
        if numpy.array_equal(mask[period:], mask[:-period]):
            return period
    return None


def _tex(letter: str) -> str:
    from ..algebra.polynomial import symbol

    return str(PRINTERS["latex"](symbol(letter)))
