"""Cost tree against counter, operator by operator, without tolerance."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from ..cost import Cost, Quantity
from ..errors import InputError, first_line
from ..optional import require_torch

if TYPE_CHECKING:
    from ..counters import Counts
    from ..reference import Witness

HIDES_PRODUCTS = frozenset(
    {
        "aten::scaled_dot_product_attention",
        "aten::_transformer_encoder_layer_fwd",
        "aten::_native_multi_head_attention",
        "aten::baddbmm",
        "aten::addbmm",
        "aten::addmv",
        "aten::mv",
        "aten::dot",
        "aten::bilinear",
        "aten::lstm",
        "aten::lstm_cell",
        "aten::gru",
        "aten::gru_cell",
        "aten::rnn_tanh",
        "aten::rnn_tanh_cell",
        "aten::rnn_relu",
        "aten::rnn_relu_cell",
    }
)
"""Operators that compute matrix products and that fvcore does not price: a count with them is no witness."""


DISPATCH = "dispatch"
"""Our own counter of what PyTorch dispatches, which has a price for what fvcore has none for."""

SHOWN = 6
"""Differences that a line names; all are in a result's checks."""


class Verdict(str, Enum):
    """The outcome of a comparison."""

    AGREES = "agrees"
    DIFFERS = "differs"
    NOT_COMPARABLE = "not comparable"


@dataclass(frozen=True, slots=True)
class Check:
    """One operator in one quantity: what the formula says, what the counter counted."""

    counter: str
    quantity: str
    operator: str
    expected: int
    counted: int

    @property
    def delta(self) -> int:
        """Counted minus expected."""
        return self.counted - self.expected

    def to_dict(self) -> dict[str, Any]:
        """Fields of the JSON contract."""
        return {
            "counter": self.counter,
            "quantity": self.quantity,
            "operator": self.operator,
            "expected": self.expected,
            "counted": self.counted,
            "delta": self.delta,
        }


@dataclass(frozen=True, slots=True)
class Report:
    """All checks of one module. ``reason`` says why there are none, where there are none."""

    checks: tuple[Check, ...] = ()
    reason: str = ""

    @property
    def verdict(self) -> Verdict:
        """Agrees only where everything was compared and nothing differs."""
        if self.reason or not self.checks:
            return Verdict.NOT_COMPARABLE
        return Verdict.DIFFERS if self.differing else Verdict.AGREES

    @property
    def differing(self) -> tuple[Check, ...]:
        """The checks that did not hold."""
        return tuple(check for check in self.checks if check.delta)

    @property
    def differences(self) -> str:
        """By how much each differs, in words: the first few where there are many, as of all modules."""
        shown = [f"{c.quantity} {c.operator} {c.delta:+,}" for c in self.differing[:SHOWN]]
        more = len(self.differing) - len(shown)
        return ", ".join(shown) + (f" and {more} more" if more else "")

    def __str__(self) -> str:
        if self.differing:
            return f"{self.verdict.value}: {self.differences}"
        if not self.reason:
            return self.verdict.value
        own = any(check.counter == DISPATCH for check in self.checks)
        also = "; multiply-accumulates agree with those that PyTorch dispatches" if own else ""
        return f"{self.verdict.value}: {self.reason}{also}"


def compare(cost: Cost, counts: Counts) -> Report:
    """Hold a cost tree against a count: flops and activations by operator, and parameters."""
    hidden = sorted(HIDES_PRODUCTS & set(counts.unpriced))
    if hidden:
        return Report(reason=f"{counts.counter} does not price {', '.join(hidden)}")
    checks = [
        *_by_operator(counts.counter, Quantity.FVCORE, cost, counts.flops),
        *_by_operator(counts.counter, Quantity.ACTIVATIONS, cost, counts.activations),
        Check("torch", Quantity.PARAMS.value, "all", cost.total(Quantity.PARAMS), counts.params),
    ]
    return Report(tuple(checks))


def _by_operator(counter: str, quantity: Quantity, cost: Cost, counted: Mapping[str, int]) -> list[Check]:
    expected = cost.by_operator(quantity)
    return [
        Check(counter, quantity.value, kind, expected.get(kind, 0), counted.get(kind, 0))
        for kind in sorted(expected.keys() | counted.keys())
    ]


def check_layer(id: str, cost: Cost, dims: Mapping[str, int]) -> Report:
    """Count the reference module of a layer at these dimensions and compare."""
    require_torch("--check")
    from ..reference import LAYER_WITNESSES

    if id not in LAYER_WITNESSES:
        return Report(reason=f"no module of PyTorch is registered for {id}: @layer_witness({id!r})")
    make = LAYER_WITNESSES[id]
    return _witnessed(id, cost, lambda: make(**dims))


def check_model(
    family: str, cost: Cost, sizes: tuple[int, ...], config: Mapping[str, Any], batch: int = 1
) -> Report:
    """Count the reference module of an architecture at this input and compare."""
    require_torch("--check")
    from ..reference import MODEL_WITNESSES

    if family not in MODEL_WITNESSES:
        return Report(reason=f"no module of PyTorch is registered for {family}: @model_witness({family!r})")
    make = MODEL_WITNESSES[family]
    return _witnessed(family, cost, lambda: make(sizes, config, batch))


STEPS = 20_000
"""How many modules a witness may run, one after the other: some half a minute of tracing."""


def _witnessed(name: str, cost: Cost, make: Callable[[], Witness]) -> Report:
    largest = max((elements for op, _ in cost.walk() for elements in (op.activations, op.params)), default=0)
    if largest * 8 >= 2**63:
        return Report(reason=f"not run: a tensor of {largest:,} elements is beyond what torch can address")
    if cost.steps() > STEPS:
        return Report(reason=f"not run: the module would take {cost.steps():,} steps, one by one")
    from ..counters.fvcore import count

    module, inputs = _with_values(make) if _small(cost) else _without_values(make)
    try:
        return compare(cost, count(module, inputs))
    except RuntimeError as error:  # a size that its description takes and it does not
        raise InputError(f"{name}: its module does not run at this size: {first_line(error)}") from error


WORK = 10 * 10**9
ELEMENTS = 2**25
"""Products, and elements of one tensor that is computed, up to which a witness is run for real.

On the meta device nothing is computed, but its kernels are Python, and the first of them imports SymPy and
torch's compiler: two seconds and a half, in which a CPU does this much.
"""


def _small(cost: Cost) -> bool:
    return cost.total(Quantity.MACS) <= WORK and all(op.activations <= ELEMENTS for op, _ in cost.walk())


def _with_values(make: Callable[[], Witness]) -> Witness:
    from ..counters.weights import Zeros, filled, parameters_on_meta

    with parameters_on_meta():
        witness = make()
    return witness._replace(module=filled(witness.module, Zeros(witness.module)))


def _without_values(make: Callable[[], Witness]) -> Witness:
    import torch

    with torch.device("meta"):
        return make()
