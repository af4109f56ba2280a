"""The protocol of a counter and what it returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Counts:
    """What a counter saw of one forward pass.

    ``flops`` is in the counter's own convention, by its own operator names. ``unpriced`` are operators
    that it met and does not price, with the number of calls: not zero, but unknown.
    """

    counter: str
    flops: Mapping[str, int]
    activations: Mapping[str, int]
    params: int
    unpriced: Mapping[str, int]


class Counter(Protocol):
    """Counts one forward pass of ``module`` on ``inputs``."""

    def __call__(self, module: Any, inputs: tuple[Any, ...]) -> Counts:
        """What one forward pass costs, in the counter's own convention."""
