"""What the functions of torch that multiply matrices or convolve compute, as forms.

A price is called as the function is, with the shape of its result in front, and gives the products that the
function is made of. Prices are written from what a function computes and share nothing with
:mod:`vpcalc.counters.formulas`, which prices operators beneath the same calls in numbers: each is the other's
witness.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

from torch import Tensor

from ..algebra.polynomial import Polynomial
from .rules.products import einsum_letters
from .rules.registry import Shape, is_one, shape_of, tensors_in
from .sizes import form_of, product


class Product(NamedTuple):
    """``macs`` multiply-accumulates that give ``elements`` numbers.

    ``back`` are those of the backward pass: as many again for each operand that wants a gradient.
    """

    macs: Polynomial
    elements: Polynomial
    back: Polynomial


Price = Callable[..., Sequence[Product]]

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


def _product(macs: Polynomial, out: Polynomial, *operands: Any) -> Product:
    """A product of operands, each a tensor or whether it wants a gradient."""
    wanting = sum(bool(_wants(operand)) for operand in operands)
    return Product(macs, out, macs * wanting)


def _wants(operand: Any) -> bool:
    return operand.requires_grad if isinstance(operand, Tensor) else operand


@price("linear matmul __matmul__ mm bmm mv dot vdot")
def products(out: Shape, x: Tensor, y: Tensor, *args: Any, **kwargs: Any) -> list[Product]:
    """Every element of the result is a sum over the last side of the first operand.

    The gradient of a matrix that is multiplied by a vector is a product element by element, as both are of two
    vectors. A vector from the left is a matrix of one row, unless it meets a batch.
    """
    by_vector, of_batch = y.dim() == 1, x.dim() == 1 and y.dim() > 2
    wanting = (not by_vector and x.requires_grad, not of_batch and y.requires_grad)
    if by_vector and x.dim() == 1:
        wanting = (False, False)
    return [_product(elements(out) * form_of(shape_of(x)[-1]), elements(out), *wanting)]


@price("inner")
def inner(out: Shape, x: Tensor, y: Tensor) -> list[Product]:
    """The same of rows with rows; of two vectors as above, and by a number element by element."""
    if not x.dim() or not y.dim():
        return []
    wanting = () if x.dim() == y.dim() == 1 else (x, y)
    return [_product(elements(out) * form_of(shape_of(x)[-1]), elements(out), *wanting)]


@price("__rmatmul__")
def products_from_the_right(out: Shape, x: Tensor, y: Tensor) -> list[Product]:
    """The operands change places."""
    return products(out, y, x)


@price("linalg_multi_dot chain_matmul")
def chain(out: Shape, *operands: Any, **kwargs: Any) -> list[Product]:
    """In the order that makes the least work; of three matrices as torch asks it, of more by its table."""
    tensors = list(tensors_in(operands))
    matrices = [shape_of(matrix) for matrix in tensors]
    first, *middle, last = matrices
    rows, columns = first[0] if len(first) == 2 else 1, last[-1] if len(last) == 2 else 1
    sides = [rows, *(matrix[0] for matrix in middle), last[0], columns]
    splits = {(0, 1): 0}
    if len(middle) == 1:
        a, b, c, d = sides
        splits = {(0, 2): 0 if a * c * (b + d) > b * d * (a + c) else 1}
    elif middle:
        splits = _splits(sides)
    found: list[Product] = []

    def multiplied(start: int, end: int) -> Tensor | bool:
        """The product of some that follow each other, and whether it wants a gradient."""
        if start == end:
            return tensors[start]
        split = splits.get((start, end), start)
        left, right = multiplied(start, split), multiplied(split + 1, end)
        whole = (start, end) == (0, len(tensors) - 1)
        made = elements(out) if whole else elements([sides[start], sides[end + 1]])
        work = elements([sides[start], sides[split + 1], sides[end + 1]])
        found.append(_product(work, made, left, right))
        return bool(found[-1].back.terms)

    multiplied(0, len(tensors) - 1)
    return found


def _splits(sides: Shape) -> dict[tuple[int, int], int]:
    """After which matrix each stretch of a chain is split for the least work, the first of equals."""
    count = len(sides) - 1
    least: dict[tuple[int, int], Any] = {(place, place): 0 for place in range(count)}
    splits: dict[tuple[int, int], int] = {}
    for length in range(1, count):
        for start in range(count - length):
            end = start + length
            for split in range(start, end):
                here = sides[start] * sides[split + 1] * sides[end + 1]
                work = least[start, split] + least[split + 1, end] + here
                if (start, end) not in least or work < least[start, end]:
                    least[start, end], splits[start, end] = work, split
    return splits


@price("addmm addmm_")
def added_product(out: Shape, bias: Tensor, mat1: Tensor, mat2: Tensor, **kwargs: Any) -> list[Product]:
    """The same, added to something."""
    return products(out, mat1, mat2)


@price("baddbmm baddbmm_")
def added_products(out: Shape, bias: Tensor, batch1: Tensor, batch2: Tensor, **kwargs: Any) -> list[Product]:
    """The same, in a batch."""
    return products(out, batch1, batch2)


@price("addbmm")
def summed_products(out: Shape, bias: Tensor, batch1: Tensor, batch2: Tensor, **kwargs: Any) -> list[Product]:
    """The same, summed over the batch."""
    macs = elements(out) * form_of(shape_of(batch1)[-1]) * form_of(shape_of(batch1)[0])
    return [_product(macs, elements(out), batch1, batch2)]


@price("addmv addmv_")
def added_vector(out: Shape, bias: Tensor, x: Tensor, y: Tensor, **kwargs: Any) -> list[Product]:
    """Every element of the matrix once."""
    return [_product(elements(shape_of(x)), elements(out), y)]


@price("addr")
def added_outer_product(out: Shape, bias: Tensor, x: Tensor, y: Tensor, **kwargs: Any) -> list[Product]:
    """Every element of the result is one product."""
    return [_product(elements(out), elements(out), x, y)]


@price("tensordot")
def tensordot(out: Shape, x: Tensor, y: Tensor, dims_a: Any, dims_b: Any) -> list[Product]:
    """Every element of the result is a sum over the sides that go."""
    sides = shape_of(x)
    return [_product(elements([*out, *(sides[axis] for axis in dims_a)]), elements(out), x, y)]


@price("gru_cell rnn_tanh_cell rnn_relu_cell lstm_cell")
def cell(
    out: Any, x: Tensor, states: Any, w_in: Tensor, w_state: Tensor, *args: Any, **kwargs: Any
) -> list[Product]:
    """Both weight matrices once a sequence."""
    rows, state = elements(shape_of(x)[:-1]), tensors_in(states)[0]
    pairs = ((x, w_in), (state, w_state))
    return [_product(rows * elements(shape_of(w)), rows * form_of(shape_of(w)[0]), given, w) for given, w in pairs]


@price("_grouped_mm")
def grouped_products(out: Shape, x: Tensor, y: Tensor, *args: Any, **kwargs: Any) -> list[Product]:
    """Each row, column or term of a flat operand meets its own group only.

    (rows, k)(groups, k, n) and a plain batch: every element of the left meets n. (groups, m, k)(k, columns): every
    element of the right meets m. (m, k)(k, n), cut along k: as one product.
    """
    left, right = shape_of(x), shape_of(y)
    if len(left) == 3 and len(right) == 2:
        return [_product(elements(right) * form_of(left[1]), elements(out), x, y)]
    return [_product(elements(left) * form_of(right[-1]), elements(out), x, y)]


@price("conv1d conv2d conv3d")
def convolution(out: Shape, x: Tensor, weight: Tensor, *args: Any, **kwargs: Any) -> list[Product]:
    """Every element of the result is a sum over one filter."""
    return [_product(elements(out) * elements(shape_of(weight)[1:]), elements(out), x, weight)]


@price("conv_transpose1d conv_transpose2d conv_transpose3d")
def transposed_convolution(out: Shape, x: Tensor, weight: Tensor, *args: Any, **kwargs: Any) -> list[Product]:
    """Every element of the input is spread by one filter."""
    return [_product(elements(shape_of(x)) * elements(shape_of(weight)[1:]), elements(out), x, weight)]


@price("einsum")
def einsum(out: Shape, equation: str, *operands: Any, path: Any = None, **kwargs: Any) -> list[Product]:
    """Pair by pair as torch contracts, from the left.

    A letter is contracted where both have it, no other operand and not the result; a pair has one product for each
    value of its letters. One that a single operand has left is summed away beforehand, and without a contraction a
    pair is multiplied element by element, which is free. A side of 1 is nothing to contract.
    """
    if path is not None:
        raise NotImplementedError("einsum on a path that was chosen by sizes")
    waiting, behind = einsum_letters(equation, operands)
    wanting = [tensor.requires_grad for tensor in tensors_in(operands)]
    if len(waiting) < 2:
        return []
    wide = [{letter: side for letter, side in sides.items() if not is_one(side)} for sides in waiting]
    found = []
    while len(wide) > 1:
        one, other, *wide = wide
        first, second, *wanting = wanting
        gone = [
            letter for letter in {**one, **other} if letter not in behind and not any(letter in w for w in wide)
        ]
        contracted = [letter for letter in gone if letter in one and letter in other]
        left = {
            letter: side for letter, side in {**one, **other}.items() if letter in contracted or letter not in gone
        }
        result = {letter: side for letter, side in left.items() if letter not in contracted}
        if contracted:
            found.append(_product(elements(list(left.values())), elements(list(result.values())), first, second))
        wide.insert(0, result)
        wanting.insert(0, first or second)
    return found


@price("scaled_dot_product_attention")
def attention(
    out: Shape, query: Tensor, key: Tensor, value: Tensor, attn_mask: Any = None, *args: Any, **kwargs: Any
) -> list[Product]:
    """Scores of all pairs, and their mix."""
    pairs = elements(shape_of(query)[:-1]) * form_of(shape_of(key)[-2])
    wanting = any(isinstance(x, Tensor) and x.requires_grad for x in (query, key, attn_mask))
    return [
        _product(pairs * form_of(shape_of(query)[-1]), pairs, query, key),
        _product(pairs * form_of(shape_of(value)[-1]), elements(out), wanting, value),
    ]


@price("affine_grid_generator")
def affine_grid(out: Shape, theta: Tensor, *args: Any, **kwargs: Any) -> list[Product]:
    """Every point of a grid, with a 1 behind it, by each row of its map."""
    return [_product(elements(out) * form_of(shape_of(theta)[-1]), elements(out), theta)]


@price("bilinear")
def bilinear(out: Shape, x: Tensor, y: Tensor, weight: Tensor, bias: Tensor | None = None) -> list[Product]:
    """Every weight once a row."""
    return [_product(elements(shape_of(x)[:-1]) * elements(shape_of(weight)), elements(out), x, y, weight)]


@price("lstm gru rnn_tanh rnn_relu")
def recurrent(
    out: list[Shape],
    x: Tensor,
    states: Any,
    weights: Any,
    has_biases: bool,
    layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool,
) -> list[Product]:
    """Every weight matrix once a step and sequence. Of the first step's state no gradient is asked for."""
    rows, sequences = elements(shape_of(x)[:-1]), form_of(shape_of(x)[0 if batch_first else 1])
    matrices = [weight for weight in weights if weight.dim() == 2]
    each = len(matrices) // layers // (1 + bidirectional)  # of the data, of the state, and a projection of it
    trained = x.requires_grad or any(weight.requires_grad for weight in weights)
    begins = any(state.requires_grad for state in tensors_in(states))
    found = []
    for place, weight in enumerate(matrices):
        first = place < each * (1 + bidirectional)
        of_data, of_state = place % each == 0, place % each == 1
        made = _product(
            rows * elements(shape_of(weight)),
            rows * form_of(shape_of(weight)[0]),
            x if first and of_data else trained,
            weight,
        )
        if of_state and trained and not begins:
            made = made._replace(back=made.back - sequences * elements(shape_of(weight)))
        found.append(made)
    return found
