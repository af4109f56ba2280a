"""Strides along one symbol: where one polynomial gives the counts, found from the counts themselves.

A polynomial through a few sizes of a lattice is tried at others of it, all of them taken at random from its far
half, so that a line over a few neighbours is not taken for the form. Three steps, the costlier only where the
cheaper fail:

1. Coarse strides with many divisors (720, 5040, …): a polynomial holds on each that the true one divides.
2. Otherwise consecutive sizes: if the count repeats itself with period p up to a polynomial, then the difference
   over p, taken once more than the degree, is zero everywhere on the window. Each such p is tried as in 1.
3. From a stride that holds down to the finest: one prime power after the other is taken away by bisection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from random import Random

from ..algebra.interpolation import interpolate, value_at
from ..algebra.polynomial import Polynomial
from .effort import operators
from .probing import ProbeError
from .reach import Reach, Section
from .shapes import Kind

COARSE = 12
"""How many coarse strides are tried."""

SPARE = 2
"""Sizes beyond those that fix a polynomial which it has to give before a stride is believed."""

SHORT = 1024
"""A longer stride is believed only if consecutive sizes show no other: it may be 1 more than its multiple."""

DRIFTS = 16
"""Remainders drawn at which a polynomial is sought, too, where a stride has few multiples."""

MANY = 64
"""Fewer sizes than this are tried one by one."""

LONGEST = 4096
"""The longest period that coarse strides are chosen for."""

NEXT = 16
"""Sizes from which on a form seems to hold that are looked at one by one, where it does not hold below: 7 and 8
rows are four parts of two, and 9 are three of three."""

WINDOW = 512
"""Most consecutive sizes that are counted."""

FEW = 24
"""The same where each is a real run."""

WINDOW_OPERATORS = 60_000
"""Operators that counting them may take: 60 runs of a thousand."""

PRIMES = (2, 3, 5, 7, 11, 13)

Refuted = Callable[[int, Fraction, int], None]
"""Told of each size at which a polynomial was not the count: size, expected, counted."""


@dataclass(frozen=True, slots=True)
class Line:
    """Along one symbol the counts follow ``form`` on multiples of ``stride`` from ``start`` to the top."""

    stride: int
    start: int
    degree: int
    form: Polynomial
    reach: Reach


class Strides:
    """The search along one symbol."""

    def __init__(self, section: Section, reach: Reach, random: Random, refuted: Refuted) -> None:
        self._section = section
        self._reach = reach
        self._random = random
        self._refuted = refuted
        self._name = section.v.name
        self.errors: list[str] = []

    def find(self) -> Line | None:
        """The finest stride on which a polynomial holds, and from where."""
        wide = self._section.v.degree + 1 + SPARE
        most = max(self._reach.top // wide, 1)
        tried: list[int] = []
        wide_line: Line | None = None
        for stride in self._candidates(most):
            if any(multiple % stride == 0 for multiple in tried):
                continue  # one polynomial on a finer lattice would have been one on the coarser
            form = self._form(stride)
            if form is None:
                tried.append(stride)
                continue
            finest = self._finest(stride, form)
            line = Line(finest, self._start(finest, form), form.degree(self._name), form, self._reach)
            if self._stands(line):
                if self._is_fine(line):
                    return line
                wide_line = wide_line or line
        return wide_line

    def _ends(self) -> bool:
        """Whether the model takes no sizes beyond the reach, as far as anyone knows."""
        known = self._reach.is_edge or self._section.v.limit is not None
        return known and not self._reach.held_back

    def _repeats(self, line: Line) -> bool | None:
        """Whether the counts are a polynomial also on other remainders of the stride; None if it takes no others.

        If the true period is another, remainders drift by a little with each multiple, and somewhere a remainder
        passes a jump.
        """
        fixed = self._section.v.degree + 1
        last = self._reach.top // line.stride - 1
        first = max(-(-line.start // line.stride), min(last - 4 * (fixed + SPARE), last // 2))
        if last - first < fixed:
            return False  # nothing to hold it against
        multiples = [first, last, *self._random.sample(range(first + 1, last), fixed - 1)]
        ran = None
        drawn = self._random.choices(range(line.stride), k=DRIFTS)
        for offset in {line.stride // 2, line.stride // 3, *drawn} - {0}:
            nodes = [line.stride * multiple + offset for multiple in multiples]
            try:
                values = [self._section.macs(size) for size in nodes]
            except ProbeError:
                continue  # the model does not take this remainder
            ran = True
            form = interpolate({self._name: nodes[:fixed]}, values[:fixed])
            if value_at(form, {self._name: nodes[fixed]}) != values[fixed]:
                return False
        return ran

    def _is_fine(self, line: Line) -> bool:
        """Whether its stride is short enough to be believed before consecutive sizes were looked at."""
        return line.stride <= SHORT or self._reach.is_edge

    def _stands(self, line: Line) -> bool:
        """Whether it holds at random sizes of its lattice, which has to have many.

        On a few multiples of a stride that the true one nearly divides, the counts are a line by chance (512 is
        17·30 + 2): on no more than there are remainders, as they drift by one at least. Few sizes are enough only
        where the model takes no others or where the counts repeat themselves with that period between them too,
        and then each of them is tried.
        """
        first, last = line.start // line.stride, self._reach.top // line.stride
        if last - first <= line.degree:
            return False  # nothing to hold it against
        many = last - first + 1 >= MANY and (last - first >= line.stride or self._repeats(line) is not False)
        if many or line.stride == self._reach.unit:
            sizes = [self._random.randint(first, last) for _ in range(2 * SPARE)]
        elif self._ends() or (last - first >= self._section.v.degree + SPARE and self._repeats(line)):
            sizes = list(range(first, last + 1))
        else:
            return False
        for size in (line.stride * multiple for multiple in sizes):
            try:
                counted = self._section.macs(size)
            except ProbeError as error:
                self.errors.append(str(error))
                continue
            expected = value_at(line.form, {self._name: size})
            if expected != counted:
                self._refuted(size, expected, counted)
                return False
        return True

    def _candidates(self, most: int) -> Iterator[int]:
        unit = self._reach.unit
        if self._section.v.kind is not Kind.IMAGE:
            yield unit  # a sequence is seldom cut; an image nearly always is
        yield from (stride * unit for stride in coarse_strides(max(most // unit, 1)))
        yield from self._periods()

    # -- is it a polynomial -------------------------------------------------------------------------

    def _sizes(self, stride: int, least: int) -> list[int]:
        """Multiples of a stride, at random from the far half; from the whole where the half has too few."""
        last = self._reach.top // stride
        first = last // 2 + 1
        if last - first + 1 < least:
            first = max(last - least + 1, 1)
        if last - first < 4 * least:
            multiples = list(range(first, last + 1))
            self._random.shuffle(multiples)
        else:
            multiples = self._random.sample(range(first, last + 1), 2 * least)
        return [stride * multiple for multiple in multiples]

    def _form(self, stride: int) -> Polynomial | None:
        """The polynomial of the lowest degree that gives the counts at random multiples of a stride."""
        degree = self._section.v.degree
        sizes = self._sizes(stride, degree + 1 + SPARE)
        nodes: list[int] = []
        values: list[int] = []
        last: tuple[int, Fraction, int] | None = None
        for size in sizes[: degree + 1 + SPARE]:
            try:
                values.append(self._section.macs(size))
            except ProbeError as error:
                self.errors.append(str(error))
                return None
            nodes.append(size)
            power = len(nodes) - 1 - SPARE
            if power < 0:
                continue
            form = interpolate({self._name: nodes[: power + 1]}, values[: power + 1])
            wrong = [
                (x, value_at(form, {self._name: x}), y)
                for x, y in zip(nodes[power + 1 :], values[power + 1 :], strict=True)
                if value_at(form, {self._name: x}) != y
            ]
            if not wrong:
                return form
            last = wrong[0]
        if last is not None:
            self._refuted(*last)
        return None

    def _holds(self, form: Polynomial, size: int) -> bool:
        try:
            return value_at(form, {self._name: size}) == self._section.macs(size)
        except ProbeError:
            return False

    def _differs(self, form: Polynomial, size: int) -> bool:
        """Whether the model runs at a size and is counted otherwise there."""
        try:
            return value_at(form, {self._name: size}) != self._section.macs(size)
        except ProbeError:
            return False

    # -- consecutive sizes --------------------------------------------------------------------------

    def _periods(self) -> Iterator[int]:
        """Periods that consecutive sizes show, the shortest first: near the middle of the reach, or nearer.

        Where the steps of a run grow with its size, so many are counted sooner that a period of a window shows.
        """
        shown: set[int] = set()
        first = max(self._reach.top // 2, 1)
        while True:
            try:
                each = max(operators(self._section.counts(first)), 20)
            except ProbeError:
                each = 1000
            most = FEW if self._section.prober.is_real else WINDOW
            length = min(most, self._reach.top - first + 1, WINDOW_OPERATORS // each)
            values: list[int] = []
            for size in range(first, first + length):
                try:
                    values.append(self._section.macs(size))
                except ProbeError:
                    return
                if len(values) in (FEW, 64, 160, length):
                    for period in periods(values, self._section.v.degree):
                        if period not in shown:
                            shown.add(period)
                            yield period
            if length == most or first < 2 * WINDOW:
                return
            first //= 4

    # -- the finest ---------------------------------------------------------------------------------

    def _finest(self, coarse: int, form: Polynomial) -> int:
        """Take away one prime power after the other, as far as random sizes of the finer lattice allow."""
        unit = self._reach.unit
        stride = coarse
        if stride % unit == 0 and self._holds_on(form, unit, stride):
            return unit
        for prime in sorted(_primes(stride), reverse=True):
            power = 0
            while stride // unit % prime ** (power + 1) == 0:
                power += 1
            low, high = 0, power + 1  # taking away prime**low is right, prime**high is not
            if power and self._holds_on(form, stride // prime**power, stride):
                low, high = power, power
            else:
                high = power
            while high - low > 1:
                middle = (low + high) // 2
                if self._holds_on(form, stride // prime**middle, stride):
                    low = middle
                else:
                    high = middle
            stride //= prime**low
        return stride

    def _holds_on(self, form: Polynomial, finer: int, coarse: int) -> bool:
        """Whether it holds at two sizes of a finer lattice that share as little as they can with the coarser."""
        last = self._reach.top // finer
        first = max(last // 2, 1)
        ran = 0
        for _ in range(2 * SPARE):
            multiple = coprime(self._random.randint(first, last), coarse // finer)
            if multiple > last:
                multiple = next((m for m in range(last, 0, -1) if coprime(m, coarse // finer) == m), 1)
            try:
                counted = self._section.macs(finer * multiple)
            except ProbeError:
                continue  # the model does not take this size: that is no answer
            if value_at(form, {self._name: finer * multiple}) != counted:
                return False
            ran += 1
            if ran == 2:
                return True
        return ran > 0

    # -- from where ---------------------------------------------------------------------------------

    def _start(self, stride: int, form: Polynomial) -> int:
        """The smallest multiple from which it holds: a quarter of the size again and again, then by bisection."""
        good = max(self._reach.top // stride // 2, 1)
        ladder = [good]
        while ladder[-1] > 1:
            below = ladder[-1] // 4
            ladder.append(self._random.randint(max(below // 2, 1), below) if below > 1 else 1)
        bad = 0
        for multiple in reversed(ladder):  # upwards: the last at which it does not hold
            if not self._holds(form, stride * multiple):
                bad = max(bad, multiple)
        if bad == 0 and good > 1 and not self._holds(form, 2 * stride):
            bad = 2  # at one stride it held by chance
        while not self._holds(form, stride * good) and good * 2 * stride <= self._reach.top:
            good *= 2
        good = min((m for m in ladder if m > bad), default=good)
        while good - bad > 1:
            middle = (good + bad) // 2
            if self._holds(form, stride * middle):
                good = middle
            else:
                bad = middle
        after = range(good + 1, min(good + NEXT, self._reach.top // stride - 1)) if bad else ()
        differing = (m for m in reversed(after) if self._differs(form, stride * m))
        return stride * (next(differing, good - 1) + 1)


@lru_cache(maxsize=64)
def coarse_strides(most: int) -> tuple[int, ...]:
    """Strides up to a size, in order, so that each covers as much as possible of what those before it do not.

    A stride covers its divisors. Windows and patches are powers of two more often than anything else, and short
    rather than long: d = 2^a·b weighs 1/((a + 1)·b), beyond 4096 nothing.
    """
    smooth = [1]
    for prime in PRIMES:
        for number in list(smooth):
            while (number := number * prime) <= most:
                smooth.append(number)
    weights = {number: _weight(number) for number in smooth if number <= LONGEST}
    divisors = {
        number: [d for d in weights if number % d == 0]
        for number in sorted(smooth, reverse=True)
        if 2 * number > most
    }
    chosen: list[int] = []
    while len(chosen) < COARSE:
        best = max(divisors, key=lambda number: (sum(weights[d] for d in divisors[number]), -number))
        if not any(weights[d] for d in divisors[best]):
            break
        chosen.append(best)
        weights.update(dict.fromkeys(divisors[best], 0))
    return tuple(chosen)


def _weight(number: int) -> int:
    twos = (number & -number).bit_length()
    return 10**9 // (twos * (number >> (twos - 1)))


def periods(values: Sequence[int], degree: int) -> list[int]:
    """Periods p for which the counts at consecutive sizes are a polynomial on each residue modulo p.

    The difference over p, taken once more than the degree, is zero wherever the window is long enough. Of it a
    whole period has to be left, or a short window would prove anything.
    """
    found: list[int] = []
    for period in range(1, len(values)):
        if any(period % shorter == 0 for shorter in found):
            continue
        row = list(values)
        for _ in range(degree + 1):
            row = [b - a for a, b in zip(row, row[period:], strict=False)]
            if len(row) < max(period, 4):
                break
            if not any(row):
                found.append(period)
                break
    return found


def _primes(number: int) -> list[int]:
    """Its distinct prime factors."""
    found, divisor = [], 2
    while number > 1:
        if number % divisor == 0:
            found.append(divisor)
            while number % divisor == 0:
                number //= divisor
        divisor += 1
    return found


def coprime(number: int, other: int) -> int:
    """The next number that shares no prime with another."""
    primes = _primes(other)
    while any(number % prime == 0 for prime in primes):
        number += 1
    return number
