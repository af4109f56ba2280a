"""What autograd keeps of a model at all its sizes, stretch by stretch.

How tensors lie in memory decides what is kept, at each block anew, so that a whole run has more paths than can be
followed. But between two blocks all that comes later depends on the tensors that are alive there. So a run is cut
there, and the sizes of these tensors are letters of their own from there on: a stretch has the decisions that it
took and the bytes that it kept in these letters, whatever came before it. Equal blocks are one :class:`Law`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple, TypeAlias

from ..abstract import layout
from ..abstract.tape import ACTIVATION, INPUT, Node, Storage, Tape, kept
from ..abstract.tensor import FLOAT32, Tensor
from ..algebra.domains import Guard, positive
from ..algebra.floors import Floor, floor_div
from ..algebra.polynomial import Polynomial, as_polynomial, symbol
from ..algebra.traced import Traced, form_of, value_of
from ..arrays.regimes import Noting
from ..storage.footprint import graph

LAPS = 3
"""Blocks of a kind that are run: one that may differ, and two that alternate from there on."""

ITEM = "item"
"""The letter of an element's bytes."""

Forms = Mapping[str, Polynomial]
State = Any
"""What is alive at a cut, but for its sizes."""


class Stretch(NamedTuple):
    """What is kept in it, and what is alive after it: how it lies, and its sizes."""

    kept: Forms
    ends: State
    sizes: Forms


class Fork(NamedTuple):
    """A decision, and what follows where it is not so and where it is."""

    guard: Guard
    ways: tuple[Law, Law]


Law: TypeAlias = "Fork | Stretch | None"
"""What the same code does at all sizes, as far as it is known: None where it is not."""


class Place(NamedTuple):
    """A part of the program: what is run, its arguments by the letters that they have there, and how often."""

    what: Any
    given: Forms
    times: Polynomial


BEGIN = Place("begin", {}, as_polynomial(1))


class Notes(Noting):
    """Notes of one stretch at a time; none where it is ``known`` what follows."""

    def __init__(self, sizes: Mapping[str, int]) -> None:
        super().__init__(sizes)
        self.begin(sizes)

    def begin(self, letters: Mapping[str, int]) -> None:
        """A stretch begins, which is to decide by these letters alone."""
        self.sizes, self.known = letters, False
        self.domain, self._known = positive(letters), {}
        self._several = dict[str, bool]()

    def at_least(self, high: int | Traced, low: int | Traced) -> bool:
        """``high ≥ low``; of products it is asked which of their factors are 1, as far as that decides."""
        if self.known:
            return value_of(high) >= value_of(low)
        more, less = _apart(form_of(high), form_of(low))
        if more is not None and less is not None and all(map(self._positive, (*more[1], *less[1]))):
            (often, factors), (rarely, others) = more, less
            if not others and often >= rarely:
                return True
            if not others and factors and 2 * often >= rarely:
                return any(self._is_several(each) for each in factors)
            if not factors and often <= rarely:
                return often == rarely and not any(self._is_several(each) for each in others)
        return super().at_least(high, low)

    def equal(self, one: int | Traced, other: int | Traced) -> bool:
        """``one = other``, noted unless what follows is known."""
        return value_of(one) == value_of(other) if self.known else super().equal(one, other)

    def _positive(self, name: str) -> bool:
        return not isinstance(name, Floor) or super().at_least(self._of(name), 1)

    def _is_several(self, name: str) -> bool:
        if name not in self._several:
            self._several[name] = super().at_least(self._of(name), 2)
        return self._several[name]

    def _of(self, name: str) -> Traced:
        form = symbol(name)
        return Traced(form.at(self.sizes), form, self)


Product = tuple[int, list[str]]
"""A number times some letters and floors."""


def _apart(one: Polynomial, other: Polynomial) -> tuple[Product | None, Product | None]:
    """Two products without the factors that both have."""
    if len(one.terms) != 1 or len(other.terms) != 1 or one.denominator != 1 or other.denominator != 1:
        return None, None
    (first, often), (second, rarely) = *one.terms.items(), *other.terms.items()
    mine, yours = dict(first), dict(second)
    left = [(name, mine.get(name, 0) - yours.get(name, 0)) for name in sorted({*mine, *yours})]
    if often <= 0 or rarely <= 0 or any(power < 0 for power in (*mine.values(), *yours.values())):
        return None, None
    more, less = [name for name, power in left if power > 0], [name for name, power in left if power < 0]
    return (often, more), (rarely, less)


def _with(known: Law, stretch: Stretch, guards: Sequence[Guard]) -> Law:
    """A law with one more stretch."""
    if not guards and (known is None or known == stretch):
        return stretch
    if not guards or isinstance(known, Stretch):
        raise ValueError(f"not by its decisions alone: {known} and {stretch}")
    guard, *rest = guards
    asked = known or Fork(guard, (None, None))
    if guard not in (asked.guard, asked.guard.negation()):
        raise ValueError(f"not by its decisions alone: {asked.guard} and {guard}")
    no, yes = asked.ways
    if guard == asked.guard:
        return Fork(asked.guard, (no, _with(yes, stretch, rest)))
    return Fork(asked.guard, (_with(no, stretch, rest), yes))


def _has_buffers(law: Law) -> bool:
    if isinstance(law, Fork):
        return any(map(_has_buffers, law.ways))
    return law is not None and bool(law.kept["buffers"])


def _at(law: Law, values: Mapping[str, int]) -> Law:
    """A law where letters of bytes are numbers."""
    if isinstance(law, Fork):
        no, yes = law.ways
        return Fork(law.guard, (_at(no, values), _at(yes, values)))
    return law and law._replace(kept={name: form.subs(values) for name, form in law.kept.items()})


class Stretches:
    """The stretches of some runs.

    ``often`` is how often each loop goes, by its number; None where runs are not cut. ``only`` are letters with
    the one value for which they are.
    """

    def __init__(self, often: Mapping[int, Polynomial] | None, only: Mapping[str, int]) -> None:
        self.often, self.only = often, only
        self.program: list[Place] = []
        self.points: list[Mapping[str, int]] = []
        self.laws: dict[tuple[Any, State], Law] = {}
        self.attending = set[tuple[Any, State]]()

    def begun(self, values: Mapping[str, int]) -> Stretches:
        """Those that have no attention, where some letters are numbers."""
        found = Stretches(self.often, self.only)
        found.laws = {law: _at(known, values) for law, known in self.laws.items() if law not in self.attending}
        return found

    def of(self, point: Mapping[str, int]) -> dict[str, int] | None:
        """What is kept at a point, where it is known."""
        if any(point[letter] != value for letter, value in self.only.items()):
            return None
        total = dict.fromkeys(("saved", "buffers"), 0)
        state, sizes = (), dict[str, int]()
        for place in self.program:
            values = {**point, **sizes, **{name: form.at(point) for name, form in place.given.items()}}
            found = self.at((place.what, state), values)
            if found is None:
                return None
            for name, form in found.kept.items():
                total[name] += form.at(values) * place.times.at(point)
            state, sizes = found.ends, {name: form.at(values) for name, form in found.sizes.items()}
        return total if self.program else None

    def at(self, law: tuple[Any, State], values: Mapping[str, int]) -> Stretch | None:
        """The stretch of a law that is taken at some sizes."""
        found = self.laws.get(law)
        while isinstance(found, Fork):
            found = found.ways[found.guard.holds(values)]
        return found

    def add(self, law: tuple[Any, State], stretch: Stretch, guards: Sequence[Guard]) -> None:
        """One more, with what it decided in its order.

        Raises:
            ValueError: another one took the same decisions and did something else.
        """
        self.laws[law] = _with(self.laws.get(law), stretch, guards)

    def run(self, program: list[Place], point: Mapping[str, int]) -> None:
        """What a whole run was.

        Raises:
            ValueError: another one had other parts.
        """
        if self.program and self.program != program:
            raise ValueError("another program")
        self.program = program
        self.points.append(point)

    @property
    def buffers(self) -> bool:
        """Whether there are any."""
        return any(_has_buffers(law) for law in self.laws.values())


@dataclass
class CutTape(Tape):
    """A run that is cut between the laps of its loops, if it is; what is ``found`` already is not run again.

    ``settings`` are letters of which any part may know, ``plain`` those of sizes that are the same all along.
    """

    notes: Notes | None = None
    found: Stretches = field(default_factory=lambda: Stretches(None, {}))
    settings: Mapping[str, int] = field(default_factory=dict)
    plain: Mapping[str, int] = field(default_factory=dict)
    loops: list[int] = field(default_factory=list)
    program: list[Place] = field(default_factory=list)
    asked: bool = False
    _deep: int = 0
    _now: Place = BEGIN
    _state: State = ()
    _kept: dict[int, Storage] = field(default_factory=dict)
    _buffers: int = 0
    _again: Stretch | None = None

    def __getattribute__(self, name: str) -> Any:
        """That attention comes in two ways is asked for where there is any."""
        if name == "attention":
            self.asked = True
        return super().__getattribute__(name)

    def lap(self, place: int | None, laps: int, step: Any = None) -> Any:
        """See :class:`Tape`."""
        self._deep += place == 0
        if self._deep == 1:
            if place == 0:
                self.loops.append(laps)
            if self.notes is not None and self.found.often is not None:
                step = self._at(place, step)
        self._deep -= place is None and laps > 0
        return step

    def _at(self, place: int | None, step: Any) -> Any:
        """A lap begins, or what comes after the last one."""
        loop, given, letters = len(self.loops) - 1, dict[str, Traced](), dict[str, int]()
        self._cut(letters)
        what: Any = ("after" if place is None else "lap", loop, place)
        letters |= {**self.settings, "B": self.plain["B"]}
        if isinstance(step, partial):
            with suppress(UnopenedError):
                step, what = _opened(step, given)
                letters |= {name: size.value for name, size in given.items()}
        times, number = as_polynomial(1), (self.found.often or {}).get(loop)
        if place and number is not None:
            times = floor_div(number if place == 1 else number - 1, 2)
        self._now = Place(what, {name: size.form for name, size in given.items()}, times)
        assert self.notes is not None
        self.notes.begin(letters)
        self._again = self.found.at((what, self._state), letters)
        self.notes.known = self._again is not None
        return partial(self._replayed, self._again) if self._again is not None and callable(step) else step

    def _replayed(self, stretch: Stretch, name: str, x: Tensor, *others: Any, **settings: Any) -> Tensor:
        """What a step whose stretch is known gives, without running it."""
        shape, lies, named, *_ = stretch.ends[-1]
        item = self.item if named == ITEM else FLOAT32
        notes = self.notes
        assert notes is not None
        before = {**self.plain, **notes.sizes}
        values = {**self.plain, **{name: form.at(before) for name, form in stretch.sizes.items()}}

        def sized(form: Polynomial) -> Any:
            size = form.subs(stretch.sizes)
            return Traced(form.at(values), size, notes) if size.symbols else form.at({})

        sides = tuple(map(sized, shape))
        strides = layout.dense(sides, lies[1]) if lies[0] else tuple(map(sized, lies[1]))
        storage = Storage(self, layout.product(sides) * item.bytes)
        return Tensor(storage, sides, strides, item, Node(self, "again", (), (x,)))

    def end(self, outputs: Any) -> None:
        """The run is over."""
        self._cut({}, graph(outputs))

    def _cut(self, letters: dict[str, int], nodes: Any = None) -> None:
        """A stretch is over; what is alive has sizes of its own from here on."""
        alive = [] if nodes is not None else self._alive()
        if self._again is not None:
            self._kept |= {
                id(x.storage): x.storage for x, (*_, held) in zip(alive, self._again.ends, strict=True) if held
            }
        parts = kept(*(nodes or [tensor.node for tensor in alive]))
        new = [(part, storage) for _, part, storage in parts if id(storage) not in self._kept]
        saved = _sum(part.bytes for part, _ in new)
        self._kept |= {id(storage): storage for _, storage in new}
        buffers = _sum(each.storage.bytes for each in self.buffers[self._buffers :])
        self._buffers = len(self.buffers)
        assert self.notes is not None
        sizes: dict[str, Polynomial] = {}
        named: dict[Polynomial, Polynomial] = {}

        def renamed(size: Any) -> Any:
            if not isinstance(size, Traced) or not size.form.symbols:
                return size
            if (bare := str(size.form)) in self.plain:
                letters[bare] = size.value
                return size
            if size.form not in named:
                letter = f"x{len(sizes)}"
                sizes[letter], letters[letter], named[size.form] = size.form, size.value, symbol(letter)
            return Traced(size.value, named[size.form], size.tape)

        lies, storages = [], dict[int, int]()
        for tensor in alive:
            shape = tuple(map(renamed, tensor.shape))
            order = _order(tensor)
            if order is not None:
                tensor.strides = layout.dense(shape, order)
            else:
                tensor.strides = tuple(map(renamed, tensor.strides))
            number = storages.setdefault(id(tensor.storage), len(storages))
            lies.append(
                (
                    tuple(map(form_of, shape)),
                    (True, order) if order is not None else (False, tuple(map(form_of, tensor.strides))),
                    ITEM if tensor.item.name == self.item.name else tensor.item.name,
                    tensor.learns,
                    number,
                    id(tensor.storage) in self._kept,
                )
            )
            whole = layout.product(tensor.shape) * tensor.item.bytes
            tensor.shape = shape
            if id(tensor.storage) not in self._kept:
                if form_of(whole) == form_of(tensor.storage.bytes):
                    tensor.storage.bytes = layout.product(shape) * tensor.item.bytes
                else:
                    tensor.storage.bytes = renamed(tensor.storage.bytes)
        state = tuple(lies)
        if self._again is None:
            stretch = Stretch({"saved": saved, "buffers": buffers}, state, sizes)
            law = self._now.what, self._state
            self.found.add(law, stretch, self.notes.domain.guards)
            self.found.attending |= {law} if self.asked else set()
        self.asked = False
        self.program.append(self._now)
        self._again = None
        self._state = state

    def _alive(self) -> list[Tensor]:
        """The activations that something still refers to."""
        assert self.watched is not None
        found = [(each, tensor) for each in self.watched if (tensor := each()) is not None]
        roles = (ACTIVATION, INPUT)
        found = [(each, x) for each, x in found if x.storage.role in roles and x.storage is not self.nowhere]
        self.watched[:] = [each for each, _ in found]
        return [tensor for _, tensor in found]


class UnopenedError(Exception):
    """What a function knows from where it was made is not seen."""


def _opened(step: Any, given: dict[str, Traced]) -> tuple[Any, Any]:
    """A step in letters of its own in the place of what it was given, and what it is without that."""
    if isinstance(step, Traced):
        letter = f"g{len(given)}"
        given[letter] = step
        return Traced(step.value, symbol(letter), step.tape), letter
    if isinstance(step, (tuple, list)):
        parts = [_opened(each, given) for each in step]
        return type(step)(each for each, _ in parts), tuple(what for _, what in parts)
    if isinstance(step, partial):
        args, what = _opened(step.args, given)
        named = {name: _opened(each, given) for name, each in step.keywords.items()}
        whats = tuple((name, each) for name, (_, each) in named.items())
        return partial(step.func, *args, **{name: each for name, (each, _) in named.items()}), (
            step.func,
            what,
            whats,
        )
    if "<locals>" in getattr(step, "__qualname__", ""):
        raise UnopenedError
    return step, step


def _order(tensor: Tensor) -> tuple[int, ...] | None:
    """In which order a tensor without gaps runs through its dimensions; None for others."""
    rank = range(len(tensor.shape))
    strides = [value_of(stride) for stride in tensor.strides]
    order = tuple(sorted(rank, key=lambda dim: (strides[dim], -dim)))
    for found in (tuple(reversed(rank)), order):
        dense = layout.dense(tensor.shape, found)
        if all(form_of(a) == form_of(b) for a, b in zip(dense, tensor.strides, strict=True)):
            return found
    return None


def _sum(sizes: Iterable[Any]) -> Polynomial:
    total = as_polynomial(0)
    for size in sizes:
        total = total + form_of(size)
    return total
