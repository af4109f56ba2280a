"""A target at one size, module by module: what it is, what it returns, its parameters and what was counted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import first_line
from .probing import not_run
from .targets import Regime, Target

if TYPE_CHECKING:
    from torch import nn

    from ..counters.dispatch import DispatchCounts
    from ..counters.ways import Way


@dataclass
class Part:
    """A module with all within it.

    ``calls`` says how often it ran, ``output`` is the shape of the first tensor that it returned when it last did,
    ``output_bytes`` what all tensors took that it returned then. ``params`` are the trained parameters, those that
    it shares with others too. One that only holds others never ``runs``.
    """

    path: str
    kind: str
    params: int
    weight_bytes: int
    runs: bool = True
    calls: int = 0
    output: tuple[int, ...] = ()
    output_bytes: int = 0
    macs: int = 0


@dataclass(frozen=True)
class Measured:
    """One run. ``parts`` begin with the whole, whose path is empty, and follow in the order of the module tree."""

    parts: Sequence[Part]
    counts: DispatchCounts
    regime: Regime
    way: Way


def measure(target: Target, backward: bool = False) -> Measured:
    """Run a target once at the size that its input has, in the first way in which it runs.

    Raises:
        InputError: it runs in no way.
    """
    from ..counters.ways import Way, needs_values

    errors: list[str] = []
    for regime in target.regimes:
        for way in Way:
            try:
                return _measured(target, regime, way, backward)
            except Exception as error:  # noqa: PERF203  # foreign code may raise anything
                errors.append(first_line(error))
                if not needs_values(error):
                    break
    raise not_run(target.name, errors)


def _measured(target: Target, regime: Regime, way: Way, backward: bool) -> Measured:
    from contextlib import ExitStack

    from ..counters.dispatch import count
    from ..counters.private import FakeTensorMode
    from ..counters.ways import Way, built, quiet

    with ExitStack() as stack:
        stack.enter_context(quiet())
        if way is Way.FAKE:
            stack.enter_context(FakeTensorMode(allow_non_fake_inputs=True))
        module, args, named = built(way, lambda: regime.make({}), valued=True)
        parts = {path: _part(path, child) for path, child in module.named_modules()}
        with _watched(module, parts):
            counts = count(module, args, {**regime.kwargs, **named}, backward=backward, training=target.training)
        for path, macs in counts.by_module().items():
            parts[path].macs = macs
    return Measured(list(parts.values()), counts, regime, way)


def further(target: Target, measured: Measured, by_fvcore: bool = False) -> dict[str, int]:
    """What a run costs beside multiply-accumulates, in the way in which it was measured; nothing if that was fake.

    Activations, bytes, the backward pass if there is one, and what fvcore reports if that is asked for and it can
    trace the module: as :mod:`vpcalc.checks.quantities` has them.
    """
    from ..counters import dispatch, fvcore, live, saved
    from ..counters.ways import Way, built, quiet

    if measured.way is Way.FAKE:
        return {}
    how: Any = {"training": target.training}
    with quiet():
        module, args, named = built(measured.way, lambda: measured.regime.make({}), valued=True)
        call = module, args, {**measured.regime.kwargs, **named}
        at_once = live.count(*call, **how, gradients=False, as_on_cpu=True)
        found = {
            "activations": measured.counts.activations,
            "saved_bytes": saved.count(*call, **how, as_on_cpu=True).total,
            "peak_bytes": at_once.peak,
            "bytes_moved": at_once.moved,
        }
        with suppress(Exception):  # there may be no backward pass
            found["backward_macs"] = dispatch.count(*call, **how, backward=True, products=False).backward
        if by_fvcore:
            with suppress(Exception):  # or no trace
                traced = fvcore.Call(*call)
                found["fvcore"] = sum(fvcore.count(traced, traced.inputs, **how).flops.values())
    return found


def _part(path: str, module: nn.Module) -> Part:
    trained = [p for p in module.parameters() if p.requires_grad]
    size = sum(p.numel() * p.element_size() for p in module.parameters())
    runs = "_forward_unimplemented" not in type(module).forward.__name__
    return Part(path, type(module).__name__, sum(p.numel() for p in trained), size, runs)


@contextmanager
def _watched(module: nn.Module, parts: Mapping[str, Part]) -> Iterator[None]:
    """Within it, what each module returns is noted."""
    from ..counters.dispatch import tensors_of

    hooks = []
    for path, child in module.named_modules():

        def leave(_: Any, __: Any, output: Any, part: Part = parts[path]) -> None:
            tensors = [tensor for tensor in tensors_of(output) if not tensor.is_nested]
            part.calls += 1
            part.output = tuple(map(int, tensors[0].shape)) if tensors else ()
            part.output_bytes = sum(tensor.numel() * tensor.element_size() for tensor in tensors)

        hooks.append(child.register_forward_hook(leave))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
