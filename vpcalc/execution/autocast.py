"""Autocast on the meta device, where torch has none: what it gives to a function, by its lists.

The casts are calls of the program like any other, so that a run follows them, and autograd goes back through them.
Lists are those of ``ATen/autocast_mode.h`` for CUDA and of ``aten/src/ATen/autocast_mode.cpp`` for the CPU, each
operator under the names that Python calls it by. Functions that are written in Python run it (:mod:`.hooks`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, wraps
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import nll_loss
from torch.overrides import TorchFunctionMode

from ..counters.private import tree_flatten, tree_leaves, tree_unflatten
from .hooks import WIDENING, none_of_its_own
from .outcome import BeyondError


@dataclass(frozen=True)
class Lists:
    """What runs in 16 bits, what in float32, what is asked for a float32 result, what takes the widest type.

    What is made ``inside`` is no function of the list but casts parts of its own, which nobody follows here. What
    is ``banned`` torch refuses.
    """

    narrow: frozenset[str]
    wide: frozenset[str]
    asked: frozenset[str]
    widest: frozenset[str]
    inside: frozenset[str]
    banned: frozenset[str] = frozenset()


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_PRODUCTS = _names("""
    conv1d conv2d conv3d conv_tbc conv_transpose1d conv_transpose2d conv_transpose3d prelu addmm addmm_ addbmm
    addbmm_ baddbmm baddbmm_ bmm mm matmul __matmul__ __rmatmul__ linear vecdot linalg_vecdot
    scaled_dot_product_attention
""")

CUDA = Lists(
    narrow=_PRODUCTS
    | _names("""
        addmv addr mv einsum chain_matmul multi_dot linalg_multi_dot lstm_cell gru_cell rnn_tanh_cell rnn_relu_cell
    """),
    wide=_names("""
        acos arccos asin arcsin cosh erfinv exp expm1 log log10 log2 log1p reciprocal rsqrt sinh tan pow __pow__
        __rpow__ softplus layer_norm native_layer_norm rms_norm group_norm frobenius_norm nuclear_norm
        cosine_similarity poisson_nll_loss cosine_embedding_loss nll_loss hinge_embedding_loss kl_div l1_loss
        smooth_l1_loss huber_loss mse_loss margin_ranking_loss multilabel_margin_loss soft_margin_loss
        triplet_margin_loss multi_margin_loss binary_cross_entropy_with_logits dist pdist cdist renorm logsumexp
        upsample_nearest1d _upsample_nearest_exact1d upsample_nearest2d _upsample_nearest_exact2d
        upsample_nearest3d _upsample_nearest_exact3d upsample_linear1d upsample_bilinear2d _upsample_bilinear2d_aa
        upsample_trilinear3d upsample_bicubic2d _upsample_bicubic2d_aa nll_loss_nd square
    """),
    asked=_names("""
        prod softmax log_softmax cumprod cumsum vector_norm linalg_vector_norm matrix_norm linalg_matrix_norm sum
        norm linalg_norm
    """),
    widest=_names(
        "addcdiv addcmul atan2 arctan2 bilinear cross dot vdot grid_sampler index_put tensordot scatter_add"
    ),
    inside=_names("inner lstm gru rnn_tanh rnn_relu pairwise_distance matrix_power linalg_matrix_power"),
    banned=_names("binary_cross_entropy"),
)
"""``ATen/autocast_mode.h``; a square is a power, and a norm of ``torch.linalg`` one of vectors or matrices."""

CPU = Lists(
    narrow=_PRODUCTS,
    wide=_names("""
        avg_pool3d binary_cross_entropy grid_sampler polar prod quantile nanquantile stft cdist trace kl_div
        mse_loss multilabel_margin_loss nll_loss nll_loss_nd cross_entropy_loss binary_cross_entropy_with_logits
        l1_loss smooth_l1_loss huber_loss hinge_embedding_loss cosine_embedding_loss margin_ranking_loss ctc_loss
        multi_margin_loss poisson_nll_loss soft_margin_loss triplet_margin_loss max_pool3d adaptive_avg_pool3d
        adaptive_max_pool3d fractional_max_pool2d fractional_max_pool3d max_unpool2d max_unpool3d view_as_complex
        fft_fft fft_ifft fft_rfft fft_irfft fft_fft2 fft_ifft2 fft_rfft2 fft_irfft2 fft_fftn fft_ifftn fft_rfftn
        fft_irfftn fft_hfft fft_ihfft
    """),
    asked=frozenset(),
    widest=_names("stack cat concat concatenate index_copy hstack vstack dstack column_stack row_stack"),
    inside=CUDA.inside
    | _names("einsum chain_matmul multi_dot linalg_multi_dot tensordot bilinear lstm_cell gru_cell"),
)
"""``aten/src/ATen/autocast_mode.cpp``: norms, softmax and sums stay in the type that they are given."""


class Autocast(TorchFunctionMode):
    """Casts what functions are given, as autocast to a type does; casts of weights live as long as it."""

    def __init__(self, dtype: torch.dtype, lists: Lists) -> None:
        super().__init__()
        self.dtype, self.lists = dtype, lists
        self._cached: dict[int, tuple[Tensor, Tensor]] = {}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs, name, lists = kwargs or {}, func.__name__, self.lists
        if name in lists.narrow:
            args, kwargs = self._given(partial(self._cast, self.dtype), args, kwargs)
        elif name in lists.wide:
            args, kwargs = self._given(partial(self._cast, torch.float32), args, kwargs)
        elif name in lists.asked and _is_cast(args[0]) and kwargs.get("dtype") is None:
            if name in WIDENING and args[0].dtype is torch.float16:  # of bfloat16 there is a copy first
                return WIDENING[name](args[0], kwargs["dim"] if "dim" in kwargs else args[1], True)
            kwargs = {**kwargs, "dtype": torch.float32}
        elif name in lists.widest:
            widest = torch.float32 if torch.float32 in _types((args, kwargs)) else self.dtype
            args, kwargs = self._given(partial(self._cast, widest), args, kwargs)
        elif name == "cross_entropy_loss":
            return self._loss_of_classes(*args, **kwargs)
        elif name == "pad" and lists is CPU and args[2:3] in (("reflect",), ("replicate",)):
            args, kwargs = self._given(partial(self._cast, torch.float32), args, kwargs)
        elif name in lists.inside:
            raise BeyondError(f"what autocast casts within {name} is not followed")
        elif name in lists.banned:
            raise BeyondError(f"PyTorch refuses {name} under autocast")
        return func(*args, **kwargs)

    def _loss_of_classes(
        self,
        input: Tensor,
        target: Tensor,
        weight: Tensor | None = None,
        reduction: int = 1,
        ignore_index: int = -100,
        label_smoothing: float = 0.0,
    ) -> Tensor:
        """Cross entropy where it is none of the list: it asks for logarithms in the type that it is given."""
        way, classes = ("none", "mean", "sum")[reduction], min(input.dim() - 1, 1)
        if target.is_floating_point():
            return self._loss_of_probabilities(input, target, weight, way, label_smoothing)
        if label_smoothing and weight is not None:
            raise BeyondError(
                "what autocast casts within cross_entropy of smoothed labels with weights is not followed"
            )
        logarithms = input.log_softmax(classes)
        wide = self._cast(torch.float32, logarithms)
        weight = weight if weight is None else self._cast(torch.float32, weight)
        loss = nll_loss(wide, target, weight, ignore_index=ignore_index, reduction=way)
        if not label_smoothing:
            return loss
        smooth, ignored = -_summed(logarithms, classes), target == ignore_index
        smooth = smooth.masked_fill_(ignored, 0.0)
        if way == "mean":
            counted = (~ignored).sum()
            smooth = _summed(smooth) / counted
        elif way == "sum":
            smooth = _summed(smooth)
        return smooth * label_smoothing + loss * (1 - label_smoothing)  # over the classes: figures have no values

    @staticmethod
    def _loss_of_probabilities(
        input: Tensor, target: Tensor, weight: Tensor | None, way: str, label_smoothing: float
    ) -> Tensor:
        """The same of a target that is a probability of each class."""
        classes = min(input.dim() - 1, 1)
        logarithms = input.log_softmax(classes)
        if label_smoothing:
            target = target * (1 - label_smoothing) + label_smoothing
        if weight is not None:
            weight = weight.view([-1 if side == classes else 1 for side in range(input.dim())])
        product = logarithms * target
        product = product if weight is None else product * weight
        loss = -(_summed(product, classes) if way == "none" else _summed(product))
        return loss / input.dim() if way == "mean" else loss  # by the number of targets, whatever that is

    @staticmethod
    def _given(cast: Callable[[Tensor], Tensor], args: Any, kwargs: Any) -> Any:
        """Casts are made of the last operand first, as C++ evaluates arguments there."""
        leaves, how = tree_flatten((args, kwargs))
        last_first = [cast(leaf) if isinstance(leaf, Tensor) else leaf for leaf in reversed(leaves)]
        return tree_unflatten(last_first[::-1], how)

    def _cast(self, dtype: torch.dtype, tensor: Tensor) -> Tensor:
        """A tensor in another type; that of a weight is made once, where it is narrower, and has a gradient."""
        if not _is_cast(tensor) or tensor.dtype is dtype:
            return tensor
        is_weight = tensor.requires_grad and tensor.is_leaf and not tensor._is_view()
        if dtype is not self.dtype or not is_weight or torch.is_inference_mode_enabled():
            return tensor.to(dtype)
        if id(tensor) not in self._cached:
            with torch.enable_grad():  # as it is where a pass without gradients comes first
                self._cached[id(tensor)] = tensor, tensor.to(dtype)
        return self._cached[id(tensor)][1]


def _summed(tensor: Tensor, *sides: int) -> Tensor:
    """A sum, which is asked for a float32 result."""
    return tensor.sum(*sides, dtype=torch.float32 if _is_cast(tensor) else None)


def _is_cast(value: Any) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point() and value.dtype is not torch.float64


def _types(given: Any) -> set[torch.dtype]:
    return {leaf.dtype for leaf in tree_leaves(given) if _is_cast(leaf)}


def within(forward: Callable[..., Any], dtype: torch.dtype, lists: Lists) -> Callable[..., Any]:
    """A forward pass under autocast; one that enters or leaves it itself is not followed."""

    @wraps(forward)
    def narrowed(*args: Any, **kwargs: Any) -> Any:
        with Autocast(dtype, lists), none_of_its_own():
            return forward(*args, **kwargs)

    return narrowed
