"""Every size of a range: which form holds where, and where the program refuses.

A run's form is true on its path, the comparisons that it made. Most of these do not matter: whether a side was
padded changes nothing where the form is written with a ceiling. So the other side of each comparison is run once,
near by, and the two forms are compared on the second path (:func:`vpcalc.execution.regions.vanishes`). If one form
holds on both, the comparison is *idle*; if not, the region is split by the comparison that tells its runs apart,
and both parts are explored in the same way. One flip a comparison, not one run a path: paths multiply (pads ×
stages × sides), comparisons add up.

That two idle comparisons do not matter together either is the hypothesis of this room. It is tested: independent
counts are taken at sizes that answer the idle ones in other ways, near, far, on and beyond the kept ones, and a
count that differs is run and splits its region.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf, log2

from ..algebra.floors import Floor, floor_div
from ..algebra.polynomial import Polynomial, constant, symbol
from ..errors import first_line
from .guards import EQUAL, Guard
from .regions import Point, Range, Region, vanishes
from .run import BeyondError, Execution, TableEndError

MOST_RUNS = 160
"""Runs beyond which an exploration ends, whatever is open."""

FEW = 16
"""Sizes of a region that are counted before it is split."""

RUNS_SPENT = "the number of runs is spent"

NEEDED = frozenset(("a number that the program needs", "a number of parts", "a loop over a side"))
"""Reasons to ask that tie a size to one number: loops, and parts of lists."""


class HeldError(Exception):
    """A letter that every run takes as a number: the program is another one for each of its values."""

    def __init__(self, letters: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{letter}: {why}" for letter, why in letters.items()))
        self.letters = dict(letters)


@dataclass(eq=False)
class Run:
    """An execution with the comparisons that can go either way in the range, in order, and its path."""

    execution: Execution
    asked: tuple[tuple[Guard, bool], ...]
    path: Region
    needed: Mapping[Guard, str]

    @property
    def point(self) -> Point:
        """Where it ran."""
        return self.execution.point

    @property
    def refused(self) -> bool:
        """Whether the program raised."""
        return self.execution.error is not None


@dataclass(eq=False)
class Regime:
    """A form and the regions on which it holds, or a refusal.

    ``tried`` says that its equality with some run was found at sizes rather than decided; ``confirmed`` are the
    sizes at which an independent count agreed.
    """

    leader: Run
    regions: list[Region]
    tried: bool = False
    confirmed: list[Point] = field(default_factory=list)

    @property
    def refused(self) -> bool:
        """Whether the program raises here."""
        return self.leader.refused

    def __contains__(self, point: Point) -> bool:
        return any(point in region for region in self.regions)


@dataclass(frozen=True)
class Exploration:
    """All regimes of a range. ``open`` are regions that were left, with why: none if it is complete."""

    range: Range
    regimes: tuple[Regime, ...]
    open: tuple[tuple[Region, str], ...]
    runs: int
    counts: int

    def at(self, point: Point) -> Regime | None:
        """The regime of a size."""
        return next((regime for regime in self.regimes if point in regime), None)


Execute = Callable[[Point], Execution]
Count = Callable[[Point], "int | None"]
"""The MACs that an independent counter sees at a size, or None where the program raises."""


class Explorer:
    """Explores one program."""

    def __init__(
        self,
        execute: Execute,
        count: Count,
        extent: Range,
        most: int = 32,
        most_runs: int = MOST_RUNS,
        seed: int = 0,
    ) -> None:
        self._execute = execute
        self._count = count
        self._range = extent
        self._most = most
        self._most_runs = most_runs
        self._stopped = False
        self._rng = random.Random(seed)
        self._runs: dict[tuple[tuple[str, int], ...], Run] = {}
        self._counts: dict[tuple[tuple[str, int], ...], int | None] = {}
        self._idle: set[Guard] = set()
        self._leaves: list[Regime] = []
        self._open: list[tuple[Region, str]] = []

    def explore(self, starts: list[Point]) -> Exploration:
        """From sizes to begin at: the first at which the program runs is where exploration starts.

        Raises:
            HeldError: a letter is a number in every run.
            BeyondError: a run cannot be followed.
        """
        for start in starts:
            if not self._run(start).refused:
                break
        self._settle(self._range.whole())
        self._confirm()
        return Exploration(
            self._range, tuple(self._merged()), tuple(self._open), len(self._runs), len(self._counts)
        )

    # -- runs ---------------------------------------------------------------------------------------

    def _run(self, point: Point) -> Run:
        key = tuple(sorted(point.items()))
        if key not in self._runs:
            execution = self._execute(point)
            if execution.held:
                raise HeldError(execution.held)
            self._witnessed(execution)
            self._runs[key] = self._read(execution)
        return self._runs[key]

    def _witnessed(self, execution: Execution) -> None:
        """Every run is held against the counter at its own size: a wrong rule or price goes no further."""
        counted = self._counted(execution.point)
        at = ", ".join(f"{name} = {size}" for name, size in execution.point.items())
        if execution.error is None:
            followed = execution.macs.at(execution.point)
            if followed != counted:
                seen = "a plain run raises" if counted is None else f"the counter sees {counted:,}"
                raise BeyondError(f"at {at} the run on symbols has {followed:,} MACs, {seen}")
        elif counted is not None and not isinstance(execution.error, TableEndError):
            error = first_line(execution.error)
            raise BeyondError(f"at {at} the run on symbols raises where a plain run does not: {error}")

    def _read(self, execution: Execution) -> Run:
        """Without the comparisons that go one way everywhere, or that others decide."""
        path = self._range.whole()
        asked: list[tuple[Guard, bool]] = []
        needed: dict[Guard, str] = {}
        for guard, outcome, why in execution.path:
            if len(guard.letters) > 1:
                guard = Guard(guard.form.subs(settled(guard.form, path)), guard.relation)
            if not guard.letters or path.always(guard, outcome):
                continue
            path = path.where(guard, outcome)
            asked.append((guard, outcome))
            if why in NEEDED and guard.relation == EQUAL and outcome:
                needed[guard] = why
        for rewritten in (settled, rounded_up):
            execution = execution.written(rewritten(execution.macs, path))
        return Run(execution, tuple(asked), path, needed)

    def _counted(self, point: Point) -> int | None:
        key = tuple(sorted(point.items()))
        if key not in self._counts:
            self._counts[key] = self._count(point)
        return self._counts[key]

    @property
    def _spent(self) -> bool:
        return self._stopped or len(self._runs) >= self._most_runs

    # -- splitting ----------------------------------------------------------------------------------

    def _settle(self, region: Region) -> None:
        """Explore a region until one form, or refusal, holds on all of it; else split it."""
        here = [run for run in self._runs.values() if run.point in region]
        if not here and self._spent:
            self._open.append((region, RUNS_SPENT))
            return
        if not here:
            point = region.find(self._rng, self._nearest())
            if point is None:
                return
            here = [self._run(point)]
        regime = Regime(here[0], [region])
        flipped: set[Guard] = set()
        members = [here[0]]
        waiting = here[1:]
        while True:
            for run in waiting:
                if not self._joins(regime, members, run, region):
                    self._split(region, [*members, run], regime)
                    return
                members.append(run)
            found = self._flip(region, members, flipped, regime)
            if found is None:
                break
            if self._spent:
                self._publish_paths(region, [*members, found])
                return
            waiting = [found]
        self._leaves.append(regime)
        if len({leaf.refused or leaf.leader.execution.macs for leaf in self._leaves}) >= self._most:
            self._stopped = True  # what is left stays open

    def _publish_paths(self, region: Region, runs: list[Run]) -> None:
        """Where the runs are spent, what they are worth without the others: each its form, on its own path."""
        self._open.append((region, RUNS_SPENT))
        self._leaves += [Regime(run, [run.path.meet(region)]) for run in runs if not run.refused]

    def _nearest(self) -> Point | None:
        return next((run.point for run in self._runs.values() if not run.refused), None)

    def _joins(self, regime: Regime, members: list[Run], run: Run, region: Region) -> bool:
        """Whether one form holds on a run's path too, the leader's or the run's own."""
        if run.refused or regime.refused:
            return run.refused and regime.refused
        holds = self._holds(regime.leader, run, region)
        if holds is False:
            holds = True
            for member in members:
                on = self._holds(run, member, region)
                holds = None if on is None and holds else on and holds
                if on is False:
                    return False
            regime.leader = run
        regime.tried = regime.tried or holds is None
        return True

    def _holds(self, leader: Run, run: Run, region: Region) -> bool | None:
        """Whether a form holds on another run's path within a region."""
        difference = leader.execution.macs - run.execution.macs
        return vanishes(difference, run.path.meet(region), random.Random(7))

    def _flip(self, region: Region, members: list[Run], flipped: set[Guard], regime: Regime) -> Run | None:
        """A run on the other side of a comparison that is not known to be idle and has one side only so far."""
        for run in members:
            order = reversed(run.asked) if run.refused else run.asked
            for guard, outcome in order:
                if guard in flipped or guard in self._idle:
                    continue
                flipped.add(guard)
                other = region.where(guard, not outcome)
                if any(member.point in other for member in members):
                    self._note_idle(guard, regime)
                    continue
                earlier = run.asked[: run.asked.index((guard, outcome))]
                point = other.find(self._rng, run.point, (*earlier, *run.asked))
                if point is None:
                    continue
                if run.refused and not self._may_run(point):
                    continue
                found = self._run(point)
                if guard in run.needed and not found.refused and found.execution.steps != run.execution.steps:
                    raise HeldError(dict.fromkeys(sorted(guard.letters), f"a loop: {run.needed[guard]}"))
                return found
        return None

    def _may_run(self, point: Point) -> bool:
        """Of the flips of a refusal only those matter that run: a count, or its failure, says so for less."""
        return self._counted(point) is not None

    def _note_idle(self, guard: Guard, regime: Regime) -> None:
        if not regime.refused:
            self._idle.add(guard)

    def _split(self, region: Region, runs: list[Run], regime: Regime) -> None:
        """By the comparison that tells best what happens where, of all that any run made.

        What happens is known wherever it ran or was counted: it refuses, has the leader's count, or another one.
        """
        happens = self._known(region, regime)
        guards = dict.fromkeys(guard for run in (*reversed(runs), *self._runs.values()) for guard, _ in run.asked)
        best, best_gain = None, -inf
        for place, guard in enumerate(guards):
            said = _gain(guard, happens)
            gain = said - region.range.length(guard) - 1e-6 * place
            if said > 1e-9 and gain > best_gain:
                best, best_gain = guard, gain
        if best is None:
            self._open.append((region, f"no comparison tells {dict(runs[-1].point)} from {dict(runs[0].point)}"))
            return
        parts = [region.where(best, outcome) for outcome in (True, False)]
        for part in sorted(parts, key=Region.extent, reverse=True):  # where the runs end, small sizes are left
            self._settle(part)

    def _known(self, region: Region, regime: Regime) -> list[tuple[Point, object]]:
        """Sizes of a region with what happens there, a few more than were needed so far."""
        points = [dict(key) for key in self._counts if dict(key) in region]
        for _ in range(FEW - len(points)):
            point = region.find(self._rng)
            if point is not None and point not in points:
                points.append(point)
        found: list[tuple[Point, object]] = []
        for point in points:
            counted = self._counted(point)
            run = self._runs.get(tuple(sorted(point.items())))
            if counted is None or (run is not None and run.refused):
                found.append((point, "refused"))
            elif regime.refused or counted == regime.leader.execution.macs.at(point):
                found.append((point, "runs"))
            else:
                found.append((point, "otherwise"))
        return found

    # -- confirmation -------------------------------------------------------------------------------

    def _confirm(self) -> None:
        """Hold every leaf against independent counts; one that differs is run and its region explored again."""
        pending = list(self._leaves)
        while pending and len(self._runs) < self._most_runs * 5 // 4:
            regime = pending.pop()
            wrong = next((p for p in self._trials(regime) if not self._agrees(regime, p)), None)
            if wrong is None:
                continue
            self._leaves.remove(regime)
            before = set(map(id, self._leaves))
            self._run(wrong)
            self._settle(regime.regions[0])
            pending += [leaf for leaf in self._leaves if id(leaf) not in before]
        for regime in pending:
            self._open.append((regime.regions[0], "counts that were left"))

    def _agrees(self, regime: Regime, point: Point) -> bool:
        counted = self._counted(point)
        if regime.refused and isinstance(regime.leader.execution.error, TableEndError):
            counted = None if self._run(point).refused else counted  # the counter does not see where a table ends
        expected = None if regime.refused else regime.leader.execution.macs.at(point)
        if counted != expected:
            return False
        regime.confirmed.append(dict(point))
        return True

    def _trials(self, regime: Regime) -> Iterator[Point]:
        """Sizes at which a regime is tried: near, far, random, and with idle comparisons answered anew."""
        (region,) = regime.regions
        rng = self._rng
        idle = sorted(self._idle, key=str)
        seen = set()

        def fresh(point: Point | None) -> Iterator[Point]:
            key = None if point is None else tuple(sorted(point.items()))
            if point is not None and key not in seen:
                seen.add(key)
                yield point

        low = {n: bounds[0] for n, bounds in self._range.bounds.items()}
        high = {n: bounds[1] for n, bounds in self._range.bounds.items()}
        yield from fresh(region.find(rng, low))
        yield from fresh(region.find(rng, high))
        for _ in range(2 if regime.refused else 3):
            yield from fresh(region.find(rng))
        for _ in range(0 if regime.refused else min(len(idle), 5)):
            wishes = [(guard, rng.random() < 0.5) for guard in idle]
            yield from fresh(region.find(rng, None, wishes))

    # -- together -----------------------------------------------------------------------------------

    def _merged(self) -> list[Regime]:
        """Leaves of one form, or refused alike, as one regime."""
        found: list[Regime] = []
        for leaf in self._leaves:
            for regime in found:
                if self._alike(regime, leaf):
                    regime.regions += leaf.regions
                    regime.confirmed += leaf.confirmed
                    regime.tried = regime.tried or leaf.tried
                    break
            else:
                found.append(leaf)
        found.sort(key=lambda regime: regime.refused)
        return found

    def _alike(self, regime: Regime, leaf: Regime) -> bool:
        if regime.refused or leaf.refused:
            return regime.refused and leaf.refused
        one, other = regime.leader.execution.macs, leaf.leader.execution.macs
        if all(vanishes(one - other, region, random.Random(7)) for region in leaf.regions):
            return True
        if all(vanishes(one - other, region, random.Random(7)) for region in regime.regions):
            regime.leader = leaf.leader
            return True
        return False


def _gain(guard: Guard, happens: Sequence[tuple[Point, object]]) -> float:
    """Bits that the answer to a guard saves where one writes down what happens at these sizes (Quinlan 1986)."""
    yes = [what for point, what in happens if guard.holds(point)]
    no = Counter(what for _, what in happens) - Counter(yes)
    parts = (Counter(yes), no)
    return _bits(parts[0] + no) - sum(map(_bits, parts))


def _bits(counts: Counter[object]) -> float:
    total = counts.total()
    return -sum(number * log2(number / total) for number in counts.values())


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


def rounded_up(form: Polynomial, path: Region) -> dict[str, Polynomial]:
    """Floors of a form as ceilings and a number, where they are that on a path.

    A program that pads only what does not divide has ``⌊H/4⌋ + 1`` on one path and ``H/4`` on the other: ``⌈H/4⌉``
    on both.
    """
    found: dict[str, Polynomial] = {}
    for name in form.symbols:
        if not isinstance(name, Floor) or name.divisor.symbols or len(name.letters) != 1:
            continue
        (letter,) = name.letters
        offset, step = name.numerator.terms.get((), 0), name.divisor.terms[()]
        if name.numerator - offset != symbol(letter) or offset == step - 1:
            continue
        up = floor_div(symbol(letter) + (step - 1), step)
        values = path.values(letter)
        more = (symbol(name) - up).at({letter: values})
        if len(values) and (more == more[0]).all():
            found[name] = up + int(more[0])
    return found


def form_of(regime: Regime) -> Polynomial:
    """The form of a regime that runs."""
    return regime.leader.execution.macs
