"""Multiply-accumulates of the functions of torch that multiply matrices or convolve, as forms.

A price is called as the function is, with the shape of its result in front. It is written from what the function
computes and shares nothing with :mod:`vpcalc.counters.formulas`, which prices operators beneath the same calls in
numbers: each is the other's witness.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from torch import Tensor

from ..algebra.polynomial import Polynomial, as_polynomial
from .rules.products import einsum_sides
from .rules.registry import Shape, shape_of, tensors_in
from .sizes import form_of, product

Price = Callable[..., Polynomial]

PRICES: dict[str, Price] = {}
"""By the name of the function or method; every other function is free."""


P = TypeVar("P", bound=Price)


def price(names: str) -> Callable[[P], P]:
    """Enter a price for several functions."""

    def register(function: P) -> P:
        for name in names.split():
            if name in PRICES:
                raise ValueError(f"{name} has a price already")
            PRICES[name] = function
        return function

    return register


def elements(shape: Shape) -> Polynomial:
    """How many elements a tensor has."""
    return form_of(product(shape))


@price("linear matmul __matmul__ mm bmm mv dot")
def products(out: Shape, x: Tensor, *args: Any, **kwargs: Any) -> Polynomial:
    """Every element of the result is a sum over the last side of the first operand."""
    return elements(out) * form_of(shape_of(x)[-1])


@price("__rmatmul__")
def products_from_the_right(out: Shape, x: Tensor, y: Tensor) -> Polynomial:
    """The operands change places."""
    return elements(out) * form_of(shape_of(y)[-1])


@price("addmm addmm_ baddbmm baddbmm_")
def added_products(out: Shape, bias: Tensor, x: Tensor, y: Tensor, **kwargs: Any) -> Polynomial:
    """The same, added to something."""
    return products(out, x)


@price("addbmm")
def summed_products(out: Shape, bias: Tensor, x: Tensor, y: Tensor, **kwargs: Any) -> Polynomial:
    """The same, summed over the batch."""
    return products(out, x) * form_of(shape_of(x)[0])


@price("_grouped_mm")
def grouped_products(out: Shape, x: Tensor, y: Tensor, *args: Any, **kwargs: Any) -> Polynomial:
    """Each row, column or term of a flat operand meets its own group only.

    (rows, k)(groups, k, n) and a plain batch: every element of the left meets n. (groups, m, k)(k, columns): every
    element of the right meets m. (m, k)(k, n), cut along k: as one product.
    """
    left, right = shape_of(x), shape_of(y)
    if len(left) == 3 and len(right) == 2:
        return elements(right) * form_of(left[1])
    return elements(left) * form_of(right[-1])


@price("conv1d conv2d conv3d")
def convolution(out: Shape, x: Tensor, weight: Tensor, *args: Any, **kwargs: Any) -> Polynomial:
    """Every element of the result is a sum over one filter."""
    return elements(out) * elements(shape_of(weight)[1:])


@price("conv_transpose1d conv_transpose2d conv_transpose3d")
def transposed_convolution(out: Shape, x: Tensor, weight: Tensor, *args: Any, **kwargs: Any) -> Polynomial:
    """Every element of the input is spread by one filter."""
    return elements(shape_of(x)) * elements(shape_of(weight)[1:])


@price("einsum")
def einsum(out: Shape, equation: str, *operands: Any, **kwargs: Any) -> Polynomial:
    """Of two operands: one product for each value of the letters that are left or contracted.

    A letter that one operand has alone and the result has not is summed away beforehand. Without a contraction it
    is a product element by element.
    """
    tensors = list(tensors_in(operands))
    if len(tensors) == 1:
        return as_polynomial(0)
    if len(tensors) > 2:
        raise NotImplementedError("einsum of more than two operands")
    sides, ahead, behind = einsum_sides(equation, operands)
    terms = equation.replace(" ", "").partition("->")[0].split(",")
    contracted = [letter for letter in sides if letter not in behind and all(letter in term for term in terms)]
    if not contracted:
        return as_polynomial(0)
    return elements([*ahead, *(sides[letter] for letter in (*behind, *contracted))])


@price("scaled_dot_product_attention")
def attention(out: Shape, query: Tensor, key: Tensor, value: Tensor, *args: Any, **kwargs: Any) -> Polynomial:
    """Scores of all pairs, and their mix."""
    pairs = elements(shape_of(query)[:-1]) * form_of(shape_of(key)[-2])
    return pairs * (form_of(shape_of(query)[-1]) + form_of(shape_of(value)[-1]))


@price("bilinear")
def bilinear(out: Shape, x: Tensor, y: Tensor, weight: Tensor, bias: Tensor | None = None) -> Polynomial:
    """Every weight once a row."""
    return elements(shape_of(x)[:-1]) * elements(shape_of(weight))


@price("lstm gru rnn_tanh rnn_relu")
def recurrent(out: list[Shape], x: Tensor, states: Any, weights: Any, *args: Any, **kwargs: Any) -> Polynomial:
    """Every weight matrix once a step and sequence."""
    matrices = sum((elements(shape_of(w)) for w in weights if w.dim() == 2), as_polynomial(0))
    return elements(shape_of(x)[:-1]) * matrices
