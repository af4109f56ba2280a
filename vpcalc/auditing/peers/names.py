"""Functions that some counter replaces by its own, by the names under which it does."""

from __future__ import annotations

F = "torch.nn.functional."

ACTIVATIONS = tuple(F + name for name in ("relu", "prelu", "elu", "relu6", "gelu", "silu"))
POOLING = tuple(
    f"{F}{kind}_pool{axes}d" for kind in ("avg", "max", "adaptive_avg", "adaptive_max") for axes in (1, 2, 3)
)
CONVOLUTIONS = tuple(f"{F}conv{axes}d" for axes in (1, 2, 3))
TRANSPOSED = tuple(f"{F}conv_transpose{axes}d" for axes in (1, 2, 3))
RESIZING = (F + "upsample", F + "interpolate")
MATMULS = ("torch.matmul", "torch.Tensor.matmul")
PRODUCTS = ("torch.mm", "torch.Tensor.mm", "torch.bmm", "torch.Tensor.bmm")
ADDED = ("torch.addmm", "torch.Tensor.addmm", "torch.baddbmm")
ELEMENTWISE = ("torch.mul", "torch.Tensor.mul", "torch.add", "torch.Tensor.add")
LINEAR = F + "linear"
SOFTMAX = F + "softmax"
ATTENTION = F + "scaled_dot_product_attention"
OPERATOR = "torch.Tensor.__matmul__"

PATCHED = (
    LINEAR,
    SOFTMAX,
    ATTENTION,
    OPERATOR,
    *ACTIVATIONS,
    *POOLING,
    *CONVOLUTIONS,
    *TRANSPOSED,
    *RESIZING,
    *MATMULS,
    *PRODUCTS,
    *ADDED,
    *ELEMENTWISE,
)
"""All of them."""
