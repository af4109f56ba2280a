"""Forms of a design's quantities that grow with every lever, and the proof that they do.

Levers of which no form can be had, or with which a quantity is not seen to grow, are gone through value by value;
the others are letters. With one value each of the former, a :class:`Slice`, a run on traced letters gives forms.

    numbers of blocks   Loops run over them. Each further block of a stage adds the same, so that a quantity is
                        that of the first depths and so many steps of each stage; runs with one and with two steps
                        of all at once have to give that sum, as an identity of forms.
    where they hold     Decisions on letters have to be such as are taken at all positive numbers.
    that they grow      The form at n + 1 less that at n is never negative: no coefficient is, where n = 1 + x
                        (:func:`always`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any, NamedTuple

from ..algebra.boundaries import always
from ..algebra.domains import at_least, positive
from ..algebra.polynomial import Polynomial, constant, symbol
from ..algebra.traced import Traced, form_of
from ..arrays.regimes import Noting
from ..errors import InputError
from ..everywhere import plainly
from .levers import FREE, LISTED, WIDTHS, Lever, Space

Forms = Mapping[str, Polynomial]
"""The form of each quantity in the numbers of levers' values."""


class Limit(NamedTuple):
    """At most so much of a quantity; ``option`` is where that was given."""

    quantity: str
    most: int
    option: str


@dataclass(frozen=True)
class Slice:
    """The configurations with one value each of what is gone through: their forms, unless all are ``refused``.

    ``top`` has the last value of each letter with which anything fits: with the next value of one, and the first
    of all others, a limit is passed, so that nothing beyond fits either. Nothing at all ``fits`` where the first
    values of all letters pass one.
    """

    at: Mapping[str, int]
    forms: Forms
    top: Mapping[str, int]
    fits: bool = True
    refused: str = ""

    @property
    def size(self) -> int:
        """Configurations up to ``top``."""
        return prod(self.top.values()) if self.fits else 0

    @property
    def least(self) -> dict[str, int]:
        """The first values of its letters."""
        return dict.fromkeys(self.top, 1)


class NotShownError(Exception):
    """A lever has to be gone through value by value."""

    def __init__(self, lever: str, why: str) -> None:
        super().__init__(lever, why)
        self.lever, self.why = lever, why


def slices_of(space: Space, columns: Sequence[str], limits: Sequence[Limit]) -> tuple[Space, list[Slice]]:
    """All slices, and the levers with those marked that are gone through.

    Raises:
        InputError: too many slices, a lever that nothing limits, or a model that does not fit at all.
    """
    try:
        return space, list(_slices(space, columns, limits))
    except NotShownError as found:
        shown = space.one_by_one(found.lever, found.why)
    return slices_of(shown, columns, limits)


def _listed(levers: Iterable[Lever]) -> list[dict[str, int]]:
    listed = [lever for lever in levers if lever.why]
    number = prod(lever.count for lever in listed)
    if number > LISTED:
        names = ", ".join(lever.name for lever in listed)
        raise InputError(
            f"{FREE}: {number} combinations of {names}, which are gone through one by one; "
            f"must be at most {LISTED}: give narrower ranges, {FREE} {listed[0].name}=FROM:TO"
        )
    each = product(*(range(1, lever.count + 1) for lever in listed))
    return [dict(zip([lever.name for lever in listed], places, strict=True)) for places in each]


def _slices(space: Space, columns: Sequence[str], limits: Sequence[Limit]) -> Iterator[Slice]:
    letters = [lever.name for lever in space.levers if not lever.why]
    loops: list[str] = []
    for at in _listed(space.levers):
        least = dict.fromkeys(letters, 1)
        try:
            try:
                forms = _forms(space, at, letters, loops, columns)
            except TypeError:
                loops = loops_of(space, at, letters)
                forms = _forms(space, at, letters, loops, columns)
        except InputError as refusal:
            yield Slice(at, {}, least, False, plainly(refusal))
            continue
        _growing(forms, letters)
        if any(forms[limit.quantity].at(least) > limit.most for limit in limits):
            yield Slice(at, forms, least, False)
            continue
        tops = {lever.name: _top(lever, forms, least, limits) for lever in space.levers if not lever.why}
        yield Slice(at, forms, tops)


def _growing(forms: Forms, letters: Iterable[str]) -> None:
    """Refuse forms that are not seen to grow with every letter."""
    domain = positive(letters)
    for letter in letters:
        for name, form in forms.items():
            step = form.subs({letter: symbol(letter) + 1}) - form
            if step and not always(domain, at_least(step)):
                raise NotShownError(letter, f"{name} is not seen to grow with it")


def _top(lever: Lever, forms: Forms, least: Mapping[str, int], limits: Sequence[Limit]) -> int:
    """The last of a lever's values that fits with the first of all others."""

    def fits(n: int) -> bool:
        return all(forms[limit.quantity].at({**least, lever.name: n}) <= limit.most for limit in limits)

    low, high = 1, lever.count
    if fits(high):
        if not lever.given:
            given = " and ".join(limit.quantity for limit in limits)
            raise InputError(
                f"{FREE} {lever.name}: {given} do not limit it up to {lever.spelled(high)}; give its values, "
                f"such as {FREE} {lever.name}={lever.spelled(1)}:{lever.spelled(8)}"
            )
        return high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def loops_of(space: Space, at: Mapping[str, int], letters: Iterable[str], quantity: str = "macs") -> list[str]:
    """The letters that loops run over: of each alone it shows whether a form can be had.

    Equal layers are counted at once in a cost tree, and gone through where bytes are followed.
    """
    found = []
    for letter in letters:
        tape = Noting({letter: 1})
        trial = {**dict.fromkeys(letters, 1), **at, letter: Traced(1, symbol(letter), tape)}
        try:
            space.figures(trial, [quantity])
        except TypeError:
            found.append(letter)
        except InputError:
            continue
    return found


def _forms(
    space: Space, at: Mapping[str, int], letters: Sequence[str], loops: Sequence[str], columns: Sequence[str]
) -> Forms:
    """The forms of a slice, each a sum of steps of loops.

    Raises:
        InputError: all of it is refused.
        NotShownError: where a lever is in the way.
    """
    smooth = [letter for letter in letters if letter not in loops]

    def run(steps: Mapping[str, int]) -> Forms:
        return {name: forms[0] for name, forms in traced(space, {**at, **steps}, smooth, columns).items()}

    ones = dict.fromkeys(loops, 1)
    try:
        base = run(ones)
    except InputError:
        if loops and not _refused(run, dict.fromkeys(loops, 2)):
            raise NotShownError(loops[0], "its first values are refused") from None
        raise
    try:
        more = {loop: run({**ones, loop: 2}) for loop in loops}
        forms = {
            name: form + sum(((more[loop][name] - form) * (symbol(loop) - 1) for loop in loops), constant(0))
            for name, form in base.items()
        }
        for n in (2, 3) if loops else ():
            if run(dict.fromkeys(loops, n)) != {
                name: f.subs(dict.fromkeys(loops, n)) for name, f in forms.items()
            }:
                raise NotShownError(loops[-1], "its steps are not all alike")
    except InputError as refusal:
        raise NotShownError(loops[-1], plainly(refusal)) from None
    return forms


def _refused(run: Any, steps: Mapping[str, int]) -> bool:
    try:
        run(steps)
    except InputError:
        return True
    return False


def traced(
    space: Space, at: Mapping[str, int], letters: Sequence[str], columns: Sequence[str], first: int = 1
) -> Mapping[str, list[Polynomial]]:
    """Forms that hold for all letters from ``first`` on; of each quantity those of which it is the greatest.

    Raises:
        InputError: it is refused, for all letters.
        NotShownError: a decision depends on a letter.
    """
    tape = Noting(dict.fromkeys(letters, first))
    sizes = {letter: Traced(first, symbol(letter), tape) for letter in letters}
    refusal = None
    try:
        found = space.figures({**at, **sizes}, columns)
    except InputError as error:
        refusal = error
    domain = positive(letters)
    for letter in letters:
        domain = domain & at_least(symbol(letter) - first)
    for guard in tape.domain.guards:
        if not always(domain, guard):
            asked = guard.form.letters | (guard.divisor.letters if guard.divisor else frozenset())
            raise NotShownError(
                min(asked, key=lambda letter: (letter in WIDTHS, letter)), "the form depends on it"
            )
    if refusal is not None:
        raise refusal
    return {name: list(map(form_of, sizes)) for name, sizes in found.items()}
