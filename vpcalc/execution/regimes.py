"""Every size of a range: which form holds where, and where the program refuses.

A run's form is true on its path, the comparisons that it made. Most of these do not matter: whether a side was
padded changes nothing where the form is written with a ceiling. So the other side of each comparison is run once,
near by, and the two forms are compared on the second path (:func:`vpcalc.execution.regions.vanishes`). If one form
holds on both, the comparison is *idle*; if not, the region is split by the comparison that says most of what
happens at all sizes that ran or were counted, and both parts are explored in the same way. One flip a comparison,
not one run a path: paths multiply (pads × stages × sides), comparisons add up.

That two idle comparisons do not matter together either, and that one that is idle in a region is so in others, are
the hypotheses of this room. They are tested: independent counts are taken in each region on its other side, at
sizes that answer the idle ones in other ways, near, far, on and beyond the kept ones, and where no path leads; a
count that differs is run and splits its region.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import combinations, islice, product
from math import log2, prod

from ..algebra.floors import Floor, floor_div
from ..algebra.polynomial import Polynomial, constant, symbol
from ..errors import first_line_and_place
from . import exact
from .domains import joined
from .guards import AT_LEAST, EQUAL, Guard, Noted, Path
from .outcome import LIES, BeyondError, Execution, TableEndError, TooLargeError
from .regions import Point, Range, Region, equal_on, settled

MOST_RUNS = 160
"""Runs beyond which an exploration ends, whatever is open."""

DOUBT, MOST_DOUBTS = 2.0, 8
"""Bits within which two comparisons tell nearly as well what happens, and sizes that are counted to tell them."""

MOST_REFUSALS = 8
"""Runs of one refusal beyond which none is made where counts have failed."""

ENOUGH = 3
"""Counts on one side of a comparison after which no more are asked for, where all say the same."""

DRAWS = 48
"""Random sizes of a path at which two forms are compared, if none that was counted tells them apart."""

OFF_PATHS, OFF_SIDES, MOST_SIDES = 6, 2, 8
"""Sizes of each region that are counted where no run's path leads: of all, and of a side of a comparison of
several letters, for as many sides."""

MOST_TRIED_AGAIN = 4
"""Regions of a regime, the widest ones, in which another quantity is counted all over."""

MOST_SIZES = 16
"""Sizes of a region beyond which another quantity is not counted at each of them."""

MOST_PAIRS = 16
"""Pairs of equations of which a size is counted at which both hold."""

MOST_KEY_PAIRS = 64
"""Pairs of keys that are counted where both are; with more an answer is not complete."""

MOST_SEARCHES = 12
"""Searches of all sizes for those at which equations of two letters hold: each takes a sixth of a second."""

MOST_BISECTED = 6
"""Regions left open after which no size is sought by bisection any more."""

NAMES = {
    "macs": "MACs",
    "backward_macs": "MACs backward",
    "saved_bytes": "bytes kept",
    "peak_bytes": "bytes at once",
    "fvcore": "MACs as fvcore counts",
    "attention_elements": "elements of attention maps",
}
"""Quantities as messages have them."""

RUNS_SPENT = "the number of runs is spent"
REGIMES_SPENT = "there are more regimes than were asked for"

MANY_PATHS = "a loop whose steps are compared one by one"
"""Why a size is held where regions were split as often as there may be regimes, and none has one form."""

TOO_LARGE = "no size was found at which its tensors can be numbered"
TOO_MANY_STEPS = "a run there would take too many steps"

TAKEN = "a number that the program needs"
"""Why a size is one number where Python takes it, as ``math.gcd`` does: what it makes of it is not seen."""

NEEDED = frozenset(
    (
        TAKEN,
        "a number that is written as text",
        "a number that is rounded to digits",
        "a number of parts",
        "a loop over a side",
    )
)
"""Reasons to ask that tie a size to one number: loops, and parts of lists."""


Key = tuple[tuple[str, int], ...]


def _key(point: Point) -> Key:
    return tuple(sorted(point.items()))


class HeldError(Exception):
    """A letter that every run takes as a number: the program is another one for each of its values."""

    def __init__(self, letters: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{letter}: {why}" for letter, why in letters.items()))
        self.letters = dict(letters)


class BesideError(Exception):
    """Why the other side of a comparison, that has not this outcome there, is left open."""

    def __init__(self, guard: Guard, outcome: bool, why: str) -> None:
        super().__init__(why)
        self.guard, self.outcome = guard, outcome


@dataclass(eq=False)
class Run:
    """An execution with the comparisons that can go either way in the range, in order, and its path.

    ``forms`` are those of the quantity which is explored: the most of them, if there are several; 0 where the
    program raised. ``needed`` has the comparisons that tie a size to a number, with why, ``meant`` their answers
    where what the program asks is so, ``quiet`` those that are left to counts unless these differ. ``tried`` says
    that other forms were left out because they are less at all sizes that were drawn.
    """

    execution: Execution
    forms: tuple[Polynomial, ...]
    asked: tuple[tuple[Guard, bool], ...]
    path: Region
    needed: Mapping[Guard, str]
    meant: Mapping[Guard, bool]
    quiet: frozenset[Guard] = frozenset()
    tried: bool = False

    @property
    def point(self) -> Point:
        """Where it ran."""
        return self.execution.point

    @property
    def refused(self) -> bool:
        """Whether the program raised."""
        return self.execution.error is not None

    def value_at(self, point: Point) -> int | None:
        """What its form says at another size; None where it divides by 0."""
        try:
            return max(int(form.at(point)) for form in self.forms)
        except ZeroDivisionError:
            return None


@dataclass(eq=False)
class Regime:
    """A form and the regions on which it holds, or a refusal.

    ``tried`` says that its equality with some run, or that a comparison of several letters goes one way only, was
    found at sizes rather than decided; ``confirmed`` are the sizes at which an independent count agreed.
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

    def extent(self) -> float:
        """How many sizes it covers in its widest region, as far as conditions on one letter say."""
        return max(region.extent() for region in self.regions)

    def varies(self, letter: str) -> bool:
        """Whether it has several sizes of a letter."""
        return bool(sum(region.axes[letter] for region in self.regions).sum() > 1)  # type: ignore[union-attr]


@dataclass(frozen=True)
class Exploration:
    """All regimes of a range. ``open`` are regions that were left, with why: none if it is complete.

    ``executions`` are those that it rests on. ``too_large`` is a size of those that were left out because PyTorch
    cannot number the bytes of a tensor there.
    """

    range: Range
    regimes: tuple[Regime, ...]
    open: tuple[tuple[Region, str], ...]
    runs: int
    counts: int
    executions: tuple[Execution, ...]
    too_large: Point | None = None

    def at(self, point: Point) -> Regime | None:
        """The regime of a size."""
        return next((regime for regime in self.regimes if point in regime), None)


Execute = Callable[[Point], Execution]
Count = Callable[[Point], "int | None"]
"""What an independent counter sees at a size, or None where the program raises. It may raise TooLargeError."""


class Explorer:
    """Explores one quantity of one program.

    Args:
        execute, count: the program, on sizes with forms and counted without.
        extent: the sizes that are asked about.
        most: as many forms at most.
        most_runs: as many runs.
        affordable: whether a size can be counted.
        looked_up: numbers among which the program may look up sizes.
        quantity: which one of a run's totals.
        why: what the last count raised, if it did.
        again: another quantity of the program was explored before, and its comparisons tried.
    """

    def __init__(
        self,
        execute: Execute,
        count: Count,
        extent: Range,
        most: int = 32,
        most_runs: int = MOST_RUNS,
        affordable: Callable[[Point], bool] = lambda point: True,
        looked_up: Sequence[int] = (),
        quantity: str = "macs",
        why: Callable[[], str] = str,
        again: bool = False,
        seed: int = 0,
    ) -> None:
        self._execute = execute
        self._count = count
        self._affordable = affordable
        self._looked_up = looked_up
        self._range = extent
        self._most = most
        self._most_runs = most_runs
        self._stopped = False
        self._quantity = quantity
        self._why = why
        self._again = again
        self._rng = random.Random(seed)
        self._runs: dict[Key, Run] = {}
        self._counts: dict[Key, int | None] = {}
        self._too_large: set[Key] = set()
        self._nearer: dict[Key, Point | None] = {}
        self._tried_again: dict[tuple[int, int, bool, bool], tuple[Region, tuple[Point | None, ...]]] = {}
        self._idle: set[Guard] = set()
        self._searches = 0
        self._depth = 0
        self._leaves: list[Regime] = []
        self._open: list[tuple[Region, str]] = []
        self._edges: list[Region] = []
        self._parted = False

    def explore(
        self,
        starts: Sequence[Point],
        before: Exploration | None = None,
        known: Iterable[Execution] = (),
        parts: Sequence[Region] = (),
    ) -> Exploration:
        """From sizes to begin at: the first at which the program runs is where exploration starts.

        Where another quantity was explored ``before``, its refusals are those of this one, and its regions are
        looked at one by one. ``known`` are executions that saw this one already. ``parts`` are regions in each of
        which one form may hold: they are explored one by one, and what they leave.

        Raises:
            HeldError: a letter is a number in every run.
            BeyondError: a run cannot be followed.
        """
        for execution in known:
            self._add(execution)
        for start in starts:
            if not self._run(start).refused:
                break
        if before is None:
            regions = self._divided(parts)
            self._parted = len(regions) > 1
            for region in regions:
                self._settle(region)
        else:
            self._settle_again(before)
        regimes = [_divided(regime) for regime in self._widest(self._confirm())]
        if len(self._key_pairs(self._runs.values())) > MOST_KEY_PAIRS:
            self._open.append((self._range.whole(), "there are more pairs of keys than were counted"))
        executions = tuple(run.execution for run in self._runs.values())
        return Exploration(
            self._range,
            tuple(regimes),
            self._left_open(regimes),
            len(self._runs),
            len(self._counts),
            executions,
            min(map(dict, self._too_large), key=lambda point: sum(point.values()), default=None),
        )

    def _left_open(self, regimes: Sequence[Regime]) -> tuple[tuple[Region, str], ...]:
        """Without edges that were found by bisecting counts, and on both sides of which one form holds after all.

        A run at a size that equals some number takes the one for the other: its form is right there alone, and is
        told from another run's though that one's holds there, too.
        """
        inner = [entry for entry in self._open if not any(entry[0] is edge for edge in self._edges)]
        moot = []
        for edge in reversed(self._edges):  # those within others first
            apart = [regime for regime in regimes if any(_meet(edge, region) for region in regime.regions)]
            if len(apart) == 1 and not any(_meet(edge, region) for region, _ in inner):
                moot.append(edge)
            else:
                inner += [entry for entry in self._open if entry[0] is edge]
        return tuple(entry for entry in self._open if not any(entry[0] is edge for edge in moot))

    def _divided(self, parts: Sequence[Region]) -> list[Region]:
        """Some parts of the range and what they leave, the widest first."""
        left, kept = [self._range.whole()], [part for part in parts if part.empty() is not True]
        if not 1 < len(kept) <= self._most:
            return left
        for part in kept:
            left = [rest for region in left for rest in region.without(part)]
        return sorted((*kept, *left), key=Region.extent, reverse=True)

    def _settle_again(self, before: Exploration) -> None:
        self._open += before.open
        for regime in before.regimes:
            regions = joined(regime.regions)
            if regime.refused:
                run = self._add(regime.leader.execution)
                self._leaves.append(Regime(run, regions, regime.tried))
                continue
            known = (regime.leader.point, *regime.confirmed)
            for region in sorted(regions, key=Region.extent, reverse=True):
                if not self._runs_in(region) and not self._spent:
                    thick = region.towards(_thick(regime.leader.forms, self._range.bounds))
                    point = next((point for point in known if point in thick), None)
                    point = self._reached(point or thick.find(self._rng, regime.leader.point), region)
                    if point is not None:
                        self._run(point)
                self._settle(region)

    def seems_narrow(self, starts: Sequence[Point]) -> bool:
        """Whether the program refuses the first of some sizes, and all others but one."""
        return self._run(starts[0]).refused and sum(not self._run(start).refused for start in starts[1:]) <= 1

    def _widest(self, regimes: list[Regime]) -> list[Regime]:
        """As many regimes that run as were asked for, the others left open."""
        running = sorted((r for r in regimes if not r.refused), key=Regime.extent, reverse=True)
        for regime in running[self._most :]:
            self._open += [(region, REGIMES_SPENT) for region in regime.regions]
        return [regime for regime in regimes if regime.refused or regime in running[: self._most]]

    # -- runs ---------------------------------------------------------------------------------------

    def _run(self, point: Point) -> Run:
        key = _key(point)
        return self._runs[key] if key in self._runs else self._add(self._execute(point))

    def _add(self, execution: Execution) -> Run:
        if execution.held:
            raise HeldError(execution.held)
        if self._quantity in execution.missing:
            raise BeyondError(execution.missing[self._quantity])
        self._witnessed(execution)
        run = self._runs[_key(execution.point)] = self._read(execution)
        return run

    def _witnessed(self, execution: Execution) -> None:
        """Every run is held against the counter at its own size: a wrong rule or price goes no further.

        That runs without symbols: where these behave otherwise than numbers, it takes another branch. Where a
        table ends no kernel runs, and a plain run on the meta device does not see it.
        """
        if isinstance(execution.error, TableEndError):
            self._counts[_key(execution.point)] = None
            return
        if not self._fits(execution.point):
            return
        counted = self._counted(execution.point)
        at = ", ".join(f"{name} = {size}" for name, size in execution.point.items())
        if execution.error is None:
            followed = execution.totals[self._quantity].at(execution.point)
            if followed != counted:
                raises = ": ".join(filter(None, ("a count of it raises", self._why())))
                seen = raises if counted is None else f"the counter sees {counted:,}"
                what = NAMES.get(self._quantity, self._quantity)
                raise BeyondError(f"at {at} the run on symbols has {followed:,} {what}, {seen}")
        elif counted is not None:
            error = first_line_and_place(execution.error)
            raise BeyondError(f"at {at} the run on symbols raises where a plain run does not: {error}")

    def _read(self, execution: Execution) -> Run:
        """Without the comparisons that go one way everywhere, or that others decide.

        Each is written as the form is, with ceilings where its path allows it: what one path compares as
        ``⌊H/4⌋ + 1`` and another as ``H/4`` is one comparison then.
        """
        path = self._range.whole()
        asked: list[tuple[Guard, bool]] = []
        needed: dict[Guard, str] = {}
        meant: dict[Guard, bool] = {}
        quiet: set[Guard] = set()
        for first in execution.path:
            for guard, outcome, why, yes in self._left_of(first, path):
                guard = Guard(guard.form.subs(rounded_up(guard.form, path)), guard.relation)
                if not guard.letters:
                    continue
                path = path.where(guard, outcome)
                asked.append((guard, outcome))
                meant[guard] = yes
                if why == LIES:
                    quiet.add(guard)
                if why in NEEDED and guard.relation == EQUAL and outcome:
                    needed[guard] = why
        forms = _forms(execution, self._quantity)
        values = {k: v for form in forms for k, v in rounded_up(form, path).items()}
        execution = execution.written(partial(Polynomial.subs, values=values)) if values else execution
        forms = _forms(execution, self._quantity)
        try:
            most = self._range.whole().most(forms, self._rng)
        except ValueError as broken:  # of a side that was split by a number, though that is a letter's
            what = NAMES.get(self._quantity, self._quantity)
            raise BeyondError(f"the form of {what} is not whole at other sizes: a side is split there") from broken
        return Run(execution, most, tuple(asked), path, needed, meant, frozenset(quiet), len(most) < len(forms))

    def _left_of(self, noted: Noted, path: Region) -> list[Noted]:
        """What is left of a question on a path: nothing where it goes one way."""
        guard = noted.guard
        if len(guard.letters) > 1:
            guard = Guard(guard.form.subs(settled(guard.form, path)), guard.relation)
        if not guard.letters or path.always(guard, noted.outcome):
            return []
        noted = noted._replace(guard=guard)
        if len(guard.letters) == 1:
            return [noted]
        alone = path.alone(guard, noted.outcome)
        if alone is not None:
            return [noted._replace(guard=one, outcome=outcome) for one, outcome in alone]
        left = exact.asked(noted, path)
        return left if left == [noted] else [n for n in left if not path.always(n.guard, n.outcome)]

    def _counted(self, point: Point) -> int | None:
        key = _key(point)
        if key not in self._counts:
            try:
                self._counts[key] = self._count(point)
            except TooLargeError:
                self._counts[key] = None
                self._too_large.add(key)
        return self._counts[key]

    def _fits(self, point: Point) -> bool:
        """Whether the program can be asked at a size at all."""
        self._counted(point)
        return _key(point) not in self._too_large

    def _takes_long(self, point: Point) -> bool:
        """Whether it would take too many steps there."""
        return _key(point) not in self._counts and not self._affordable(point)

    def _reached(self, point: Point | None, region: Region) -> Point | None:
        """A size of a region at which the program can be asked: this one, or one near its halves."""
        while point is not None and (self._takes_long(point) or not self._fits(point)):
            point = self._halved(point, region)
        return point

    def _why_not(self, point: Point) -> str:
        return TOO_MANY_STEPS if self._takes_long(point) else TOO_LARGE

    def _halved(self, point: Point, region: Region) -> Point | None:
        """A smaller size of a region, if one is found."""
        found = region.find(self._rng, {name: max(size // 2, 1) for name, size in point.items()})
        return found if found is not None and sum(found.values()) < sum(point.values()) else None

    @property
    def _spent(self) -> bool:
        return self._stopped or len(self._runs) >= self._most_runs

    def _spent_on(self, region: Region) -> bool:
        """Whether a region gets no more runs: what is most of the range may have twice as many."""
        return self._stopped or len(self._runs) >= self._most_runs * (2 if self._is_most(region) else 1)

    def _is_most(self, region: Region) -> bool:
        return 2 * region.extent() > self._range.whole().extent()

    @property
    def _why_spent(self) -> str:
        return REGIMES_SPENT if self._stopped else RUNS_SPENT

    # -- splitting ----------------------------------------------------------------------------------

    def _settle(self, region: Region) -> None:
        """Explore a region until one form, or refusal, holds on all of it; else split it."""
        here = self._runs_in(region)
        if not here and self._spent:
            self._open.append((region, self._why_spent))
            return
        if not here:
            first = region.find(self._rng, self._nearest())
            point = self._reached(first, region)
            if point is None:
                why = "whether it has a size was not decided" if first is None else self._why_not(first)
                if region.empty() is not True:
                    self._open.append((region, why))
                return
            here = [self._run(point)]
        if self._again and len(here) == 1 and not here[0].refused:
            here += self._padded_or_not(here[0], region)
        regime = Regime(here[0], [region])
        asked: set[tuple[Run, Guard]] = set()
        flipped: set[Guard] = set()
        aside: list[tuple[Region, Point]] = []
        members = [here[0]]
        waiting = here[1:]
        regime.tried = here[0].tried
        while True:
            for run in waiting:
                if not self._joins(regime, members, run, region):
                    self._split(region, [*members, run], regime)
                    return
                members.append(run)
            try:
                found = self._flip(region, members, asked, flipped, regime, aside)
            except BesideError as beside:
                self._open.append((region.where(beside.guard, not beside.outcome), str(beside)))
                self._settle(region.where(beside.guard, beside.outcome))
                return
            found = self._beside_a_refusal(members, aside) if found is None else found
            found = self._where_wrong(regime) if found is None else found
            if found is None:
                break
            if self._spent_on(region):
                self._publish_paths(region, [*members, found])
                return
            waiting = [found]
        if (letters := self._not_seen_to_refuse(regime, members)) is not None:
            why = f"where else the program refuses was not decided: it takes {letters} as a number"
            self._open.append((region, why))
            return
        if not regime.refused:
            self._idle |= flipped
        self._leaves.append(regime)
        if len({leaf.refused or leaf.leader.forms for leaf in self._leaves}) >= self._most:
            self._stopped = True  # what is left stays open

    def _where_wrong(self, regime: Regime) -> Run | None:
        """A run where a count differs, for what holds on most of the range: later all runs may be spent."""
        if not self._is_most(regime.regions[0]):
            return None
        point = self._refuted(regime)
        return None if point is None or _key(point) in self._runs else self._run(point)

    def _not_seen_to_refuse(self, regime: Regime, members: list[Run]) -> str | None:
        """Letters of which a refusal knows some numbers only, since Python took them, and there are many more."""
        if not regime.refused:
            return None
        taken = {g: run for run in members for g, why in run.needed.items() if why == TAKEN}
        for guard, run in taken.items():
            left = _within(regime.regions[0], run.asked[: run.asked.index((guard, True))])
            for known in taken:
                if not (known.form - guard.form).symbols:
                    left = left.where(known, False)
            if left.find(self._rng, run.point, run.asked) is not None:
                return ", ".join(sorted(guard.letters))
        return None

    def _padded_or_not(self, run: Run, region: Region) -> list[Run]:
        """Runs at which none of a first one's equations holds and all of them, if there are such sizes.

        A form with ceilings has what is padded for all sizes; flips one by one would end at it after as many runs
        as there are layers that pad. On another path a layer asks the same otherwise, so it is asked again. Where
        none holds no tensor is thinner than it must be, since kernels copy what is not. The last ones come first.
        """
        found: list[Run] = []
        for holds in (False, True):
            here, seen = run, set[Key]()
            while not self._spent and not here.refused and _key(here.point) not in seen:
                seen.add(_key(here.point))
                equations = [g for g, _ in here.asked if g.relation == EQUAL and g not in here.quiet]
                wishes = [(guard, holds) for guard in equations]
                if not holds:
                    wishes += [
                        (Guard(g.form - 1, AT_LEAST), True) for g, yes in here.asked if yes and g in here.quiet
                    ]
                point = region.towards(wishes).find(self._rng, here.point)
                if point is None or point == here.point:
                    break
                here = self._run(point)
                found.append(here)
        return found[::-1]

    def _publish_paths(self, region: Region, runs: list[Run]) -> None:
        """Where the runs are spent, what they are worth without the others: each its form, on its own path."""
        self._open.append((region, self._why_spent))
        self._leaves += [Regime(run, [run.path.meet(region)]) for run in runs if not run.refused]

    def _nearest(self) -> Point | None:
        return next((run.point for run in self._runs.values() if not run.refused), None)

    def _joins(self, regime: Regime, members: list[Run], run: Run, region: Region) -> bool:
        """Whether one form holds on a run's path too: the leader's, the run's own, or one of another region."""
        if run.refused or regime.refused:
            return run.refused and regime.refused
        if (holds := self._holds(regime.leader, run, region)) is False:
            for leader in dict.fromkeys((run, *self._runs.values())):
                if (
                    not leader.refused
                    and (holds := self._holds_on_all(leader, (*members, run), region)) is not False
                ):
                    break
            else:
                return False
            regime.leader = leader
        regime.tried = regime.tried or holds is None or run.tried
        return True

    def _holds_on_all(self, leader: Run, runs: Sequence[Run], region: Region) -> bool | None:
        """Whether a form holds on the paths of several runs."""
        decided = True
        for run in runs:
            if (holds := self._holds(leader, run, region)) is False:
                return False
            decided = decided and holds is True
        return decided or None

    def _holds(self, leader: Run, run: Run, region: Region) -> bool | None:
        """Whether a form holds on another run's path within a region: where that ran, to begin with."""
        if leader.value_at(run.point) != run.value_at(run.point):
            return False
        return equal_on(leader.forms, run.forms, run.path.meet(region))

    def _flip(
        self,
        region: Region,
        members: list[Run],
        asked: set[tuple[Run, Guard]],
        flipped: set[Guard],
        regime: Regime,
        aside: list[tuple[Region, Point]],
    ) -> Run | None:
        """A run on the other side of a comparison that is not known to be idle and has one side only so far.

        ``asked`` are those that were looked at, ``flipped`` those with both sides. What one run asks of a padded
        side and another of a side that needs none is one comparison, if both say the same where it is asked.
        The leader comes first: what it pads it writes as all runs have it, and the others do not. Sides of a
        refusal on which a count has failed too are set ``aside``. What runs only where two comparisons both go the
        other way is found from a refusal at which one of them does, so a refusal asks again of what others asked.
        """
        for run in sorted(members, key=lambda run: run is not regime.leader):
            order = reversed(run.asked) if run.refused else run.asked
            for guard, outcome in order:
                if (run, guard) in asked or guard in run.quiet or (guard in flipped and not run.refused):
                    continue
                asked.add((run, guard))
                earlier = run.asked[: run.asked.index((guard, outcome))]
                here = _within(region, earlier)
                inside = here.where(guard, not outcome)
                if guard in flipped and self._seen(inside):
                    continue
                if guard in run.needed and not run.refused:
                    flipped.add(guard)
                    found = self._with_another_number(guard, run, members, here)
                    if found is not None:
                        return found
                    continue
                if not run.refused and any(here.alike(guard, other) for other in flipped):
                    continue
                if guard in self._idle and not run.refused and self._still_idle(guard, inside, run, regime):
                    flipped.add(guard)
                    continue
                if any(member.point in inside for member in members):
                    flipped.add(guard)
                    self._note_idle(guard, regime)
                    continue
                near = inside.find(self._rng, run.point, (*earlier, *run.asked))
                point = self._reached(near, inside)
                if near is not None and point is None and self._takes_long(near):
                    raise BesideError(guard, outcome, TOO_MANY_STEPS)
                decided = False
                if point is None and not run.refused and self._searches < MOST_SEARCHES:
                    self._searches += 1
                    decided, point = inside.search()
                    point = self._reached(point, inside)
                if point is not None or len(guard.letters) > 1:
                    flipped.add(guard)
                if point is None:
                    self._not_decided(guard, outcome, inside, decided or run.refused, regime)
                elif not run.refused or self._may_run(point, inside):
                    try:
                        return self._run(point)
                    except HeldError as held:
                        why = f"beyond a comparison it takes a letter as a number: {held}"
                        raise BesideError(guard, outcome, why) from held
                else:
                    aside.append((inside, point))
        return None

    def _beside_a_refusal(self, members: list[Run], aside: list[tuple[Region, Point]]) -> Run | None:
        """A run on a side of a refusal where a count has failed, and no run was, the widest side first.

        It may ask there what it asks nowhere else, ``⌊B/4⌋² = B``, and run at the few sizes where that is so.
        """
        aside.sort(key=lambda side: side[0].extent())
        while aside and len(members) < MOST_REFUSALS and 2 * len(self._runs) < self._most_runs:
            inside, point = aside.pop()
            if not any(member.point in inside for member in members):
                return self._run(point)
        return None

    def _not_decided(self, guard: Guard, outcome: bool, inside: Region, decided: bool, regime: Regime) -> None:
        """No size was found on the other side of a comparison; that there is none may not have been decided."""
        if decided or inside.empty() is not None:
            return
        regime.tried = True
        if guard.relation == EQUAL and not outcome:  # few sizes in many, which lines would not meet
            self._open.append((inside, f"whether {guard.form} = 0 somewhere was not decided"))

    def _with_another_number(self, guard: Guard, run: Run, members: list[Run], region: Region) -> Run | None:
        """Where the program needs a size as a number, each number is another program: one that did not run yet.

        Raises:
            HeldError: there are so many numbers that they cannot all have a run, as for parts of a list they can.
        """
        left = region
        for member in members:
            for known in member.needed:
                if not (known.form - guard.form).symbols:
                    left = left.where(known, False)
        near = left.find(self._rng, run.point, run.asked)
        point = self._reached(near, left)
        if near is None or (point is None and not self._takes_long(near)):
            return None
        few = len(guard.letters) == 1 and region.extent() <= self._most * region.where(guard, True).extent()
        if point is None or not few:
            raise HeldError(dict.fromkeys(sorted(guard.letters), run.needed[guard]))
        return self._run(point)

    def _still_idle(self, guard: Guard, other: Region, run: Run, regime: Regime) -> bool:
        """Whether what was idle elsewhere is so here, by a count, and by several where two letters are compared.

        Which side is longer does not matter to large grids, and does to those that are smaller than a window: near
        by, where both are as long, less than farther off. Sizes that were counted before will do; a new one is on
        the other side of all comparisons of the run of which none was.
        """
        known = self._seen(other)
        if not all(self._is_as_said(point, regime, other) for point in known):
            return False
        if len(guard.letters) == 1:
            if known:
                return True
            unseen = [
                (g, not yes) for g, yes in run.asked if g in self._idle and not self._seen(other.where(g, not yes))
            ]
            return self._is_as_said(other.find(self._rng, None, unseen), regime, other)
        for place in range(ENOUGH - len(known)):
            point = other.somewhere(self._rng) if place else other.find(self._rng, run.point, run.asked)
            if not self._is_as_said(point, regime, other):
                return False
        return True

    def _is_as_said(self, point: Point | None, regime: Regime, region: Region) -> bool:
        """Whether a count is what a regime says, if there is one."""
        point = self._reached(point, region)
        return point is None or self._counted(point) == regime.leader.value_at(point)

    def _may_run(self, point: Point, region: Region) -> bool:
        """Of the flips of a refusal only those matter that run: a count, or its failure, says so for less.

        Where counts have failed all over the other side already, no more is asked.
        """
        known = [self._counts[_key(seen)] for seen in self._seen(region)]
        if len(known) >= ENOUGH and not any(counted is not None for counted in known):
            return False
        return self._counted(point) is not None

    def _note_idle(self, guard: Guard, regime: Regime) -> None:
        if not regime.refused:
            self._idle.add(guard)

    def _split(self, region: Region, runs: list[Run], regime: Regime) -> None:
        """By the comparison that tells best what happens where, of all that any run made.

        What happens is known wherever it ran or was counted: it refuses, has the leader's count, or another one.
        While two comparisons tell it nearly as well, a size at which they differ is counted.
        """
        if runs[-1].refused != regime.refused:
            self._run_beside(runs[0].point, runs[-1].point, region, regime)
        happens = {_key(point): self._happens(point, regime) for point in self._seen(region)}
        guards = dict.fromkeys(guard for run in (*reversed(runs), *self._runs.values()) for guard, _ in run.asked)
        best = self._telling(region, guards, happens, regime)
        if best is None:  # nothing that was counted tells: what the forms say differs elsewhere
            for point in filter(None, (self._differs(runs[-1], run, region) for run in runs[:-1])):
                happens[_key(point)] = self._happens(point, regime)
            best = self._telling(region, guards, happens, regime)
        if best is None and (best := self._bisected(runs[0].point, runs[-1].point, region, regime)) is not None:
            self._open.append((region, f"{best.form} ≥ 0 was found by bisecting counts: no comparison says so"))
            self._edges.append(region)
        if best is None:
            self._open.append((region, f"no comparison tells {dict(runs[-1].point)} from {dict(runs[0].point)}"))
            return
        if self._runs_with_another_number(best, runs, region):
            self._settle(region)
            return
        best = _without_value(best, region) or best
        if self._depth == self._most and all(leaf.refused for leaf in self._leaves):
            raise HeldError(dict.fromkeys(sorted(best.letters), MANY_PATHS))
        parts = [region.where(best, outcome) for outcome in (True, False)]
        self._depth += 1
        for part in sorted(parts, key=Region.extent, reverse=True):  # where the runs end, small sizes are left
            self._settle(part)
        self._depth -= 1

    def _runs_with_another_number(self, best: Guard, runs: Sequence[Run], region: Region) -> bool:
        """Whether what runs where a size is one number does so at another one, which no run has taken yet.

        That it is refused wherever the number is another one would be no more than that none was met.

        Raises:
            HeldError: there are so many numbers that they cannot all have a run.
        """
        for run in runs:
            if run.refused or best not in run.needed:
                continue
            asked = [(guard, yes) for guard, yes in run.asked if guard not in run.needed]
            left = _within(region.where(best, False), asked)
            point = self._reached(left.find(self._rng, run.point), left)
            if point is None or _key(point) in self._runs or self._spent or self._run(point).refused:
                continue
            if left.extent() > self._most * _within(region.where(best, True), asked).extent():
                raise HeldError(dict.fromkeys(sorted(best.letters), run.needed[best]))
            return True
        return False

    def _telling(
        self, region: Region, guards: Iterable[Guard], happens: dict[Key, str], regime: Regime
    ) -> Guard | None:
        """The comparison that tells most, none if none tells anything."""
        lengths = {guard: region.range.length(guard) for guard in guards}
        if "refused" in happens.values():  # forms are told apart as well without, and in fewer parts
            lengths |= self._ends(guards)
        for left in reversed(range(MOST_DOUBTS)):
            gains = {guard: _gain(guard, happens) - length for guard, length in lengths.items()}
            ranked = sorted(gains, key=gains.__getitem__, reverse=True)
            rivals = [guard for guard in ranked[1:8] if gains[guard] > gains[ranked[0]] - DOUBT]
            point = next(filter(None, (self._apart(region, ranked[0], rival) for rival in rivals)), None)
            if point is None or not left:
                break
            happens[_key(point)] = self._happens(point, regime)
        return next((guard for guard in ranked if _gain(guard, happens) > 1e-9), None)

    def _ends(self, guards: Iterable[Guard]) -> dict[Guard, float]:
        """Where two comparisons that hold side by side begin or end together, with the bits that this takes.

        A side of 7 that runs as more do, and less do not, is ``⌈H/32⌉ ≥ 8`` or ``⌈H/32⌉ = 7``: H ≥ 193.
        """
        singles = [guard for guard in guards if len(guard.letters) == 1]
        changes = [(next(iter(guard.letters)), self._range.changes(guard)) for guard in singles]
        once = {(letter, sizes[0]) for letter, sizes in changes if len(sizes) == 1}
        twice = [(letter, sizes) for letter, sizes in changes if len(sizes) == 2]
        beside = [(letter, sizes[i]) for letter, sizes in twice for i in (0, 1) if (letter, sizes[1 - i]) in once]
        ends = [end for end in dict.fromkeys(beside) if end not in once]
        return {Guard(symbol(letter) - size, AT_LEAST): 1 + log2(len(ends)) for letter, size in ends}

    def _run_beside(self, here: Point, there: Point, region: Region, regime: Regime) -> None:
        """Run where a program begins to refuse, on both sides: what they ask differently says why.

        A comparison far from there, to which the answer changed as well, would split the region at a wrong size.
        """
        for point in self._edge(here, there, region, regime) or ():
            if len(self._runs) < self._most_runs:
                self._run(point)

    def _bisected(self, here: Point, there: Point, region: Region, regime: Regime) -> Guard | None:
        """From which size of one letter on something else happens, as a guard, by counts between two sizes."""
        edge = None if len(self._open) >= MOST_BISECTED else self._edge(here, there, region, regime)
        if edge is None:
            return None
        (letter,) = (name for name, size in edge[0].items() if size != edge[1][name])
        return Guard(symbol(letter) - max(point[letter] for point in edge), AT_LEAST)

    def _edge(self, here: Point, there: Point, region: Region, regime: Regime) -> tuple[Point, Point] | None:
        """Two neighbours of one letter, between two sizes, at which other things happen."""
        before, at = self._happens(here, regime), dict(here)
        for letter, end in there.items():
            moved = {**at, letter: end}
            if moved not in region or not self._fits(moved) or self._happens(moved, regime) == before:
                at = moved if moved in region else at
                continue
            near, far = at[letter], end
            places = self._places(letter)
            while abs(far - near) > 1:
                middle = _middle(near, far, places)
                same = self._happens({**at, letter: middle}, regime) == before
                near, far = (middle, far) if same else (near, middle)
            return {**at, letter: near}, {**at, letter: far}
        return None

    def _places(self, letter: str) -> list[int]:
        """Sizes of a letter from which on some comparison has another answer: where others would begin."""
        guards = {guard for run in self._runs.values() for guard, _ in run.asked if guard.letters == {letter}}
        return sorted({size for guard in guards for size in self._range.changes(guard)})

    def _differs(self, run: Run, other: Run, region: Region) -> Point | None:
        """A size on the path of one of two runs at which their forms do not agree."""
        for path in (run.path, other.path):
            for _ in range(DRAWS if not (run.refused or other.refused) else 0):
                point = path.meet(region).find(self._rng)
                if point is not None and run.value_at(point) != other.value_at(point):
                    return point
        return None

    def _seen(self, region: Region) -> list[Point]:
        return [dict(key) for key in self._counts if key not in self._too_large and dict(key) in region]

    def _happens(self, point: Point, regime: Regime) -> str:
        counted, run = self._counted(point), self._runs.get(_key(point))
        if counted is None or (run is not None and run.refused):
            return "refused"
        return "runs" if regime.refused or counted == regime.leader.value_at(point) else "otherwise"

    def _apart(self, region: Region, one: Guard, other: Guard) -> Point | None:
        """A size of a region at which two guards have other answers."""
        for outcome in (True, False):
            part = region.where(one, outcome).where(other, not outcome)
            point = self._reached(part.find(self._rng), part)
            if point is not None:
                return point
        return None

    # -- confirmation -------------------------------------------------------------------------------

    def _confirm(self) -> list[Regime]:
        """Hold every regime against independent counts; where one differs, that is run and explored again."""
        while True:
            regimes = self._merged()
            point = next(filter(None, map(self._refuted, regimes)), None)
            if point is None:
                return regimes
            leaf = next(leaf for leaf in self._leaves if point in leaf)
            self._leaves.remove(leaf)
            if _key(point) in self._runs or len(self._runs) >= self._most_runs * 5 // 4:
                self._open.append((leaf.regions[0], "a count differs there"))
                continue
            self._run(point)
            self._settle(leaf.regions[0])

    def _refuted(self, regime: Regime) -> Point | None:
        """A size at which a regime is wrong."""
        return next((point for point in self._trials(regime) if not self._agrees(regime, point)), None)

    def _agrees(self, regime: Regime, point: Point) -> bool:
        if regime.refused and isinstance(regime.leader.execution.error, TableEndError):
            self._run(point)  # the counter does not see where a table ends
        counted = self._counted(point)
        expected = None if regime.refused else regime.leader.value_at(point)
        if counted != expected or (expected is None and not regime.refused):
            return False
        regime.confirmed.append(dict(point))
        return True

    def _trials(self, regime: Regime) -> Iterator[Point]:
        """Sizes at which a regime is tried: each region near, far and at random, where no path leads, and
        the widest ones where comparisons that are idle elsewhere are answered anew.

        The same ones whenever it is asked, so that nothing is counted twice.
        """
        low = {n: bounds[0] for n, bounds in self._range.bounds.items()}
        high = {n: bounds[1] for n, bounds in self._range.bounds.items()}
        regions = sorted(regime.regions, key=Region.extent, reverse=True)
        trials: list[Point | None] = []
        for place, region in enumerate(regions):
            rng = random.Random(str(region.extent()))
            if self._again:
                far = high if place < MOST_TRIED_AGAIN else low
                key = (id(region), len(self._runs_in(region)), far is high, bool(regime.refused))
                if key not in self._tried_again:
                    self._tried_again[key] = (region, tuple(self._trials_again(region, rng, regime, low, far)))
                trials += self._tried_again[key][1]
                continue
            trials += [region.find(rng, near) for near in ((low, high, None) if regime.refused else (low, None))]
            if place == 0:
                trials += [region.find(rng, near) for near in (high, None, None)]
            if not regime.refused:
                trials += self._off_paths(region, rng, not self._parted or self._is_most(region))
                trials += islice(self._lying_otherwise(region, regime.leader.forms, rng), MOST_PAIRS)
            elsewhere = self._idle.difference(self._asked_in(region))
            if place < 3 and not regime.refused:
                for _ in range(min(len(elsewhere), 6 - 2 * place)):
                    wishes = [(guard, rng.random() < 0.5) for guard in sorted(elsewhere, key=str)]
                    trials.append(region.find(rng, None, wishes))
        moved = ({**regime.leader.point, n: size} for n in low for size in self._looked_up)
        trials += [point for point in moved if point in regime]
        for point in {_key(point): point for point in trials if point is not None}.values():
            nearer = self._within_reach(point, regime)
            if nearer is not None:
                yield nearer

    def _trials_again(
        self, region: Region, rng: random.Random, regime: Regime, low: Point, high: Point
    ) -> Iterator[Point | None]:
        """Fewer of them, since the program was tried before.

        Near and far, off the paths, and where tensors are as thin as can be, one way or the other.
        """
        yield region.find(rng, low)
        if high == low or regime.refused:
            yield None if regime.refused else region.find(rng)
            return
        yield region.find(rng, high)
        few = prod(len(region.values(n)) for n in low) <= MOST_SIZES
        if few or self._quantity == "peak_bytes":  # where other tensors are the most than at any larger size
            firsts = product(*(region.values(n)[: None if few else 2].tolist() for n in low))
            smallest = (dict(zip(low, sizes, strict=True)) for sizes in islice(firsts, MOST_SIZES if few else 8))
            yield from (point for point in smallest if point in region)
        if len(low) > 1:
            for n in low:
                large, small = region.somewhere(rng), {m: low[m] + rng.randrange(1, 9) for m in low}
                yield from (region.find(rng, {**at, n: low[n]}) for at in (large or small, small))
        runs = self._runs_in(region)
        singles = [guard for guard in self._asked_in(region) if len(guard.letters) == 1]
        drawn = region.cells(singles, rng, 8 * OFF_SIDES)
        yield next((point for point in drawn if not _on_a_path(point, runs)), None)
        equations = [guard for guard in singles if guard.relation == EQUAL][:MOST_SIDES]
        for one in equations:  # runs were made where all hold and where none does
            yield region.towards([(guard, guard is one) for guard in equations]).find(rng)
        yield region.towards(_thick(regime.leader.forms, low)).find(rng)
        yield from islice(self._lying_otherwise(region, regime.leader.forms, rng), MOST_PAIRS)

    def _lying_otherwise(
        self, region: Region, forms: Sequence[Polynomial], rng: random.Random
    ) -> Iterator[Point | None]:
        """Where tensors lie otherwise than in the runs, and one of several forms is the most.

        Anywhere else a form that is not right there is hidden by those that are more. A single form is tried where
        that takes several letters: ``⌈W/H⌉ = 1``.
        """
        equations = [g for run in self._runs_in(region) for g in run.quiet if g.relation == EQUAL]
        for guard in dict.fromkeys(sorted(equations, key=str)):
            if len(forms) < 2 and len(guard.letters) < 2:
                continue
            for form in forms:
                above = [form - other for other in forms if other != form]
                wishes = [Guard(more - least, AT_LEAST) for least in (1, 0) for more in above]  # where forms are
                most = region.towards([(guard, True), *((wish, True) for wish in wishes)])  # equal, one is hidden
                yield most.find(rng)

    def _off_paths(self, region: Region, rng: random.Random, widest: bool) -> Iterator[Point]:
        """Sizes that no run's path leads to: there a form rests on idle comparisons alone.

        Drawn among all ways in which the comparisons of one letter can go together, the seldom ones as often, and
        on either side of those of several letters. In a part that is not most of the range, such sizes that were
        counted already will do.
        """
        runs = self._runs_in(region)
        for one, two in islice(self._key_pairs(runs), MOST_KEY_PAIRS):
            point = region.where(one, True).where(two, True).find(rng) if one.letters and two.letters else None
            if point is not None:
                yield point
        found = (part.find(rng) for part in self._together(region, runs, rng, widest))
        yield from (point for point in found if point is not None and not _on_a_path(point, runs))
        guards = self._asked_in(region)
        singles = [guard for guard in guards if len(guard.letters) == 1]
        sides = [region.where(guard, side) for guard in guards if len(guard.letters) > 1 for side in (True, False)]
        counted = [] if widest else [point for point in self._seen(region) if not _on_a_path(point, runs)]
        yield from counted
        for part, most in (
            (region, OFF_PATHS),
            *((part, OFF_SIDES if widest else 1) for part in sides[:MOST_SIDES]),
        ):
            drawn = part.cells(singles, rng, 8 * OFF_PATHS)
            most -= sum(point in part for point in counted)
            yield from islice((point for point in drawn if not _on_a_path(point, runs)), max(most, 0))

    def _together(self, region: Region, runs: Sequence[Run], rng: random.Random, widest: bool) -> Iterator[Region]:
        """Parts in which comparisons go together: flags, two equations at once, and what ends a run elsewhere."""
        meant = {guard: yes for run in runs for guard, yes in run.meant.items()}
        yield from (region.towards(wanted) for wanted in _flags(meant, rng, 2 if widest else 1))
        yield from islice(self._both(region, meant), MOST_PAIRS)
        refusals = dict.fromkeys(run.asked[-1] for run in self._runs.values() if run.refused and run.asked)
        yield from (region.where(*refusal) for refusal in islice(refusals, MOST_PAIRS))

    @staticmethod
    def _key_pairs(runs: Iterable[Run]) -> dict[tuple[Guard, Guard], None]:
        """Equations of two sizes that were looked up together."""
        return dict.fromkeys(pair for run in runs for pair in run.execution.path.pairs)

    def _both(self, region: Region, meant: Mapping[Guard, bool]) -> Iterator[Region]:
        """Where two equations of one letter hold at once, and nothing was counted yet."""
        rare = [g for g, yes in meant.items() if yes and g.relation == EQUAL and len(g.letters) == 1]
        seen = self._seen(region)
        for one, two in combinations(rare, 2):
            part = region.where(one, True).where(two, True)
            if not part.surely_empty and not any(point in part for point in seen):
                yield part

    def _runs_in(self, region: Region) -> list[Run]:
        return [run for run in self._runs.values() if run.point in region]

    def _asked_in(self, region: Region) -> Mapping[Guard, None]:
        """What runs of a region compare, in order."""
        return dict.fromkeys(guard for run in self._runs_in(region) for guard, _ in run.asked)

    def _within_reach(self, point: Point, regime: Regime) -> Point | None:
        """A size that can be counted: where the steps of a run grow with the sizes, one that is halved."""
        key = _key(point)
        if key not in self._nearer:
            region = next(region for region in regime.regions if point in region)
            self._nearer[key] = self._reached(point, region)
        return self._nearer[key]

    # -- together -----------------------------------------------------------------------------------

    def _merged(self) -> list[Regime]:
        """Leaves of one form, or refused alike, as one regime.

        One that joined may have a form that holds on others, too, which were compared before.
        """
        found = [Regime(leaf.leader, list(leaf.regions), leaf.tried) for leaf in self._leaves]
        pairs = combinations(found, 2)
        while pair := next((pair for pair in pairs if self._alike(*pair)), None):
            regime, other = pair
            regime.regions += other.regions
            regime.tried = regime.tried or other.tried
            found.remove(other)
            pairs = combinations(found, 2)
        found.sort(key=lambda regime: regime.refused)
        return found

    def _alike(self, regime: Regime, leaf: Regime) -> bool:
        """Whether one form holds on both, which the regime then has."""
        if regime.refused or leaf.refused:
            return regime.refused and leaf.refused
        for leader, other, regions in (
            (regime.leader, leaf.leader, leaf.regions),
            (leaf.leader, regime.leader, regime.regions),
        ):
            if leader.value_at(other.point) != other.value_at(other.point):
                continue
            holds = [equal_on(leader.forms, other.forms, region) for region in regions]
            if False not in holds:
                regime.leader = leader
                regime.tried = regime.tried or None in holds
                return True
        return False


def _flags(meant: Mapping[Guard, bool], rng: random.Random, times: int) -> Iterator[list[tuple[Guard, bool]]]:
    """Answers that are wished for together: all that the program asks is so, nothing is, and draws at random.

    Flags may matter only if all of them are set; draws alone would seldom meet that.
    """
    guards = list(meant)
    if len(guards) < 2:
        return
    for so in (True, False):
        for _ in range(times):
            yield [(guard, meant[guard] is so) for guard in rng.sample(guards, len(guards))]
    for _ in range(times):
        yield [(guard, rng.random() < 0.5) for guard in rng.sample(guards, len(guards))]


def _thick(forms: Sequence[Polynomial], letters: Iterable[str]) -> list[tuple[Guard, bool]]:
    """Wishes for no side that is 1 or none, as ⌊C/a⌋ may be: of empty tensors, and thin ones, less is copied."""
    names = {name for form in forms for name in form.symbols if isinstance(name, Floor) and name.divisor.symbols}
    sides = map(symbol, (*sorted(names, key=str), *letters))
    return [(Guard(side - 2, AT_LEAST), True) for side in sides]


def _divided(regime: Regime) -> Regime:
    """The same with fewer floors, where something divides on all of its regions."""
    if regime.refused:
        return regime

    def written(form: Polynomial) -> Polynomial:
        return exact.divided(form, regime.regions)

    leader = regime.leader
    forms = tuple(dict.fromkeys(map(written, leader.forms)))
    return replace(regime, leader=replace(leader, execution=leader.execution.written(written), forms=forms))


def _forms(execution: Execution, quantity: str) -> tuple[Polynomial, ...]:
    """Of bytes at once those at every time that may have the most, else the one form."""
    if quantity == "peak_bytes" and execution.peaks:
        return tuple(execution.peaks)
    return (execution.totals.get(quantity, constant(0)),)


def _without_value(guard: Guard, region: Region) -> Guard | None:
    """Where a comparison divides by 0, if it does so in a part of a region."""
    divisors = {name.divisor for name in guard.form.symbols if isinstance(name, Floor) and name.divisor.symbols}
    asked = Path()
    for divisor in sorted(divisors, key=str):
        asked.equal(divisor, outcome=False)
    zeros = [noted.guard for noted in asked]
    return next((z for z in zeros if not region.always(z, False) and not region.always(z, True)), None)


def _meet(region: Region, other: Region) -> bool:
    """Whether two regions may have a size in common."""
    return region.meet(other).empty() is not True


def _on_a_path(point: Point, runs: Sequence[Run]) -> bool:
    return any(point in run.path for run in runs)


def _within(region: Region, earlier: Sequence[tuple[Guard, bool]]) -> Region:
    """The part in which a comparison is asked at all: where those before it had the same answers.

    Beyond them the program asks something else, and says nothing of this one: ``5 < n <= 9``.
    """
    for guard, outcome in earlier:
        region = region.where(guard, outcome)
    return region


def _middle(near: int, far: int, places: Sequence[int]) -> int:
    """Where to look next for an edge between two sizes: at the places where it would be, else in the middle."""
    low, high = sorted((near, far))
    between = [place for place in places if low < place <= high]
    if not between:
        return (low + high) // 2
    place = between[len(between) // 2]
    return place if place < high else place - 1


def _gain(guard: Guard, happens: Mapping[Key, str]) -> float:
    """Bits that the answer to a guard saves where one writes down what happens at these sizes (Quinlan 1986)."""
    yes = Counter(what for point, what in happens.items() if guard.holds(dict(point)))
    no = Counter(happens.values()) - yes
    return _bits(yes + no) - _bits(yes) - _bits(no)


def _bits(counts: Counter[str]) -> float:
    total = counts.total()
    return -sum(number * log2(number / total) for number in counts.values())


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
