"""The most that is live at once in a whole step of training: forward, backward, and the optimizer's own step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..abstract.backward import backward
from ..abstract.tape import Peak
from ..architectures import Family
from .footprint import PLAIN, Start, Way, started, taped
from .optimizers import Optimizer

OPTIMIZER = "optimizer"
"""Where a step is at its peak, if it is in the optimizer."""


@dataclass(frozen=True, slots=True)
class Step:
    """Activations, what autograd keeps and all gradients, in a step that begins without any.

    ``peak`` is their most in both passes, ``left`` what there is when these are over: gradients and outputs.
    ``weights`` are shapes of weights that get a gradient, in the order of their use; equal blocks are there
    thrice at most.
    """

    peak: Peak
    left: Any
    weights: tuple[Any, ...]

    def most(self, optimizer: Optimizer, item: int, params: int) -> Peak:
        """The peak of the whole step, the optimizer's working memory included.

        Args:
            item: bytes of a number of a weight.
            params: numbers of all weights.
        """
        working = Peak(self.left + optimizer.working(self.weights, item, params), "", OPTIMIZER)
        return working if working.bytes > self.peak.bytes else self.peak

    def times(self, optimizer: Optimizer, item: int, params: Any) -> Iterator[Any]:
        """What is live in the whole step at all times of which one may have the most."""
        yield from self.peak.times
        yield from (self.left + live for live in optimizer.workings(self.weights, item, params))


def model_step(
    family: Family,
    sizes: tuple[Any, ...],
    config: Mapping[str, Any],
    batch: Any,
    way: Way = PLAIN,
    times: bool = False,
) -> Step:
    """An architecture's step."""
    return step(lambda tape: family.start(tape, sizes, config, batch), way, times)


def step(start: Start, way: Way = PLAIN, times: bool = False) -> Step:
    """A step of a network on the sum of its outputs, which live until it is over; with all ``times`` if asked."""
    tape = taped(way, training=True, times=times)
    _, outputs = started(tape, start)
    backward(tape, outputs if isinstance(outputs, tuple) else (outputs,))
    return Step(tape.peak, tape.live, tuple(weight.shape for weight in tape.parameters if weight.leaf))
