"""Bytes of real runs on the CPU at a few small sizes, against those that meta tensors show.

A form in bytes and the counts that it is held against see tensors of the meta device, laid out as kernels of the
CPU are known to lay them out. Where a kernel does otherwise and nobody knows, both are wrong alike; a real run is
not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from .probing import MORE_WORK, MOST_WORK, spell_point
from .shapes import Point
from .targets import Regime as Variant
from .targets import Target

if TYPE_CHECKING:
    from ..counters.ways import Built
    from ..execution.program import Program
    from ..execution.regimes import Exploration
    from .effort import Growth

SIZES = (61, 29, 17, 7, 5, 3, 2)
"""Sizes of letters that are tried, which differ by as much as there are letters before."""

LARGEST = 512
"""The largest size that is run where smaller ones do."""

MOST = MORE_WORK // 4
"""Multiply-accumulates of a real run; where every size takes more, the least of them is run, up to ten seconds."""

IN_BYTES = ("saved_bytes", "peak_bytes", "bytes_moved")


class RealBytes:
    """What real runs of a target take, at two sizes: as large as there is time for, and small."""

    def __init__(self, target: Target, variant: Variant, program: Program) -> None:
        self._target, self._variant, self._program = target, variant, program
        self._seen: list[tuple[Point, Mapping[str, int]]] | None = None

    def differs(self, quantity: str, found: Exploration, macs: Exploration, growth: Growth) -> str:
        """Why a form is not right where a real run was made; empty if it is, or if none can be made."""
        if quantity not in IN_BYTES:
            return ""
        if self._seen is None:
            self._seen = [(point, self._ran(point)) for point in _points(macs, growth)]
        for point, seen in self._seen:
            regime = found.at(point)
            said = None if regime is None or regime.refused else regime.leader.value_at(point)
            if said is not None and seen.get(quantity, said) != said:
                sizes = spell_point(point)
                return f"at {sizes} a real run has {seen[quantity]:,} bytes, where meta tensors show {said:,}"
        return ""

    def _ran(self, point: Point) -> dict[str, int]:
        """Of one real run for inference and one of which autograd keeps what it needs; what raises is left out."""
        import torch

        from ..counters import live, saved
        from ..counters.ways import Way, built
        from ..counters.weights import TooLargeError
        from ..execution.hooks import sources_of
        from ..execution.state import State
        from ..sources import quiet

        whole = {**point, **{side: point[first] for side, first in self._target.tied(self._variant).items()}}
        how = {"training": self._target.training}
        found: dict[str, int] = {}

        def build() -> Built:
            return self._variant.make(whole)

        with quiet(), self._program.state.kept():
            for valued in (False, True):  # zero weights are not what every forward can do with
                try:
                    module, args, named = built(Way.CPU, build, valued=valued)
                    kwargs = {**self._variant.kwargs, **named}
                    state = State(module, sources_of(module))
                    with state.kept(), torch.random.fork_rng(devices=[]):
                        at_once = live.count(module, args, kwargs, gradients=False, **how)
                    found |= {"peak_bytes": at_once.peak, "bytes_moved": at_once.moved}
                    with state.kept(), torch.random.fork_rng(devices=[]):
                        found["saved_bytes"] = saved.count(module, args, kwargs, **how).total
                except TooLargeError:  # nor is there room for its weights with values
                    break
                except Exception:  # foreign code may raise anything
                    continue
                break
        return found


def _points(macs: Exploration, growth: Growth) -> Iterator[Point]:
    """The sizes at which it is run, of those that run at all and take a moment."""
    bounds = macs.range.bounds
    tried: list[Point] = [
        {name: min(max(size + 2 * place, low), high) for place, (name, (low, high)) in enumerate(bounds.items())}
        for size in SIZES
    ]
    running = [regime for regime in macs.regimes if not regime.refused]
    tried += [point for regime in running for point in (*regime.confirmed, regime.leader.point)]
    work: dict[tuple[tuple[str, int], ...], int] = {}
    for point in filter(growth.affordable, tried):
        regime = macs.at(point)
        done = None if regime is None or regime.refused else regime.leader.value_at(point)
        if done is not None:
            work[tuple(sorted(point.items()))] = done
    if not work:
        return
    few = {point: done for point, done in work.items() if done <= MOST}
    if not few:
        least = min(work, key=work.__getitem__)
        few = {least: 0} if work[least] <= MOST_WORK else {}
    several = [point for point in few if all(1 < size <= LARGEST for _, size in point)] or list(few)
    ends = (max(several, key=few.__getitem__), min(several, key=few.__getitem__)) if several else ()
    yield from map(dict, dict.fromkeys(ends))
