"""The search for the sizes on which one polynomial gives the counts.

Counting is exact and so is interpolation; what has to be found is where *one* polynomial holds. Along each
symbol the search first goes as far as the model does (:mod:`.reach`), then finds the strides on which a polynomial
holds there and from where (:mod:`.strides`). A tensor grid on that lattice fixes the polynomial of all symbols.
Then it is held against sizes of the lattice that nobody chose: the smallest, the farthest of all symbols together,
and random ones, so that a wrong form has a probability of passing that can be stated (:mod:`.chance`). At last
the smallest is run for real where memory allows, because the meta device does not check indices.

Nothing here depends on time (:mod:`.effort`), and every symbol is treated in the same way, whatever it measures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import islice
from math import prod
from random import Random
from typing import TYPE_CHECKING

from ..algebra.interpolation import interpolate, points, value_at
from ..algebra.polynomial import Polynomial
from .chance import Box, Chance
from .probing import MORE_WORK, OutOfReachError, ProbeError, Prober, RealRun, affordable, run_for_real
from .reach import Section, explore
from .shapes import Kind, Point, Variable
from .strides import Line, Strides

if TYPE_CHECKING:
    from ..counters.dispatch import DispatchCounts
    from ..counters.ways import Way
    from .quasi import Everywhere

ANCHORS: Mapping[Kind, tuple[int, ...]] = {
    Kind.BATCH: (1, 64, 8, 320, 960, 2048),
    Kind.IMAGE: (224, 256, 384, 320, 32),
    Kind.SEQUENCE: (64, 8, 1, 320, 960, 2048),
    Kind.ARGUMENT: (12, 48, 1, 64, 96, 240),
}
"""Where a symbol stands while another is varied."""

SCAN = range(1, 131)
"""Where one may stand if none of those will do: windows and groups divide one of these or are larger."""

DIVISIBLE = (720_720, 5_040, 720)
"""Divided by many numbers: where other arguments stand while one is varied that has to divide them."""

LARGER = 768
"""Where images stand if no form was found from their anchors."""

DRAWS = 8
"""Random points that the polynomial has to give."""

LARGE = 1024
"""Symbols beyond this are halved first where the farthest sizes of all cannot be run at once."""

NEAR = 3
"""The same where small sizes are as likely as large ones."""


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

    ``degree`` is the hypothesis: that on the lattice, from ``start`` to ``tried``, the count is a polynomial of at
    most that degree in each symbol. Under it ``error_bound`` is the most that the probability of a wrong form can
    be, over the draw of ``chance.draws`` points; none count where the model does not run at each that was drawn.
    ``limits`` are the largest sizes at which the model runs, ``edges`` what it says beyond them, ``held_back`` why
    sizes that may well run were not tried. ``everywhere`` is the form with floors that holds off the lattice too.
    """

    macs: Polynomial
    operators: Mapping[str, Polynomial | None]
    modules: Mapping[str, Polynomial | None]
    backward: Polynomial
    params: Polynomial | None
    lattice: Mapping[str, int]
    start: Mapping[str, int]
    limits: Mapping[str, int]
    edges: Mapping[str, str]
    tried: Mapping[str, int]
    held_back: Mapping[str, str]
    degree: Mapping[str, int]
    chance: Chance
    points: int
    held_out: tuple[dict[str, int], ...]
    unknown: Mapping[str, int]
    way: Way
    real: RealRun
    failed: tuple[str, ...]
    everywhere: Everywhere | None = None

    @property
    def error_bound(self) -> str:
        """The probability of error in exact figures, such as ``(6/32768)^8``."""
        return self.chance.spelled


@dataclass(frozen=True)
class NotFound:
    """Why there is no formula, with the points that refuted it."""

    reason: str
    residuals: tuple[Residual, ...] = ()
    unknown: Mapping[str, int] = field(default_factory=dict)
    way: Way | None = None


class Search:
    """One regime of one target."""

    def __init__(self, prober: Prober, variables: tuple[Variable, ...], seed: str = "") -> None:
        self._prober = prober
        self._variables = {v.name: v for v in variables}
        self._random = Random(seed)
        self._residuals: list[Residual] = []
        self._errors: list[str] = []

    def run(self) -> Found | NotFound:
        """Find the polynomial or say why there is none.

        Raises:
            ProbeError: the model runs nowhere.
        """
        anchors = self._anchors()
        several = len(self._variables) > 1
        for standing in self._farther(anchors):
            for by_analogy in (True, False) if several else (False,):
                lines = self._lines(standing, by_analogy)
                if lines and (found := self._found_on(lines, standing, not by_analogy)):
                    return found
        return self._failure(anchors)

    def _found_on(self, lines: Mapping[str, Line], anchors: Point, farther: bool) -> Found | None:
        """The form of all symbols, from a grid at the smallest sizes, or also from farther on."""
        lattice = {name: line.stride for name, line in lines.items()}
        for grid in islice(self._grids(lines, lattice, anchors), None if farther else 1):
            form = self._form(grid)
            if form is not None and (found := self._verified(form, grid, lines, lattice)):
                return found
        return None

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

    def _farther(self, anchors: Point) -> Iterator[Point]:
        """The anchors, and images larger than most windows.

        Windows that are cut to the shorter side make another polynomial of what is small along it.
        """
        yield anchors
        images = [name for name, v in self._variables.items() if v.kind is Kind.IMAGE]
        larger = {**anchors, **dict.fromkeys(images, LARGER)}
        if len(images) > 1 and self._runs(larger):
            yield larger

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
        rows += [dict.fromkeys(choices, value) for value in SCAN]
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
        """A line for each symbol, or none at all; by analogy, symbols of one kind share that of the first."""
        lines: dict[str, Line] = {}
        of_kind: dict[Kind, Line] = {}
        for name, v in self._variables.items():
            line = of_kind.get(v.kind) if by_analogy and v.kind is not Kind.ARGUMENT else None
            if line is None or not self._looks_alike(v, anchors, line):
                line = self._line(v, anchors)
            if line is None and v.kind is Kind.ARGUMENT:
                others = (self._divisible(anchors, name, number) for number in DIVISIBLE)
                line = next(filter(None, (self._line(v, there) for there in others)), None)
            if line is None:
                return {}
            of_kind.setdefault(v.kind, line)
            lines[name] = line
        return lines

    def _looks_alike(self, v: Variable, anchors: Point, line: Line) -> bool:
        """Whether it is worth a try to take another symbol's line: it has no branch, and this one goes as far."""
        return line.start == line.stride and Section(self._prober, v, anchors).runs(line.reach.top)

    def _line(self, v: Variable, others: Point) -> Line | None:
        section = Section(self._prober, v, others)
        try:
            reach = explore(section, others[v.name], self._random)
        except ProbeError as error:
            self._errors.append(str(error))
            return None

        def refuted(size: int, expected: Fraction, counted: int) -> None:
            self._residuals.append(Residual(section.point(size), expected, counted))

        strides = Strides(section, reach, self._random, refuted)
        line = strides.find()
        self._errors += strides.errors
        if line is None and reach.fails:
            self._errors.append(reach.fails)
        return line

    def _divisible(self, anchors: Point, name: str, number: int) -> dict[str, int]:
        """The other arguments moved to where many numbers divide them, and this one to where it divides those."""
        moved = dict(anchors)
        for other, v in self._variables.items():
            if v.kind is Kind.ARGUMENT:
                moved[other] = 1 if other == name else number
        return moved

    # -- all symbols ------------------------------------------------------------------------------

    def _grids(
        self, lines: Mapping[str, Line], lattice: Point, anchors: Point
    ) -> Iterator[dict[str, tuple[int, ...]]]:
        """Grids that fix the polynomial: from the smallest sizes at which it may hold, and from farther on."""
        for beginnings in (
            {name: line.start for name, line in lines.items()},
            {name: max(line.start, anchors[name]) for name, line in lines.items()},
            {name: max(line.start, line.reach.top // 4) for name, line in lines.items()},
        ):
            grid = {}
            for name, line in lines.items():
                first = -(-beginnings[name] // lattice[name])
                grid[name] = tuple(lattice[name] * (first + i) for i in range(line.degree + 1))
            if all(grid[name][-1] <= line.reach.top for name, line in lines.items()):
                yield grid

    def _form(self, grid: Mapping[str, tuple[int, ...]]) -> Polynomial | None:
        try:
            return interpolate(grid, [self._prober.macs(point) for point in points(grid)])
        except ProbeError as error:
            self._errors.append(str(error))
            return None

    def _holds(self, form: Polynomial, point: Point) -> bool:
        """Whether the model runs at a point and the form gives its count. Silent: it is only a guess."""
        try:
            return value_at(form, point) == self._prober.macs(point)
        except ProbeError:
            return False

    # -- verification -----------------------------------------------------------------------------

    def _verified(
        self,
        form: Polynomial,
        grid: Mapping[str, tuple[int, ...]],
        lines: Mapping[str, Line],
        lattice: Mapping[str, int],
    ) -> Found | None:
        """The form with everything else that was counted, unless a point that it has not seen refutes it."""
        nodes = {name: sizes[0] for name, sizes in grid.items()}
        start = self._corner(form, lines, lattice, nodes)
        box = self._box(form, lines, lattice, start)
        failed: list[str] = []
        drawn: list[dict[str, int]] = []
        uniform = True
        for point in islice(box.draws(self._random), 4 * DRAWS):
            try:
                self._prober.counts(point)
            except OutOfReachError:
                uniform = False
                continue
            except ProbeError as error:
                uniform = False
                failed.append(str(error))
                if (divided := self._divided(point, box)) is None or not self._runs(divided):
                    continue
                drawn.append(divided)
            else:
                drawn.append(point)
            if len(drawn) == DRAWS or value_at(form, drawn[-1]) != self._prober.macs(drawn[-1]):
                break
        ends = ({**box.start, name: box.top[name]} for name, line in lines.items() if line.reach.is_edge)
        failed += filter(None, map(self._refusal, (*ends, *islice(box.near(self._random), NEAR))))
        on_grid = list(points(grid))
        held_out = []
        for point, counts in self._prober.counted():
            if point in on_grid or not box.contains(point):
                continue
            held_out.append(point)
            expected = value_at(form, point)
            if expected != counts.macs:
                self._residuals.append(Residual(point, expected, counts.macs))
                return None
        if not held_out or not drawn:
            self._errors += failed[:1]
            return None
        return self._found(form, grid, held_out, lines, box, len(drawn) if uniform else 0, tuple(failed))

    def _corner(self, form: Polynomial, lines: Mapping[str, Line], lattice: Point, nodes: Point) -> dict[str, int]:
        """The smallest sizes of all symbols together: what holds alone may not hold at once.

        A branch may depend on a product. Then all are doubled until the form holds there.
        """
        start = {name: -(-line.start // lattice[name]) * lattice[name] for name, line in lines.items()}
        while not self._holds(form, start):
            if all(start[name] >= nodes[name] for name in start):
                break
            start = {name: min(2 * size, max(nodes[name], size)) for name, size in start.items()}
        return start

    def _box(self, form: Polynomial, lines: Mapping[str, Line], lattice: Point, start: Point) -> Box:
        """All sizes that the form is held against, halved until the farthest of all together can be run."""
        top = {name: line.reach.top // lattice[name] * lattice[name] for name, line in lines.items()}
        while True:
            box = Box(start, top, lattice)
            if not self._too_far(form, box):
                return box
            large = {name for name, size in top.items() if size > LARGE} or set(top)
            halved = {
                name: max(size // 2 // lattice[name] * lattice[name], start[name]) if name in large else size
                for name, size in top.items()
            }
            if halved == top:
                return box
            top = halved

    def _too_far(self, form: Polynomial, box: Box) -> bool:
        top = box.top
        if self._prober.is_real and self._prober.too_much(int(value_at(form, top)), 0, self._largest_at(top)):
            return True
        try:
            self._prober.counts(top, braked=True)
        except OutOfReachError:
            return True
        except ProbeError:
            divided = self._divided(top, box)
            return divided is not None and not self._runs(divided)
        return False

    def _largest_at(self, top: Point) -> int:
        """Elements of the largest tensor there, as it grew with each symbol alone."""
        nearer = [
            (point, counts.largest * prod(top.values()) // prod(point.values()))
            for point, counts in self._prober.counted()
            if all(size <= top[name] for name, size in point.items())
        ]
        return max((max(nearer, key=lambda each: each[0][name])[1] for name in top), default=0)

    def _runs(self, point: Point) -> bool:
        try:
            self._prober.counts(point)
        except ProbeError:
            return False
        return True

    def _refusal(self, point: Point) -> str | None:
        """What the model says where it does not run: how far it does in one symbol may depend on another."""
        try:
            self._prober.counts(point)
        except OutOfReachError:
            return None
        except ProbeError as error:
            return str(error)
        return None

    def _divided(self, point: Point, box: Box) -> dict[str, int] | None:
        """A point near one at which the model did not run, where larger arguments are multiples of the least."""
        arguments = [name for name, v in self._variables.items() if v.kind is Kind.ARGUMENT]
        if len(arguments) < 2:
            return None
        moved = dict(point)
        smallest = min(arguments, key=lambda name: box.top[name])
        moved[smallest] = self._random.choice(range(box.start[smallest], 17, box.lattice[smallest]) or [1])
        for name in arguments:
            step = box.lattice[name] * moved[smallest]
            if name != smallest:
                moved[name] = max(moved[name] // step, 1) * step
        return moved if box.contains(moved) else None

    def _found(
        self,
        form: Polynomial,
        grid: Mapping[str, tuple[int, ...]],
        held_out: list[dict[str, int]],
        lines: Mapping[str, Line],
        box: Box,
        draws: int,
        failed: tuple[str, ...],
    ) -> Found:
        start = dict(box.start)
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
            lattice=dict(box.lattice),
            start=start,
            limits=self._limits(lines),
            edges={name: line.reach.fails for name, line in lines.items() if line.reach.is_edge},
            tried=dict(box.top),
            held_back={name: line.reach.held_back for name, line in lines.items() if line.reach.held_back},
            degree=(degree := {name: v.degree for name, v in self._variables.items()}),
            chance=Chance(degree, box.sizes, draws),
            points=len(at_grid),
            held_out=tuple(held_out),
            unknown=self._unknown(start, *held_out, *points(grid)),
            way=self._prober.way,
            real=run_for_real(self._prober, start, self._longest(held_out)),
            failed=failed,
        )

    def _limits(self, lines: Mapping[str, Line]) -> dict[str, int]:
        """The largest size of each symbol at which the model runs, where that is known."""
        given = {name: v.limit for name, v in self._variables.items() if v.limit is not None}
        return {**given, **{name: line.reach.top for name, line in lines.items() if line.reach.is_edge}}

    def _longest(self, held_out: list[dict[str, int]]) -> dict[str, int] | None:
        """The largest size that can be run for real: the meta device does not see where a table ends."""
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
