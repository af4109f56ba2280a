"""fvcore's FlopCountAnalysis and ActivationCountAnalysis as a counter."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from contextlib import ExitStack, nullcontext
from typing import Any

import torch
from fvcore.nn import ActivationCountAnalysis, FlopCountAnalysis
from torch import Tensor, nn

from .counts import Counts
from .meta import meta_tracing


def count(module: nn.Module, inputs: tuple[Tensor, ...], *, activations: bool = True) -> Counts:
    """Count one forward pass in eval mode. Meta modules take no memory and no time to compute.

    Without ``activations`` these are left out, and it takes half the time.

    Raises:
        ValueError: fvcore returned a count that is not a whole number.
    """
    module.eval()
    on_meta = any(tensor.is_meta for tensor in (*module.parameters(), *inputs))
    with ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        stack.enter_context(torch.no_grad())
        stack.enter_context(meta_tracing() if on_meta else nullcontext())
        flops = _quiet(FlopCountAnalysis(module, inputs))
        outputs = _quiet(ActivationCountAnalysis(module, inputs)).by_operator() if activations else {}
        return Counts(
            counter="fvcore",
            flops=_whole(flops.by_operator()),
            activations=_whole(outputs),
            params=sum(p.numel() for p in module.parameters() if p.requires_grad),
            unpriced=dict(flops.unsupported_ops()),
        )


def _quiet(analysis: Any) -> Any:
    return analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).tracer_warnings("none")


def _whole(counts: Mapping[str, Any]) -> dict[str, int]:
    for name, number in counts.items():
        if number != int(number):
            raise ValueError(f"fvcore counted {number} for {name}, which is not a whole number")
    return {name: int(number) for name, number in sorted(counts.items()) if number}
