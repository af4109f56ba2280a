"""The most that is live at once in a whole step of training, backward pass included."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..abstract.backward import backward
from ..abstract.tape import Peak
from ..architectures import Family
from .footprint import PLAIN, Start, Way, taped


def model_step(
    family: Family, sizes: tuple[Any, ...], config: Mapping[str, Any], batch: Any, way: Way = PLAIN
) -> Peak:
    """The peak of an architecture's step."""
    return step(lambda tape: family.start(tape, sizes, config, batch), way)


def step(start: Start, way: Way = PLAIN) -> Peak:
    """Activations, what autograd keeps and all gradients, in a step that begins without any."""
    tape = taped(way, training=True)
    _, outputs = start(tape)
    backward(tape, outputs if isinstance(outputs, tuple) else (outputs,))
    return tape.peak
