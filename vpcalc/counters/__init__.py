"""Counters: what a tool says that a real module costs.

A counter takes a module and its inputs and returns :class:`Counts`. It never sees a formula.
:mod:`vpcalc.counters.meta` lets fvcore trace on the meta device, where tensors have shapes and no
memory, so that an attention map of 256 GiB is counted on a laptop.

Counters import torch, fvcore and friends inside their modules; this package itself imports neither.
"""

from .counts import Counter, Counts

__all__ = ["Counter", "Counts"]
