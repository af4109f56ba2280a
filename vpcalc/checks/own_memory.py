"""A module of the reader's in bytes: what its own runs keep and hold, and counts of PyTorch beside them.

Two runs see it: one for inference and one of which autograd keeps what it needs. Both go through numbers or
symbols. What comes out is the footprint that a description of ours has, so that plans are made of it alike.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from ..abstract.tape import Kept, Peak, Work
from ..abstract.tuning import Tuning
from ..algebra.polynomial import Polynomial
from ..errors import unknown
from ..sources import quiet
from ..storage.footprint import Footprint
from ..storage.optimizers import Optimizer
from ..storage.step import Step
from .crosscheck import Check, Report
from .measured import MOST_FOR_REAL
from .memory import TRACKER, default_type, totals, type_of
from .ran import NotRunError, once
from .targets import Target

if TYPE_CHECKING:
    from torch import nn

    from ..execution.outcome import Execution, Place, Point
    from ..execution.program import Program
    from ..execution.run import Memory, Started

NEEDED = ("saved_bytes", "peak_bytes", "bytes_moved")


@dataclass(frozen=True)
class OwnBytes:
    """What a target takes at the numbers of its symbols.

    Args:
        inference, training: its runs in bytes; the second in train mode where it is trained.
        program: what ran.
        dtype: type of weights and of inputs of which nothing else is said.
        narrowed: what runs under autocast.
    """

    inference: Execution
    training: Execution
    program: Program
    train: bool
    dtype: str
    gathering: bool = False
    narrowed: Narrowed | None = None

    @property
    def footprint(self) -> Footprint:
        """In numbers."""
        point = self.inference.point

        def number(form: Polynomial) -> int:
            return int(form.at(point))

        def peak(run: Execution, quantity: str) -> Peak:
            (place, form), *_ = run.calls[quantity].items()
            return self._peak(form, place)

        with default_type(type_of(self.dtype)), self.program.plainly(point) as (module, _, _):
            weights, buffers = (
                list({id(each): each for each in some}.values())
                for some in (module.parameters(), module.buffers())
            )
        kept = tuple(
            Kept(path, name.strip("_"), "result", number(form))
            for (path, name), form in self.training.calls["saved_bytes"].items()
        )
        return Footprint(
            params=number(self.inference.params),
            tensors=sum(weight.requires_grad for weight in weights),
            weights=sum(weight.nbytes for weight in weights),
            buffers=sum(buffer.nbytes for buffer in buffers),
            inputs=number(self.inference.totals["input_bytes"]),
            kept=kept,
            held=sum(part.bytes for part in kept),
            inference=peak(self.inference, "peak_bytes"),
            forward=peak(self.training, "forward_peak_bytes"),
            cache=0,
            peaks={},
            trained=sum(weight.nbytes for weight in weights if weight.requires_grad),
            frozen=sum(weight.numel() for weight in weights if not weight.requires_grad),
            shapes=tuple((tuple(weight.size()), 1) for weight in weights if weight.requires_grad),
        )

    @property
    def is_in_one_piece(self) -> bool:
        """Whether PyTorch may run some of its attention as one kernel in an inference."""
        from ..counters.kernels import is_one_kernel

        with self.program.plainly(self.inference.point) as (module, _, _):
            return any(is_one_kernel(part) for part in module.eval().modules())

    @property
    def step(self) -> Step | None:
        """A step of training in numbers, gradients as they come; None where it is not trained, or not known."""
        passes = self.training.passes
        if passes is None:
            return None
        return Step(self._peak(*passes.most), int(passes.left.at(self.inference.point)), passes.weights)

    def _peak(self, form: Polynomial, place: Place) -> Peak:
        path, name = place
        return Peak(int(form.at(self.inference.point)), path, name.strip("_"))

    @property
    def works(self) -> list[Work]:
        """What the functions of each module do in an inference, all calls of one together."""
        point = self.inference.point
        macs, moved = self.inference.calls["macs"], self.inference.calls["bytes_moved"]
        return [
            Work(path, name.strip("_"), int(macs[path, name].at(point)) if (path, name) in macs else 0, number, 0)
            for (path, name), form in moved.items()
            for number in [int(form.at(point))]
        ]

    def report(self) -> tuple[Report, int | None]:
        """PyTorch's own counts at the same numbers; and, where it is trained, the most alive in both passes."""
        if self.narrowed is not None:
            return self.narrowed.report(self)
        return self.against(lambda: self.program.plainly(self.inference.point), as_on_cpu=True)

    def against(
        self, started: Callable[[], AbstractContextManager[Started]], as_on_cpu: bool
    ) -> tuple[Report, int | None]:
        """Counts of a module with its arguments, each time as ``started``; those of meta tensors ``as_on_cpu``."""
        from ..counters import live, saved
        from ..counters.kernels import spelled_out

        point, found, passes = self.inference.point, self.footprint, self.training.passes

        def counted(count: Any, **how: Any) -> Any:
            with started() as (module, args, kwargs):
                return count(module, args, kwargs, as_on_cpu=as_on_cpu, **how)

        with default_type(type_of(self.dtype)), spelled_out():
            inference = counted(live.count, training=False, gradients=False)
            kept = counted(saved.count, training=self.train)
            forward = counted(live.count, training=self.train, gradients=True)
            step = None
            if passes is not None:
                how = {"training": self.train, "gradients": True, "gathering": self.gathering}
                both = counted(live.count, backward=True, **how)
                step = both.peak if both.is_back else None
        checks = [
            *totals(found, kept),
            Check(TRACKER, "peak_bytes", "all", found.inference.bytes, inference.peak),
            Check(TRACKER, "forward_peak_bytes", "all", found.forward.bytes, forward.peak),
        ]
        if passes is not None and step is not None:
            checks.append(Check(TRACKER, "step_peak_bytes", "all", int(passes.observed[0].at(point)), step))
        return Report(tuple(checks)), step

    def step_form(self, optimizer: Optimizer, item: int) -> Polynomial | None:
        """What is alive in a step at its peak, as long as that is where it is; None where no step was run."""
        passes, step = self.training.passes, self.step
        if passes is None or step is None:
            return None
        most = step.most(optimizer, item, int(self.inference.params.at(self.inference.point)))
        return passes.most[0] if most is step.peak else passes.left + (most.bytes - step.left)

    def step_holds_at(self, optimizer: Optimizer, item: int, point: Point) -> bool:
        """Whether that form is what a run at other sizes has.

        What the engine runs is not called with shapes, so that its forms are inferred.
        """
        memory = _step(self.gathering)
        with default_type(type_of(self.dtype)):
            training = self._in_mode(True, lambda _: self.program.execute(point, memory))
        there = replace(self, inference=replace(self.inference, point=dict(point)), training=training)
        forms = self.step_form(optimizer, item), there.step_form(optimizer, item)
        try:
            return None not in forms and len({form.at(point) for form in forms if form is not None}) == 1
        except ValueError:  # it is not even whole there
            return False

    def _in_mode(self, training: bool, count: Callable[..., Any]) -> Any:
        before, self.program.training = self.program.training, training
        try:
            return count(self.inference.point)
        finally:
            self.program.training = before


class Narrowed(NamedTuple):
    """Autocast around a target: to a type, as it is on a device."""

    target: Target
    dtype: str
    device: str = "cuda"

    @property
    def followed(self) -> Target:
        """The target with casts as functions of their own, by the lists for the device."""
        from ..execution import autocast

        lists = {"cuda": autocast.CUDA, "cpu": autocast.CPU}[self.device]
        return _changed(self.target, partial(_wrapped, lambda f: autocast.within(f, type_of(self.dtype), lists)))

    def report(self, found: OwnBytes) -> tuple[Report, int | None]:
        """Runs of PyTorch's autocast on the CPU, with values, against what its lists for the CPU say."""
        import torch

        from ..counters.ways import Way, built

        point = found.inference.point
        if (macs := int(found.inference.totals["macs"].at(point))) > MOST_FOR_REAL:
            return Report(reason=f"{macs:,} multiply-accumulates are too many to run autocast for real"), None
        narrow = torch.autocast("cpu", dtype=type_of(self.dtype))
        target = _changed(self.target, partial(_wrapped, narrow))
        on_cpu = self._replace(device="cpu")
        try:
            expected = in_bytes(self.target, dict(point), found.train, found.dtype, found.gathering, on_cpu)
        except NotRunError as error:
            return Report(reason=f"by autocast's lists for the CPU it {error}"), None
        regime = target.regimes[0]
        with quiet(), default_type(type_of(found.dtype)):
            module, args, named = built(Way.CPU, lambda: regime.make(dict(point)), valued=True)
        started = module, args, {**regime.kwargs, **named}
        return expected.against(lambda: nullcontext(started), as_on_cpu=False)


def _wrapped(around: Callable[[Callable[..., Any]], Callable[..., Any]], module: nn.Module) -> nn.Module:
    module.forward = around(module.forward)
    return module


def tuned_target(target: Target, tuning: Tuning) -> Target:
    """A target of which that is trained."""

    def change(module: nn.Module) -> nn.Module:
        from ..reference.tuning import tuned

        try:
            return tuned(module, tuning)
        except LookupError as error:
            option, name, known = error.args
            raise unknown(option, name, known) from None

    return _changed(target, change)


def _changed(target: Target, change: Callable[[nn.Module], nn.Module]) -> Target:
    """A target with other modules: what its factory leaves is not changed, but a copy of it."""

    def remade(make: Callable[[Point], Any], point: Point) -> Any:
        from ..counters.weights import sharing_weights

        module, given = make(point)
        return change(sharing_weights(module)), given

    regimes = (replace(regime, make=partial(remade, regime.make)) for regime in target.regimes)
    return replace(target, regimes=tuple(regimes))


def _step(gathering: bool) -> Memory:
    from ..execution.run import Memory

    return Memory.GATHERED if gathering else Memory.STEP


def in_bytes(
    target: Target,
    point: dict[str, int],
    train: bool,
    dtype: str = "float32",
    gathering: bool = False,
    narrowed: Narrowed | None = None,
) -> OwnBytes:
    """Both runs of a target, in the first way in which it runs; gradients of weights may be gathered elsewhere.

    If it is to be ``narrowed`` it runs under autocast.

    Raises:
        NotRunError: it does not run, or what it takes cannot be seen.
    """
    from ..counters.kernels import spelled_out
    from ..execution.outcome import BeyondError
    from ..execution.run import Memory

    with default_type(type_of(dtype)), spelled_out():
        _, program = once(target if narrowed is None else narrowed.followed, point)
        try:
            inference = program.execute(point, Memory.LIVE)
            program.training = train
            training = program.execute(point, _step(gathering) if train else Memory.KEPT)
        except BeyondError as beyond:
            raise NotRunError(f"cannot be followed in bytes: {beyond}") from beyond
        finally:
            program.training = False
    for run in (inference, training):
        if run.error is not None:
            raise NotRunError(f"does not run: {run.error}")
        for quantity in NEEDED:
            if quantity in run.missing:
                raise NotRunError(f"its bytes cannot be told: {run.missing[quantity]}")
    return OwnBytes(inference, training, program, train, dtype, gathering, narrowed)
