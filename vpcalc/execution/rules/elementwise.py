"""Functions that work element by element, or keep the shape of what they are given."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from .registry import Shape, broadcast, rule, shape_of, tensors_in

_KEEPING = """
    batch_norm native_batch_norm layer_norm native_layer_norm group_norm instance_norm rms_norm normalize softmax
    log_softmax _softmax _log_softmax cumsum cumprod logcumsumexp contiguous clone detach detach_ to type_as float
    half bfloat16 double long int bool short type cpu cuda requires_grad_ dropout dropout_ feature_dropout
    alpha_dropout roll flip fliplr flipud tril triu tril_ triu_ fill_ zero_ normal_ uniform_ renorm alias
    lift_fresh positive ones_like zeros_like empty_like full_like rand_like randn_like randint_like argsort softmin
    channel_shuffle native_channel_shuffle resolve_conj resolve_neg bernoulli bernoulli_ masked_scatter
    masked_scatter_ index_fill index_fill_ index_copy index_copy_ index_add index_add_ scatter scatter_ scatter_add
    scatter_add_ scatter_reduce index_put index_put_ local_response_norm conj real imag fft_fftshift fft_ifftshift
    fft_fft fft_ifft fft_fftn fft_ifftn fft_fft2 fft_ifft2 fake_quantize_per_tensor_affine rsub isin
    copy_ hardswish hardswish_ log_sigmoid rrelu prelu celu celu_ selu selu_
"""

_SPELLED = """
    where masked_fill masked_fill_ addcmul addcdiv addcmul_ addcdiv_ lerp lerp_ clamp clamp_ clip clip_
    __add__ __radd__ __iadd__ __sub__ __rsub__ __isub__ __mul__ __rmul__ __imul__ __truediv__ __rtruediv__
    __itruediv__ __div__ __floordiv__ __rfloordiv__ __mod__ __rmod__ __pow__ __rpow__ __ipow__ __eq__ __ne__ __lt__
    __le__ __gt__ __ge__ __and__ __or__ __xor__ __iand__ __ior__ __rand__ __ror__ __invert__ __neg__ __abs__
    __pos__ true_divide subtract multiply divide negative absolute greater greater_equal less less_equal not_equal
    floor_divide polar complex
"""


@rule(_KEEPING)
def as_first(x: Tensor, *args: Any, **kwargs: Any) -> Shape:
    """The shape of the first operand."""
    return shape_of(x)


@rule(_SPELLED)
def pointwise(*args: Any, **kwargs: Any) -> Shape:
    """The shape in which all operands fit."""
    named = (value for name, value in kwargs.items() if name != "out" and isinstance(value, Tensor))
    return broadcast(shape_of(tensor) for tensor in (*tensors_in(args), *named))
