"""Runs of a network in letters, each module apart.

How tensors lie in memory decides what autograd keeps, in each module anew, so that a whole run has more paths than
can be followed. But what a module does depends on what it is given alone. So each is run apart, on tensors whose
sizes are letters of its own, and only where its law is not known yet. Whoever calls it goes on with what comes
out, in letters of his own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from ..abstract import layout
from ..abstract.modules import Copies
from ..abstract.tape import Node, Storage, Tape, kept
from ..abstract.tensor import Tensor
from ..algebra.domains import Guard, positive
from ..algebra.floors import ceil_div, floor_div
from ..algebra.polynomial import Polynomial, as_polynomial, symbol
from ..algebra.traced import Traced, form_of, value_of
from ..arrays.regimes import Noting
from ..storage.footprint import graph, total
from .page_laws import ITEM, Call, Laws

LAPS = 3
"""Blocks of a kind that are run: one that may differ, and two that alternate from there on."""

OF_A_STAGE = ("heads", "R", "r")
"""What modules are given that differ from stage to stage, and are else the same."""

ONCE = as_polynomial(1)


class Notes(Noting):
    """What a run decided, and what it called."""

    def __init__(self, sizes: Mapping[str, int]) -> None:
        super().__init__(sizes)
        self.path: list[tuple[Guard | Call, int]] = []

    def note(self, guard: Guard, truth: bool) -> bool:
        """See :class:`~vpcalc.algebra.exploring.Tape`."""
        before = self.domain
        super().note(guard, truth)
        if self.domain is not before:
            self.path.append((guard, truth))
        return truth


@dataclass
class Run(Tape):
    """A run in letters, of a network or of one of its modules.

    ``given`` are its letters as they are outside; ``tensors`` and ``storages`` what is given, there and here, by
    their identity there; ``numbers`` those of storages that others have, too. ``often`` is how often modules that
    were called are run, by the time of their nodes.
    """

    notes: Notes = field(default_factory=lambda: Notes({}))
    laws: Laws = field(default_factory=Laws)
    given: dict[str, Traced] = field(default_factory=dict)
    tensors: dict[int, tuple[Tensor, Tensor]] = field(default_factory=dict)
    storages: dict[int, tuple[Storage, Storage]] = field(default_factory=dict)
    numbers: dict[int, int] = field(default_factory=dict)
    often: dict[int, Polynomial] = field(default_factory=dict)
    times_now: Polynomial = ONCE

    def turns(self, copies: Copies[Any]) -> list[Any]:
        """A few in the place of as many as a letter says."""
        number = form_of(copies.times)
        if not number.symbols:
            return copies.listed()
        once, half = ceil_div(number, number + 1), floor_div(number, 2)
        few = replace(copies, times=LAPS).listed()
        return [self._lap(*each) for each in zip(few, (once, half, number - half - once), strict=True)]

    def _lap(self, step: Any, times: Polynomial) -> Any:
        if isinstance(step, tuple):
            return tuple(self._lap(each, times) for each in step)

        def lap(*args: Any, **settings: Any) -> Any:
            with self.setting(times_now=times):
                return step(*args, **settings)

        return lap

    def steps(self, rounds: Any) -> Iterator[int]:
        """A few in the place of as many as a letter says: the first, one of those between, and the last."""
        number = form_of(rounds)
        if not number.symbols:
            yield from range(value_of(rounds))
            return
        few = LAPS if rounds >= LAPS else next(few for few in range(1, LAPS) if rounds == few)
        for step in range(few):
            before, times = self.time, number - (LAPS - 1) if few == LAPS and step == 1 else ONCE
            with self.setting(times_now=self.times_now * times):
                yield step
                self.often |= dict.fromkeys(range(before + 1, self.time + 1), self.times_now)

    def call(self, describe: Any, args: tuple[Any, ...], settings: dict[str, Any]) -> Any:
        """Run a module apart, unless its law is known at its sizes."""
        sizes = {ITEM: value_of(self.item.bytes)}
        run = Run(self.item, grad=True, training=True, attention=self.attention, trail=[], laws=self.laws)
        run.notes = Notes(sizes)
        try:
            described = run.opened((describe, args, settings))
        except UnopenedError:
            return describe(*args, **settings)
        module = self.laws.number(run.key(described))
        sizes.update({letter: size.value for letter, size in run.given.items()})
        found = self.laws.at(module, sizes)
        if found is None:
            run.notes.domain = positive(sizes)
            function, args, settings = described
            ends = self.laws.add(module, run.notes.path, *run.over(function(*args, **settings)))
        else:
            ends = found[1]
        given = {ITEM: symbol(ITEM), **{letter: size.form for letter, size in run.given.items()}}
        self.notes.path.append((Call(module, tuple(given.items()), self.times_now), ends))
        return self._came(self.laws.ends[ends], run, given)

    def opened(self, value: Any) -> Any:
        """What is given from outside, in letters of its own.

        Raises:
            UnopenedError: it has loops, or what it knows from where it was made is not seen.
        """
        if isinstance(value, Traced):
            return self.lettered(value) if value.form.symbols else value.value
        if isinstance(value, Tensor):
            if id(value) not in self.tensors:
                outer = value.storage
                _, storage = self.storages.setdefault(id(outer), (outer, Storage(self, 0, outer.role)))
                order, shape = _order(value), tuple(map(self.lettered, value.shape))
                strides = self.opened(value.strides) if order is None else layout.dense(shape, order)
                node = Node(self, "given", (), ()) if value.learns else None
                self.tensors[id(value)] = value, Tensor(storage, shape, strides, value.item, node)
            return self.tensors[id(value)][1]
        if type(value) in (tuple, list):
            return type(value)(map(self.opened, value))
        if isinstance(value, dict):
            read = {name: self.lettered if name in OF_A_STAGE else self.opened for name in sorted(value)}
            return {name: opened(value[name]) for name, opened in read.items()}
        if isinstance(value, partial):
            function, args, settings = self.opened((value.func, value.args, value.keywords))
            return partial(function, *args, **settings)
        if isinstance(value, Copies) or "<locals>" in getattr(value, "__qualname__", ""):
            raise UnopenedError
        return value

    def lettered(self, value: Any) -> Any:
        """A size as a letter; a number, too, so that a module of several widths has one law."""
        form = form_of(value)
        if not form.symbols and value_of(value) == 1:
            return 1
        name = next((name for name, size in self.given.items() if size.form == form), f"x{len(self.given)}")
        self.given[name] = Traced(value_of(value), form, self.notes)
        return Traced(value_of(value), symbol(name), self.notes)

    def key(self, value: Any) -> Any:
        """What was given or came out, by how it is written."""
        if isinstance(value, Traced):
            return value.form
        if isinstance(value, Tensor):
            storage, order = value.storage, _order(value)
            number = self.numbers.setdefault(id(storage), len(self.numbers))
            strides = () if order is not None else tuple(map(form_of, value.strides))
            item = ITEM if value.item.name == self.item.name else value.item
            return number, storage.role, tuple(map(form_of, value.shape)), order, strides, item, value.learns
        if type(value) in (tuple, list):
            return tuple(map(self.key, value))
        if isinstance(value, dict):
            return tuple((name, self.key(each)) for name, each in value.items())
        if isinstance(value, partial):
            return self.key((value.func, value.args, value.keywords))
        return value

    def over(self, results: Any, whole: bool = False) -> tuple[Mapping[str, Polynomial], Any]:
        """What was kept, and what came out.

        Where storages come from outside or go there, others say whether they were kept before.
        """
        outputs = () if whole else results if isinstance(results, tuple) else (results,)
        out = tuple((self.key(tensor), form_of(tensor.storage.bytes)) for tensor in outputs)
        parts = [(node, storage) for node, _, storage in kept(*graph(results))]
        own = [(node, storage) for node, storage in parts if id(storage) not in self.numbers]
        saved = total(form_of(each.bytes) * self.often.get(node.time, ONCE) for node, each in own)
        buffers = total(each.storage.bytes for each in self.buffers)
        held = tuple(self.numbers[id(each)] for _, each in parts if id(each) in self.numbers)
        found = {"saved": as_polynomial(saved), "buffers": form_of(buffers)}
        return found, (isinstance(results, tuple), out, held)

    def _came(self, ends: Any, run: Run, given: Mapping[str, Polynomial]) -> Any:
        """What came out of a module, in the letters of this run."""
        several, out, held = ends
        storages = dict(enumerate(outer for outer, _ in run.storages.values()))

        def sized(form: Polynomial) -> Any:
            size = form.subs(given)
            return Traced(form.at(run.notes.sizes), size, self.notes) if size.symbols else size.at({})

        for (number, role, *_), size in out:
            if number not in storages:
                storages[number] = Storage(self, sized(size), role)
        outer = tuple(tensor for tensor, _ in run.tensors.values())
        node = Node(self, "call", tuple(("", storages[number]) for number in held), outer, results=len(out))
        self.often[node.time] = self.times_now
        results = []
        for port, ((number, _, shape, order, strides, item, learns), _) in enumerate(out):
            sides = tuple(map(sized, shape))
            steps = tuple(map(sized, strides)) if order is None else layout.dense(sides, order)
            kind = self.item if item == ITEM else item
            results.append(Tensor(storages[number], sides, steps, kind, node if learns else None, port=port))
        return tuple(results) if several else results[0]


class UnopenedError(Exception):
    """What a module is given cannot be said in letters."""


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
