"""Sets of sizes within a range, decided by evaluation.

A condition on one letter is the set of its values that meet it, held as one bit for each value of the range: exact
whatever the condition is made of, floors of products and symbolic divisors included. A condition on several
letters is kept as it is, and asked along one letter at a time. Where two forms are compared on a region, the
answer is exact if every floor has one letter (:func:`vanishes`); what had to be tried at sizes instead is said so.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache, partial, reduce
from itertools import product
from math import prod
from typing import Any, NamedTuple, TypeVar

import numpy
import numpy.typing

from ..algebra.floors import Floor, floors_in
from ..algebra.polynomial import Monomial, Polynomial, constant, symbol
from .extremes import equations
from .guards import AT_LEAST, EQUAL, Guard

Mask = numpy.typing.NDArray[numpy.bool_]
Point = Mapping[str, int]
_Way = Callable[[Mapping[str, Any]], Any]
_Answer = TypeVar("_Answer")

DRAWS = 24
"""Lines along one letter on which a region of several letters is looked for, each way."""

MOST_FOUND = 2 * DRAWS
"""Sizes that are found on such lines after which no more are sought to choose from."""

MISSED = 5
"""Lines without such a size after which more and more are looked at together."""

MOST_ON_LINES = 1 << 18
"""Values on such lines that are looked at together."""

DRAWN = 512
"""Sizes that are drawn to see whether a condition on several letters is ever met."""

MOST_FEW = 1 << 16
"""So many sizes are all looked at: of those that no floor tells apart one stands for all."""

MOST_SEARCHED, CHUNK = 1 << 25, 1 << 20
"""Sizes that are looked at for an equation of two letters, so many at once."""

MOST_TOGETHER = 8
"""Conditions on several letters that are met together, each of which takes a search along lines."""

MOST_CHOSEN = 64
"""Sets of values of a letter that are remembered, each of half a megabyte at most."""

_PRIMES = (2147483647, 2147483629, 2147483587)
_SIGN_BELOW = 1 << 100
"""A form below this, of fewer terms and factors than 2¹⁰, has its sign from 53 bits or from 64."""

FEW_CHANGES = 4
"""Changes of an answer along its letter up to which it has an edge; a remainder has thousands."""

_EXACT_BELOW = 1 << 90
"""A form below this at every size that is 0 modulo the three primes is 0."""


@dataclass(frozen=True)
class Range:
    """The values of each letter that are asked about: from, to."""

    bounds: Mapping[str, tuple[int, int]]
    _masks: dict[Guard, Mask] = field(default_factory=dict, compare=False, repr=False)
    _chosen: dict[tuple[str, int], tuple[Mask, Any]] = field(default_factory=dict, compare=False, repr=False)
    _numbers: dict[bytes, int] = field(default_factory=dict, compare=False, repr=False)
    known: dict[Hashable, Any] = field(default_factory=dict, compare=False, repr=False)

    def values(self, letter: str) -> Any:
        """All values of a letter, in order."""
        low, high = self.bounds[letter]
        return numpy.arange(low, high + 1, dtype=numpy.int64)

    def chosen(self, letter: str, mask: Mask) -> Any:
        """The values of a letter that a mask leaves, remembered for the last masks: regions share them."""
        key = letter, id(mask)  # which stays its own as long as the mask is remembered too
        if key not in self._chosen:
            if len(self._chosen) >= MOST_CHOSEN:
                del self._chosen[next(iter(self._chosen))]
            self._chosen[key] = mask, self.values(letter)[mask]
        return self._chosen[key][1]

    def number(self, mask: Mask) -> int:
        """A number that equal masks share."""
        return self._numbers.setdefault(numpy.packbits(mask).tobytes(), len(self._numbers))

    def mask(self, guard: Guard) -> Mask:
        """Where a guard of one letter holds."""
        if guard not in self._masks:
            (letter,) = guard.letters
            values = self.values(letter)
            self._masks[guard] = numpy.broadcast_to(_answers(guard, {letter: values}), values.shape)
        return self._masks[guard]

    def length(self, guard: Guard) -> float:
        """How long a guard's answer is to write, in bits: by how often it changes along its letter.

        One of floors may change all the way and say no more than ``4 | W``: it repeats with their divisors.
        """
        if len(guard.letters) > 1:
            return 16.0
        mask = self.mask(guard)
        changes = int(numpy.count_nonzero(mask[1:] != mask[:-1]))
        floors = [name for name in guard.form.symbols if isinstance(name, Floor) and not name.divisor.symbols]
        period = math.lcm(*(floor.divisor.terms[()] for floor in floors)) if floors else changes
        return math.log2(1 + min(changes, 2 * period))

    def changes(self, guard: Guard) -> list[int]:
        """From which values of its letter on a guard has another answer; none if many, as of remainders."""
        (letter,) = guard.letters
        mask = self.mask(guard)
        places = numpy.flatnonzero(mask[1:] != mask[:-1]) + 1
        return (places + self.bounds[letter][0]).tolist() if len(places) <= FEW_CHANGES else []

    def whole(self) -> Region:
        """Every size."""
        return Region(self, {n: numpy.ones(high - low + 1, bool) for n, (low, high) in self.bounds.items()}, ())


@dataclass(frozen=True)
class Region:
    """Values of each letter, and conditions on several letters at once with the answers that are wanted."""

    range: Range
    axes: Mapping[str, Mask]
    others: tuple[tuple[Guard, bool], ...]

    def where(self, guard: Guard, outcome: bool) -> Region:
        """The part in which a guard has an answer."""
        letters = guard.letters
        if len(letters) == 1:
            (letter,) = letters
            mask = self.range.mask(guard)
            return replace(self, axes={**self.axes, letter: self.axes[letter] & (mask if outcome else ~mask)})
        alone = self.alone(guard, outcome)
        if alone is not None:
            return reduce(lambda part, one: part.where(*one), alone, self)
        answer = _follows((guard, outcome), self.others)
        if answer is not None:
            return self if answer else self._nowhere()
        kept = (known for known in self.others if not _follows(known, ((guard, outcome),)))
        return replace(self, others=(*kept, (guard, outcome)))

    def alone(self, guard: Guard, outcome: bool) -> Sequence[tuple[Guard, bool]] | None:
        """A condition on several letters as conditions on one each, if it is that here."""
        if outcome and (ones := _ones(guard)):
            return [(one, True) for one in ones]
        found: Sequence[Guard] = self._known(
            ("equations", guard), lambda: equations(guard, {n: self.values(n) for n in guard.letters})
        )
        open = [one for one in found if not self.range.mask(one)[self.axes[next(iter(one.letters))]].all()]
        if not found or not (outcome or len(open) < 2):
            return None
        return [(one, outcome) for one in open or found[:1]]

    def _nowhere(self) -> Region:
        return replace(self, axes={letter: numpy.zeros_like(mask) for letter, mask in self.axes.items()})

    def meet(self, other: Region) -> Region:
        """The part in both."""
        axes = {letter: mask & other.axes[letter] for letter, mask in self.axes.items()}
        met = replace(self, axes=axes)
        for guard, outcome in other.others:
            met = met.where(guard, outcome)
        return met

    def without(self, other: Region) -> list[Region]:
        """The part that is not in another, as regions that have no size in common."""
        left, inside = [], self
        for letter, mask in other.axes.items():
            left.append(replace(inside, axes={**inside.axes, letter: inside.axes[letter] & ~mask}))
            inside = replace(inside, axes={**inside.axes, letter: inside.axes[letter] & mask})
        for guard, outcome in other.others:
            left.append(inside.where(guard, not outcome))
            inside = inside.where(guard, outcome)
        return [region for region in left if region.empty() is not True]

    def __contains__(self, point: Point) -> bool:
        for letter, mask in self.axes.items():
            at = point[letter] - self.range.bounds[letter][0]
            if not 0 <= at < len(mask) or not mask[at]:
                return False
        return all(bool(guard.holds(point)) == outcome for guard, outcome in self.others)

    @property
    def is_everything(self) -> bool:
        """Whether there is no condition."""
        return not self.others and all(mask.all() for mask in self.axes.values())

    @property
    def surely_empty(self) -> bool:
        """Whether some letter has no value left."""
        return not all(mask.any() for mask in self.axes.values())

    def empty(self) -> bool | None:
        """Whether it has no size; None where none was found and not all were looked at."""
        if self.surely_empty or any(self._beyond(*other) or self._pinned_beyond(*other) for other in self.others):
            return True
        if self.sought(3) is not None:
            return False
        return True if self._decided()[0] else None  # a size there would have been found

    def _beyond(self, guard: Guard, outcome: bool) -> bool:
        """Whether bounds of factors say that a condition is not met: ``⌊H/4⌋⌊W/4⌋ = 1`` where each is more."""
        try:
            low, high = self._bounds(guard.form)
        except (ValueError, ZeroDivisionError):
            return False
        if guard.relation == EQUAL:
            return outcome and not low <= 0 <= high
        return high < 0 if outcome else low >= 0

    def _pinned_beyond(self, guard: Guard, outcome: bool) -> bool:
        """Whether a condition is never met by what is left: ``g | a`` where a is 1 and g is more."""
        values = {letter: self.values(letter) for letter in guard.letters}
        pinned = {letter: numpy.int64(v[0]) for letter, v in values.items() if len(v) == 1}
        left = guard.letters - set(pinned)
        if not pinned or len(left) > 1:
            return False
        return not (_answers(guard, {**values, **pinned}) == outcome).any()

    def _bounds(self, form: Polynomial) -> tuple[int, int]:
        """Numbers between which a form is, if its factors have one letter each and are not below 0.

        Raises:
            ValueError: they have several, or are.
        """
        low = high = 0
        for monomial, number in form.terms.items():
            least = most = number
            for name, power in monomial:
                (letter,) = name.letters if isinstance(name, Floor) else (name,)
                values = self.values(letter)
                if isinstance(name, Floor):
                    values = _floors(name, letter, values)
                if values.min() < 0:
                    raise ValueError(f"{name} is below 0")
                least, most = least * int(values.min()) ** power, most * int(values.max()) ** power
            low, high = low + min(least, most), high + max(least, most)
        return low, high

    def always(self, guard: Guard, outcome: bool) -> bool:
        """Whether a guard is known to have an answer everywhere."""
        if guard.relation == EQUAL and outcome and len(guard.letters) > 1:
            with suppress(ZeroDivisionError):
                if _vanishes_on(guard.form, {letter: self.values(letter) for letter in sorted(guard.letters)}):
                    return True
        return self.where(guard, not outcome).empty() is True

    def most(self, forms: Sequence[Polynomial], rng: random.Random) -> tuple[Polynomial, ...]:
        """Of several forms the first, and those that are more than all before at a size of many that are drawn."""
        if len(forms) < 2 or self.surely_empty:
            return tuple(forms[:1])
        values = _stacked(forms, self._drawn(rng, forms))
        best = set(values.argmax(axis=0).tolist()) if values.size else range(len(forms))
        return tuple(form for place, form in enumerate(forms) if place == 0 or place in best)

    def _drawn(self, rng: random.Random, forms: Iterable[Polynomial]) -> dict[str, Any]:
        """Sizes at which forms have a value, small as often as large, whatever is asked of several letters."""
        columns = {letter: _drawn(self.values(letter), rng).astype(object) for letter in self.axes}
        fits = numpy.ones(DRAWN, bool)
        for divisor in {name.divisor for form in forms for name in floors_in(form) if name.divisor.letters}:
            fits[numpy.asarray(Guard(divisor, EQUAL).holds(columns), bool)] = False
        return {letter: column[fits] for letter, column in columns.items()}

    def alike(self, guard: Guard, other: Guard) -> bool:
        """Whether two conditions on one letter say the same everywhere here, or the opposite."""
        if len(guard.letters) > 1 or guard.letters != other.letters:
            return False
        (letter,) = guard.letters
        differ = (self.range.mask(guard) ^ self.range.mask(other))[self.axes[letter]]
        return bool(not differ.any() or differ.all())

    def extent(self) -> float:
        """How many sizes there are, as far as conditions on one letter say."""
        return float(prod(float(mask.sum()) for mask in self.axes.values()))

    def values(self, letter: str) -> Any:
        """The values of one letter."""
        return self.range.chosen(letter, self.axes[letter])

    def few(self, forms: Sequence[Polynomial] = ()) -> dict[str, Any] | None:
        """Sizes that stand for all others, a column for each letter; None where even these are too many.

        Of the values of a letter that have the same floors, one does in conditions and forms that have it in
        floors alone.
        """
        apart = self._apart(forms)
        if prod(map(len, apart.values())) > MOST_FEW:
            return None
        return self._meeting(_grid(apart))

    @cached_property
    def binding(self) -> tuple[tuple[Guard, bool], ...]:
        """Conditions on several letters without those that are met wherever letters have their values."""
        return tuple(other for other in self.others if not self._beyond(other[0], not other[1]))

    def _apart(self, forms: Sequence[Polynomial] = ()) -> dict[str, Any]:
        """Values of each letter that conditions on several letters, or forms, can tell apart."""
        asked = (*(guard.form for guard, _ in self.binding), *forms)
        found: dict[str, Any] = {}
        for letter in self.axes:
            values = self.values(letter)
            seen = {name for form in asked for name in _functions(form, letter)}
            floors = [name for name in seen if isinstance(name, Floor)]
            if len(floors) == len(seen):
                codes = numpy.zeros(len(values), numpy.int64)
                for floor in floors:
                    own = numpy.unique(_floors(floor, letter, values), return_inverse=True)[1]
                    codes = numpy.unique(len(values) * codes + own, return_inverse=True)[1]
                values = values[numpy.unique(codes, return_index=True)[1]]
            found[letter] = values
        return found

    def _meeting(self, columns: dict[str, Any]) -> dict[str, Any]:
        """Those of some sizes that meet the conditions on several letters: equations leave few, and are first."""
        for guard, outcome in sorted(
            self.binding, key=lambda other: not (other[0].relation == EQUAL and other[1])
        ):
            if len(next(iter(columns.values()))):
                fits = _answers(guard, columns) == outcome
                columns = {name: column[fits] for name, column in columns.items()}
        return columns

    def find(
        self, rng: random.Random, near: Point | None = None, wishes: Sequence[tuple[Guard, bool]] = ()
    ) -> dict[str, int] | None:
        """A size of the region, close to another one or at random: the one that meets the most wishes.

        None if there is none, or where conditions on several letters left none on the lines that were tried, and
        no equation of theirs can be solved.
        """
        if self.surely_empty:
            return None
        candidates = self._candidates(rng, near)
        if near is None and not wishes:
            return next(candidates, None) or self._decided()[1]
        points = list(candidates)
        if not points:
            return self._decided()[1]
        columns = {letter: numpy.array([point[letter] for point in points]) for letter in self.axes}
        scores = numpy.zeros(len(points))
        for guard, outcome in wishes:
            scores += _answers(guard, columns) == outcome
        if near is not None:
            for letter, column in columns.items():
                scores -= abs(column - near[letter]) / (near[letter] + 1) / 100
        return points[int(scores.argmax())]

    def sought(self, seed: int) -> dict[str, int] | None:
        """What :meth:`find` gives with a seed."""
        return self._known(("sought", seed), lambda: self.find(random.Random(seed)))

    def towards(self, wishes: Sequence[tuple[Guard, bool]]) -> Region:
        """The part that meets as many wishes as can be met together, taken in turn."""
        return self._known(("towards", *wishes), lambda: self._towards(wishes))

    def _towards(self, wishes: Sequence[tuple[Guard, bool]]) -> Region:
        region, others = self, 0
        for guard, outcome in wishes:
            narrower = region.where(guard, outcome)
            if narrower.surely_empty:
                continue
            if len(guard.letters) > 1 or narrower.others:
                others += len(guard.letters) > 1
                if others > MOST_TOGETHER or narrower.sought(2) is None:
                    continue
            region = narrower
        return region

    def _known(self, question: Hashable, answer: Callable[[], _Answer]) -> _Answer:
        """What is asked of equal regions again and again, and always answered alike."""
        key = question, tuple(map(self.range.number, self.axes.values())), self.others
        if key not in self.range.known:
            self.range.known[key] = answer()
        found: _Answer = self.range.known[key]
        return found

    def search(self) -> tuple[bool, dict[str, int] | None]:
        """Where conditions on two letters meet in few sizes, one an equation: whether all were tried, and one.

        Not where there are too many sizes, unless the equation can be solved for a letter, or where numbers are
        beyond 64 bits.
        """
        if self.surely_empty:
            return True, None
        decided, point = self._decided()
        apart = {} if decided or not self._is_thin() else self._apart()
        if not apart or prod(map(len, apart.values())) > MOST_SEARCHED:
            return decided, point
        (most, values), *others = sorted(apart.items(), key=lambda one: len(one[1]), reverse=True)
        step = max(CHUNK // prod(len(other) for _, other in others), 1)
        for begin in range(0, len(values), step):
            found = _first(self._meeting(_grid({most: values[begin : begin + step], **dict(others)})))
            if found is not None:
                return True, found
        return True, None

    def _decided(self) -> tuple[bool, dict[str, int] | None]:
        """Where sizes are few, or an equation can be solved: that all were tried, and one if there is one."""
        return self._known("decided", self._decide)

    def _decide(self) -> tuple[bool, dict[str, int] | None]:
        few = self.few()
        return self._on_a_line() if few is None else (True, _first(few))

    def _is_thin(self) -> bool:
        """Whether it has an equation, and numbers of 64 bits."""
        if not any(guard.relation == EQUAL and outcome for guard, outcome in self.binding):
            return False
        tops = {letter: int(self.values(letter)[-1]) for letter in self.axes}
        return all(_bound(guard.form, tops) < 1 << 62 for guard, _ in self.binding)

    def _on_a_line(self) -> tuple[bool, dict[str, int] | None]:
        """Where an equation can be solved for a letter: that all was tried, and a size if there is one."""
        if not self._is_thin():
            return False, None
        apart = self._apart()
        for guard in (guard for guard, outcome in self.binding if guard.relation == EQUAL and outcome):
            for letter in reversed(apart):
                known = {name: values for name, values in apart.items() if name != letter}
                most = CHUNK if guard.form.degree(letter) == 1 else MOST_FEW
                solved = None
                if prod(map(len, known.values())) <= most:
                    columns = _grid(known)
                    solved = _solved(guard.form, letter, columns)
                if solved is not None:
                    columns = {name: column[solved[0]] for name, column in columns.items()}
                    return True, _first(self._meeting(self._within({**columns, letter: solved[1]})))
        return False, None

    def _within(self, columns: dict[str, Any]) -> dict[str, Any]:
        """Those of some sizes whose letters have values of it."""
        for letter, mask in self.axes.items():
            low = self.range.bounds[letter][0]
            inside = (columns[letter] >= low) & (columns[letter] < low + len(mask))
            columns = {name: column[inside] for name, column in columns.items()}
            inside = mask[columns[letter] - low]
            columns = {name: column[inside] for name, column in columns.items()}
        return columns

    def cells(self, guards: Sequence[Guard], rng: random.Random, most: int) -> Iterator[dict[str, int]]:
        """Sizes drawn from the cells into which conditions on one letter cut it, each cell as likely."""
        if self.surely_empty:
            return
        parts: dict[str, list[Any]] = {}
        for letter, mask in self.axes.items():
            own = [self.range.mask(guard)[mask] for guard in guards if letter in guard.letters]
            values = self.values(letter)
            if own:
                parts[letter] = _alike(values, own)
            else:
                parts[letter] = [values]
        for _ in range(most):
            point = {letter: int(rng.choice(rng.choice(cells))) for letter, cells in parts.items()}
            if all(bool(guard.holds(point)) == outcome for guard, outcome in self.others):
                yield point

    def somewhere(self, rng: random.Random) -> dict[str, int] | None:
        """A size near one that is drawn from all alike, where :meth:`find` would rather have a small one."""
        if self.surely_empty:
            return None
        return self.find(rng, {letter: int(rng.choice(self.values(letter))) for letter in self.axes})

    def _candidates(self, rng: random.Random, near: Point | None) -> Iterator[dict[str, int]]:
        letters = list(self.axes)
        choices = {letter: self.values(letter) for letter in letters}
        places = {n: None if near is None else int(v.searchsorted(near[n])) for n, v in choices.items()}
        if not self.others:
            for attempt in range(DRAWS):
                yield {
                    n: _pick(v, rng, None if near is None else near[n], attempt, places[n])
                    for n, v in choices.items()
                }
            return

        def draw(attempt: int, along: str) -> dict[str, int]:
            if near is None:
                return {n: _small(v, rng) for n, v in choices.items() if n != along}
            return {n: _pick(v, rng, near[n], attempt, places[n]) for n, v in choices.items() if n != along}

        lines = _Lines(choices, self.others)
        order = list(product(range(DRAWS), letters))
        begin = found = missed = 0
        while begin < len(order) and found < MOST_FOUND:
            together = 1 if missed < MISSED else min(lines.most, 8 ** (missed - MISSED + 1))
            batch = order[begin : begin + together]
            state = rng.getstate() if len(batch) > 1 else None
            drawn = [draw(*line) for line in batch]
            first = lines.first([along for _, along in batch], drawn)
            if first is None:
                begin, missed = begin + len(batch), missed + 1
                continue
            place, fit = first
            if state is not None:  # as if nothing had been drawn behind it
                rng.setstate(state)
                for line in batch[: place + 1]:
                    draw(*line)
            attempt, along = batch[place]
            yield {**drawn[place], along: _pick(fit, rng, None if near is None else near[along], attempt)}
            begin, found, missed = begin + place + 1, found + 1, 0


class _Asked(NamedTuple):
    """A condition as lines along a letter ask it: whether it changes there, and the answer that is wanted."""

    way: _Way
    changes: bool
    outcome: bool


class _Lines:
    """Lines along one letter each, and conditions on several letters that values on them are to meet."""

    def __init__(self, choices: Mapping[str, Any], others: Sequence[tuple[Guard, bool]]) -> None:
        self.most = max(1, MOST_ON_LINES // max(map(len, choices.values())))
        self._choices = choices
        tops = tuple((letter, int(values[-1])) for letter, values in choices.items())
        self._others = [(guard, outcome, _way(guard, tops)) for guard, outcome in others]
        self._asked: dict[str, list[_Asked]] = {}

    def first(self, along: Sequence[str], fixed: Sequence[Mapping[str, int]]) -> tuple[int, Any] | None:
        """Of lines along letters, the others fixed, the first that meets all: its place, and the values there."""
        if len(along) == 1:
            values = self._on(along[0], fixed[0])
            return (0, values) if len(values) else None
        found = (
            self._first([place for place, other in enumerate(along) if other == letter], letter, fixed)
            for letter in dict.fromkeys(along)
        )
        return min(filter(None, found), key=lambda first: first[0], default=None)

    def _in_turn(self, along: str) -> list[_Asked]:
        """Conditions, those first that leave all or none of the values along a letter, or few."""
        if along not in self._asked:
            asked = [
                (_Asked(way, along in guard.letters, outcome), guard.relation != EQUAL or not outcome)
                for guard, outcome, way in self._others
            ]
            self._asked[along] = [one for one, _ in sorted(asked, key=lambda pair: (pair[0].changes, pair[1]))]
        return self._asked[along]

    def _on(self, along: str, fixed: Mapping[str, int]) -> Any:
        """The values on one line that meet all conditions: Python's own numbers are the faster ones there."""
        values, line = self._choices[along], {n: numpy.int64(size) for n, size in fixed.items()}
        for way, changes, outcome in self._in_turn(along):
            answers = way({**(line if isinstance(way, partial) else fixed), along: values})
            if changes:
                values = values[answers == outcome]
            elif bool(answers) != outcome:
                return values[:0]
            if not len(values):
                break
        return values

    def _first(
        self, places: Sequence[int], along: str, fixed: Sequence[Mapping[str, int]]
    ) -> tuple[int, Any] | None:
        """The same for lines along one letter, all at once.

        What does not change along it comes first, and leaves some lines; what does leaves values, each with the
        line that it is on.
        """
        lines, values, on_lines = numpy.array(places), self._choices[along], True
        columns = {n: numpy.array([fixed[place][n] for place in places]) for n in self._choices if n != along}
        for way, changes, outcome in self._in_turn(along):
            if on_lines and changes:
                grid = {n: column[:, None] for n, column in columns.items()}
                fits, chosen = numpy.nonzero(way({**grid, along: values}) == outcome)
                values, on_lines = values[chosen], False
            else:
                fits = numpy.flatnonzero(way({**columns, along: values}) == outcome)
                values = values if on_lines else values[fits]
            lines, columns = lines[fits], {n: column[fits] for n, column in columns.items()}
            if not len(lines):
                return None
        return int(lines[0]), values if on_lines else values[lines == lines[0]]


def _follows(asked: tuple[Guard, bool], known: Iterable[tuple[Guard, bool]]) -> bool | None:
    """Whether a condition is met wherever others are, or nowhere there: ``BN >= 4`` says so of ``BN = 1``."""
    guard, outcome = asked
    core, sign, more = _core(guard.form)
    for other, met in known:
        same, turned, by = _core(other.form)
        if same != core:
            continue
        if guard.relation == other.relation == EQUAL and not met:
            if more * sign == by * turned:
                return not outcome
            continue
        low, high = sorted((end - by) * turned * sign + more for end in _between(other, met))
        if guard.relation == AT_LEAST and (low >= 0 or high < 0):
            return (low >= 0) == outcome
        if guard.relation == EQUAL and (low == high or not low <= 0 <= high):
            return (low == high == 0) == outcome
    return None


def _ones(guard: Guard) -> tuple[Guard, ...]:
    """What has to be 1 each for a product of sizes to be 1: they are not below 0."""
    core, sign, more = _core(guard.form)
    if guard.relation != EQUAL or more * sign != -1 or list(core.terms.values()) != [1]:
        return ()
    floors = [name for name in core.symbols if isinstance(name, Floor)]
    inside = [
        number for name in floors for part in (name.numerator, name.divisor) for number in part.terms.values()
    ]
    if len(core.symbols) == 1 or min(inside, default=0) < 0:
        return ()
    return tuple(Guard(symbol(name) - 1, EQUAL) for name in sorted(core.symbols, key=str))


@lru_cache(maxsize=1 << 14)
def _core(form: Polynomial) -> tuple[Polynomial, int, int]:
    """A form without its number and sign, and these: what conditions of one form have in common."""
    rest = {monomial: number for monomial, number in form.terms.items() if monomial}
    sign = 1 if rest[min(rest)] > 0 else -1
    return Polynomial({monomial: sign * number for monomial, number in rest.items()}), sign, form.terms.get((), 0)


def _between(guard: Guard, outcome: bool) -> tuple[float, float]:
    """Numbers between which its form is."""
    if guard.relation == EQUAL:
        return (0, 0) if outcome else (-math.inf, math.inf)
    return (0, math.inf) if outcome else (-math.inf, -1)


def _grid(values: Mapping[str, Any]) -> dict[str, Any]:
    """All sizes of some values of each letter, a column for each letter."""
    sides = numpy.meshgrid(*values.values(), indexing="ij")
    return {letter: side.ravel() for letter, side in zip(values, sides, strict=True)}


def _first(columns: Mapping[str, Any]) -> dict[str, int] | None:
    """The first of some sizes, if there is one."""
    sizes = next(iter(columns.values()))
    return {name: int(column[0]) for name, column in columns.items()} if len(sizes) else None


def _floors(name: Floor, letter: str, values: Any) -> Any:
    """The values of a floor of one letter."""
    wide = _top(name, {letter: int(values.max(initial=0))}) >= 1 << 62
    return name.at({letter: values.astype(object) if wide else values})


def _functions(form: Polynomial, letter: str) -> Iterator[str]:
    """What a form has of a letter: itself, and floors of nothing else."""
    for name in sorted(form.symbols):
        if not isinstance(name, Floor) or name.letters == {letter}:
            if name == letter or isinstance(name, Floor):
                yield name
        elif letter in name.letters:
            for part in (name.numerator, name.divisor):
                yield from _functions(part, letter)


def _alike(values: Any, answers: Sequence[Mask]) -> list[Any]:
    """Values in parts of which each has the same answers, in order of these."""
    codes = numpy.zeros(len(values), numpy.int64)
    for answer in answers:
        codes = numbered(2 * codes + answer)
    return [values[codes == code] for code in range(int(codes.max(initial=-1)) + 1)]


def numbered(codes: Any) -> Any:
    """Numbers of 0 or more, few of them, from 0 on without gaps, in the same order."""
    there = numpy.bincount(codes) > 0
    return (numpy.cumsum(there) - 1)[codes]


def _solved(form: Polynomial, letter: str, known: Mapping[str, Any]) -> tuple[Any, Any] | None:
    """Whole solutions of ``form == 0`` for a letter: places of the known values, and what solves it there.

    None unless it is of degree 1 or 2 in the letter, which stands in no floor.
    """
    degree = form.degree(letter)
    if degree not in (1, 2) or any(isinstance(name, Floor) and letter in name.letters for name in form.symbols):
        return None
    parts: list[dict[Monomial, int]] = [{}, {}, {}]
    for monomial, number in form.terms.items():
        rest = tuple((name, power) for name, power in monomial if name != letter)
        parts[dict(monomial).get(letter, 0)][rest] = number
    shape = next(iter(known.values())).shape
    c, b, a = (numpy.broadcast_to(Polynomial(part).at(known), shape) for part in parts)
    places = numpy.arange(shape[0])
    if degree == 1 and c[b == 0].all():
        places, b, c = places[b != 0], b[b != 0], c[b != 0]
        whole = c % b == 0
        return places[whole], (-c // b)[whole]
    if degree == 1 or not a.all():
        return None
    square = b.astype(object) ** 2 - 4 * a.astype(object) * c
    root = numpy.array([math.isqrt(n) if n >= 0 else -1 for n in square.tolist()], dtype=object)
    real = root * root == square
    rows, values = [], []
    for sign in (1, -1):
        above, below = sign * root - b, 2 * a
        whole = (real & (above % below == 0)).astype(bool)
        rows.append(places[whole])
        values.append((above // below)[whole].astype(numpy.int64))
    return numpy.concatenate(rows), numpy.concatenate(values)


def _drawn(values: Any, rng: random.Random) -> Any:
    """Some of a letter's values, the ends among them, as evenly over their logarithms as it can be."""
    last = len(values) - 1
    places = [int(math.exp(rng.random() * math.log1p(last)) - 1) for _ in range(DRAWN - DRAWN // 8)]
    ends = [rng.choice((0, last)) for _ in range(DRAWN // 8)]
    return values[numpy.minimum(numpy.asarray(places + ends), last)]


def _answers(guard: Guard, columns: Mapping[str, Any]) -> Any:
    """The answers of a guard at many sizes, exact whatever its numbers are."""
    letters = guard.letters
    tops = {letter: int(columns[letter].max()) for letter in letters}
    bound = _bound(guard.form, tops)
    if bound >= 1 << 62:
        if bound < _SIGN_BELOW and all(_bound(part, tops) < 1 << 62 for part in _inner(guard.form)):
            return _by_sign(guard, columns)
        columns = {letter: numpy.asarray(columns[letter]).astype(object) for letter in letters}
    return numpy.asarray(guard.holds(columns), bool)


@lru_cache(maxsize=1 << 14)
def _way(guard: Guard, tops: tuple[tuple[str, int], ...]) -> _Way:
    """What answers a guard exactly at sizes up to these."""
    if fits((guard.form,), dict(tops)):
        return guard.holds
    if _bound(guard.form, dict(tops)) < _SIGN_BELOW and fits(_inner(guard.form), dict(tops)):
        return partial(_by_sign, guard)
    return partial(_answers, guard)


def _by_sign(guard: Guard, columns: Mapping[str, Any]) -> Any:
    sign = _sign(guard.form, columns)
    return sign == 0 if guard.relation == EQUAL else sign >= 0


def _inner(form: Polynomial) -> Iterator[Polynomial]:
    """What stands in the floors of a form, above and below their lines, however deep."""
    for name in sorted(form.symbols):
        if isinstance(name, Floor):
            for part in (name.numerator, name.divisor):
                yield part
                yield from _inner(part)


def _sign(form: Polynomial, columns: Mapping[str, Any]) -> Any:
    """A number with the sign of a form whose floors fit 64 bits and which is below :data:`_SIGN_BELOW`.

    Computed twice: with 53 leading bits, and modulo 2⁶⁴. The first is right to 2⁶¹ and so has the sign where it is
    beyond 2⁶²; elsewhere the form fits 64 bits, and the second is the form.
    """
    with numpy.errstate(divide="ignore", over="ignore"):
        leading, modulo = numpy.float64(0), numpy.int64(0)
        for monomial, number in form.terms.items():
            most, rest = numpy.float64(number), numpy.int64((number + (1 << 63)) % (1 << 64) - (1 << 63))
            for name, power in monomial:
                size = name.at(columns) if isinstance(name, Floor) else columns[name]
                for _ in range(power):
                    most, rest = most * size, rest * size
            leading, modulo = leading + most, modulo + rest
    return numpy.where(abs(leading) > 1 << 62, numpy.sign(leading), modulo)


def _pick(values: Any, rng: random.Random, near: int | None, attempt: int, place: int | None = None) -> int:
    """One of some sorted values: the closest at first, then small ones more often than large ones.

    The place of the first that is not smaller than ``near`` may be known.
    """
    if near is not None and attempt < DRAWS // 2:
        at = int(values.searchsorted(near)) if place is None else place
        spread = attempt // 2
        low, high = max(at - 1 - spread, 0), min(at + spread, len(values) - 1)
        if attempt == 0:
            return int(min(values[low : high + 1], key=lambda v: abs(int(v) - near)))
        return int(values[rng.randint(low, high)])
    return _small(values, rng)


def _small(values: Any, rng: random.Random) -> int:
    """One of some sorted values, small ones more often than large ones."""
    size: int = values.item(int(values.size * rng.random() ** rng.choice((1, 2, 4))))
    return size


# -- forms on regions ---------------------------------------------------------------------------------


def equal_on(one: Sequence[Polynomial], other: Sequence[Polynomial], region: Region) -> bool | None:
    """Whether the most of some forms is that of others all over a region; None if so wherever it was tried."""
    return region._known((tuple(one), tuple(other)), lambda: _equal_on(one, other, region))


def _equal_on(one: Sequence[Polynomial], other: Sequence[Polynomial], region: Region) -> bool | None:
    rng = random.Random(7)
    if len(one) == len(other) == 1:
        return vanishes(one[0] - other[0], region, rng)
    if set(one) == set(other) or region.surely_empty:
        return True
    columns = region._drawn(rng, (*one, *other))
    differ = _stacked(one, columns).max(axis=0) != _stacked(other, columns).max(axis=0)
    for guard, outcome in region.others:
        differ &= guard.holds(columns) == outcome
    return False if differ.any() else None


def _stacked(forms: Sequence[Polynomial], columns: Mapping[str, Any]) -> Any:
    """The values of forms at many sizes, a row for each form."""
    rows = numpy.broadcast_arrays(*(form.at(columns) for form in forms), *columns.values())
    return numpy.stack(rows[: len(forms)])


def settled(form: Polynomial, path: Region) -> dict[str, Polynomial]:
    """Floors that something is divided by and that have one value only on a path.

    A window as wide as a grid of 7 columns is 7 wide: what is divided by it is divided by a number.
    """
    found: dict[str, Polynomial] = {}
    waiting = [(name, False) for name in form.symbols]
    while waiting:
        name, below = waiting.pop()
        if not isinstance(name, Floor):
            continue
        if below and len(name.letters) == 1 and not name.divisor.symbols:
            (letter,) = name.letters
            values = name.at({letter: path.values(letter)})
            if len(values) and (values == values[0]).all():
                found[name] = constant(int(values[0]))
                continue
        waiting += [(inner, below) for inner in name.numerator.symbols]
        waiting += [(inner, True) for inner in name.divisor.symbols]
    return found


def vanishes(form: Polynomial, region: Region, rng: random.Random) -> bool | None:
    """Whether a form is 0 at every size of a region; None where it was only found so at sizes that were tried.

    Conditions on several letters are left out first, which asks for more; only where the form is not 0 without
    them are sizes tried that meet them.

    With one letter every value is looked at. With several, a form whose floors have one letter each is a sum of
    products of functions of one letter. Values of a letter whose vectors of functions span those of all its values
    stand for all of them: where the form is 0 modulo a prime on the grid of such values, it is so everywhere.
    Three primes and a bound on its size make that exact.
    """
    try:
        return _vanishes(Polynomial(form.terms), region, rng)
    except ZeroDivisionError:
        return False  # somewhere it has no value


def _vanishes(form: Polynomial, region: Region, rng: random.Random) -> bool | None:
    if not form:
        return True
    form = form.subs(settled(form, region))
    letters = sorted(form.letters)
    for attempt in range(6):
        point = region.find(rng) if attempt else region.find(random.Random(attempt))
        if point is not None and form.at(point):
            return False
    try:
        exact = _vanishes_on(form, {letter: region.values(letter) for letter in letters})
    except ZeroDivisionError:
        exact = None  # somewhere on the grid, which is more than the region, it has no value
    if exact is True:
        return True
    if exact is False and not region.others:
        return False
    few = region.few((form,))
    if few is not None:
        return not numpy.any(form.at({letter: column.astype(object) for letter, column in few.items()}))
    tried = (region.find(rng) for _ in range(40))
    return None if not any(point is not None and form.at(point) for point in tried) else False


def _vanishes_on(form: Polynomial, values: Mapping[str, Any]) -> bool | None:
    """The same on the grid of all these values; None where it cannot be decided."""
    letters = list(values)
    if not letters:
        return not form
    if any(len(v) == 0 for v in values.values()):
        return True
    tops = {letter: int(v[-1]) for letter, v in values.items()}
    if len(letters) == 1:
        (letter,) = letters
        numbers = values[letter]
        if _bound(form, tops) >= 1 << 62:
            numbers = numbers.astype(object)
        return not numpy.any(form.at({letter: numbers}))
    split = [_by_letter(monomial, letters) for monomial in form.terms]
    if any(part is None for part in split) or _bound(form, tops) >= _EXACT_BELOW:
        return None
    columns: dict[str, dict[Monomial, int]] = {letter: {} for letter in letters}
    for parts in split:
        for letter, part in zip(letters, parts or (), strict=True):
            columns[letter].setdefault(part, len(columns[letter]))
    for prime in _PRIMES:
        chosen = {n: _spanning(values[n], n, list(columns[n]), prime) for n in letters}
        tensor = numpy.zeros([len(columns[letter]) for letter in letters], dtype=object)
        for parts, number in zip(split, form.terms.values(), strict=True):
            place = tuple(columns[n][part] for n, part in zip(letters, parts or (), strict=True))
            tensor[place] += number
        for letter in letters:  # each contraction moves the next letter to the front
            rows = numpy.stack([_column(part, letter, chosen[letter].astype(object)) for part in columns[letter]])
            tensor = numpy.tensordot(tensor, rows % prime, axes=([0], [0])) % prime
        if numpy.any(tensor):
            return False
    return True


def _by_letter(monomial: Monomial, letters: Sequence[str]) -> tuple[Monomial, ...] | None:
    """A monomial as one factor for each letter; None if a floor has several."""
    parts: dict[str, list[tuple[str, int]]] = {letter: [] for letter in letters}
    for name, power in monomial:
        own = name.letters if isinstance(name, Floor) else frozenset((name,))
        if len(own) != 1:
            return None
        parts[next(iter(own))].append((name, power))
    return tuple(tuple(part) for part in parts.values())


def _column(part: Monomial, letter: str, values: Any) -> Any:
    column = Polynomial({part: 1}).at({letter: values})
    return column if part else numpy.ones(len(values), dtype=object)


def _spanning(values: Any, letter: str, parts: Sequence[Monomial], prime: int) -> Any:
    """Values whose vectors of functions span those of all values, modulo a prime."""
    wide = values.astype(object) if _bound_of(parts, int(values[-1])) >= 1 << 62 else values
    matrix = numpy.stack(
        [numpy.asarray(_column(part, letter, wide) % prime, dtype=numpy.int64) for part in parts], axis=1
    )
    pivots = []
    for column in range(matrix.shape[1]):
        rows = numpy.flatnonzero(matrix[:, column])
        if not len(rows):
            continue
        pivot = int(rows[0])
        pivots.append(pivot)
        reduced = matrix[pivot] * pow(int(matrix[pivot, column]), -1, prime) % prime
        matrix = (matrix - matrix[:, column : column + 1] * reduced % prime) % prime
    return values[pivots]


def _bound(form: Polynomial, tops: Mapping[str, int]) -> int:
    """A number that a form does not exceed in size on a range."""
    return sum(
        abs(number) * prod(_top(name, tops) ** power for name, power in monomial)
        for monomial, number in form.terms.items()
    )


def fits(forms: Iterable[Polynomial], tops: Mapping[str, int]) -> bool:
    """Whether forms on a range, and what stands in their floors, are numbers of 64 bits, and sums of two."""
    return all(_bound(part, tops) < 1 << 62 for form in forms for part in (form, *_inner(form)))


def _bound_of(parts: Iterable[Monomial], top: int) -> int:
    forms = [Polynomial({part: 1}) for part in parts]
    return max(_bound(form, dict.fromkeys(form.letters, top)) for form in forms)


def _top(name: str, tops: Mapping[str, int]) -> int:
    if isinstance(name, Floor):  # below a divisor stands at least 1
        return _bound(name.numerator, tops) + 1
    return tops[name]
