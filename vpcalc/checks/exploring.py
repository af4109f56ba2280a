"""A target executed on symbols: its regimes over a range, and what runs for real."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

from ..errors import first_line, first_line_and_place
from ..inputs import NUMBER
from ..sources import unlogged
from .agreement import described_parts
from .effort import Growth, is_unnumbered
from .probing import (
    MORE_WORK,
    MOST_WORK,
    Prober,
    RealRun,
    affordable,
    not_run,
    run_for_real,
    spell_point,
    takes_whole_numbers,
)
from .real_bytes import RealBytes
from .shapes import Dim, Kind, Multiple, Point, Variable
from .targets import Regime as Variant
from .targets import Target

if TYPE_CHECKING:
    from ..counters.dispatch import DispatchCounts
    from ..execution.outcome import Execution
    from ..execution.program import Program
    from ..execution.regimes import Exploration, Regime

Told = Callable[[int, int], None]
"""Called after each run on symbols: how many there were, and how many there may be."""

RANGES: Mapping[Kind, int] = {Kind.IMAGE: 4096, Kind.SEQUENCE: 65536, Kind.BATCH: 4096, Kind.ARGUMENT: 4096}
"""The largest size of each kind that is asked about unless the user says otherwise."""

STARTS: Mapping[Kind, tuple[int, ...]] = {
    Kind.IMAGE: (453, 224, 256, 384, 32),
    Kind.SEQUENCE: (211, 61, 16, 2048, 4096),
    Kind.BATCH: (3, 1, 1, 1, 1),
    Kind.ARGUMENT: (96, 12, 48, 8, 1),
}
"""Sizes at which a first run is tried; the first ones divide by nothing that programs divide by."""


STEP = 1.25
"""By how much sizes grow of which the largest that can be run for real is sought."""

LONG_WORK, MOST_LONGER = MORE_WORK // 4, 8
"""Multiply-accumulates of such a run, or how many times those of the smallest size if that is more."""

MOST_EDGES = 8
"""Regimes beside the main one that are run for real at their smallest size."""


class NotExecutedError(Exception):
    """A target cannot be executed on symbols. ``fixed`` are letters that it takes as numbers, with why."""

    def __init__(self, why: str, fixed: Mapping[str, str] | None = None) -> None:
        super().__init__(why)
        self.fixed = dict(fixed or {})

    @property
    def looks_at_values(self) -> bool:
        """Whether the run ended at a value that a tensor on the meta device has not."""
        return any(sign in str(self) for sign in ("item()", "nonzero()", "no data"))


@dataclass(frozen=True)
class Explored:
    """All regimes of a target, the one whose form stands for it, and what was seen beside.

    ``unknown`` are operators without a price with their calls, ``limits`` are sizes beyond which its configuration
    says that it was not made to go. ``count`` is the counter that the regimes were held against. ``zeros`` says
    that the program looks at whole numbers or masks, which were all 0. ``program`` is what ran, ``real_bytes``
    what it takes for real.
    """

    exploration: Exploration
    main: Regime
    unknown: Mapping[str, int]
    limits: Mapping[str, int]
    real: RealRun
    count: Callable[[Point], int | None]
    zeros: bool
    program: Program
    growth: Growth
    real_bytes: RealBytes

    @property
    def complete(self) -> bool:
        """Whether every size of the range has its regime, and what is said to run does so for real."""
        return not self.open

    @property
    def open(self) -> tuple[str, ...]:
        """Why it is not complete."""
        found = [why for _, why in self.exploration.open]
        if self.real.agrees is False:
            found.append(self.real.note)
        return tuple(dict.fromkeys(found))


def explore(
    target: Target,
    ranges: Mapping[str, tuple[int, int]] | None = None,
    most: int = 32,
    told: Told | None = None,
) -> tuple[Variant, Explored]:
    """Execute a target in the first way in which it runs at more than one size.


    One that seems to run at one size is tried last where another asks for the same module: a vision transformer
    interpolates its positions if forward is told to.

    Raises:
        InputError: the model runs at no size in any way.
        NotExecutedError: a run cannot be followed, or ties a letter to a number; torch is older than those with
            which that was tried.
    """
    from ..counters.private import OLDEST, is_tried

    if not is_tried():
        raise NotExecutedError(f"runs on symbols are tried with torch {'.'.join(map(str, OLDEST))} and later")
    with unlogged():
        try:
            return _explore(target, ranges or {}, most, told, zeros=False)
        except NotExecutedError as error:
            if not (error.looks_at_values and target.function is None and takes_whole_numbers(target)):
                raise
            try:
                return _explore(target, ranges or {}, most, told, zeros=True)
            except NotExecutedError:
                raise error from None


def _telling(execute: Callable[[Point], Execution], told: Told, most: int) -> Callable[[Point], Execution]:
    """The same runs, each told when it is over."""
    done = 0

    def run(point: Point) -> Execution:
        nonlocal done
        execution = execute(point)
        done += 1
        told(done, max(done, most))
        return execution

    return run


def _explore(
    target: Target, ranges: Mapping[str, tuple[int, int]], most: int, told: Told | None, *, zeros: bool
) -> tuple[Variant, Explored]:
    errors: dict[str, None] = {}
    narrow: tuple[Variant, Explored] | None = None
    unable: NotExecutedError | None = None
    every = target.regimes
    turns = [(variant, any(later.fixed for later in every[place:])) for place, variant in enumerate(every, 1)]
    for variant, may_wait in turns:
        try:
            found = _explored(target, variant, ranges, most, told, zeros, may_wait)
        except NotExecutedError as error:
            unable = unable or error
            continue
        if found is None:
            turns.append((variant, False))
            continue
        if isinstance(found, Explored):
            if _is_wide(found):
                return variant, found
            narrow = narrow or (variant, found)
        else:
            errors[found] = None
    if unable is not None:
        raise unable
    if narrow is not None:
        return narrow
    raise not_run(target.name, errors)


def _explored(
    target: Target,
    variant: Variant,
    ranges: Mapping[str, tuple[int, int]],
    most: int,
    told: Told | None,
    zeros: bool,
    may_wait: bool,
) -> Explored | str | None:
    """The regimes of one way to run, or why there is none that runs.

    None if it seems to run at one size only and others are to be tried first.
    """
    from ..counters.ways import needs_values
    from ..execution.constants import counted
    from ..execution.outcome import BeyondError, TooLargeError
    from ..execution.program import Fixed
    from ..execution.regimes import MOST_RUNS, Explorer, HeldError
    from ..execution.regions import Range

    letters = [v for v in target.variables if v.name not in target.tied(variant)]
    try:
        program = program_of(target, variant, zeros)
    except BeyondError as beyond:
        raise NotExecutedError(str(beyond)) from beyond
    except Exception as error:
        if needs_values(error):
            raise NotExecutedError(first_line_and_place(error)) from error
        return first_line(error)

    growth = Growth(program.counts)

    def count(point: Point) -> int | None:
        try:
            return growth.counts(point).macs
        except RecursionError as deep:
            raise BeyondError(f"a count goes too deep: {deep}") from deep
        except Exception as error:  # the program may raise anything
            if is_unnumbered(error):
                raise TooLargeError from error
            return None

    try:
        limits = {name: most for name, most in _limits(program, letters).items() if name not in ranges}
        bounds = {v.name: ranges.get(v.name, (1, limits.get(v.name, _largest(v, target)))) for v in letters}
        runs = MOST_RUNS if variant.fixed else 3 * MOST_RUNS // 8  # building takes most of the time
        keys = counted(program.keys) if isinstance(program, Fixed) else ()
        execute = program.execute if told is None else _telling(program.execute, told, runs)
        extent = Range(bounds)
        explorer = Explorer(execute, count, extent, most, runs, growth.affordable, keys)
        begin = list(starts(letters, bounds))
        if may_wait and explorer.seems_narrow(begin):
            return None
        describe = None if variant.fixed else target.describe
        parts = () if describe is None else described_parts(describe, extent)
        exploration = explorer.explore(begin, parts=parts)
    except BeyondError as beyond:
        raise NotExecutedError(str(beyond)) from beyond
    except HeldError as held:
        raise NotExecutedError(str(held), held.letters) from held
    running = [regime for regime in exploration.regimes if not regime.refused]
    if not running and not exploration.regimes:
        raise NotExecutedError("; ".join(dict.fromkeys(why for _, why in exploration.open)) or "no size was found")
    if not running:
        raised = exploration.regimes[0].leader.execution.error
        assert raised is not None
        if needs_values(raised):
            raise NotExecutedError(first_line_and_place(raised))
        return first_line(raised)
    main = max(running, key=lambda regime: (regime.extent(), len(regime.confirmed)))  # no equation of two sizes
    return Explored(
        exploration,
        main,
        _unknown(program, growth, running),
        limits,
        _real(_Kept(target, variant, program, exploration), growth, exploration, main),
        count,
        zeros,
        program,
        growth,
        RealBytes(target, variant, program),
    )


def _largest(variable: Variable, target: Target) -> int:
    """The largest size of a letter that is asked about: less where it is no side, as it may be a factor of one."""
    is_side = any(variable.name in shape.letters and shape.dtype != NUMBER for shape in target.inputs)
    return RANGES[variable.kind if is_side or target.function is None else Kind.ARGUMENT]


def program_of(target: Target, variant: Variant, zeros: bool = False) -> Program:
    """What runs again and again in one way: a module that is kept, or one that is rebuilt for each size."""
    from ..execution.program import (
        Fixed,
        Input,
        Inputs,
        MadeInputs,
        Rebuilt,
        built_on_meta,
        sources_where_built,
    )

    tied = target.tied(variant)

    def whole(point: Point) -> Point:
        return {**point, **{side: point[first] for side, first in tied.items()}}

    free = [v for v in target.variables if v.name not in tied]
    some = [whole(point) for point in islice(starts(free, {v.name: (1, RANGES[v.kind]) for v in free}), 2)]
    if not variant.fixed:
        sources = dict.fromkeys((*variant.sources, *sources_where_built(variant.make, some)))
        return Rebuilt(lambda point: variant.make(whole(point)), variant.kwargs, tuple(sources), target.training)
    inputs = [
        Input(tuple(_with_tied(dim, tied) for dim in s.dims), s.dtype or "float32", s.keyword)
        for s in target.inputs
    ]
    modules = built_on_meta(variant.make, some)
    pack = None if target.layout is None else target.layout.pack
    function = target.function
    made = (
        Inputs(inputs, pack, zeros)
        if function is None
        else MadeInputs(lambda point: function.arguments(whole(point)))
    )
    return Fixed(modules, made, variant.kwargs, target.training)


def _with_tied(dim: Dim, tied: Mapping[str, str]) -> Dim:
    """A side whose letter equals another one, in that letter."""
    if isinstance(dim, Multiple):
        return Multiple(dim.factor, tuple(tied.get(letter, letter) for letter in dim.letters))
    return tied.get(dim, dim) if isinstance(dim, str) else dim


def _limits(program: Program, letters: list[Variable]) -> dict[str, int]:
    """The limits of a configuration that its program does not keep itself, by refusing what is longer."""
    limited = {v.name: v.limit for v in letters if v.limit is not None}
    if not limited:
        return {}
    beyond = {v.name: v.limit + 1 if v.limit is not None else STARTS[v.kind][1] for v in letters}
    return {} if program.execute(beyond).error is not None else limited


def starts(letters: list[Variable], bounds: Mapping[str, tuple[int, int]]) -> Iterator[dict[str, int]]:
    """Points to begin at, in order; the sides of an image differ at first."""
    for row in range(max(map(len, STARTS.values()))):
        point: dict[str, int] = {}
        sides = 0
        for v in letters:
            size = STARTS[v.kind][row]
            if v.default and row < 2:
                size = v.default
            if v.kind is Kind.IMAGE:
                size += 718 * sides if row == 0 else 0
                sides += 1
            elif row == 0:
                size += 2 * len(point)
            low, high = bounds[v.name]
            point[v.name] = min(max(size, low), high)
        yield point


def _is_wide(found: Explored) -> bool:
    """Whether the model runs at one size of each letter and at twice that, or more.

    One that is made for one grid runs at a few sizes more, where its strides leave a rest.
    """
    regions = [region for regime in found.exploration.regimes if not regime.refused for region in regime.regions]
    bounds = found.exploration.range.bounds
    return all(
        low == high or any(_doubles(region.values(letter)) for region in regions)
        for letter, (low, high) in bounds.items()
    )


def _doubles(sizes: Sequence[int]) -> bool:
    return len(sizes) > 1 and sizes[-1] >= 2 * sizes[0]


def _unknown(program: Program, growth: Growth, running: list[Regime]) -> dict[str, int]:
    """Operators without a price, with their calls where they first ran, or at the smallest size that was tried."""
    calls: dict[str, int] = {}
    for regime in running:
        first = regime.leader.point
        tried = sorted((first, *regime.confirmed), key=lambda point: sum(point.values()))
        point = first if growth.affordable(first) else tried[0]
        calls = {**program.counts(point, products=True).unknown, **calls}
    return calls


class _Kept(Prober):
    """Counts of a program that is kept; real runs are of a fresh module each."""

    def __init__(self, target: Target, variant: Variant, program: Program, exploration: Exploration) -> None:
        super().__init__(target, variant, backward=False)
        self._program = program
        self._exploration = exploration

    def expected(self, point: Point) -> int:
        regime = self._exploration.at(point)
        assert regime is not None
        return int(regime.leader.execution.macs.at(point))

    def _count(self, point: Point) -> DispatchCounts:
        return self._program.counts(point)

    def real(self, point: Point) -> int:
        with self._program.state.kept():
            return super().real(point)


def _real(prober: Prober, growth: Growth, exploration: Exploration, main: Regime) -> RealRun:
    """Real runs at the smallest size that was confirmed, and at the largest of the regime that there is time for.

    Then at the smallest of other regimes, which is at the edge of each.
    What is looked up in a table may lie beyond its end, which the meta device does not see.
    """
    from ..counters.ways import Way

    form = main.leader.execution.macs
    points = sorted((*main.confirmed, main.leader.point), key=form.at)
    smallest = points[0]
    room = max(LONG_WORK, min(MOST_LONGER * form.at(smallest), MOST_WORK))
    growing = sorted(filter(growth.affordable, _larger(exploration, main)), key=lambda point: sum(point.values()))
    possible = sorted((p for p in (*points[1:], *growing) if form.at(p) <= room), key=form.at)
    longest = next((p for p in _halving(possible) if affordable(prober.counts(p), room)), None)
    real = run_for_real(prober, smallest, longest)
    if real.agrees and prober.way is not Way.CPU:
        beside = (
            run_for_real(prober, edge, None) for edge in islice(_edges(prober, exploration, main), MOST_EDGES)
        )
        return next((other for other in beside if other.agrees is False), real)
    if real.fails_at is None or real.fails_at == smallest:
        return real
    last = _last_that_runs(prober, [smallest, *(p for p in growing if form.at(p) < form.at(real.fails_at))])
    return replace(real, note=f"{real.note}; it does at {spell_point(last)}")


def _edges(prober: Prober, exploration: Exploration, main: Regime) -> Iterator[Point]:
    """The smallest size that was confirmed of each other regime, where a real run takes no time."""
    for regime in exploration.regimes:
        if regime is not main and regime.confirmed and not regime.refused:
            edge = min(regime.confirmed, key=regime.leader.execution.macs.at)
            if affordable(prober.counts(edge), LONG_WORK):
                yield edge


def _halving(points: Sequence[Point]) -> Iterator[Point]:
    """The last of some points, the one in their middle, …"""
    count = len(points)
    while count:
        yield points[count - 1]
        count = min(count - 1, count * 3 // 4)


def _last_that_runs(prober: Prober, points: Sequence[Point]) -> Point:
    """By bisection, the last of some points at which a real run goes through, as it does at the first."""
    low, high = 0, len(points)
    while high - low > 1:
        middle = (low + high) // 2
        if prober.runs_for_real(points[middle]):
            low = middle
        else:
            high = middle
    return points[low]


def _larger(exploration: Exploration, regime: Regime) -> Iterator[dict[str, int]]:
    """Sizes all over a regime, all letters growing together."""
    for region in regime.regions:
        values = {name: region.values(name) for name in exploration.range.bounds}
        if not all(map(len, values.values())):
            continue
        size, most = float(max(sizes[0] for sizes in values.values())), max(sizes[-1] for sizes in values.values())
        while size <= most:
            places = {name: max(int(sizes.searchsorted(size, "right")) - 1, 0) for name, sizes in values.items()}
            point = {name: int(values[name][place]) for name, place in places.items()}
            if exploration.at(point) is regime:
                yield point
            size *= STEP
