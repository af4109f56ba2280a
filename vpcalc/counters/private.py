"""Every private name of torch that counters and runs rest on, so that a new version is read against one file.

What :mod:`vpcalc.execution.nodes` answers, the protocol of a symbolic size, is private too and has its own file.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
import torch._tensor as tensor_methods
from torch import Tensor
from torch._C._autograd import _get_sequence_nr as next_number
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeTensor,
    FakeTensorMode,
    UnsupportedFakeTensorException,
    UnsupportedOperatorException,
)
from torch.jit._trace import _get_trace_graph as trace_graph
from torch.utils._device import _device_constructors as device_constructors
from torch.utils._mode_utils import no_dispatch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._python_dispatch import _disable_current_modes as no_modes
from torch.utils._pytree import tree_flatten, tree_leaves, tree_unflatten

__all__ = [
    "NO_VALUES",
    "OLDEST",
    "FakeTensor",
    "FakeTensorMode",
    "TorchDispatchMode",
    "Uncompiled",
    "convolution",
    "device_constructors",
    "is_composite",
    "is_transformed",
    "is_tried",
    "mkldnn",
    "next_number",
    "no_dispatch",
    "no_functions",
    "no_modes",
    "number_of_node",
    "storage_key",
    "task",
    "tensor_methods",
    "trace_graph",
    "tracing_state",
    "tree_flatten",
    "tree_leaves",
    "tree_unflatten",
    "uncompiled",
]

NO_VALUES = (
    DataDependentOutputException,
    DynamicOutputShapeException,
    UnsupportedFakeTensorException,
    UnsupportedOperatorException,
)
"""What a fake tensor raises where a value is wanted."""

OLDEST = (2, 13)
"""The first version of torch on which runs on symbols are tried."""

no_functions = torch._C.DisableTorchFunction
convolution = torch._convolution
mkldnn = torch._mkldnn  # type: ignore[attr-defined]


class Uncompiled(TorchDispatchMode):
    """Sees operators as others do, where nothing is compiled (:func:`uncompiled`).

    To keep the compiler away at each call takes a tenth of a count, and a second to import it.
    """

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False


def uncompiled() -> AbstractContextManager[Any]:
    """Within it, what a program has compiled runs as it is written."""
    return torch.compiler.set_stance("force_eager") if "torch._dynamo" in sys.modules else nullcontext()


def is_tried() -> bool:
    """Whether runs on symbols are tried with this version of torch or one before it."""
    major, minor, *_ = torch.__version__.split(".")
    return (int(major), int(minor)) >= OLDEST


def is_composite(operator: Any) -> bool:
    """Whether an operator is made of others for every device, so that those can be counted instead."""
    key = torch._C.DispatchKey.CompositeImplicitAutograd
    return hasattr(operator, "has_kernel_for_dispatch_key") and bool(operator.has_kernel_for_dispatch_key(key))


def is_transformed() -> bool:
    """Whether a transform of functions (vmap, grad) is at work, under which tensors hide sides."""
    return torch._C._functorch.maybe_current_level() is not None


def task() -> int:
    """The number of the propagation of gradients that is going on, or -1."""
    return int(torch._C._current_graph_task_id())


def number_of_node() -> int | None:
    """When the node of autograd's graph that is propagating was made, by the count of :func:`next_number`."""
    node = torch._C._current_autograd_node()
    return None if node is None else int(node._sequence_nr())


def tracing_state() -> Any:
    """That of ``torch.jit``, or nothing."""
    return torch._C._get_tracing_state()


def storage_key(tensor: Tensor) -> int:
    """What tells a storage from others while both live."""
    return int(tensor.untyped_storage()._cdata)


def storages_of(tensors: Iterable[Tensor]) -> dict[int, torch.UntypedStorage]:
    """Storages by their keys, which nothing else has while these are held: a program may let its buffers go."""
    with no_functions():  # who follows a program's functions has no part in this
        return {storage_key(tensor): tensor.untyped_storage() for tensor in tensors}
