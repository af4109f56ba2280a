"""Functions that work element by element, or keep the shape of what they are given."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ..nodes import undressed
from ..sizes import value_of
from .registry import Shape, broadcast, divides, is_one, rule, same, shape_of, sizes_of, tensors_in

_KEEPING = """
    normalize softmax log_softmax _softmax _log_softmax cumsum cumprod logcumsumexp contiguous clone detach
    detach_ to type_as float half bfloat16 double long int bool short byte char cfloat cdouble chalf type cpu
    cuda requires_grad_ dropout dropout_ feature_dropout alpha_dropout roll flip fliplr flipud tril triu tril_
    triu_ fill_ zero_ normal_ uniform_ renorm alias lift_fresh positive ones_like zeros_like empty_like full_like
    rand_like randn_like randint_like argsort softmin resolve_conj resolve_neg bernoulli bernoulli_
    masked_scatter_ index_fill index_fill_ put put_ local_response_norm conj real imag
    fft_fftshift fft_ifftshift fake_quantize_per_tensor_affine isin hardswish hardswish_ log_sigmoid softsign
    tanhshrink bucketize cumsum_ cumprod_ eq_ ne_ lt_ le_ gt_ ge_ abs_ absolute_ negative_ multiply_ divide_
    subtract_ random_ exponential_ cauchy_ geometric_ log_normal_ rrelu celu celu_ selu selu_ relu6_
    feature_alpha_dropout alpha_dropout_ feature_dropout_ feature_alpha_dropout_ embedding_renorm_ fill isreal
    msort linalg_householder_product
"""

_SPELLED = """
    where masked_fill masked_fill_ addcmul addcdiv addcmul_ addcdiv_ lerp lerp_ clamp clamp_ clip clip_
    __add__ __radd__ __iadd__ __sub__ __rsub__ __isub__ __mul__ __rmul__ __imul__ __truediv__ __rtruediv__
    __itruediv__ __div__ __floordiv__ __rfloordiv__ __mod__ __rmod__ __pow__ __rpow__ __ipow__ __eq__ __ne__ __lt__
    __le__ __gt__ __ge__ __and__ __or__ __xor__ __iand__ __ior__ __rand__ __ror__ __invert__ __neg__ __abs__
    __pos__ true_divide subtract multiply divide negative absolute greater greater_equal less less_equal not_equal
    floor_divide rsub polar complex arccos arccosh arcsin arcsinh arctan arctan2 arctanh fix isclose special_expit
    special_log1p special_expm1 special_erf special_erfc special_erfinv special_exp2 special_psi special_digamma
    special_gammaln special_logit special_ndtr special_sinc special_xlogy special_round special_polygamma
"""


@rule(_KEEPING)
def as_first(x: Tensor, *args: Any, **kwargs: Any) -> Shape:
    """The shape of the first operand."""
    return shape_of(x)


@rule("masked_scatter")
def scattered(x: Tensor, mask: Tensor, source: Tensor) -> Shape:
    """The shape in which the first operand and its mask fit."""
    return broadcast((shape_of(x), shape_of(mask)))


@rule("copy_")
def copied(x: Tensor, source: Tensor, *args: Any, **kwargs: Any) -> Shape:
    """The shape of what is filled, in which the source fits."""
    filled(shape_of(x), shape_of(source))
    return shape_of(x)


def filled(target: Shape, source: Shape) -> None:
    """A source is spread over a target, noted."""
    for side, own in zip(reversed(target), reversed(source), strict=False):
        many = value_of(own) == 1 and value_of(side) != 1
        if not (isinstance(own, int) and own == 1) and (many or not same(own, side)):
            same(own, 1)


@rule("native_layer_norm")
def native_layer_norm(x: Tensor, normalized_shape: Any, *args: Any) -> list[Shape]:
    """The shape of the input, and two statistics for each row."""
    shape = layer_norm(x, normalized_shape)
    rows = len(shape) - len(sizes_of((normalized_shape,)))
    return [shape, *[[*shape[:rows], *[1] * (len(shape) - rows)]] * 2]


@rule("frexp")
def frexp(x: Tensor) -> list[Shape]:
    """Fractions and exponents."""
    return [shape_of(x)] * 2


@rule("layer_norm rms_norm")
def layer_norm(x: Tensor, normalized_shape: Any, *args: Any, **kwargs: Any) -> Shape:
    """The shape of the input, whose last sides are those of the norm."""
    shape, sides = shape_of(x), sizes_of((normalized_shape,))
    for side, wanted in zip(reversed(shape), reversed(sides), strict=False):
        same(side, wanted)
    return shape


@rule("native_group_norm")
def native_group_norm(
    x: Tensor, weight: Any, bias: Any, n: Any, channels: Any, rest: Any, groups: Any, eps: float
) -> list[Shape]:
    """The shape of the input, and two statistics for each group of each row."""
    divides(undressed(groups), undressed(channels))
    return [shape_of(x), *[[undressed(n), undressed(groups)]] * 2]


@rule("channel_shuffle native_channel_shuffle")
def shuffled(x: Tensor, groups: Any) -> Shape:
    """The shape of the input, whose channels are in groups."""
    shape = shape_of(x)
    divides(undressed(groups), shape[1])
    return shape


@rule("group_norm")
def group_norm(x: Tensor, num_groups: Any, *args: Any, **kwargs: Any) -> Shape:
    """The shape of the input, whose channels are in groups, with a weight for each."""
    divides(undressed(num_groups), shape_of(x)[1])
    return norm(x, *args, **kwargs)


@rule("prelu")
def prelu(x: Tensor, weight: Tensor) -> Shape:
    """The shape of the input, with a weight for each channel or for all."""
    shape, weights = shape_of(x), shape_of(weight)
    if weights and len(shape) > 1 and not is_one(weights[0]):
        same(shape[1], weights[0])
    return shape


@rule("batch_norm instance_norm")
def norm(x: Tensor, *args: Any, **kwargs: Any) -> Shape:
    """The shape of the input, with a weight for each channel."""
    shape = shape_of(x)
    for weight in tensors_in((args, kwargs)):
        if weight.dim() == 1 and len(shape) > 1:
            same(shape[1], shape_of(weight)[0])
    return shape


@rule(_SPELLED)
def pointwise(*args: Any, **kwargs: Any) -> Shape:
    """The shape in which all operands fit."""
    named = (value for name, value in kwargs.items() if name != "out" and isinstance(value, Tensor))
    return broadcast(shape_of(tensor) for tensor in (*tensors_in(args), *named))
