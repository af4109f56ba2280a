"""What a network takes on a device, put together: weights, gradients, optimizer, input, activations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..abstract.tape import Peak
from .footprint import Footprint
from .optimizers import Optimizer
from .step import Step


@dataclass(frozen=True, slots=True)
class Plan:
    """A footprint in numbers, and how it is trained if it is. ``item`` is the size of a weight in bytes.

    ``step`` is the whole step of training, where it was asked for.
    """

    footprint: Footprint
    item: int
    train: bool
    optimizer: Optimizer
    step: Step | None = None

    @property
    def gradients(self) -> Any:
        """A gradient for each weight that is trained, in the types that the optimizer wants."""
        return self.optimizer.gradient_bytes(self.footprint.trained, self.footprint.params)

    @property
    def state(self) -> Any:
        """The optimizer's state on the device."""
        return self.optimizer.state(self.footprint.shapes, self.item)

    @property
    def inference(self) -> Any:
        """Weights, buffers, the input, and activations at their peak."""
        found = self.footprint
        return found.weights + found.buffers + found.inputs + found.inference.bytes

    @property
    def activations(self) -> Any:
        """What training holds of activations at its peak: in the forward pass, or while it computes again."""
        return max(self.footprint.forward.bytes, self.footprint.held)

    @property
    def training(self) -> Any:
        """Weights, gradients, optimizer state, buffers, the input, and activations at their peak."""
        found = self.footprint
        return found.weights + self.gradients + self.state + found.buffers + found.inputs + self.activations

    @property
    def lasting(self) -> Any:
        """What there is all through a step: weights, buffers, optimizer state, the input, and gradients that are
        gathered."""
        found = self.footprint
        gathered = self.optimizer.gathered(found.params)
        return found.weights + found.buffers + self.state + found.inputs + gathered

    @property
    def step_top(self) -> Peak | None:
        """Where a whole step is at its peak beside what lasts; None where that was not asked for."""
        if self.step is None:
            return None
        return self.step.most(self.optimizer, self.item, self.footprint.params)

    @property
    def step_peak(self) -> Any:
        """The most that a whole step takes, gradients as they come; None where that was not asked for."""
        return None if self.step_top is None else self.lasting + self.step_top.bytes

    @property
    def needed(self) -> tuple[str, Any]:
        """What has to find room, by its name: the peak of a whole step where it is known, else the total."""
        if self.step is not None:
            return "step_peak_bytes", self.step_peak
        return "training_bytes" if self.train else "inference_bytes", self.total

    @property
    def total(self) -> Any:
        """What is asked for."""
        return self.training if self.train else self.inference
