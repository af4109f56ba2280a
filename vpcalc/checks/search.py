"""The search for the sizes on which one polynomial gives the counts.

Counting is exact and so is interpolation; what has to be found is where *one* polynomial holds. The search
goes from coarse to fine. Along each symbol a coarse stride is taken that most networks divide (224 = 2⁵·7 for
an image) and the lowest degree is found that also predicts a size far away, so that a chunk or a branch for
short inputs is noticed. A tensor grid fixes the polynomial; then the stride is divided by one prime after
the other for as long as the polynomial still gives the count, which finds the lattice in a handful of
counts. At last it is held against sizes of that lattice that it has not seen, near, far, and at the
smallest, and the smallest is run for real where memory allows, because the meta device does not check
indices.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING

from ..algebra.interpolation import interpolate, points, value_at
from ..algebra.polynomial import Polynomial
from .probing import MORE_WORK, ProbeError, Prober, RealRun, affordable, run_for_real
from .shapes import Kind, Point, Variable

if TYPE_CHECKING:
    from ..counters.dispatch import DispatchCounts
    from ..counters.ways import Way

COARSE: Mapping[Kind, tuple[tuple[int, int], ...]] = {
    Kind.BATCH: ((1, 1),),
    Kind.IMAGE: ((224, 1), (256, 1), (320, 1), (384, 1), (448, 1), (224, 3), (512, 1), (640, 1), (32, 1)),
    Kind.SEQUENCE: (
        *((64, 1), (8, 1), (1, 1), (64, 12), (256, 1), (320, 1)),
        *((320, 4), (512, 1), (512, 3), (1024, 1), (2048, 1)),
    ),
    Kind.ARGUMENT: tuple(
        (stride, 1)
        for stride in (1, 2, 3, 4, 6, 7, 8, 12, 14, 16, 24, 28, 32, 48, 56, 64, 96, 112, 128, 192, 224, 256, 384)
    ),
}
"""Strides to begin with, and the multiple of the stride at which to begin, in the order of trial."""

SMALL: Mapping[Kind, tuple[tuple[int, int], ...]] = {
    **COARSE,
    Kind.IMAGE: ((32, 1), (56, 1), (64, 1), (224, 1)),
    Kind.SEQUENCE: ((8, 1), (1, 1), (64, 1), (256, 1), (320, 2), (512, 1), (1024, 1)),
}
"""The same where every count is a real run, or where its time grows with the size: a loop over tokens."""

FAR: Mapping[Kind, int] = {Kind.SEQUENCE: 1472, Kind.IMAGE: 1120}
"""A size that is far for every stride: beyond the windows and chunks of most networks."""

PATIENCE = 5.0
"""Seconds that one count may take. Where it would be more, the search makes do with small sizes."""

ANCHORS: Mapping[Kind, tuple[int, ...]] = {
    Kind.BATCH: (1,),
    Kind.IMAGE: (224, 256, 384, 320, 32),
    Kind.SEQUENCE: (64, 8, 1, 320, 960, 2048),
    Kind.ARGUMENT: (12, 48, 1, 64, 96, 240),
}
"""Where a symbol stands while another is varied."""


class SlowError(Exception):
    """A count far away would take too long."""


@dataclass(frozen=True, slots=True)
class Residual:
    """A point at which the polynomial does not give the count."""

    point: dict[str, int]
    expected: Fraction
    counted: int


@dataclass(frozen=True)
class Found:
    """A polynomial that was verified, and all that was verified with it.

    ``operators`` and ``modules`` hold None where the whole follows a polynomial and the part does not. ``failed``
    are sizes of the lattice at which the model did not run, with the reason.
    """

    macs: Polynomial
    operators: Mapping[str, Polynomial | None]
    modules: Mapping[str, Polynomial | None]
    backward: Polynomial
    params: Polynomial | None
    lattice: Mapping[str, int]
    start: Mapping[str, int]
    limits: Mapping[str, int]
    points: int
    held_out: tuple[dict[str, int], ...]
    unknown: Mapping[str, int]
    way: Way
    real: RealRun
    failed: tuple[str, ...]


@dataclass(frozen=True)
class NotFound:
    """Why there is no formula, with the points that refuted it."""

    reason: str
    residuals: tuple[Residual, ...] = ()
    unknown: Mapping[str, int] = field(default_factory=dict)
    way: Way | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """What was found along one symbol: its nodes are stride·first, …, stride·(first + degree)."""

    stride: int
    first: int
    degree: int

    @property
    def nodes(self) -> tuple[int, ...]:
        """Enough of them for the degree."""
        return tuple(self.stride * (self.first + i) for i in range(self.degree + 1))

    @property
    def beyond(self) -> int:
        """The node after those."""
        return self.stride * (self.first + self.degree + 1)


class Search:
    """One regime of one target."""

    def __init__(self, prober: Prober, variables: tuple[Variable, ...]) -> None:
        self._prober = prober
        self._variables = {v.name: v for v in variables}
        self._residuals: list[Residual] = []
        self._errors: list[str] = []
        self._small = False

    def run(self) -> Found | NotFound:
        """Find the polynomial or say why there is none.

        Raises:
            ProbeError: the model runs nowhere.
        """
        anchors = self._anchors()
        lines, form = self._fitted(anchors, by_analogy=True)
        if lines and form is None and len(lines) > 1:
            lines, form = self._fitted(anchors, by_analogy=False)
        if form is None:
            return self._failure(anchors)
        fine = self._lattice(form, lines)
        coarse = {name: line.stride for name, line in lines.items()}
        first = {name: line.nodes[0] for name, line in lines.items()}
        for lattice in (fine, coarse):
            for start in (self._start(form, lattice, lines), first):
                if found := self._verified(form, lines, lattice, start):
                    return found
        return self._failure(anchors)

    def _fitted(self, anchors: Point, by_analogy: bool) -> tuple[dict[str, Line], Polynomial | None]:
        lines = self._lines(anchors, by_analogy)
        return lines, self._form(lines) if lines else None

    # -- where to stand ---------------------------------------------------------------------------

    def _anchors(self) -> dict[str, int]:
        """A point at which the model runs."""
        first_error: ProbeError | None = None
        for point in self._standpoints():
            try:
                self._prober.counts(point)
            except ProbeError as error:  # noqa: PERF203
                first_error = first_error or error
            else:
                return point
        assert first_error is not None
        raise first_error

    def _standpoints(self) -> Iterator[dict[str, int]]:
        """Candidates: all kinds at their first choice, then at their second, …, then one kind at a time."""
        choices: dict[Kind, tuple[int, ...]] = {}
        for v in self._variables.values():
            choices[v.kind] = ANCHORS[v.kind]
        tried = set()
        rows: list[dict[Kind, int]] = [
            {kind: values[min(i, len(values) - 1)] for kind, values in choices.items()} for i in range(6)
        ]
        rows += [{**rows[0], kind: value} for kind, values in choices.items() for value in values]
        for with_defaults in (True, False):
            for row in rows:
                point = {}
                for v in self._variables.values():
                    value = v.default if with_defaults and v.default else row[v.kind]
                    point[v.name] = value if v.limit is None else min(value, v.limit)
                if tuple(point.values()) not in tried:
                    tried.add(tuple(point.values()))
                    yield point

    # -- along one symbol -------------------------------------------------------------------------

    def _lines(self, anchors: Point, by_analogy: bool) -> dict[str, Line]:
        """A line for each symbol, or none at all; by analogy, symbols of one kind share the line of the first."""
        lines: dict[str, Line] = {}
        of_kind: dict[Kind, Line] = {}
        for name, v in self._variables.items():
            line = of_kind.get(v.kind) if by_analogy and v.kind is not Kind.ARGUMENT else None
            line = line or self._line(v, anchors)
            if line is None:
                return {}
            of_kind.setdefault(v.kind, line)
            lines[name] = line
        return lines

    def _line(self, v: Variable, anchors: Point) -> Line | None:
        """The first stride along which a polynomial of the allowed degree predicts near and far sizes."""
        from ..counters.ways import Way

        self._small = self._small or self._prober.way is Way.CPU
        if not self._small:
            try:
                return self._first_line(v, anchors, COARSE[v.kind])
            except SlowError:
                self._small = True
        return self._first_line(v, anchors, SMALL[v.kind])

    def _first_line(self, v: Variable, anchors: Point, strides: tuple[tuple[int, int], ...]) -> Line | None:
        refuted: list[int] = []
        for stride, first in strides:
            if v.limit is not None and stride * (first + 2) > v.limit:
                continue
            if first == 1 and any(multiple % stride == 0 for multiple in refuted):
                continue  # one polynomial on a finer lattice would have been one on the coarser
            try:
                line = self._along(v, anchors, stride, first)
            except ProbeError as error:
                self._errors.append(str(error))
                continue
            if line is not None:
                return line
            if first == 1:
                refuted.append(stride)
        return None

    def _along(self, v: Variable, anchors: Point, stride: int, first: int) -> Line | None:
        """The lowest degree that predicts the next node and the far ones.

        The other side of an image stands on the same lattice: a window that does not fit one side bends the other.
        """
        if v.kind is Kind.IMAGE:
            sides = [name for name, other in self._variables.items() if other.kind is Kind.IMAGE]
            anchors = {**anchors, **dict.fromkeys(sides, stride * first)}

        def at(node: int) -> int:
            return self._prober.macs({**anchors, v.name: node})

        nodes: list[int] = []
        values: list[int] = []
        while len(nodes) < v.degree + 2:
            node = stride * (first + len(nodes))
            if v.limit is not None and node > v.limit:
                return None
            nodes.append(node)
            values.append(at(node))
            if len(nodes) < 2:
                continue
            far = self._far(v, anchors, stride, nodes)
            polynomial = interpolate({v.name: nodes[:-1]}, values[:-1])
            if self._refutes(polynomial, {**anchors, v.name: node}, {v.name: node}):
                continue
            if not any(self._refutes(polynomial, {**anchors, v.name: x}, {v.name: x}, True) for x in far):
                return Line(stride, first, len(nodes) - 2)
        return None

    def _far(self, v: Variable, anchors: Point, stride: int, nodes: list[int]) -> list[int]:
        """Sizes far from the nodes: five strides beyond them, and :data:`FAR` where there is time.

        Seconds grow with a power of the size, which two nodes show. Where a far count would take too long, the
        search begins anew with small sizes, and with those it goes as far as it can.
        """
        last = nodes[-1] // stride
        multiples = [last + 5, -(-FAR.get(v.kind, 0) // stride)]
        if v.limit is not None:
            multiples = [min(multiple, v.limit // stride) for multiple in multiples]
        sizes = [stride * multiple for multiple in sorted(set(multiples)) if multiple > last]
        before, now = (self._prober.seconds({**anchors, v.name: node}) for node in nodes[-2:])

        def in_time(now: float) -> list[int]:
            power = min(max(math.log(now / before) / math.log(nodes[-1] / nodes[-2]), 0.0), 2.5)
            return [size for size in sizes if now * (size / nodes[-1]) ** power <= PATIENCE]

        if self._small:
            return in_time(now)
        again = {**anchors, v.name: nodes[-1]}
        if now > 0.1 * PATIENCE and in_time(now) != sizes and in_time(self._prober.timed_again(again)) != sizes:
            raise SlowError
        return sizes

    def _refutes(self, polynomial: Polynomial, point: Point, values: Point, lenient: bool = False) -> bool:
        """Whether the count at a point differs; a lenient question takes a failed run for no answer."""
        try:
            counted = self._prober.macs(point)
        except ProbeError:
            if lenient:
                return False
            raise
        expected = value_at(polynomial, values)
        if expected == counted:
            return False
        self._residuals.append(Residual(dict(point), expected, counted))
        return True

    # -- all symbols ------------------------------------------------------------------------------

    def _form(self, lines: Mapping[str, Line]) -> Polynomial | None:
        """The polynomial on the grid of all nodes, if it predicts the node after the last in every symbol."""
        grid = {name: line.nodes for name, line in lines.items()}
        try:
            form = interpolate(grid, [self._prober.macs(point) for point in points(grid)])
        except ProbeError as error:
            self._errors.append(str(error))
            return None
        beyond = self._within({name: line.beyond for name, line in lines.items()}, lines)
        return None if self._refutes(form, beyond, beyond, True) else form

    def _within(self, point: Point, lines: Mapping[str, Line]) -> dict[str, int]:
        """A point, moved back to where its symbols have a limit."""
        moved = {}
        for name, value in point.items():
            limit = self._variables[name].limit
            moved[name] = value if limit is None or value <= limit else lines[name].nodes[-1]
        return moved

    def _holds(self, form: Polynomial, point: Point) -> bool:
        """Whether the model runs at a point and the form gives its count. Silent: it is only a guess."""
        try:
            return value_at(form, point) == self._prober.macs(point)
        except ProbeError:
            return False

    def _lattice(self, form: Polynomial, lines: Mapping[str, Line]) -> dict[str, int]:
        """The finest stride of each symbol on which the form still gives the count."""
        strides: dict[str, int] = {}
        of_kind: dict[Kind, int] = {}
        for name, v in self._variables.items():
            strides[name] = self._finest(name, form, lines, of_kind.get(v.kind))
            of_kind.setdefault(v.kind, strides[name])
        return strides

    def _finest(self, name: str, form: Polynomial, lines: Mapping[str, Line], guess: int | None) -> int:
        """One symbol's stride.

        Whatever holds on a lattice holds on a coarser one within it; so it is enough to divide by one prime at a
        time and to stop where that fails. Of the remainders of a prime the first and the last are tried.
        """
        line = lines[name]
        middle = line.stride * (line.first + 1)
        rest = {other: its.nodes[0] for other, its in lines.items() if other != name}

        def holds(stride: int, *multiples: int) -> bool:
            return all(self._holds(form, {**rest, name: stride * multiple}) for multiple in multiples)

        stride = line.stride
        if guess is None and self._variables[name].kind is Kind.SEQUENCE:
            guess = 1
        if guess and stride % guess == 0 and holds(guess, middle // guess + 1, middle // guess - 3):
            stride = guess
        for prime in sorted(_primes(stride), reverse=True):
            while stride % prime == 0:
                finer = stride // prime
                near = middle // finer // prime * prime
                remainders = {1, prime - 1}
                if not holds(finer, *(near + remainder for remainder in remainders)):
                    break
                stride = finer
        return stride

    def _start(self, form: Polynomial, strides: Mapping[str, int], lines: Mapping[str, Line]) -> dict[str, int]:
        """The smallest sizes at which the form gives the count: one stride in each symbol, or what it takes."""
        if self._holds(form, strides):
            return dict(strides)
        first = {name: line.nodes[0] for name, line in lines.items()}
        start = {name: self._first(name, first, form, stride) for name, stride in strides.items()}
        return start if self._holds(form, start) else first

    def _first(self, name: str, first: Point, form: Polynomial, stride: int) -> int:
        for multiple in (1, 2, 3, 4, 5, 6, 8, 12, 16, 24, 32, 48, 64):
            if stride * multiple >= first[name]:
                break
            if all(self._holds(form, {**first, name: stride * (multiple + more)}) for more in (0, 1)):
                return stride * multiple  # two in a row: curves may cross by chance
        return first[name]

    # -- verification -----------------------------------------------------------------------------

    def _verified(
        self, form: Polynomial, lines: Mapping[str, Line], lattice: Mapping[str, int], start: Mapping[str, int]
    ) -> Found | None:
        """The form with everything else that was counted, unless a point that it has not seen refutes it."""
        grid = {name: line.nodes for name, line in lines.items()}
        failed = []
        for point in self._unseen(lines, lattice, start):
            try:
                self._prober.counts(point)
            except ProbeError as error:  # noqa: PERF203
                failed.append(str(error))
        on_grid = list(points(grid))
        held_out = []
        for point, counts in self._prober.counted():
            if point in on_grid or not self._concerns(point, lattice, start):
                continue
            held_out.append(point)
            expected = value_at(form, point)
            if expected != counts.macs:
                self._residuals.append(Residual(point, expected, counts.macs))
                return None
        return self._found(form, grid, held_out, lattice, start, tuple(failed)) if held_out else None

    def _concerns(self, point: Point, lattice: Mapping[str, int], start: Point) -> bool:
        """Whether the form claims to hold at a point."""
        for name, size in point.items():
            limit = self._variables[name].limit
            if size % lattice[name] or size < start[name] or (limit is not None and size > limit):
                return False
        return True

    def _unseen(
        self, lines: Mapping[str, Line], lattice: Mapping[str, int], start: Point
    ) -> Iterator[dict[str, int]]:
        """Points of the lattice that are on no grid: the smallest, in between, far in all symbols and in each."""
        near, between, far = {}, {}, {}
        for place, (name, line) in enumerate(lines.items()):
            stride, v = lattice[name], self._variables[name]
            finer = line.stride // stride
            after = line.nodes[-1] // line.stride + 2 + place if finer == 1 else 0
            near[name] = stride * (after or _coprime(line.nodes[0] // stride + 2 + 3 * place, finer))
            between[name] = stride * (
                after or _coprime(line.stride * (line.first + 1 + place) // stride + 1, finer)
            )
            wish = max(5 * line.nodes[0], line.nodes[-1] + line.stride) + place * line.stride
            if v.limit is not None:
                wish = max(min(wish, v.limit - stride), stride)
            far[name] = stride * _coprime(wish // stride, finer)
            if v.limit is not None and far[name] > v.limit:
                far[name] = v.limit // stride * stride
        yield dict(start)
        yield self._within(near, lines)
        yield self._within(between, lines)
        yield dict(far)
        for name in lines:
            yield {**self._within(between, lines), **start, name: far[name]}

    def _found(
        self,
        form: Polynomial,
        grid: Mapping[str, tuple[int, ...]],
        held_out: list[dict[str, int]],
        lattice: Mapping[str, int],
        start: Point,
        failed: tuple[str, ...],
    ) -> Found:
        at_grid = [self._prober.counts(point) for point in points(grid)]
        at_rest = [self._prober.counts(point) for point in held_out]
        fits: dict[tuple[int, ...], Polynomial | None] = {}

        def fit(read: Callable[[DispatchCounts], int]) -> Polynomial | None:
            values = tuple(map(read, (*at_grid, *at_rest)))
            if values not in fits:
                polynomial = interpolate(grid, values[: len(at_grid)])
                expected = [value_at(polynomial, point) for point in held_out]
                fits[values] = polynomial if expected == list(values[len(at_grid) :]) else None
            return fits[values]

        def fit_each(read: Callable[[DispatchCounts], Mapping[str, int]]) -> dict[str, Polynomial | None]:
            tables = {id(counts): read(counts) for counts in (*at_grid, *at_rest)}
            names = dict.fromkeys(name for table in tables.values() for name in table)

            def column(name: str) -> Callable[[DispatchCounts], int]:
                return lambda counts: tables[id(counts)].get(name, 0)

            return {name: fit(column(name)) for name in names}

        operators = fit_each(lambda counts: counts.operators)
        if switching := sorted(name for name, form in operators.items() if form is None):
            # The same product runs as one operator or another, as sizes make tensors contiguous or not.
            together = fit(lambda counts: sum(counts.operators.get(name, 0) for name in switching))
            operators = {name: form for name, form in operators.items() if form is not None}
            operators[" or ".join(switching)] = together
        assert self._prober.way is not None
        backward = fit(lambda counts: counts.backward)
        return Found(
            macs=form,
            operators=operators,
            modules=fit_each(lambda counts: counts.by_module()),
            backward=Polynomial({}) if backward is None else backward,
            params=fit(lambda counts: counts.params),
            lattice=dict(lattice),
            start=dict(start),
            limits={name: v.limit for name, v in self._variables.items() if v.limit is not None},
            points=len(at_grid),
            held_out=tuple(held_out),
            unknown=self._unknown(start, *held_out, *points(grid)),
            way=self._prober.way,
            real=run_for_real(self._prober, start, self._longest(held_out)),
            failed=failed,
        )

    def _longest(self, held_out: list[dict[str, int]]) -> dict[str, int] | None:
        """The longest sequence that can be run for real: the meta device does not see where a table ends."""
        if not any(v.kind is Kind.SEQUENCE for v in self._variables.values()):
            return None
        possible = [point for point in held_out if affordable(self._prober.counts(point), MORE_WORK)]
        return max(possible, key=self._prober.macs, default=None)

    def _unknown(self, *given: Point) -> dict[str, int]:
        """Operators without a price, with their calls at the first of these points where they ran."""
        calls: dict[str, int] = {}
        for point in given:
            calls = {**self._prober.counts(point).unknown, **calls}
        return calls

    def _failure(self, anchors: Point) -> NotFound:
        degrees = ", ".join(f"{v.degree} in {v.name}" for v in self._variables.values())
        reason = f"no polynomial of degree at most {degrees} gives the counts"
        if not self._residuals:
            last = self._errors[-1] if self._errors else "no lattice could be tried"
            reason = f"not enough sizes could be run to find a polynomial; {last}"
        last_at = {tuple(residual.point.items()): residual for residual in self._residuals}
        return NotFound(reason, tuple(last_at.values())[-5:], self._unknown(anchors), self._prober.way)


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


def _coprime(number: int, other: int) -> int:
    """The next number that shares no prime with another."""
    primes = _primes(other)
    while any(number % prime == 0 for prime in primes):
        number += 1
    return number
