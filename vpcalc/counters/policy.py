"""Which operators cost nothing, and which cost something that nobody here can name.

MACs are the multiply-accumulates of matrix products and convolutions. Everything that moves data, works
element by element, normalises, reduces, pools, compares or draws random numbers is *free* by that
policy. Freedom has to be shown: by the operator's schema (a view), by a tag of torch's own (pointwise), or
by its name in the lists below. What is neither free nor priced is *unknown* and is reported by
name: FFT, distances, linear algebra, quantised kernels, other libraries' operators.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Any

from .formulas import PRICES


class Rule(Enum):
    """How an operator is treated."""

    PRICED = "priced"
    FREE = "free"
    DECOMPOSED = "decomposed"
    UNKNOWN = "unknown"


_MOVES = """
    _adaptive_copy _chunk_cat _copy_from _copy_from_and_resize _efficientzerotensor _has_same_storage_numel
    _index_put_impl _jagged_to_padded_dense _lazy_clone _local_scalar_dense _mkldnn_reshape _mkldnn_transpose
    _nested_from_padded _nested_from_padded_tensor _nested_tensor_from_mask
    _nested_tensor_from_mask_left_aligned _nested_tensor_from_tensor_list _nested_tensor_size
    _nested_tensor_storage_offsets _nested_tensor_strides _pack_padded_sequence _padded_dense_to_jagged
    _pin_memory _reshape_alias _reshape_copy _stack _to_copy _to_dense _to_sparse _unsafe_index
    _unsafe_index_put _unsafe_masked_index _unsafe_masked_index_put_accumulate _unsafe_view alias as_strided
    as_strided_scatter block_diag bucketize cat channel_shuffle clone complex constant_pad_nd copy detach
    diag_embed diagonal diagonal_scatter embedding embedding_dense embedding_renorm expand fill flip gather
    im2col col2im index index_copy index_fill index_put index_select is_pinned is_same_size item lift
    lift_fresh masked_fill masked_scatter masked_select narrow nonzero nonzero_static pad_sequence permute
    pixel_shuffle pixel_unshuffle put reflection_pad1d reflection_pad2d reflection_pad3d repeat
    repeat_interleave replication_pad1d replication_pad2d replication_pad3d reshape resize resize_as roll
    rot90 scatter select select_scatter set slice slice_scatter split split_with_sizes squeeze stack t take
    to_dense to_mkldnn to_padded_tensor transpose tril triu unbind unfold unsafe_split
    unsafe_split_with_sizes unsqueeze view zero
"""
_MAKES = """
    arange bartlett_window blackman_window empty empty_like empty_permuted empty_strided eye full full_like
    hamming_window hann_window kaiser_window linspace logspace new_empty new_empty_strided new_full new_ones
    new_zeros ones ones_like range scalar_tensor tril_indices triu_indices zeros zeros_like
    _new_zeros_with_same_feature_meta fft_fftfreq fft_rfftfreq
"""
_RANDOM = """
    _fused_dropout _masked_scale _standard_gamma bernoulli binomial cauchy exponential geometric log_normal
    multinomial native_dropout normal normal_functional poisson rand rand_like randint randint_like randn
    randn_like random randperm rrelu_with_noise rrelu_with_noise_functional uniform
"""
_ELEMENTWISE = """
    _add_relu _conj_physical _prelu_kernel _thnn_fused_gru_cell _thnn_fused_lstm_cell _thnn_fused_lstm_cell_impl
    _transform_bias_rescale_qkv _weight_norm_interface abs add addcdiv addcmul allclose bitwise_and
    bitwise_left_shift bitwise_not bitwise_or bitwise_right_shift bitwise_xor celu clamp clamp_max clamp_min
    copysign dequantize div elu eq equal exp floor_divide gcd ge gelu glu gt hardshrink hardsigmoid
    hardswish hardtanh heaviside isin isinf isnan lcm le leaky_relu lerp linalg_cross log log_sigmoid logit lt
    maximum minimum mish mul ne neg polar pow prelu reciprocal relu remainder rsqrt rsub sigmoid silu softplus
    softshrink sqrt square sub tanh threshold where xlogy
"""
_REDUCTIONS = """
    _aminmax _assert_async _assert_tensor_metadata _coalesce _cummax_helper _cummin_helper _embedding_bag
    _embedding_bag_dense _embedding_bag_forward_only _embedding_bag_per_sample_weights _functional_assert_async
    _is_all_true _is_any_true _linalg_check_errors _logcumsumexp _unique _unique2 all amax amin aminmax any argmax
    argmin argsort bincount binary_cross_entropy binary_cross_entropy_with_logits count_nonzero cummax
    cummin cumprod cumsum dist histc histogram huber_loss index_add index_reduce kthvalue linalg__powsum
    linalg_vector_norm logcumsumexp logsumexp max mean median min mode mse_loss multi_margin_loss
    multilabel_margin_loss nanmedian nansum nll_loss nll_loss2d norm prod renorm scatter_add scatter_reduce
    searchsorted segment_reduce smooth_l1_loss soft_margin_loss sort std std_mean sum topk trace
    unique_consecutive unique_dim unique_dim_consecutive var var_mean
"""
_NORMS = """
    _batch_norm_no_update _batch_norm_with_update _batch_norm_with_update_functional _fused_rms_norm
    _log_softmax _masked_softmax _native_batch_norm_legit _native_batch_norm_legit_functional
    _native_batch_norm_legit_no_training _safe_softmax _softmax batch_norm batch_norm_elemt
    batch_norm_gather_stats batch_norm_gather_stats_with_counts batch_norm_stats batch_norm_update_stats
    batch_norm_reduce cudnn_batch_norm log_softmax miopen_batch_norm native_batch_norm native_group_norm
    native_layer_norm softmax
"""
_POOLING = """
    _adaptive_avg_pool2d _adaptive_avg_pool3d _upsample_bicubic2d_aa _upsample_bilinear2d_aa
    _upsample_lanczos2d_aa _upsample_nearest_exact1d _upsample_nearest_exact2d _upsample_nearest_exact3d
    adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool2d adaptive_max_pool3d
    avg_pool1d avg_pool2d avg_pool3d cudnn_grid_sampler fractional_max_pool2d fractional_max_pool3d grid_sampler
    grid_sampler_2d grid_sampler_3d max_pool2d
    max_pool2d_with_indices max_pool3d_with_indices max_unpool2d max_unpool3d mkldnn_adaptive_avg_pool2d
    mkldnn_max_pool2d mkldnn_max_pool3d upsample_bicubic2d upsample_bilinear2d upsample_linear1d
    upsample_nearest1d upsample_nearest2d upsample_nearest3d upsample_trilinear3d
"""
_QUESTIONS = """
    _fused_sdp_choice _is_zerotensor _nnz _propagate_xla_data dim is_coalesced is_contiguous
    is_non_overlapping_and_dense is_strides_like_format is_set_to numel size storage_offset stride
    sym_is_contiguous sym_numel sym_size sym_storage_offset sym_stride
"""

FREE = frozenset(
    f"{_MOVES} {_MAKES} {_RANDOM} {_ELEMENTWISE} {_REDUCTIONS} {_NORMS} {_POOLING} {_QUESTIONS}".split()
)
"""Names of free operators, without ``_`` for in place, and without ``_forward`` or ``_backward``."""

_FREE_ROOMS = ("prim", "profiler", "c10d", "_c10d_functional", "_dtensor", "debugprims")
"""Namespaces that hold questions about tensors, marks of a profiler and messages between machines."""

_DIRECTION = re.compile(r"_(forward|backward)(_data|_impl)?$")


def rule_of(func: Any) -> Rule:
    """The rule for an operator overload (``torch.ops.aten.addmm.default``)."""
    from .private import is_composite

    name = qualified_name(func)
    if name in PRICES:
        return Rule.PRICED
    if is_free(func, name):
        return Rule.FREE
    return Rule.DECOMPOSED if is_composite(func) else Rule.UNKNOWN


def qualified_name(func: Any) -> str:
    """``aten::addmm``: without the overload, and without the ``_`` of an operator in place."""
    packet = getattr(func, "overloadpacket", None)
    if packet is None:
        return f"higher_order::{func.name()}"
    name = str(packet._qualified_op_name)
    return name[:-1] if name.endswith("_") and not name.endswith("__") else name


def is_free(func: Any, name: str) -> bool:
    """Whether the schema, a tag or the lists show that the operator multiplies no matrices."""
    room, _, short = name.partition("::")
    if room in _FREE_ROOMS:
        return True
    if room != "aten":
        return False
    if getattr(func, "is_view", False) or {"pointwise", "view_copy"} & {tag.name for tag in func.tags}:
        return True
    return _DIRECTION.sub("", short) in FREE or short.startswith("_foreach_")
