"""What a program costs beside multiply-accumulates: each quantity explored as these are, on the same program."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from ..errors import first_line
from ..execution.outcome import TooLargeError
from .effort import Growth, is_unnumbered
from .shapes import Point

if TYPE_CHECKING:
    from ..counters.live import Live
    from ..counters.saved import Saved
    from ..execution.outcome import Execution
    from ..execution.program import Program
    from ..execution.regimes import Exploration, Regime
    from ..execution.run import Memory
    from .real_bytes import RealBytes


T = TypeVar("T")

Key = tuple[tuple[str, int], ...]
"""A point, to be looked up."""


@dataclass(frozen=True)
class Quantity:
    """What is asked about: its name in JSON, for people, what one of its units is, and what it counts."""

    id: str
    name: str
    unit: str
    counts: str


QUANTITIES: Mapping[str, Quantity] = {
    quantity.id: quantity
    for quantity in (
        Quantity("macs", "multiply-accumulates", "MACs", "of matrix products and convolutions, forward"),
        Quantity("params", "parameters", "numbers", "that are trained"),
        Quantity("activations", "activations", "numbers", "that matrix products and convolutions give"),
        Quantity("backward_macs", "backward", "MACs", "of the gradients of the sum of the outputs"),
        Quantity("saved_bytes", "saved for backward", "bytes", "that autograd keeps of the forward pass"),
        Quantity("peak_bytes", "peak of inference", "bytes", "alive at once, weights and inputs apart"),
        Quantity(
            "fvcore", "fvcore's convention", "MACs", "of products that it sees, with norms, pooling, resizing"
        ),
        Quantity("bytes_moved", "bytes moved", "bytes", "that operators read and write at inference"),
        Quantity("attention_elements", "attention maps", "numbers", "that softmax or fused attention computes"),
    )
}
"""In the order in which they are shown."""

COMMON = ("activations", "saved_bytes", "backward_macs", "peak_bytes")
"""Those that stand beside multiply-accumulates unless others are asked for."""

MOST_RUNS = 24
"""Further runs in which one quantity is explored: bytes have more regimes than multiply-accumulates."""

MANY_RUNS = 24
"""Runs for multiply-accumulates beyond which other quantities are explored only where they are asked for."""


class Quantities:
    """What a program costs beside multiply-accumulates, each quantity explored when it is first asked for.

    Those that one run sees share their runs and counts.
    """

    def __init__(
        self,
        program: Program,
        macs: Exploration,
        growth: Growth,
        most: int,
        real: RealBytes,
        room: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        self._program, self._macs, self._growth, self._most, self._room = program, macs, growth, most, room
        self._real = real
        self._witness = Witness(program, macs, growth)
        self._runs: dict[Memory | None, tuple[Execution, ...]] = {None: macs.executions}
        self._found: dict[str, Exploration | str] = {}

    def exploration(self, quantity: str) -> Exploration | str:
        """The regimes of a quantity; or why it has no form.

        It has none where a run cannot be followed in bytes, or a count differs from it at the very size at which
        it ran, or a real run from both.
        """
        if quantity not in self._found:
            with self._room():
                self._found[quantity] = self._explored(quantity)
        return self._found[quantity]

    def _explored(self, quantity: str) -> Exploration | str:
        from ..execution.outcome import BeyondError
        from ..execution.regimes import Explorer, HeldError

        memory = _memory(quantity)
        explorer = Explorer(
            partial(self._program.execute, memory=memory),
            partial(self._witness.count, quantity),
            self._macs.range,
            self._most,
            MOST_RUNS + len(self._runs.get(memory, ())),
            self._witness.affordable,
            quantity=quantity,
            why=lambda: self._witness.why,
            again=True,
        )
        begin = [regime.leader.point for regime in self._macs.regimes if not regime.refused]
        try:
            found = explorer.explore(begin, self._macs, self._runs.get(memory, ()))
        except (BeyondError, HeldError) as beyond:
            return str(beyond)
        self._runs[memory] = found.executions
        return self._real.differs(quantity, found, self._macs, self._growth) or self._refused_as_macs(found)

    def _refused_as_macs(self, found: Exploration) -> Exploration | str:
        """Where a run raises under autograd alone, sizes are open, not refused; if it does so everywhere, why."""
        own = [r for r in found.regimes if r.refused and not any(r.leader.point in m for m in self._refusals)]
        if not own:
            return found
        error = own[0].leader.execution.error
        assert error is not None
        why = f"with gradients it raises: {first_line(error)}"
        if all(regime.refused for regime in found.regimes):
            return why
        left = tuple((region, why) for regime in own for region in regime.regions)
        return replace(found, regimes=tuple(r for r in found.regimes if r not in own), open=found.open + left)

    @property
    def _refusals(self) -> list[Regime]:
        return [regime for regime in self._macs.regimes if regime.refused]


def _memory(quantity: str) -> Memory | None:
    """The run that sees a quantity."""
    from ..execution.run import Memory

    kept, live = ("saved_bytes", "backward_macs"), ("peak_bytes", "bytes_moved")
    return Memory.KEPT if quantity in kept else Memory.LIVE if quantity in live else None


class Witness:
    """Counts of a program without symbols, each pass once a size. Where it refuses is known.

    ``why`` is what was raised by the count that was asked for last.
    """

    def __init__(self, program: Program, macs: Exploration, growth: Growth) -> None:
        self._program, self._macs, self._growth = program, macs, growth
        self._passes = Growth(program.counts)
        self.why = ""
        self._live: dict[Key, Live] = {}
        self._kept: dict[Key, Saved] = {}

    def count(self, quantity: str, point: Point) -> int | None:
        """A quantity at a size, or None where the program raises."""
        regime, self.why = self._macs.at(point), ""
        if regime is not None and regime.refused:
            return None
        try:
            return self._counted(quantity, point)
        except Exception as error:  # the program may raise anything
            if is_unnumbered(error):
                raise TooLargeError from error
            self.why = first_line(error)
            return None

    def affordable(self, point: Point) -> bool:
        """Whether a count takes no more steps than there is time for, in a backward pass too."""
        return self._growth.affordable(point) and self._passes.affordable(point)

    def _counted(self, quantity: str, point: Point) -> int:
        if quantity in ("peak_bytes", "bytes_moved"):
            live = self._once(self._live, self._program.live, point)
            return live.peak if quantity == "peak_bytes" else live.moved
        if quantity == "fvcore":
            return self._program.by_fvcore(point)
        if quantity == "attention_elements":
            return self._growth.counts(point).attention
        if quantity == "activations":
            with suppress(Exception):  # autograd may refuse what runs without it
                if (counts := self._once(self._kept, self._both_passes, point).counts) is not None:
                    return counts.activations
            return self._growth.counts(point).activations
        kept = self._once(self._kept, self._both_passes, point)
        if quantity == "saved_bytes":
            return kept.total
        return (kept.counts or self._program.counts(point, backward=True)).backward

    def _both_passes(self, point: Point) -> Saved:
        """What is kept, and what both passes do: unless the backward pass raises."""
        try:
            kept = self._program.saved(point, backward=True)
        except Exception:  # either pass may raise anything
            kept = self._program.saved(point)
        if kept.counts is not None:
            self._passes.note(point, kept.counts)
        return kept

    @staticmethod
    def _once(known: dict[Key, T], count: Callable[[Point], T], point: Point) -> T:
        key = tuple(sorted(point.items()))  # points name their letters in any order
        if key not in known:
            known[key] = count(point)
        return known[key]
