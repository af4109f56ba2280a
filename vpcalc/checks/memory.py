"""Bytes of the dataflow against PyTorch: saved tensors, live bytes, weights and optimizer state.

Networks are counted on the meta device with the CPU's kernels (:mod:`vpcalc.counters.kernels`), those under
autocast, which meta tensors do not know, in FakeTensorMode. Both take no memory. Where these kernels return more
or less than what is reported (:class:`~vpcalc.abstract.tape.Kernels`), the description is run by their rules, so
that a check compares like with like.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from ..abstract.tape import FAKE, ON_META
from ..architectures import Family
from ..errors import InputError
from ..optional import require_torch
from ..storage.footprint import Footprint, Way, checkpoints, model_footprint
from ..storage.step import model_step
from .crosscheck import Check, Report

if TYPE_CHECKING:
    from ..counters.live import Live
    from ..counters.saved import Saved
    from ..reference import Witness

ONE_VALUE = "more than 1 value per channel"
"""What ``torch.nn.functional.batch_norm`` says of a map of one place in a batch of one image."""

HOOKS, TRACKER, TORCH = "saved_tensors_hooks", "live storages", "torch"


def check_memory(
    family: Family, sizes: tuple[int, ...], config: Mapping[str, Any], batch: int, way: Way, step: bool = False
) -> tuple[Report, int | None]:
    """Run the reference module for inference and for training, and compare every byte.

    With ``step`` the most bytes that are alive in both passes of a step of training are compared, too, and
    returned: activations, what autograd keeps, and all gradients.
    """
    way = replace(way, kernels=FAKE if way.amp is not None else ON_META)
    expected = model_footprint(family, sizes, config, batch, way)
    derived = model_step(family, sizes, config, batch, way)
    if max(expected.saved, expected.weights, expected.inference.bytes, derived.peak.bytes) >= 2**62:
        return Report(reason=f"not run: {expected.saved:,} bytes are beyond what torch can address"), None
    require_torch("--check")
    from ..counters import live, saved

    used = partial(live.count, as_on_cpu=True)
    recomputing = way.recompute != "none"
    with _running(family, sizes, config, batch, way) as witness:
        inference = used(*witness)
        if way.recompute == "block":
            for path in checkpoints(family, sizes, config, batch, way):
                forget(witness.module.get_submodule(path), "forward")
        try:
            forward = used(*witness, training=True)
        except ValueError as error:
            if ONE_VALUE not in str(error):
                raise
            why = "PyTorch trains no batch norm on one value a channel, which a larger --batch or --input gives"
            return Report(reason=f"not run: {why}"), None
        kept = saved.count(*witness, backward=recomputing, as_on_cpu=True)
        most = used(*witness, training=True, backward=True, gathering=way.gathering).peak if step else None
    checks = list(_checks(expected, kept, inference, forward.peak, recomputing))
    if most is not None:
        checks.append(Check(TRACKER, "step_peak_bytes", "all", derived.peak.bytes, most))
    return Report(tuple(checks)), most


def _checks(expected: Footprint, kept: Saved, inference: Live, forward: int, recomputing: bool) -> Iterator[Check]:
    yield from totals(expected, kept)
    yield from _by_module(HOOKS, "saved_bytes", expected.by_module(), kept.by_module)
    if recomputing:
        yield Check(HOOKS, "held_bytes", "all", expected.held, kept.most)
    yield Check(TRACKER, "peak_bytes", "all", expected.inference.bytes, inference.peak)
    yield from _by_module(TRACKER, "peak_bytes", expected.peak_by_module(), inference.by_module)
    yield Check(TRACKER, "forward_peak_bytes", "all", expected.forward.bytes, forward)


def totals(expected: Footprint, kept: Saved) -> Iterator[Check]:
    """What there is all along, and what autograd keeps of it."""
    yield Check(TORCH, "weights_bytes", "all", expected.weights, kept.weights)
    yield Check(TORCH, "trained_bytes", "all", expected.trained, kept.trained)
    yield Check(TORCH, "buffers_bytes", "all", expected.buffers, kept.buffers)
    yield Check(TORCH, "input_bytes", "all", expected.inputs, kept.inputs)
    yield Check(HOOKS, "saved_bytes", "all", expected.saved, kept.total)


def _by_module(
    counter: str, quantity: str, expected: Mapping[str, int], counted: Mapping[str, int]
) -> Iterator[Check]:
    """The modules that differ, each by its path."""
    for path in sorted(expected.keys() | counted.keys()):
        if expected.get(path, 0) != counted.get(path, 0):
            name = path or "the network itself"
            yield Check(counter, quantity, name, expected.get(path, 0), counted.get(path, 0))


@contextmanager
def _running(
    family: Family, sizes: tuple[int, ...], config: Mapping[str, Any], batch: int, way: Way
) -> Iterator[Witness]:
    """The reference module, ready to be run in this way."""
    import torch

    from ..counters.private import FakeTensorMode
    from ..reference import MODEL_WITNESSES
    from ..reference.attention import attending
    from ..reference.tuning import tuned

    make = MODEL_WITNESSES[family.name]  # imported here, where tensors are real yet
    with ExitStack() as stack:
        stack.enter_context(default_type(getattr(torch, way.dtype)))
        # meta tensors know no autocast
        stack.enter_context(torch.device("meta") if way.amp is None else FakeTensorMode())
        forgets = way.recompute == "attention"
        stack.enter_context(attending("recomputed" if forgets else way.attention))
        witness = make(sizes, config, batch)
        if way.tuning is not None:
            witness = witness._replace(module=tuned(witness.module, way.tuning))
        if way.amp is not None:
            narrow = torch.autocast("cpu", dtype=getattr(torch, way.amp))
            witness.module.forward = narrow(witness.module.forward)
        yield witness


def type_of(dtype: str) -> Any:
    """A type of PyTorch's by its name."""
    import torch

    found = getattr(torch, dtype, None)
    if not isinstance(found, torch.dtype):
        raise InputError(f"--dtype {dtype}: is no type of PyTorch's")
    return found


@contextmanager
def default_type(dtype: Any) -> Iterator[None]:
    """Within it, weights and constants are made in this type."""
    import torch

    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def forget(owner: Any, function: str) -> None:
    """Have a function of a module forget what it computes and compute it again in the backward pass."""
    from torch.utils.checkpoint import checkpoint

    remembering = getattr(owner, function)

    def forgetting(*inputs: Any) -> Any:
        return checkpoint(remembering, *inputs, use_reentrant=True)

    setattr(owner, function, forgetting)
