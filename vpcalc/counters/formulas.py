"""The price of every ATen operator that multiplies matrices or convolves, in multiply-accumulates.

A price is a function of the operator's arguments by their schema names and of its (first) result. Batch
dimensions, broadcasting and groups need no special case: a product costs its output elements times the
length of the sums behind each. Attention is priced as the full rectangle of queries and keys, causal or
not, as its eager spelling computes it. Complex products count once, like real ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

Arguments = Mapping[str, Any]
Price = Callable[[Arguments, Any], "int | None"]
"""Arguments by name and the result to multiply-accumulates; None where this call cannot be priced."""

PRICES: dict[str, Price] = {}
"""By qualified name, such as ``aten::addmm``."""

TAKES_NESTED = frozenset({"aten::_transformer_encoder_layer_fwd"})
"""Operators whose price knows nested tensors."""

OVER_TIME = "variable lengths"
"""Why attention over packed sequences has no price where their lengths cannot be read."""


P = TypeVar("P", bound=Price)


def priced(*names: str) -> Callable[[P], P]:
    """Enter a price under the operators that it serves."""

    def register(price: P) -> P:
        for name in names:
            qualified = name if "::" in name else f"aten::{name}"
            if qualified in PRICES:
                raise ValueError(f"{qualified} is already priced")
            PRICES[qualified] = price
        return price

    return register


# -- matrix products ----------------------------------------------------------------------------------


@priced("mm", "bmm", "linear", "mkldnn_linear", "_scaled_mm", "_scaled_mm_v2", "_int_mm", "_mixed_dtypes_linear")
@priced("_weight_int8pack_mm", "_weight_int4pack_mm", "_weight_int4pack_mm_for_cpu")
@priced("_weight_int4pack_mm_with_scales_and_zeros", "_dyn_quant_matmul_4bit")
def product(x: Arguments, out: Any) -> int:
    """(..., m, k)(..., k, n): every output element is a sum of k products."""
    return int(out.numel() * _first(x).shape[-1])


@priced("addmm", "_addmm_activation")
def added_product(x: Arguments, out: Any) -> int:
    """bias + (m, k)(k, n)."""
    return int(out.numel() * x["mat1"].shape[-1])


@priced("baddbmm")
def added_batched_product(x: Arguments, out: Any) -> int:
    """bias + (b, m, k)(b, k, n)."""
    return int(out.numel() * x["batch1"].shape[-1])


@priced("addbmm")
def summed_batched_product(x: Arguments, out: Any) -> int:
    """bias + the sum over b of (b, m, k)(b, k, n)."""
    return int(out.numel() * x["batch1"].shape[-1] * x["batch1"].shape[0])


@priced("mv", "dot", "vdot")
def vector_product(x: Arguments, out: Any) -> int:
    """(m, k)(k) or (k)(k): every element of the first operand is used once."""
    return int(x["self"].numel())


@priced("addmv")
def added_vector_product(x: Arguments, out: Any) -> int:
    """bias + (m, k)(k)."""
    return int(x["mat"].numel())


@priced("addr")
def outer_product(x: Arguments, out: Any) -> int:
    """matrix + (m, 1)(1, n)."""
    return int(x["vec1"].numel() * x["vec2"].numel())


@priced("_trilinear")
def trilinear(x: Arguments, out: Any) -> int:
    """The sum of i1 * i2 * i3, as in ``nn.Bilinear``: one for each point of the three shapes broadcast together.

    A weight (n, i, j) on rows of x1 and x2 costs rows * n * i * j: every weight is used once a row.
    """
    points, shapes = 1, []
    for operand, expand in (("i1", "expand1"), ("i2", "expand2"), ("i3", "expand3")):
        shape = list(x[operand].shape)
        for axis in sorted(x[expand]):
            shape.insert(axis, 1)
        shapes.append(shape)
    for sides in zip(*shapes, strict=True):
        points *= max(sides) if min(sides) else 0
    return points


@priced("_grouped_mm", "_scaled_grouped_mm", "_scaled_grouped_mm_v2")
def grouped_product(x: Arguments, out: Any) -> int:
    """Products of a mixture of experts: each row (or column) of a flat operand belongs to one group.

    (rows, k)(groups, k, n), (groups, m, k)(k, columns), (m, k)(k, n) cut along k, or a plain batch. Rows
    beyond the last offset are counted.
    """
    left, right = x["self"], x["mat2"]
    if left.dim() == 3 and right.dim() == 2:
        return int(left.shape[1] * right.numel())
    return int(left.numel() * right.shape[-1])


@priced("transformers::grouped_mm_fallback")
def grouped_product_elsewhere(x: Arguments, out: Any) -> int:
    """(rows, k)(groups, k, n), under the names of transformers' own operator."""
    return int(x["input"].numel() * x["weight"].shape[-1])


@priced("affine_grid_generator")
def affine_grid(x: Arguments, out: Any) -> int:
    """(batch, points, 3)(3, 2) in the plane, (batch, points, 4)(4, 3) in space."""
    return int(out.numel() * x["theta"].shape[-1])


# -- convolutions -------------------------------------------------------------------------------------


@priced("convolution", "_convolution", "convolution_overrideable")
def convolution(x: Arguments, out: Any) -> int:
    """Output elements times the taps behind each; transposed, input elements times the taps they feed.

    A weight is (c_out, c_in/groups, *kernel), transposed (c_in, c_out/groups, *kernel), so that its elements
    over its first side are the taps, groups and all. Stride, padding and dilation act through the output.
    """
    return _taps(x["weight"]) * int((x["input"] if x["transposed"] else out).numel())


@priced("cudnn_convolution", "cudnn_convolution_relu", "cudnn_convolution_add_relu", "mkldnn_convolution")
@priced("miopen_convolution", "miopen_convolution_relu", "miopen_convolution_add_relu", "_mps_convolution")
@priced("miopen_depthwise_convolution", "_conv_depthwise2d", "conv_depthwise3d", "_nnpack_spatial_convolution")
@priced("_slow_conv2d_forward", "slow_conv3d_forward", "slow_conv_dilated2d", "slow_conv_dilated3d")
def plain_convolution(x: Arguments, out: Any) -> int:
    """Kernels that know one direction only."""
    return _taps(x["weight"]) * int(out.numel())


@priced("cudnn_convolution_transpose", "miopen_convolution_transpose", "_mps_convolution_transpose")
@priced("slow_conv_transpose2d", "slow_conv_transpose3d")
def transposed_convolution(x: Arguments, out: Any) -> int:
    """Kernels that know the transposed direction only."""
    return _taps(x["weight"]) * int(_first(x).numel())


@priced("conv_tbc")
def time_first_convolution(x: Arguments, out: Any) -> int:
    """(time, batch, c_in) with a weight (kernel, c_in, c_out)."""
    return int(out.numel() * x["weight"].shape[0] * x["weight"].shape[1])


@priced("convolution_backward", "convolution_backward_overrideable")
def convolution_backward(x: Arguments, out: Any) -> int:
    """The input's gradient and the weight's gradient each use every forward product once more."""
    forward = convolution(x, x["grad_output"])
    return forward * (int(x["output_mask"][0]) + int(x["output_mask"][1]))


def _taps(weight: Any) -> int:
    return int(weight.numel() // weight.shape[0]) if weight.shape[0] else 0


# -- fused attention ----------------------------------------------------------------------------------


@priced("_scaled_dot_product_flash_attention", "_scaled_dot_product_flash_attention_for_cpu")
@priced("_scaled_dot_product_efficient_attention", "_scaled_dot_product_cudnn_attention")
@priced("_scaled_dot_product_fused_attention_overrideable", "_scaled_dot_product_attention_math_for_mps")
@priced("scaled_dot_product_attention", "higher_order::flex_attention")
def attention(x: Arguments, out: Any) -> int:
    """Scores (n, d)(d, m) and mix (n, m)(m, d_v), for every head of the queries.

    Tensors are (..., heads, n, d); keys and values may have fewer heads, which are shared. A block mask of
    flex attention is not looked at: all blocks are counted.
    """
    return _pairs(x) * _widths(x)


@priced("_scaled_dot_product_flash_attention_backward", "_scaled_dot_product_flash_attention_for_cpu_backward")
@priced("_scaled_dot_product_efficient_attention_backward", "_scaled_dot_product_cudnn_attention_backward")
@priced("_scaled_dot_product_fused_attention_overrideable_backward", "higher_order::flex_attention_backward")
def attention_backward(x: Arguments, out: Any) -> int:
    """Five products: the scores once more, then the gradients of values, map, queries and keys."""
    return _pairs(x) * (2 * _widths(x) + int(x["query"].shape[-1]))


@priced("_flash_attention_forward", "_flash_attention_forward_no_dropout_inplace", "_efficient_attention_forward")
def attention_kernel(x: Arguments, out: Any) -> int | None:
    """The kernels beneath, on (batch, n, heads, d), or on packed sequences with their offsets."""
    pairs = _kernel_pairs(x)
    return None if pairs is None else pairs * _widths(x)


@priced("_flash_attention_backward", "_efficient_attention_backward")
def attention_kernel_backward(x: Arguments, out: Any) -> int | None:
    """Five products, as in :func:`attention_backward`."""
    pairs = _kernel_pairs(x)
    return None if pairs is None else pairs * (2 * _widths(x) + int(x["query"].shape[-1]))


@priced("_cudnn_attention_forward")
def cudnn_attention(x: Arguments, out: Any) -> int | None:
    """cuDNN's kernel on (batch, heads, n, d); packed sequences are laid out as for flash attention."""
    if x.get("cum_seq_q") is not None:
        return attention_kernel(x, out)
    return attention(x, out)


@priced("_cudnn_attention_backward")
def cudnn_attention_backward(x: Arguments, out: Any) -> int | None:
    """The same, backward."""
    if x["query"].dim() == 3:
        return attention_kernel_backward(x, out)
    return attention_backward(x, out)


def _pairs(x: Arguments) -> int:
    """Pairs of a query and a key, over batch and heads of the queries."""
    query = x["query"]
    return int(query.numel() // max(query.shape[-1], 1) * x["key"].shape[-2])


def _scores(x: Arguments, out: Any) -> int:
    return _pairs(x)


MAPS: Mapping[str, Callable[[Arguments, Any], int]] = {
    **{f"aten::{name}": lambda x, out: int(out.numel()) for name in ("_softmax", "_safe_softmax")},
    **{name: _scores for name, price in PRICES.items() if price is attention and name.startswith("aten::")},
}
"""Elements of attention maps, by qualified name: what a softmax returns, and scores that nobody writes."""


def _widths(x: Arguments) -> int:
    return int(x["query"].shape[-1] + x["value"].shape[-1])


def _kernel_pairs(x: Arguments) -> int | None:
    queries = x.get("cum_seq_q", x.get("cu_seqlens_q"))
    keys = x.get("cum_seq_k", x.get("cu_seqlens_k"))
    query, key = x["query"], x["key"]
    heads = int(query.shape[-2])
    if queries is None or keys is None:
        batch, n, m = query.shape[0], query.shape[1], key.shape[1]
        return int(batch * heads * n * m)
    if not (_readable(queries) and _readable(keys)):
        return None
    lengths = zip(queries.diff().tolist(), keys.diff().tolist(), strict=True)
    return heads * sum(n * m for n, m in lengths)


def _readable(tensor: Any) -> bool:
    from .private import FakeTensor

    return tensor.device.type != "meta" and not isinstance(tensor, FakeTensor)


# -- fused layers -------------------------------------------------------------------------------------


@priced("_transformer_encoder_layer_fwd")
def encoder_layer(x: Arguments, out: Any) -> int:
    """nn.TransformerEncoderLayer in one call, on (batch, n, C): every weight a row, and 2n²C for the attention.

    With a padding mask the sequences of a batch come nested, each with its own length.
    """
    src = x["src"]
    lengths = src._nested_tensor_size()[:, 0].tolist() if src.is_nested else src.shape[0] * [src.shape[1]]
    weights = sum(x[name].numel() for name in ("qkv_weight", "proj_weight", "ffn_weight_1", "ffn_weight_2"))
    return int(sum(n * weights + 2 * n * n * x["embed_dim"] for n in lengths))


@priced("_native_multi_head_attention")
def multi_head_attention(x: Arguments, out: Any) -> int:
    """nn.MultiheadAttention in one call: (batch, n, C) queries on (batch, m, C) keys and values."""
    batch, n, width = x["query"].shape
    m = x["key"].shape[1]
    projections = width * width * (2 * n + m + x["value"].shape[1])
    return int(batch * (projections + 2 * n * m * width))


@priced("mkldnn_rnn_layer")
def recurrent_layer(x: Arguments, out: Any) -> int:
    """One layer in one direction: both weights once for every step and sequence of (steps, batch, d)."""
    return _steps(x) * int(x["weight0"].numel() + x["weight1"].numel())


@priced("mkldnn_rnn_layer_backward")
def recurrent_layer_backward(x: Arguments, out: Any) -> int:
    """Gradients of the data and of the weights: every forward product twice more."""
    return 2 * _steps(x) * int(x["weight1"].numel() + x["weight2"].numel())


@priced("_cudnn_rnn", "miopen_rnn")
def recurrent_stack(x: Arguments, out: Any) -> int:
    """All layers and directions: each weight matrix once for every step and sequence."""
    return _steps(x) * sum(int(weight.numel()) for weight in x["weight"] if weight.dim() == 2)


@priced("_cudnn_rnn_backward", "miopen_rnn_backward")
def recurrent_stack_backward(x: Arguments, out: Any) -> int:
    """Gradients of the data, and of the weights where they are asked for."""
    return recurrent_stack(x, out) * (1 + int(x["output_mask"][3]))


def _steps(x: Arguments) -> int:
    """Steps times sequences; (rows, d) where sequences of different lengths are packed."""
    steps = 1
    for side in x["input"].shape[:-1]:
        steps *= int(side)
    return steps


def _first(x: Arguments) -> Any:
    """The first operand, whatever the schema calls it."""
    return next(iter(x.values()))
