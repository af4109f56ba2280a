"""Matrix products, attention and fused recurrent layers."""

from __future__ import annotations

import itertools
from typing import Any

from torch import Tensor

from ..sizes import value_of
from .elementwise import filled
from .registry import Shape, broadcast, divides, must, rule, same, shape_of, tensors_in, wider


@rule("linear")
def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Shape:
    """(…, k)(n, k)ᵀ."""
    shape, weights = shape_of(x), shape_of(weight)
    same(shape[-1], weights[-1])
    return _biased([*shape[:-1], *weights[:-1]], bias)


@rule("linalg_multi_dot chain_matmul")
def chain(*matrices: Any, **kwargs: Any) -> Shape:
    """(m, …)…(…, n); the first and the last may be vectors."""
    shapes = list(map(shape_of, tensors_in(matrices)))
    for one, other in itertools.pairwise(shapes):
        same(one[-1], other[0])
    first, *_, last = shapes
    return [*first[:-1], *last[1:]]


@rule("inner")
def inner(x: Tensor, y: Tensor) -> Shape:
    """(…, k)(…, k)ᵀ."""
    left, right = shape_of(x), shape_of(y)
    if not left or not right:
        return left or right
    same(left[-1], right[-1])
    return [*left[:-1], *right[:-1]]


@rule("matmul __matmul__ mm bmm __rmatmul__ mv dot vdot")
def matmul(x: Tensor, y: Tensor, **kwargs: Any) -> Shape:
    """(…, m, k)(…, k, n), vectors as torch takes them."""
    left, right = shape_of(x), shape_of(y)
    row, column = len(left) == 1, len(right) == 1
    left, right = [1, *left] if row else left, [*right, 1] if column else right
    same(left[-1], right[-2])
    found = [*broadcast((left[:-2], right[:-2])), left[-2], right[-1]]
    if row:
        del found[-2]
    if column:
        del found[-1]
    return found


@rule("addbmm")
def addbmm(bias: Tensor, batch1: Tensor, batch2: Tensor, **kwargs: Any) -> Shape:
    """bias + Σ (m, k)(k, n)."""
    return _biased(matmul(batch1, batch2)[-2:], bias)


@rule("addmm addmm_")
def addmm(bias: Tensor, mat1: Tensor, mat2: Tensor, **kwargs: Any) -> Shape:
    """bias + (m, k)(k, n)."""
    return _biased(matmul(mat1, mat2)[-2:], bias)


@rule("baddbmm baddbmm_")
def baddbmm(bias: Tensor, batch1: Tensor, batch2: Tensor, **kwargs: Any) -> Shape:
    """bias + (b, m, k)(b, k, n)."""
    return _biased(matmul(batch1, batch2), bias)


def _biased(shape: Shape, bias: Tensor | None) -> Shape:
    """A shape in which a bias fits."""
    if bias is not None:
        filled(shape, shape_of(bias))
    return shape


@rule("_grouped_mm")
def grouped(x: Tensor, y: Tensor, offs: Tensor | None = None, **kwargs: Any) -> Shape:
    """Each row, column or term of a flat operand belongs to one group: the groups are a side of the other."""
    left, right = shape_of(x), shape_of(y)
    same(left[-1], right[-2])
    if len(left) == 2 and len(right) == 2:
        if offs is None:
            raise NotImplementedError("groups of terms without their ends")
        return [shape_of(offs)[0], left[-2], right[-1]]
    if len(left) == 3 and len(right) == 3:
        return [wider(left[0], right[0]), left[-2], right[-1]]
    return [left[-2], right[-1]]


@rule("linalg_solve_triangular")
def solved(a: Tensor, b: Tensor, **kwargs: Any) -> Shape:
    """(…, n, n)⁻¹(…, n, k)."""
    left, right = shape_of(a), shape_of(b)
    same(left[-1], right[-2])
    return [*broadcast((left[:-2], right[:-2])), *right[-2:]]


@rule("outer ger")
def outer(x: Tensor, y: Tensor) -> Shape:
    """(m)(n)."""
    return shape_of(x) + shape_of(y)


@rule("addr")
def addr(bias: Tensor, x: Tensor, y: Tensor, **kwargs: Any) -> Shape:
    """bias + (m)(n)."""
    return _biased(outer(x, y), bias)


@rule("bilinear")
def bilinear(x: Tensor, y: Tensor, weight: Tensor, bias: Tensor | None = None) -> Shape:
    """(…, i)(n, i, j)(…, j)."""
    left, right, weights = map(shape_of, (x, y, weight))
    for one, other in zip(left[:-1], right[:-1], strict=True):
        same(one, other)
    same(left[-1], weights[1])
    same(right[-1], weights[2])
    return [*left[:-1], weights[0]]


@rule("einsum")
def einsum(equation: str, *operands: Any, **kwargs: Any) -> Shape:
    """The sides that the letters behind the arrow name."""
    operands_sides, behind = einsum_letters(equation, operands)
    sides: dict[str, Any] = {}
    for own in operands_sides:
        for letter, side in own.items():
            sides[letter] = wider(sides[letter], side) if letter in sides else side
    return [sides[letter] for letter in behind]


def einsum_letters(equation: str, operands: Any) -> tuple[list[dict[str, Any]], list[str]]:
    """The side of each letter in each operand, and the letters of the result; an ellipsis covers numbers."""
    tensors = list(tensors_in(operands))
    terms, arrow, behind = equation.replace(" ", "").partition("->")
    found: list[dict[str, Any]] = []
    covered = 0
    for term, tensor in zip(terms.split(","), tensors, strict=True):
        shape = shape_of(tensor)
        before, dots, after = term.partition("...")
        under = len(shape) - len(before) - len(after) if dots else 0
        covered = max(covered, under)
        letters = [*before, *(str(-place) for place in range(under, 0, -1)), *after]
        found.append(dict(zip(letters, shape, strict=True)))
    ahead = [str(-place) for place in range(covered, 0, -1)]
    if not arrow:
        once = [letter for letter in sorted(set(terms) - {",", "."}) if terms.count(letter) == 1]
        return found, [*ahead, *once]
    before, dots, after = behind.partition("...")
    return found, [*before, *(ahead if dots else []), *after]


@rule("scaled_dot_product_attention _native_scaled_dot_product_attention")
def attention(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, *args: Any, **kwargs: Any
) -> Shape:
    """(…, n, d)(…, m, d)ᵀ, which a mask fits, then (…, n, m)(…, m, v)."""
    q, k, v = map(shape_of, (query, key, value))
    same(q[-1], k[-1])
    same(k[-2], v[-2])
    if kwargs.get("enable_gqa"):
        if not same(q[-1], 0):  # of empty heads there may be any number
            divides(k[-3], q[-3])
        front = q[:-2]
    else:
        front = broadcast((q[:-2], k[:-2], v[:-2]))
    if attn_mask is not None:
        scores, mask = [*front, q[-2], k[-2]], shape_of(attn_mask)
        filled(scores, mask)
        spread = zip(map(value_of, reversed(scores)), map(value_of, reversed(mask)), strict=False)
        fitting = len(mask) <= len(scores) and all(own in (1, side) for side, own in spread)
        must(fitting, f"a mask of {list(map(value_of, mask))} for scores of {list(map(value_of, scores))}")
    return [*front, q[-2], v[-1]]


@rule("addmv addmv_")
def addmv(bias: Tensor, x: Tensor, y: Tensor, **kwargs: Any) -> Shape:
    """bias + (m, k)(k)."""
    return _biased(matmul(x, y), bias)


@rule("gru_cell rnn_tanh_cell rnn_relu_cell")
def cell(x: Tensor, state: Tensor, weight: Tensor, *args: Any, **kwargs: Any) -> Shape:
    """The next state."""
    _steps(x, state, weight)
    return shape_of(state)


def _steps(x: Tensor, state: Tensor, weight: Tensor) -> None:
    """Note that a cell's input fits its state and its weight."""
    same(shape_of(x)[-1], shape_of(weight)[-1])
    same(shape_of(x)[0], shape_of(state)[0])


@rule("lstm_cell")
def cell_with_memory(x: Tensor, states: Any, weight: Tensor, *args: Any, **kwargs: Any) -> list[Shape]:
    """The next two states."""
    _steps(x, states[0], weight)
    return [shape_of(state) for state in states]


@rule("lstm gru rnn_tanh rnn_relu")
def recurrent(x: Tensor, states: Any, weights: Any, *args: Any, **kwargs: Any) -> list[Shape]:
    """Of padded sequences: outputs, and the last states as they came in."""
    if isinstance(weights, Tensor):
        raise NotImplementedError("packed sequences")
    bidirectional = bool(args[4]) if len(args) > 4 else False
    firsts = states if isinstance(states, (tuple, list)) else (states,)
    shape = shape_of(x)
    projected = shape_of(firsts[0])[-1]
    return [[*shape[:-1], projected * (1 + bidirectional)], *map(shape_of, firsts)]
