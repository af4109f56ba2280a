"""A target at one size, module by module: what it is, what it returns, its parameters and what was counted."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
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
    it shares with others too; ``own_params`` those that stand in itself, shared ones where they stand first. One
    that only holds others never ``runs``.
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
    own_params: int = 0


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
    from ..counters.ways import Way, built
    from ..sources import quiet

    with ExitStack() as stack:
        stack.enter_context(quiet())
        if way is Way.FAKE:
            stack.enter_context(FakeTensorMode(allow_non_fake_inputs=True))
        module, args, named = built(way, lambda: regime.make({}), valued=True)
        parts = {path: _part(path, child) for path, child in module.named_modules()}
        for name, weight in module.named_parameters():
            parts[name.rpartition(".")[0]].own_params += weight.numel() * weight.requires_grad
        with _watched(module, parts), _forgotten(module):
            counts = count(module, args, {**regime.kwargs, **named}, backward=backward, training=target.training)
        for path, macs in counts.by_module().items():
            parts[path].macs = macs
    return Measured(list(parts.values()), counts, regime, way)


MOST_FOR_REAL = 10**10
"""Multiply-accumulates of what is run for real where meta tensors do not show its memory: a second."""


FURTHER = ("saved_bytes", "peak_bytes", "bytes_moved", "backward_macs", "fvcore")
"""What other runs show beside multiply-accumulates."""


@dataclass(frozen=True)
class Further:
    """What a run costs beside multiply-accumulates, by quantity; or ``missing``, why a quantity was not seen."""

    figures: Mapping[str, int]
    missing: Mapping[str, str]


def further(measured: Measured, asked: Collection[str], training: bool = False) -> Further:
    """Activations and attention maps; of bytes, the backward pass and what fvcore reports those that are asked.

    In the way in which the run was measured, unless tensors were fake or kernels of the CPU take other memory than
    meta tensors show: then bytes are those of a real run, if it is a small one. Each is as
    :mod:`vpcalc.checks.quantities` has it.
    """
    import torch

    from ..counters import dispatch, fvcore, live, saved
    from ..counters.kernels import Unlike
    from ..counters.ways import Way, built
    from ..sources import quiet

    counts = measured.counts
    figures = {"activations": counts.activations, "attention_elements": counts.attention}
    missing = dict[str, str]()
    first = measured.way
    if first is Way.FAKE:  # of which no bytes are seen
        if counts.macs > MOST_FOR_REAL:
            return Further(figures, dict.fromkeys(FURTHER, "tensors were fake"))
        first = Way.CPU
    how: Any = {"training": training}
    with quiet():

        def called(way: Way) -> Any:
            module, args, named = built(way, lambda: measured.regime.make({}), valued=True)
            return module, args, {**measured.regime.kwargs, **named}, way is Way.META

        def at_once(call: Any) -> dict[str, int]:
            found = live.count(*call[:3], **how, gradients=False, as_on_cpu=call[3])
            return {"peak_bytes": found.peak, "bytes_moved": found.moved}

        def kept(call: Any) -> dict[str, int]:
            return {"saved_bytes": saved.count(*call[:3], **how, as_on_cpu=call[3]).total}

        def backward(call: Any) -> dict[str, int]:
            return {"backward_macs": dispatch.count(*call[:3], **how, backward=True, products=False).backward}

        def traced(call: Any) -> dict[str, int]:
            trace = fvcore.Call(*call[:3])
            return {"fvcore": sum(fvcore.count(trace, trace.inputs, **how).flops.values())}

        passes: dict[Callable[[Any], dict[str, int]], tuple[str, ...]] = {
            at_once: ("peak_bytes", "bytes_moved"),
            kept: ("saved_bytes",),
            backward: ("backward_macs",),
            traced: ("fvcore",),
        }
        try:
            call = called(first)
        except Exception as error:  # its factory may raise anything
            return Further(figures, dict.fromkeys(FURTHER, first_line(error)))
        device = torch.device("meta" if first is Way.META else "cpu")
        for see, names in passes.items():
            if not set(names) & set(asked):
                continue
            try:
                with _forgotten(call[0]), device, Unlike() as unlike:
                    found = see(call)
                if unlike.found and first is Way.META and see in (at_once, kept):
                    if counts.macs > MOST_FOR_REAL:
                        others = ", ".join(unlike.found)
                        raise RuntimeError(f"{others} takes other memory on the CPU than meta tensors show")
                    real = called(Way.CPU)
                    with _forgotten(real[0]):
                        found = see(real)
                figures |= found
            except Exception as error:  # the module may raise anything
                missing |= dict.fromkeys(names, first_line(error))
    return Further(figures, missing)


def _forgotten(module: nn.Module) -> AbstractContextManager[None]:
    """Within it, a program may remember what it likes: nothing of it is there for the next run."""
    from ..execution.hooks import sources_of
    from ..execution.state import State

    return State(module, sources_of(module)).kept()


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
