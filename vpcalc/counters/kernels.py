"""What kernels of the CPU do otherwise than those of the meta device, so that bytes there are those of real runs.

On meta, scaled dot-product attention is spelled out in matrix products, whatever the CPU would do, and a batch
norm in eval mode makes statistics of its own. Whether the CPU has its fused kernel for a call is asked of torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache, lru_cache
from typing import Any

import torch
import torch.nn.functional
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.nn.modules.module import register_module_forward_pre_hook
from torch.overrides import TorchFunctionMode

from .private import (
    FakeTensor,
    FakeTensorMode,
    TorchDispatchMode,
    no_functions,
    no_modes,
    storage_key,
    tracing_state,
)

FUSED = "aten::_scaled_dot_product_flash_attention_for_cpu"
"""The CPU's kernel of fused attention."""

MAKES_ONLY = ("empty", "new_empty")
"""How operators are called that make memory and neither read nor write."""

OF_ITS_OWN = frozenset(["lstm", "gru", "rnn_tanh", "rnn_relu", "embedding_bag", "ctc_loss", "_ctc_loss"])
"""Functions whose kernel on the CPU is another one than on the meta device."""

NOT_FOLLOWED = ("group_norm", "conv3d", "conv_transpose3d")
"""Functions whose result on the CPU may have channels last where its operands have, by rules that are not ours."""

STATISTICS = ("layer_norm", "batch_norm", "instance_norm")
"""Functions that keep statistics, which have as many bits as all operands on the CPU, and 32 on meta."""


def other_memory(name: str, args: Any, kwargs: Any) -> str:
    """What of a call takes other memory on the CPU than meta tensors show; empty where they show it."""
    if name in OF_ITS_OWN:
        return name
    if torch.is_autocast_enabled("cpu") or torch.is_autocast_enabled("cuda"):
        return f"{name} under autocast"
    if name in NOT_FOLLOWED and any(isinstance(part, Tensor) and has_channels_last(part) for part in args[:2]):
        return f"{name} of channels last"
    if (
        name in STATISTICS
        and all(_is_half(part) for part in (*args, *kwargs.values()) if isinstance(part, Tensor))
        and (name != "batch_norm" or kwargs.get("training", any(args[5:6])))
    ):
        return f"{name} in 16 bits"  # the CPU's statistics have as many then
    return ""


def _is_half(tensor: Tensor) -> bool:
    return tensor.dtype in (torch.bfloat16, torch.float16)


def is_one_kernel(module: nn.Module, args: Sequence[Any] = ()) -> bool:
    """Whether attention of torch's own may be one kernel on the CPU where no gradients are asked for.

    As far as it can be told from the module and what it is given: a mask may still keep it from that.
    """
    if isinstance(module, nn.TransformerEncoderLayer):
        args, module = (), module.self_attn
    return (
        isinstance(module, nn.MultiheadAttention)
        and torch.backends.mha.get_fastpath_enabled()
        and not module.training
        and bool(module.batch_first and module.num_heads % 2 == 0 and module._qkv_same_embed_dim)
        and module.in_proj_bias is not None
        and module.bias_k is None
        and not module.add_zero_attn
        and all(other is args[0] for other in args[:3])
    )


SPELLED_OUT = "torch.backends.mha.set_fastpath_enabled(False)"
"""What has attention of torch's own be no kernel of one piece."""


@contextmanager
def spelled_out() -> Iterator[None]:
    """Within it, attention of torch's own is no kernel of one piece."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


def moves(func: Any, operands: Iterable[Tensor], results: Sequence[Tensor]) -> bool:
    """Whether an operator reads or writes, and is no view.

    Some views are not declared so: ``_unsafe_view`` returns memory that it was given, and changes none of it.
    """
    moves_nothing, writes = _declared(func)
    if moves_nothing:
        return False
    if writes or not results:
        return True
    given = set(map(storage_key, operands))
    return any(storage_key(tensor) not in given for tensor in results)


@cache
def _declared(func: Any) -> tuple[bool, bool]:
    """Whether an operator is a view or makes memory only, and whether it writes, as its schema says."""
    return func.is_view or func.overloadpacket.__name__.startswith(MAKES_ONLY), func._schema.is_mutable


def once(tensors: Iterable[Tensor]) -> list[Tensor]:
    """Operands of a call, one that is given twice once."""
    return list({id(tensor): tensor for tensor in tensors}.values())


def attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """Scaled dot-product attention on meta by the kernel that the CPU would take."""
    laid = tuple(
        None if x is None else (tuple(x.shape), x.stride(), x.dtype, x.requires_grad)
        for x in (query, key, value, attn_mask)
    )
    if query.device.type != "meta" or not _is_fused(laid, dropout_p, is_causal, enable_gqa):
        return _SPELLED(query, key, value, attn_mask, dropout_p, is_causal, scale=scale, enable_gqa=enable_gqa)
    added = attn_mask  # which lives until the call is over, though nobody else may have it
    if attn_mask is not None and attn_mask.dtype is torch.bool:
        added = torch.where(attn_mask, 0.0, torch.scalar_tensor(-torch.inf, dtype=query.dtype, device="meta"))
    result, _ = _FUSED(query, key, value, dropout_p, is_causal, attn_mask=added, scale=scale)
    return result


_SPELLED = torch.nn.functional.scaled_dot_product_attention
_FUSED = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
_SPELLS_OUT = (torch.ops.aten.mul.Scalar, torch.ops.aten.bmm.default)
"""Attention that is spelled out scales the queries, and multiplies them."""


@lru_cache(maxsize=4096)
def _is_fused(laid: tuple[Any, ...], dropout_p: float, is_causal: bool, enable_gqa: bool) -> bool:
    """Whether the CPU would take its fused kernel, tried with tensors of that device that have no memory.

    Nobody who watches operators or what autograd keeps sees the trial, which ends where the kernel is known.
    """
    with (
        suppress(_TakenError),
        no_functions(),
        no_modes(),
        saved_tensors_hooks(_itself, _itself),
        FakeTensorMode(),
        _Choice() as choice,
    ):
        query, key, value, *mask = (
            torch.empty_strided(x[0], x[1], dtype=x[2], device="cpu").requires_grad_(x[3]) for x in laid if x
        )
        _SPELLED(query, key, value, mask[0] if mask else None, dropout_p, is_causal, enable_gqa=enable_gqa)
    return choice.is_fused


def _itself(tensor: Tensor) -> Tensor:
    return tensor


class _TakenError(Exception):
    """Attention has chosen its kernel."""


class _Choice(TorchDispatchMode):
    """Sees whether attention is the fused kernel or spelled out, and ends it there."""

    def __init__(self) -> None:
        super().__init__()
        self.is_fused = False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.is_fused = func is _FUSED.default
        if self.is_fused or func in _SPELLS_OUT:
            raise _TakenError
        return func(*args, **(kwargs or {}))


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """Classes as rows of one 1, on meta by the CPU's operators: it looks at the first and the last."""
    if not tensor.is_meta or num_classes < 1 or not tensor.numel():
        return _ONE_HOT(tensor, num_classes)
    for end in torch.aminmax(tensor):
        looked_at(end)
    made = torch.zeros((*tensor.size(), num_classes), dtype=torch.int64, device="meta")
    return made.scatter_(-1, tensor.unsqueeze(-1), 1)


_ONE_HOT = torch.nn.functional.one_hot


def assigned(tensor: Tensor, value: Any) -> Any:
    """What is written into places of a tensor: a number becomes a tensor, on meta by an operator that writes."""
    if not tensor.is_meta or not isinstance(value, (bool, int, float)):
        return value
    return torch.empty((), dtype=tensor.dtype, device="meta")


FROM_DATA = ("tensor", "new_tensor", "as_tensor")
"""Functions that make a tensor of numbers of Python."""


def made_of_data(name: str, args: Any, result: Any) -> Any:
    """What a call returned. A tensor on meta that was made of numbers is shown to whoever watches operators.

    On the CPU such memory is seen when it is made, on meta nothing is dispatched.
    """
    if name in FROM_DATA and isinstance(result, Tensor) and result.is_meta:
        data = args[name == "new_tensor" :][:1]
        if not any(isinstance(value, Tensor) for value in data):
            _shown(result)
    return result


def _shown(tensor: Tensor) -> Tensor:
    with no_functions(), torch.no_grad():
        _LIFT(tensor)
    return tensor


_LIFT = torch.ops.aten.lift_fresh.default

INDEXING = ("__getitem__", "__setitem__")


def at_places(func: Any) -> Any:
    """A function that takes or writes elements, which makes tensors of lists of places as the CPU does."""

    def called(tensor: Tensor, places: Any, *value: Any) -> Any:
        return func(tensor, _made_places(places) if tensor.is_meta else places, *value)

    return called


def _made_places(places: Any) -> Any:
    if isinstance(places, tuple):
        return tuple(_made_list(place) if isinstance(place, (list, tuple, range)) else place for place in places)
    if isinstance(places, list) and any(isinstance(place, (list, tuple, range)) for place in places):
        return list(_made_places(tuple(places)))  # torch takes it for a tuple
    return _made_list(places) if isinstance(places, (list, range)) else places


def _made_list(places: Any) -> Any:
    """A tensor of places; lists of masks, of tensors and of what is no number stay as they are."""
    if not _are_numbers(places):
        return places
    return _shown(torch.tensor(places, dtype=torch.int64, device="meta"))


def _are_numbers(places: Any) -> bool:
    return isinstance(places, range) or all(
        _are_numbers(place)
        if isinstance(place, (list, tuple, range))
        else isinstance(place, int) and not isinstance(place, bool)
        for place in places
    )


def looked_at(tensor: Tensor) -> None:
    """Show whoever watches operators that a number of a tensor on meta was read, as the CPU would read it.

    Meta tensors have no operator that reads a number; this one reads and returns nothing.
    """
    if tensor.is_meta and tracing_state() is None:  # a trace has no bytes
        with no_functions():
            torch.ops.aten._assert_async.default(tensor)


class AsOnCpu(TorchFunctionMode):
    """Within it, attention on meta takes the kernel that the CPU would take, and tensors of numbers are seen.

    Functions of torch that are made of others call it by its name, where no mode sees it.
    """

    def __enter__(self) -> Any:
        torch.nn.functional.scaled_dot_product_attention = attention
        return super().__enter__()

    def __exit__(self, *raised: Any) -> None:
        torch.nn.functional.scaled_dot_product_attention = _SPELLED
        super().__exit__(*raised)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.__name__
        if func is _SPELLED:
            return attention(*args, **(kwargs or {}))
        if func is _ONE_HOT:
            return one_hot(*args, **(kwargs or {}))
        if func in (Tensor.__setitem__,):
            args = (*args[:2], assigned(args[0], args[2]))
        if name in INDEXING:
            func = at_places(func)
        return made_of_data(name, args, func(*args, **(kwargs or {})))


class Unlike(TorchFunctionMode):
    """Notes what of a run without symbols takes other memory on the CPU than meta tensors show."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, None] = {}
        self._hook: Any = None

    def __enter__(self) -> Any:
        self._hook = register_module_forward_pre_hook(self._enters)
        return super().__enter__()

    def __exit__(self, *raised: Any) -> None:
        self._hook.remove()
        super().__exit__(*raised)

    def _enters(self, module: nn.Module, args: Any) -> None:
        if not torch.is_grad_enabled() and is_one_kernel(module, args):
            self.found[type(module).__name__] = None

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if (what := other_memory(func.__name__, args, kwargs or {})) != "":
            self.found[what] = None
        return func(*args, **(kwargs or {}))


_KEEPS_LAST = """
    convolution roll reflection_pad1d reflection_pad2d reflection_pad3d replication_pad1d
    replication_pad2d replication_pad3d native_channel_shuffle channel_shuffle max_unpool2d
"""
KEEPS_CHANNELS_LAST = frozenset(_KEEPS_LAST.split())
"""Operators whose result on the CPU has channels last where its operand has, and never has them last on meta."""

PLAIN_UNLESS_LAST = frozenset(
    ["native_batch_norm", "_native_batch_norm_legit", "_native_batch_norm_legit_no_training"]
)
"""Those whose result on the CPU is contiguous where its operand is, or has no channels last; on meta as that."""

PLAIN = frozenset(["log_sigmoid_forward", "rrelu_with_noise", "native_layer_norm_backward"])
"""Those whose (first) result on the CPU is contiguous."""

REDUCES_IN_PLACE = frozenset(["mse_loss", "smooth_l1_loss", "soft_margin_loss", "binary_cross_entropy"])
"""Losses that the CPU computes element by element and reduces into the first: all of its memory lives on."""

_LAID_OUT = KEEPS_CHANNELS_LAST | PLAIN_UNLESS_LAST | PLAIN


def laid_out(func: Any, args: Any, result: Any) -> Any:
    """The result of an operator on meta or fake tensors as it lies in memory on the CPU."""
    name = func.overloadpacket.__name__
    if name == "view" and isinstance(result, FakeTensor):
        strides = _viewed(tuple(args[0].size()), args[0].stride(), tuple(result.size()))
        return result if result.stride() == strides else result.as_strided(result.size(), strides)
    if name in _TRANSFORMS and result.is_meta:
        strides = _transformed(args[0], args[1], result.size(), name)
        return result if result.stride() == strides else result.new_empty_strided(result.size(), strides)
    if name in ("im2col", "col2im"):  # they begin with as much as their operand has
        room = result.new_empty(max(args[0].numel(), result.numel()))
        return room.as_strided(result.size(), result.stride())
    if name == "native_group_norm" and args[1] is not None and result[0].is_meta:  # statistics as wide as weights
        return (result[0], *(part.to(args[1].dtype) for part in result[1:]))
    if name == "native_group_norm_backward" and result[0] is not None and result[0].is_meta:
        return (result[0].to(args[1].dtype), *result[1:])
    if name in REDUCES_IN_PLACE and result.dim() == 0 and result.device.type == "meta":
        room = result.new_empty(torch.broadcast_shapes(args[0].size(), args[1].size()).numel())
        return room.as_strided((), ())
    first, *others = result if isinstance(result, tuple) else (result,)
    if name not in _LAID_OUT or not (isinstance(first, FakeTensor) or (first is not None and first.is_meta)):
        return result
    operands = args[:2] if name == "convolution" else args[:1]
    plain = name in PLAIN or (name in PLAIN_UNLESS_LAST and args[0].is_contiguous())
    last = any(map(has_channels_last, operands)) and not plain
    strides = _contiguous(first.size(), (1, *range(first.dim() - 1, 1, -1), 0) if last else None)
    if first.stride() == strides:
        return result
    laid = first.new_empty_strided(first.size(), strides)
    return (laid, *others) if isinstance(result, tuple) else laid


@lru_cache(maxsize=4096)
def _viewed(size: tuple[int, ...], strides: tuple[int, ...], to: tuple[int, ...]) -> tuple[int, ...]:
    """Strides of a view, which fake tensors have otherwise where a dimension has one place."""
    with no_modes():
        return torch.empty_strided(size, strides, device="meta").view(to).stride()


_TRANSFORMS = ("_fft_c2c", "_fft_r2c", "_fft_c2r")


def _transformed(x: Tensor, dims: Sequence[int], sizes: Sequence[int], name: str) -> tuple[int, ...]:
    """Strides of a transform's result: MKL has the sides that it transforms fastest, the others in their order.

    As ``aten/src/ATen/native/mkl/SpectralOps.cpp`` has it, ties included; the other library makes a plain result.
    """
    if not torch.backends.mkl.is_available():
        return _contiguous(sizes, None)
    if name == "_fft_c2r" and len(dims) > 1:  # complex along all sides but the last, before that
        strides = _transformed(x, dims[:-1], x.size(), "_fft_c2c")
        return _transformed(x.new_empty_strided(x.size(), strides), dims[-1:], sizes, name)

    def slowest(axes: list[int]) -> list[int]:
        return sorted(axes, key=lambda axis: -x.stride()[axis])

    moved = [axis % x.dim() for axis in dims]
    moved = [*slowest(moved[:-1]), moved[-1]] if name == "_fft_r2c" else slowest(moved)
    still = list(range(x.dim()))
    first, last = 0, len(still)
    while first < last:  # C++'s std::partition, whose order decides where two strides are equal
        if still[first] in moved:
            last -= 1
            while last > first and still[last] in moved:
                last -= 1
            still[first], still[last] = still[last], still[first]
            if last == first:
                break
        first += 1
    order = [*slowest(still[: x.dim() - len(moved)]), *moved]
    return _contiguous(sizes, reversed(order))


def has_channels_last(tensor: Tensor) -> bool:
    """Whether a map of two or three sides runs through its channels first, as torch tells it by strides."""
    if tensor.dim() not in (4, 5) or tensor.stride(1) == 0:
        return False
    low = 0
    for axis in (1, *range(tensor.dim() - 1, 1, -1), 0):
        size, stride = tensor.size(axis), tensor.stride(axis)
        if size == 0 or stride < low or (axis == 0 and low == tensor.stride(1)):
            return False
        low = stride * max(size, 1)
    return True


def _contiguous(sizes: Sequence[int], order: Iterable[int] | None) -> tuple[int, ...]:
    """Strides without gaps; ``order`` names the sides from the fastest to the slowest, the last first if None."""
    strides, step = [1] * len(sizes), 1
    for axis in range(len(sizes) - 1, -1, -1) if order is None else order:
        strides[axis] = step
        step *= max(sizes[axis], 1)
    return tuple(strides)


def nothing_kept(func: Any, args: Any, result: Any) -> set[int]:
    """Storages of a result on meta that take no memory on the CPU: statistics of a batch norm in eval mode."""
    if func.overloadpacket is torch.ops.aten.native_batch_norm and not args[5]:
        return {storage_key(part) for part in result[1:]}
    return set()
