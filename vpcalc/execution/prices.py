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
from .rules.products import einsum_letters
from .rules.registry import Shape, is_one, shape_of, tensors_in
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


@price("linear matmul __matmul__ mm bmm mv dot vdot inner")
def products(out: Shape, x: Tensor, *args: Any, **kwargs: Any) -> Polynomial:
    """Every element of the result is a sum over the last side of the first operand."""
    return elements(out) * form_of(shape_of(x)[-1])


@price("__rmatmul__")
def products_from_the_right(out: Shape, x: Tensor, y: Tensor) -> Polynomial:
    """The operands change places."""
    return elements(out) * form_of(shape_of(y)[-1])


@price("linalg_multi_dot chain_matmul")
def chain(out: Shape, *operands: Any, **kwargs: Any) -> Polynomial:
    """Of three matrices, the two first that make the smaller work."""
    matrices = [shape_of(matrix) for matrix in tensors_in(operands)]
    if len(matrices) > 3:
        raise NotImplementedError("a chain of more than three matrices")
    first, *middle, last = matrices
    rows, columns = first[0] if len(first) == 2 else 1, last[-1] if len(last) == 2 else 1
    if not middle:
        return elements([rows, last[0], columns])
    b, c = middle[0]
    if rows * c * (b + columns) > b * columns * (rows + c):
        return elements([b, c, columns]) + elements([rows, b, columns])
    return elements([rows, b, c]) + elements([rows, c, columns])


@price("addmm addmm_")
def added_product(out: Shape, bias: Tensor, mat1: Tensor, mat2: Tensor, **kwargs: Any) -> Polynomial:
    """The same, added to something."""
    return products(out, mat1)


@price("baddbmm baddbmm_")
def added_products(out: Shape, bias: Tensor, batch1: Tensor, batch2: Tensor, **kwargs: Any) -> Polynomial:
    """The same, in a batch."""
    return products(out, batch1)


@price("addbmm")
def summed_products(out: Shape, bias: Tensor, batch1: Tensor, batch2: Tensor, **kwargs: Any) -> Polynomial:
    """The same, summed over the batch."""
    return products(out, batch1) * form_of(shape_of(batch1)[0])


@price("addmv addmv_")
def added_vector(out: Shape, bias: Tensor, x: Tensor, y: Tensor, **kwargs: Any) -> Polynomial:
    """Every element of the matrix once."""
    return elements(shape_of(x))


@price("tensordot")
def tensordot(out: Shape, x: Tensor, y: Tensor, dims_a: Any, dims_b: Any) -> Polynomial:
    """Every element of the result is a sum over the sides that go."""
    sides = shape_of(x)
    return elements([*out, *(sides[axis] for axis in dims_a)])


@price("gru_cell rnn_tanh_cell rnn_relu_cell lstm_cell")
def cell(out: Any, x: Tensor, states: Any, w_in: Tensor, w_state: Tensor, *args: Any, **kwargs: Any) -> Polynomial:
    """Both weight matrices once a sequence."""
    return elements(shape_of(x)[:-1]) * (elements(shape_of(w_in)) + elements(shape_of(w_state)))


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
def einsum(out: Shape, equation: str, *operands: Any, path: Any = None, **kwargs: Any) -> Polynomial:
    """Pair by pair as torch contracts, from the left.

    A letter is contracted where both have it, no other operand and not the result; a pair has one product for each
    value of its letters. One that a single operand has left is summed away beforehand, and without a contraction a
    pair is multiplied element by element, which is free. A side of 1 is nothing to contract.
    """
    if path is not None:
        raise NotImplementedError("einsum on a path that was chosen by sizes")
    waiting, behind = einsum_letters(equation, operands)
    if len(waiting) < 2:
        return as_polynomial(0)
    wide = [{letter: side for letter, side in sides.items() if not is_one(side)} for sides in waiting]
    total = as_polynomial(0)
    while len(wide) > 1:
        one, other, *wide = wide
        gone = [
            letter for letter in {**one, **other} if letter not in behind and not any(letter in w for w in wide)
        ]
        contracted = [letter for letter in gone if letter in one and letter in other]
        left = {
            letter: side for letter, side in {**one, **other}.items() if letter in contracted or letter not in gone
        }
        if contracted:
            total += elements(list(left.values()))
        wide.insert(0, {letter: side for letter, side in left.items() if letter not in contracted})
    return total


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
