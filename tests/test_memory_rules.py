"""The rules of abstract tensors, each against PyTorch's own: layouts, views, and what every operator keeps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given
from hypothesis import strategies as st

from vpcalc.abstract import functions, layout
from vpcalc.abstract.tape import ACTIVATION, BUFFER, INPUT, PARAMETER, Tape, kept
from vpcalc.abstract.tensor import FLOATS, INT64, Tensor, fresh
from vpcalc.algebra.traced import UnrolledError, count, silently
from vpcalc.counters.private import storage_key as key

SIDES = st.sampled_from([1, 2, 3, 4, 6])


@st.composite
def laid_out(draw: Any, least: int = 1, most: int = 4) -> torch.Tensor:
    """A tensor whose dimensions lie in any order, with gaps or without."""
    shape = draw(st.lists(SIDES, min_size=least, max_size=most))
    order = draw(st.permutations(range(len(shape))))
    x = torch.empty([shape[dim] for dim in order], device="meta")
    x = x.permute([order.index(dim) for dim in range(len(shape))])
    if draw(st.booleans()):
        x = torch.empty([*x.shape[:-1], 2 * x.shape[-1]], device="meta")[..., : x.shape[-1]]
    return x


@given(laid_out(), st.data())
def test_a_reshape_is_a_view_exactly_where_pytorch_sees_one(x: torch.Tensor, data: Any) -> None:
    sides = [side for size in x.shape for side in ([2, size // 2] if size % 2 == 0 else [size])]
    cuts = data.draw(st.lists(st.booleans(), min_size=len(sides), max_size=len(sides)))
    new: list[int] = []
    for side, joined in zip(sides, cuts, strict=True):
        if joined and new:
            new[-1] *= side
        else:
            new.append(side)
    found = layout.view(tuple(x.shape), x.stride(), tuple(new))
    try:
        expected = x.view(new).stride()
    except RuntimeError:
        expected = None
    assert found == expected


@given(laid_out(least=2), st.data())
def test_an_elementwise_result_lies_as_pytorch_lays_it(x: torch.Tensor, data: Any) -> None:
    order = data.draw(st.permutations(range(x.dim())))
    other = torch.empty([x.shape[dim] for dim in order], device="meta")
    other = other.permute([order.index(dim) for dim in range(x.dim())])
    if data.draw(st.booleans()):
        other = other[:1]
    if data.draw(st.booleans()):
        other = other.select(0, 0)
    shape = layout.broadcast(tuple(x.shape), tuple(other.shape))
    operands = [layout.expanded(tuple(t.shape), t.stride(), shape) for t in (x, other)]
    expected = x + other
    assert shape == tuple(expected.shape)
    assert used(shape, layout.elementwise(shape, operands)) == used(shape, expected.stride())


def used(shape: tuple[int, ...], strides: tuple[int, ...]) -> list[int]:
    """Strides of the dimensions in which there is a step to take; in the others PyTorch's devices differ."""
    return [stride for side, stride in zip(shape, strides, strict=True) if side > 1]


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_which_maps_have_their_channels_last(order: tuple[int, ...]) -> None:
    for shape in ((2, 3, 4, 5), (1, 3, 4, 5), (2, 1, 4, 5), (2, 3, 1, 1), (1, 3, 1, 1)):
        x = torch.empty([shape[dim] for dim in order]).permute([order.index(dim) for dim in range(4)])
        result = F.interpolate(x, size=(7, 8), mode="bilinear", align_corners=False)
        expected = result.stride() == layout.channels_last(tuple(result.shape))
        assert layout.is_channels_last(tuple(x.shape), x.stride()) == expected


def test_a_traced_size_carries_its_form() -> None:
    """It decides by its number; a loop over a symbol has no form."""
    side, width = silently({"h": 28, "C": 48}).values()
    area = side * side * width
    assert (area.value, str(area.form)) == (28 * 28 * 48, "h²C")
    assert side > 7
    assert side % 7 == 0
    with pytest.raises(UnrolledError):
        count(side)
    assert count(side // side * 4) == 4


# -- what operators keep -----------------------------------------------------------------------------


def product(a: Tensor, b: Tensor) -> Tensor:
    return functions.matmul(a, b, "product")


@dataclass(frozen=True)
class Case:
    """One operator, abstract and real, on the same operands."""

    name: str
    ours: Callable[..., Any]
    theirs: Callable[..., Any]
    shapes: tuple[tuple[int, ...], ...]
    learns: tuple[bool, ...] = ()
    weights: int = 0
    """How many of the last operands are weights, which are not counted."""


X = ((2, 3, 4, 5),)
CASES = (
    Case("relu", functions.relu, F.relu, X),
    Case("gelu", functions.gelu, F.gelu, X),
    Case("silu", functions.silu, F.silu, X),
    Case("elu", functions.elu, F.elu, X),
    Case("tanh", functions.tanh, torch.tanh, X),
    Case("sigmoid", functions.sigmoid, torch.sigmoid, X),
    Case("square", functions.square, torch.square, X),
    Case("sqrt", functions.sqrt, torch.sqrt, X),
    Case("exp", functions.exp, torch.exp, X),
    Case("clamp", functions.clamp, lambda x: x.clamp(max=4.0), X),
    Case("normalize", functions.normalize, lambda x: F.normalize(x, dim=-1), X),
    Case("softmax", functions.softmax, lambda x: x.softmax(dim=-1), X),
    Case("sum", lambda x: functions.total(x, 1), lambda x: x.sum(1), X),
    Case("mean", lambda x: functions.mean(x, (2, 3)), lambda x: x.mean((2, 3)), X),
    Case("dropout", functions.dropout, lambda x: torch.native_dropout(x, 0.1, True)[0], X),
    Case("add", lambda x, y: x + y, lambda x, y: x + y, (*X, (5,))),
    Case("mul", lambda x, y: x * y, lambda x, y: x * y, (*X, (4, 5))),
    Case("mul by a constant", lambda x, y: x * y, lambda x, y: x * y, (*X, (4, 5)), (True, False)),
    Case("mul by a number", lambda x: x * 2.0, lambda x: x * 2.0, X),
    Case("div", lambda x, y: x / y, lambda x, y: x / y, (*X, (4, 5))),
    Case("div by a constant", lambda x, y: x / y, lambda x, y: x / y, (*X, (4, 5)), (True, False)),
    Case("div of a constant", lambda x, y: x / y, lambda x, y: x / y, (*X, (4, 5)), (False, True)),
    Case("matmul", product, torch.matmul, ((2, 3, 4, 5), (2, 3, 5, 6))),
    Case("matmul by a constant", product, torch.matmul, ((2, 3, 4, 5), (2, 3, 5, 6)), (True, False)),
    Case(
        "matmul of transposed heads",
        lambda x, y: x.transpose(1, 2) @ y.transpose(1, 2).transpose(2, 3),
        lambda x, y: x.transpose(1, 2) @ y.transpose(1, 2).transpose(2, 3),
        ((2, 4, 3, 5), (2, 6, 3, 5)),
    ),
    Case("linear", lambda x, w, b: functions.affine(x, w, b), F.linear, ((2, 3, 5), (7, 5), (7,)), weights=2),
    Case(
        "layer_norm",
        functions.layer_norm,
        lambda x, w, b: F.layer_norm(x, (5,), w, b),
        (*X, (5,), (5,)),
        weights=2,
    ),
    Case("group_norm", lambda x: functions.group_norm(x, 3), lambda x: F.group_norm(x, 3), ((8, 6),)),
    Case(
        "batch_norm",
        functions.batch_norm,
        lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True),
        (*X, (3,), (3,)),
        weights=2,
    ),
    Case(
        "conv",
        lambda x, w, b: functions.convolve(x, w, b, (2, 2), (1, 1)),
        lambda x, w, b: F.conv2d(x, w, b, stride=2, padding=1),
        (*X, (6, 3, 3, 3), (6,)),
        weights=2,
    ),
    Case(
        "conv_transpose",
        functions.spread,
        lambda x, w, b: F.conv_transpose2d(x, w, b, stride=2),
        (*X, (3, 6, 2, 2), (6,)),
        weights=2,
    ),
    Case(
        "sample",
        functions.sample,
        lambda x, places: F.grid_sample(x, places, align_corners=False),
        (*X, (2, 6, 7, 2)),
        (True, False),
    ),
    Case("max_pool", lambda x: functions.max_pool(x, 3, 2, 1), lambda x: F.max_pool2d(x, 3, 2, 1), X),
    Case("pool", lambda x: functions.adaptive_avg_pool(x, 3), lambda x: F.adaptive_avg_pool2d(x, 3), X),
    Case("pool to one", lambda x: functions.adaptive_avg_pool(x, 1), lambda x: F.adaptive_avg_pool2d(x, 1), X),
    Case(
        "interpolate",
        lambda x: functions.interpolate(x, (7, 9)),
        lambda x: F.interpolate(x, size=(7, 9), mode="bilinear"),
        X,
    ),
    Case("pad", lambda x: functions.pad(x, (1, 2)), lambda x: F.pad(x, (1, 2)), X),
    Case("roll", functions.roll, lambda x: x.roll((1, 1), dims=(1, 2)), X),
    Case("flip", functions.flip, lambda x: x.flip(1), X),
    Case("cat", lambda x, y: functions.cat((x, y), 1), lambda x, y: torch.cat((x, y), 1), (*X, (2, 2, 4, 5))),
    Case("stack", lambda x, y: functions.stack((x, y), 1), lambda x, y: torch.stack((x, y), 1), X * 2),
    Case("slice", lambda x: x[:, 1::2, :3], lambda x: x[:, 1::2, :3], X),
    Case(
        "fused attention",
        lambda q, k, v: functions.scaled_dot_product_attention(q, k, v, None),
        F.scaled_dot_product_attention,
        ((2, 3, 4, 8),) * 3,
    ),
    Case(
        "fused attention with a learned bias",
        functions.scaled_dot_product_attention,
        F.scaled_dot_product_attention,
        ((2, 3, 4, 8),) * 3 + ((4, 4),),
    ),
    Case(
        "fused attention with a mask",
        functions.scaled_dot_product_attention,
        F.scaled_dot_product_attention,
        ((2, 3, 4, 8),) * 3 + ((4, 4),),
        (True, True, True, False),
    ),
)


def sizes_kept(run: Callable[..., Any], operands: list[torch.Tensor], weights: int = 0) -> list[int]:
    """Bytes of every storage that autograd keeps, operands included but for the last so many."""
    seen: dict[int, torch.Tensor] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        seen.setdefault(key(tensor), tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        run(*operands)
    own = {key(weight) for weight in operands[len(operands) - weights :]}
    return sorted(tensor.untyped_storage().nbytes() for name, tensor in seen.items() if name not in own)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_an_operator_keeps(case: Case) -> None:
    learns = case.learns or (True,) * len(case.shapes)
    real = [torch.zeros(s).requires_grad_(g) for s, g in zip(case.shapes, learns, strict=True)]
    tape = Tape(FLOATS["float32"], grad=True, training=True)
    roles = [ACTIVATION] * (len(case.shapes) - case.weights) + [PARAMETER] * case.weights  # operands are counted
    given = zip(case.shapes, roles, learns, strict=True)
    abstract = [fresh(tape, shape, tape.item, role, learns) for shape, role, learns in given]
    result = case.ours(*abstract)
    assert isinstance(result, Tensor)
    assert sorted(part.bytes for _, part, _ in kept(result.node)) == sizes_kept(case.theirs, real, case.weights)
    expected = case.theirs(*real)
    assert tuple(result.shape) == tuple(expected.shape)
    assert result.strides == expected.stride()


def test_an_operator_that_forgets_is_caught() -> None:
    case = next(case for case in CASES if case.name == "gelu")
    lazy = Case("gelu", functions.roll, case.theirs, case.shapes)
    with pytest.raises(AssertionError):
        test_what_an_operator_keeps(lazy)


def test_a_lookup_keeps_its_rows() -> None:
    tape = Tape(FLOATS["float32"], grad=True)
    table = fresh(tape, (9, 4), tape.item, INPUT, leaf=True)
    rows = fresh(tape, (5,), INT64)
    found = functions.rows_of(table, rows)
    assert [part.bytes for _, part, _ in kept(found.node)] == [5 * 8]
    stored = functions.rows_of(table, fresh(tape, (5,), INT64, BUFFER))
    assert kept(stored.node) == []


def test_shared_storage_is_kept_once() -> None:
    tape = Tape(FLOATS["float32"], grad=True)
    x = fresh(tape, (4, 6), tape.item, leaf=True)
    y = (
        functions.gelu(x)
        + functions.gelu(x.transpose(0, 1)).transpose(0, 1)
        + functions.gelu(x[:2]).expand(4, 6)[0]
    )
    assert sum(part.bytes for _, part, _ in kept(y.node)) == 4 * 6 * 4


def test_a_branch_that_leads_nowhere_keeps_nothing() -> None:
    tape = Tape(FLOATS["float32"], grad=True)
    x = fresh(tape, (4, 6), tape.item, INPUT, leaf=True)
    wide = functions.gelu(x * 2.0)
    unused = functions.gelu(wide * 3.0)
    assert len(kept(wide.node)) == 1
    assert len(kept(wide.node, unused.node)) == 2


def test_tensors_die_when_python_lets_go() -> None:
    tape = Tape(FLOATS["float32"])
    x = fresh(tape, (10,), tape.item, INPUT)
    assert tape.live == 0
    y = functions.relu(functions.relu(functions.relu(x)))
    assert (tape.live, tape.top.bytes) == (40, 80)
    z = y[2:]
    del y
    assert tape.live == 40
    del z
    assert tape.live == 0


@given(st.integers(1, 3), st.integers(1, 3), st.integers(1, 5), st.integers(1, 4), st.booleans())
def test_a_product_copies_heads_exactly_where_pytorch_does(
    batch: int, heads: int, n: int, d: int, chunked: bool
) -> None:
    assume(n * d > 1)
    tape = Tape(FLOATS["float32"], grad=True)
    parts = 3 if chunked else 1

    def run(x: Any) -> Any:
        q = (x.chunk(3, dim=-1)[0] if chunked else x).reshape(batch, n, heads, d).transpose(1, 2)
        return (q * 0.5) @ q.transpose(-2, -1)

    ours = run(fresh(tape, (batch, n, parts * heads * d), tape.item, leaf=True))
    real = torch.zeros(batch, n, parts * heads * d, requires_grad=True)
    assert sorted(part.bytes for _, part, _ in kept(ours.node)) == sizes_kept(run, [real])
