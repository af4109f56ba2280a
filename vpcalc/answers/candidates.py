"""What one may choose architectures by: each quantity of a candidate, found out when it is first asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

from ..abstract.tensor import FLOATS
from ..architectures import Architecture
from ..cost import Cost, Quantity
from ..errors import InputError
from ..published import Accuracy, accuracies
from ..report import Kind
from ..storage.footprint import Way, model_footprint
from ..storage.optimizers import Optimizer
from ..storage.plan import Plan
from ..storage.step import model_step
from ..where import Value
from .memory import in_reach


@dataclass(frozen=True)
class Candidate(Mapping[str, Value]):
    """An architecture at an input, in one way of training it; its quantities by name, as ``--where`` asks.

    What is not known of it is None.
    """

    architecture: Architecture
    sizes: tuple[int, ...]
    config: Mapping[str, Any]
    batch: int
    way: Way
    optimizer: Optimizer

    def __getitem__(self, name: str) -> Value:
        return QUANTITIES[name].of(self)

    def __iter__(self) -> Iterator[str]:
        return iter(QUANTITIES)

    def __len__(self) -> int:
        return len(QUANTITIES)

    @cached_property
    def cost(self) -> Cost:
        """Its cost tree; an InputError where it cannot take the input."""
        return self.architecture.cost(self.sizes, self.config, self.batch)

    @cached_property
    def plan(self) -> Plan | None:
        """What it takes to train; None where it goes step by step for longer than anybody waits."""
        family, config = self.architecture.family, self.config
        try:
            in_reach(self.architecture, config, self.way, self.sizes)
        except InputError:
            return None
        footprint = model_footprint(family, self.sizes, config, self.batch, self.way)
        return Plan(footprint, FLOATS[self.way.dtype].bytes, True, self.optimizer)

    @cached_property
    def step_peak(self) -> int | None:
        """The most that a whole step of training takes, as ``vpcalc memory --train`` has it."""
        if self.plan is None:
            return None
        step = model_step(self.architecture.family, self.sizes, self.config, self.batch, self.way)
        return int(replace(self.plan, step=step).step_peak)

    @property
    def accuracy(self) -> Accuracy | None:
        """What is printed of its accuracy on ImageNet, as long as it is the network that was trained.

        Without its classifier it still is: that is what a backbone's accuracy means.
        """
        config = dict(self.config)
        if self.architecture.family.classifies:
            config["classes"] = config["classes"] or self.architecture.config["classes"]
        return accuracies().get(self.architecture.id) if config == dict(self.architecture.config) else None


class Measure(NamedTuple):
    """A quantity: how a table heads and writes it, what it is, and how a candidate finds it out."""

    header: str
    kind: Kind
    meaning: str
    of: Callable[[Candidate], Value]


def _counted(quantity: Quantity) -> Callable[[Candidate], Value]:
    return lambda candidate: int(candidate.cost.total(quantity))


def _planned(read: Callable[[Plan], int]) -> Callable[[Candidate], Value]:
    return lambda candidate: None if candidate.plan is None else int(read(candidate.plan))


def _top1(candidate: Candidate) -> Value:
    return None if candidate.accuracy is None else candidate.accuracy.value


QUANTITIES: Mapping[str, Measure] = {
    "params": Measure("Params", Kind.COUNT, "parameters", _counted(Quantity.PARAMS)),
    "macs": Measure("MACs", Kind.COUNT, "multiply-accumulates", _counted(Quantity.MACS)),
    "flops": Measure("FLOPs", Kind.COUNT, "two for each of those", _counted(Quantity.FLOPS)),
    "fvcore": Measure("fvcore", Kind.COUNT, "what fvcore reports", _counted(Quantity.FVCORE)),
    "activations": Measure("Activations", Kind.COUNT, "as fvcore counts them", _counted(Quantity.ACTIVATIONS)),
    "attention_elements": Measure(
        "Attention", Kind.COUNT, "elements of attention maps", _counted(Quantity.ATTENTION)
    ),
    "weights_bytes": Measure("Weights", Kind.BYTES, "", _planned(lambda plan: plan.footprint.weights)),
    "saved_bytes": Measure("Saved", Kind.BYTES, "autograd's", _planned(lambda plan: plan.footprint.saved)),
    "inference_bytes": Measure("Inference", Kind.BYTES, "to run it", _planned(lambda plan: plan.inference)),
    "training_bytes": Measure("Training sum", Kind.BYTES, "to train it", _planned(lambda plan: plan.training)),
    "step_peak_bytes": Measure("Training peak", Kind.BYTES, "in a step", lambda candidate: candidate.step_peak),
    "top1": Measure("Top-1", Kind.RATIO, "accuracy on ImageNet in per cent", _top1),
    "batch": Measure("Batch", Kind.NUMBER, "inputs together", lambda candidate: candidate.batch),
    "family": Measure("Family", Kind.WORD, "", lambda candidate: candidate.architecture.family.name),
    "id": Measure("Model", Kind.WORD, "", lambda candidate: candidate.architecture.id),
}
"""Everything that ``--where``, ``--sort`` and the columns know, by name."""
