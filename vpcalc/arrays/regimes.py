"""The form that holds at each size of a block, found as sizes come.

A description run at one size gives forms, and the decisions on which they hold: a :class:`Regime`. Decisions are
conditions on few letters each, so that where they all hold is seldom looked up size by size: axes that no
condition ties are taken apart, and a regime's part of a block is a product of values along each (:class:`Part`).
Where parts do not add up to the block, the description is run at a size that none has.

Regimes that were found at different sizes are apart: a run is decided by its sizes alone, so that at a size of
both it would take both paths. So their sizes may be counted instead of being marked.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import lru_cache
from math import prod
from time import perf_counter
from typing import Any, NamedTuple, Protocol

import numpy

from ..algebra.domains import Domain
from ..algebra.exploring import Tape
from ..algebra.floors import Floor
from ..algebra.polynomial import Polynomial, symbol
from ..algebra.traced import Traced, form_of, value_of
from ..errors import InputError
from ..everywhere import plainly
from .forms import (
    Added,
    Array,
    Compiled,
    Ends,
    Function,
    Most,
    Sizes,
    Values,
    axes_of,
    fits,
    prepared,
    whole_numbers,
)

Figures = Mapping[str, tuple[Any, ...]]
"""For each column the sizes, traced or not, of which it is the greatest; or one that is a sum of such."""


class Together(NamedTuple):
    """So many times the greatest of some sizes, added up, over a number and rounded down."""

    parts: Mapping[tuple[Any, ...], int]
    divisor: int

    @staticmethod
    def of(parts: Iterable[tuple[Any, ...]], divisor: int) -> Together:
        """Those of equal form once, and how many there are; of sizes that stand alone the sum."""
        alone: Any = 0
        found: Counter[tuple[Any, ...]] = Counter()
        for sizes in parts:
            if len(sizes) == 1:
                alone = alone + sizes[0]
            else:
                found[tuple(map(form_of, sizes))] += 1
        return Together({**found, (form_of(alone),): 1}, divisor)

    def subs(self, values: Mapping[str, int]) -> Together:
        """It where some letters are numbers."""
        found: Counter[tuple[Any, ...]] = Counter()
        for sizes, times in self.parts.items():
            found[tuple(form.subs(values) for form in sizes)] += times
        return Together(found, self.divisor)

    def __int__(self) -> int:
        """It without letters."""
        whole = sum(times * max(int(form.at({})) for form in sizes) for sizes, times in self.parts.items())
        return whole // self.divisor


class DiffersError(Exception):
    """A form and a count differ, so that the run decides by something that it does not show."""


NO_FORM = (TypeError, ValueError, ArithmeticError, AttributeError)
"""What a description raises that asks a traced size for something that only a number has."""


class NoFormError(Exception):
    """A run asks one of its sizes for what no form has, such as how often a loop runs; at this ``point``."""

    def __init__(self, point: Mapping[str, int]) -> None:
        super().__init__(f"no form at {dict(point)}")
        self.point = point


class Condition(NamedTuple):
    """A question about sizes that has the same answer all over a regime.

    A form is at least 0 (``>=``), is 0 (``==``), or is divided by another one (``%``); ``not`` where that is
    ``negated``.
    """

    relation: str
    form: Compiled
    divisor: Compiled | None = None
    negated: bool = False

    @property
    def forms(self) -> tuple[Compiled, ...]:
        """What is evaluated."""
        return (self.form,) if self.divisor is None else (self.form, self.divisor)

    @property
    def letters(self) -> frozenset[str]:
        """What is asked about."""
        return frozenset[str]().union(*(form.form.letters for form in self.forms))

    def holds(self, values: Values) -> Array:
        """Where it does."""
        found = self.form.value(values)
        if self.divisor is None:
            truth = found >= 0 if self.relation == ">=" else found == 0
        else:
            by = self.divisor.value(values)
            if not isinstance(by, int) and by.dtype == object:
                by = numpy.where(by == 0, 1, by)
            truth = found % by == 0
        return numpy.logical_not(truth) if self.negated else truth


class Found(NamedTuple):
    """What a run at one size gave: its decisions, its figures as forms, or why it was refused."""

    conditions: tuple[Condition, ...]
    figures: Figures
    refused: str = ""


class Description(Protocol):
    """What can be run at a size on forms, and counted at one."""

    def at(self, point: Mapping[str, int]) -> Found:
        """The forms that hold at a size, and their decisions."""

    def count(self, point: Mapping[str, int]) -> Mapping[str, int]:
        """The figures at a size in numbers.

        Raises:
            InputError: it is refused.
        """


class OnTraced:
    """A function of sizes, run on traced ones.

    ``run`` gives for each column the sizes of which it is the greatest, or raises an InputError.
    """

    def __init__(self, run: Callable[[Mapping[str, Any]], Figures]) -> None:
        self._run = run

    def at(self, point: Mapping[str, int]) -> Found:
        """See :class:`Description`."""
        tape = Noting(point)
        try:
            figures = self._run({name: Traced(size, symbol(name), tape) for name, size in point.items()})
        except InputError as refusal:
            return Found(conditions_of(tape.domain), {}, plainly(refusal))
        return Found(conditions_of(tape.domain), figures)

    def count(self, point: Mapping[str, int]) -> Mapping[str, int]:
        """See :class:`Description`."""
        return {name: max(map(int, sizes)) for name, sizes in self._run(point).items()}


class Noting(Tape):
    """Notes all decisions, those of layout too; whole quotients are floors, which have values everywhere."""

    divides_exactly = False

    def __init__(self, sizes: Mapping[str, int]) -> None:
        super().__init__(sizes)
        self._known: dict[tuple[Polynomial, Polynomial], bool] = {}

    def at_least(self, high: int | Traced, low: int | Traced) -> bool:
        """``high ≥ low``, decided and noted, where that was not done before."""
        asked = form_of(high), form_of(low)
        if asked not in self._known:
            self._known[asked] = super().at_least(high, low)
        return self._known[asked]

    def equal(self, one: int | Traced, other: int | Traced) -> bool:
        """``one = other``, decided and noted; what is written alike is equal at all sizes."""
        return form_of(one) == form_of(other) or super().equal(one, other)

    def of_layout(self, size: Traced) -> Traced:
        """The same size: what decides how a tensor lies in memory is noted as all else is."""
        return size


def conditions_of(domain: Domain) -> tuple[Condition, ...]:
    """The guards of a domain on arrays."""
    return tuple(
        Condition(">=", Compiled(guard.form))
        if guard.divisor is None
        else Condition("%", Compiled(guard.form), Compiled(guard.divisor), guard.negated)
        for guard in domain.guards
    )


class Part(NamedTuple):
    """Some sizes of a block: a product of values along axes that may be joined from those of the block.

    ``places`` are where these stand along each axis of the block, as arrays that broadcast to ``shape``.
    """

    sizes: Sizes
    places: tuple[Array, ...]
    shape: tuple[int, ...]

    @property
    def elements(self) -> int:
        """How many there are."""
        return prod(self.shape)


class Bundle(NamedTuple):
    """Conditions that have no letter in common with others; whether they are ``exact`` in 64 bits at all sizes."""

    letters: frozenset[str]
    conditions: tuple[Condition, ...]
    exact: bool

    def mask(self, sizes: Sizes) -> Array | None:
        """Where they hold; None where that is nowhere."""
        values = prepared(
            [form for condition in self.conditions for form in condition.forms],
            {letter: sizes[letter] for letter in self.letters},
            self.exact,
        )
        found: Any = True
        for condition in self.conditions:
            found = found & condition.holds(values)
            if not numpy.any(found):
                return None
        return found


class Regime:
    """Forms by column and where they hold; or why sizes there are ``refused``.

    ``ends`` are those of all sizes that will be asked about.
    """

    def __init__(
        self,
        conditions: Iterable[Condition],
        columns: Mapping[str, Function],
        ends: Ends,
        refused: str = "",
    ) -> None:
        self.columns, self.refused = columns, refused
        self.exact = fits(columns.values(), ends)
        self._bundles = _bundled(conditions, ends)

    def part(self, sizes: Sizes) -> Part | None:
        """Its part of a block whose axes are those of ``sizes``; None where it has none."""
        shape = numpy.broadcast_shapes(*(array.shape for array in sizes.values()))
        masks = _masks(self._bundles, sizes)
        return None if masks is None else _taken(sizes, shape, masks)

    def has(self, point: Mapping[str, int]) -> bool:
        """Whether a size is one of its."""
        return not self._bundles or _masks(self._bundles, _alone(point)) is not None

    def evaluated(self, sizes: Sizes) -> dict[str, Array]:
        """The columns at some of its sizes; numbers where they depend on none."""
        values = prepared(self.columns.values(), sizes, self.exact) if sizes else Values({}, axes_of({}))
        return {name: form.value(values) for name, form in self.columns.items()}


def _bundled(conditions: Iterable[Condition], ends: Ends) -> list[Bundle]:
    found: list[tuple[frozenset[str], list[Condition]]] = []
    for condition in sorted(conditions, key=lambda condition: len(condition.letters)):
        letters, bundle = condition.letters, [condition]
        for other in [each for each in found if each[0] & letters]:
            found.remove(other)
            letters, bundle = letters | other[0], other[1] + bundle
        found.append((letters, bundle))
    return [
        Bundle(letters, tuple(bundle), fits([form for condition in bundle for form in condition.forms], ends))
        for letters, bundle in found
    ]


def _masks(bundles: Iterable[Bundle], sizes: Sizes) -> list[tuple[tuple[int, ...], Array]] | None:
    """For bundles of axes where all conditions on them hold, unless that is everywhere; None if it is nowhere."""
    by_axes: list[tuple[set[int], Array]] = []
    with numpy.errstate(divide="ignore"):
        for bundle in bundles:
            mask = bundle.mask(sizes)
            if mask is None:
                return None
            if numpy.all(mask):
                continue
            axes = {at for at, side in enumerate(mask.shape) if side > 1}
            for other in [each for each in by_axes if each[0] & axes]:  # letters that share an axis
                by_axes.remove(other)
                axes, mask = axes | other[0], mask & other[1]
            by_axes.append((axes, mask))
    if not all(numpy.any(mask) for _, mask in by_axes):
        return None
    return [(tuple(sorted(axes)), mask) for axes, mask in by_axes]


def _taken(sizes: Sizes, shape: tuple[int, ...], masks: list[tuple[tuple[int, ...], Array]]) -> Part:
    """A block without what masks leave out: their axes become one each, the first of them."""
    rank = len(shape)
    places: list[Array] = [
        numpy.arange(side).reshape([side if at == axis else 1 for at in range(rank)])
        for axis, side in enumerate(shape)
    ]
    joined: dict[int, int] = {}
    for axes, mask in masks:
        kept = numpy.nonzero(mask.reshape([mask.shape[axis] for axis in axes]))
        for axis, found in zip(axes, kept, strict=True):
            places[axis] = found.reshape([-1 if at == axes[0] else 1 for at in range(rank)])
            joined[axis] = axes[0]
    taken = numpy.broadcast_shapes(*(place.shape for place in places))
    if not masks:
        return Part(sizes, tuple(places), taken)
    return Part({letter: _along(array, places) for letter, array in sizes.items()}, tuple(places), taken)


def _listed(sizes: Sizes, places: Sequence[Array]) -> Part:
    """Sizes at listed places of a block, all along the first axis."""
    shape = (len(places[0]), *[1] * (len(places) - 1))
    along = [place.reshape(shape) for place in places]
    return Part({letter: _along(array, along) for letter, array in sizes.items()}, tuple(along), shape)


def _along(array: Array, places: list[Array]) -> Array:
    """The sizes of a letter at these places."""
    at = tuple(place if side > 1 else 0 for place, side in zip(places, array.shape, strict=True))
    if all(isinstance(place, int) for place in at):
        return array
    found = array[at]
    return found.reshape((1,) * (len(places) - found.ndim) + found.shape)


class Regimes:
    """What a description gives, regime by regime, at the sizes that are asked about, all between some ``ends``.

    ``confirmed`` are the counts that were held against forms, ``counted`` the sizes that were counted instead.
    """

    def __init__(self, description: Description, ends: Ends, pace: Pace | None = None) -> None:
        self._description, self._ends = description, ends
        self.found: list[Regime] = []
        self.confirmed = self.counted = 0
        self._pace = pace or Pace()

    def parts(self, sizes: Sizes) -> Iterator[tuple[Regime | Counted, Part]]:
        """Each regime that has sizes of a block, with these; sizes of which each would have few are counted.

        Raises:
            NoFormError: no form can be had in one of the letters.
            DiffersError: a form gave another number than a count.
        """
        shape = numpy.broadcast_shapes(*(array.shape for array in sizes.values()))
        left = prod(shape)
        taken: list[Part] = []
        for regime in list(self.found):
            if not left:
                break
            part = regime.part(sizes)
            if part is not None:
                left -= part.elements
                taken.append(part)
                self._used(regime)
                yield regime, part
        if left < 0:
            raise DiffersError("two runs take different decisions at the same sizes")
        if left:
            free = numpy.ones(shape, bool)
            for part in taken:
                free[part.places] = False
            yield from self._further(sizes, free)

    def _further(self, sizes: Sizes, free: Array) -> Iterator[tuple[Regime | Counted, Part]]:
        """Regimes of sizes that none is known of, which are ``free``."""
        turn = 0
        while numpy.any(free):
            turn += 1
            if turn % 2 == 0 and self._pace.counting():
                some = tuple(axis[: self._pace.batch] for axis in numpy.nonzero(numpy.atleast_1d(free)))
                yield from self._counted(sizes, some)
                free[some] = False
                continue
            at = numpy.unravel_index(int(numpy.argmax(free)), free.shape)
            point = {letter: _at(array, at) for letter, array in sizes.items()}
            with self._pace.running():
                regime = self._at(point)
            part = regime.part(sizes)
            assert part is not None, point
            if (confirmed := self._confirmed(regime, part, point)) is not regime:
                regime, part = confirmed, confirmed.part(sizes)
                assert part is not None, point
            self._pace.sizes.append(part.elements)
            self.found.insert(0, regime)
            inside = free[part.places]
            if not numpy.all(inside):  # some were counted before
                places = tuple(numpy.broadcast_to(place, part.shape)[inside] for place in part.places)
                part = _listed(sizes, places)
            yield regime, part
            free[part.places] = False

    def _used(self, regime: Regime) -> None:
        """Those that were used last are looked at first."""
        self.found.remove(regime)
        self.found.insert(0, regime)

    def _at(self, point: Mapping[str, int]) -> Regime:
        try:
            found = self._description.at(point)
        except InputError:
            raise
        except NO_FORM as error:
            raise NoFormError(point) from error
        columns = {name: _function(parts) for name, parts in found.figures.items()}
        return Regime(found.conditions, columns, self._ends, found.refused)

    def _count(self, point: Mapping[str, int]) -> Mapping[str, int] | None:
        """The figures at a size; None where it is refused."""
        with self._pace.one_counted():
            try:
                return self._description.count(point)
            except InputError:
                return None

    def _counted(self, sizes: Sizes, some: tuple[Array, ...]) -> Iterator[tuple[Counted, Part]]:
        """Sizes at some places of a block, one by one."""
        by_reason: dict[str, list[tuple[tuple[int, ...], Mapping[str, int]]]] = {}
        for at in zip(*(axis.tolist() for axis in some), strict=True):
            point = {letter: _at(array, at) for letter, array in sizes.items()}
            figures = self._count(point)
            why = "" if figures is not None else self._at(point).refused  # in letters: one for many
            by_reason.setdefault(why, []).append((at, figures or {}))
        for why, each in by_reason.items():
            part = _listed(sizes, [numpy.asarray(axis) for axis in zip(*(at for at, _ in each), strict=True)])
            columns = {
                name: whole_numbers([figures[name] for _, figures in each]).reshape(part.shape)
                for name in each[0][1]
            }
            self.counted += len(each)
            yield Counted(columns, why), part

    def _confirmed(self, regime: Regime, part: Part, point: Mapping[str, int]) -> Regime:
        """A regime that a count at one more size of it confirms, where it has one.

        Where sizes of a run are alike by chance, a form may have one for the other. Then it is that of the size
        that was counted, if it gives what is counted at the first, too.

        Raises:
            DiffersError: no such form.
        """
        dice = random.Random(len(self.found))
        at = tuple(dice.randrange(side) for side in part.shape)
        there = {letter: _at(array, at) for letter, array in part.sizes.items()}
        counted, found = self._count(there), _given(regime, there)
        self.confirmed += 1
        if counted == found:
            return regime
        other = self._at(there)
        if _given(other, there) == counted and other.has(point) and _given(other, point) == self._count(point):
            self.confirmed += 1
            return other
        said = ", ".join(f"{letter} = {size}" for letter, size in there.items())
        raise DiffersError(f"at {said} the forms give {found}, a count {counted}")


def _given(regime: Regime, point: Mapping[str, int]) -> dict[str, int] | None:
    """What forms give at a size; None where it is refused."""
    if regime.refused:
        return None
    return {name: int(numpy.max(value)) for name, value in regime.evaluated(_alone(point)).items()}


def _alone(point: Mapping[str, int]) -> dict[str, Array]:
    return {letter: numpy.full((1,), size) for letter, size in point.items()}


class Pace:
    """Whether sizes are sooner counted one by one than put into regimes, of which each has but few of them."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self._runs: list[float] = []
        self._counts: list[float] = []

    def running(self) -> AbstractContextManager[None]:
        """Within it, a run on forms."""
        return _timed(self._runs)

    def one_counted(self) -> AbstractContextManager[None]:
        """Within it, a count."""
        return _timed(self._counts)

    def counting(self) -> bool:
        """Whether what regimes had lately would have been counted in less time."""
        lately = len(self.sizes) >= LATELY
        return lately and _mean(self._counts) * _mean(self.sizes) < _mean(self._runs)

    @property
    def batch(self) -> int:
        """How many are counted before another regime is tried: in as much time as a few runs take."""
        return max(1, int(LATELY * _mean(self._runs) / max(_mean(self._counts), 1e-9)))


LATELY = 4


def _mean(values: Sequence[float]) -> float:
    return sum(values[-LATELY:]) / LATELY


@contextmanager
def _timed(times: list[float]) -> Iterator[None]:
    begin = perf_counter()
    yield
    times.append(perf_counter() - begin)


class Counted(NamedTuple):
    """Figures that were counted size by size, in the place of forms; or why the sizes are ``refused``."""

    figures: Mapping[str, Array]
    refused: str = ""

    def evaluated(self, sizes: Sizes) -> Mapping[str, Array]:
        """The figures at the very sizes at which they were counted."""
        return self.figures


def _at(array: Array, at: Sequence[Any]) -> int:
    return int(array[tuple(place if side > 1 else 0 for place, side in zip(at, array.shape, strict=True))])


def _function(parts: Sequence[Any]) -> Function:
    if isinstance(parts[0], Together):
        return Added(((_most(sizes), times) for sizes, times in parts[0].parts.items()), parts[0].divisor)
    return _most(parts)


def _most(parts: Iterable[Any]) -> Compiled | Most:
    forms = [Compiled(form_of(size)) for size in greatest(parts)]
    return forms[0] if len(forms) == 1 else Most(forms)


def greatest(sizes: Iterable[Any]) -> tuple[Any, ...]:
    """Some sizes, traced or not, without those that others are never below."""
    left: list[tuple[Polynomial, Any]] = []
    for form, size in sorted({form_of(size): size for size in sizes}.items(), key=_by_value):
        if not any(_at_most(form, other) for other, _ in left):
            left = [(other, kept) for other, kept in left if not _at_most(other, form)] + [(form, size)]
    return tuple(size for _, size in left)


def _by_value(pair: tuple[Polynomial, Any]) -> int:
    """Those come first that are the most at the sizes of the run; forms without sizes stay as they are."""
    return 0 if isinstance(pair[1], Polynomial) else -value_of(pair[1])


def _at_most(form: Polynomial, other: Polynomial) -> bool:
    """Whether every term is at least as much in the other, as far as signs of floors are seen."""
    if form.denominator != other.denominator:
        form, other = form * other.denominator, other * form.denominator
    less, more = form.terms, other.terms
    if any(number > more.get(monomial, 0) for monomial, number in less.items()):
        return False
    apart = [(monomial, number) for monomial, number in more.items() if less.get(monomial, 0) != number]
    return all(
        number > less.get(monomial, 0) and all(_not_negative(name) for name, _ in monomial)
        for monomial, number in apart
    )


@lru_cache(maxsize=1 << 14)
def _not_negative(name: str) -> bool:
    """Whether a letter or a floor is at least 0 at all sizes. A no is no answer."""
    if not isinstance(name, Floor):
        return True
    return all(
        number >= 0 and all(_not_negative(factor) for factor, _ in monomial)
        for side in (name.numerator, name.divisor)
        for monomial, number in side.terms.items()
    )
