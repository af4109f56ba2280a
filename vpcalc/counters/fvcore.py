"""fvcore's FlopCountAnalysis and ActivationCountAnalysis as a counter."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from .counts import Counts
from .dispatch import tensors_of
from .meta import meta_tracing
from .private import tree_flatten, tree_unflatten

with warnings.catch_warnings():  # it warns of itself, which stops the tests of those who make errors of warnings
    warnings.simplefilter("ignore")
    from fvcore.nn import ActivationCountAnalysis, FlopCountAnalysis

Handle = Callable[[list[Any], list[Any]], Any]
"""fvcore's price of one operator, from the values that go in and come out."""


def count(module: nn.Module, inputs: tuple[Tensor, ...], training: bool = False) -> Counts:
    """Count one forward pass, in eval mode unless ``training``. Meta modules take no memory and compute nothing.

    Raises:
        ValueError: fvcore returned a count that is not a whole number.
    """
    module.train(training)
    on_meta = any(tensor.is_meta for tensor in (*module.parameters(), *inputs))
    with ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        stack.enter_context(torch.no_grad())
        stack.enter_context(meta_tracing() if on_meta else nullcontext())
        analysis = _BothAtOnce(module, inputs)
        analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).tracer_warnings("none")
        flops = analysis.by_operator()
        return Counts(
            counter="fvcore",
            flops=_whole(flops),
            activations=_whole(analysis.activations),
            params=sum(p.numel() for p in module.parameters() if p.requires_grad),
            unpriced=dict(analysis.unsupported_ops()),
        )


class Call(nn.Module):
    """A call with arguments of any kind, as a trace takes it: tensors in, and tensors out.

    A trace drops what no result needs. With ``whole`` everything that functions of torch made is a result, too.
    """

    def __init__(
        self, module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any], whole: bool = False
    ) -> None:
        super().__init__()
        self.module, self.whole = module, whole
        leaves, self._structure = tree_flatten((args, dict(kwargs)))
        self._leaves = [None if isinstance(leaf, Tensor) else leaf for leaf in leaves]
        self._places = [place for place, leaf in enumerate(leaves) if isinstance(leaf, Tensor)]
        self.inputs = tuple(leaves[place] for place in self._places)

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """What the module returns, without what holds it together."""
        leaves = list(self._leaves)
        for place, tensor in zip(self._places, tensors, strict=True):
            leaves[place] = tensor
        args, kwargs = tree_unflatten(leaves, self._structure)
        with _Made() if self.whole else nullcontext() as made:
            results = tensors_of(self.module(*args, **kwargs))
        return tuple(results if made is None else tensors_of((results, made.tensors)))


class _Made(TorchFunctionMode):
    """Keeps every tensor that a function of torch returns."""

    def __init__(self) -> None:
        super().__init__()
        self.tensors: list[Tensor] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        self.tensors += tensors_of(result)
        return result


class _BothAtOnce(FlopCountAnalysis):
    """fvcore's flops, and the activations that its other analysis would count on the same trace.

    Each analysis runs and traces the module, which is most of what a count takes. Here the handles of both
    see the operators of one run.
    """

    def __init__(self, module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        super().__init__(module, inputs)
        self.activations: Counter[str] = Counter()
        for operator, handle in ActivationCountAnalysis(module, inputs)._op_handles.items():
            self.set_op_handle(operator, self._with_activations(operator, self._op_handles[operator], handle))

    def _with_activations(self, operator: str, flops: Handle, activations: Handle) -> Handle:
        def both(inputs: list[Any], outputs: list[Any]) -> Any:
            found = activations(inputs, outputs)
            named = found if isinstance(found, Counter) else {self._simplify_op_name(operator): found}
            self.activations.update(named)
            return flops(inputs, outputs)

        return both


def _whole(counts: Mapping[str, Any]) -> dict[str, int]:
    for name, number in counts.items():
        if number != int(number):
            raise ValueError(f"fvcore counted {number} for {name}, which is not a whole number")
    return {name: int(number) for name, number in sorted(counts.items()) if number}
