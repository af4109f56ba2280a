"""Rules of shapes and prices against torch: every call at sizes with forms, and what the counter sees beneath."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vpcalc.algebra.polynomial import as_polynomial, symbols
from vpcalc.execution.outcome import BeyondError
from vpcalc.execution.prices import PRICES
from vpcalc.execution.program import Fixed, Input, Inputs, built_on_meta
from vpcalc.execution.rules.registry import RULES

N, M = symbols("N M")

SIZES = ({"N": 7, "M": 4}, {"N": 12, "M": 12}, {"N": 1, "M": 5})


def fixed(make: Callable[[], nn.Module], inputs: tuple[Input, ...]) -> Fixed:
    return Fixed(built_on_meta(lambda _: (make(), ()), [{}]), Inputs(inputs))


class Calls(nn.Module):
    """A function as a module, which ends in a product so that the counter sees the size of its result."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *inputs: Tensor) -> Any:
        found = self.function(*inputs)
        for part in found if isinstance(found, (tuple, list)) else (found,):
            flat = (part.real if part.is_complex() else part).float().reshape(-1, 1)
            flat @ torch.ones(1, 3)
        return found


def check(function: Callable[..., Any], *inputs: Input) -> None:
    """At each size the run is followed, and its form has the counter's number there and at the others."""
    program = fixed(lambda: Calls(function), inputs)
    counts = [program.counts(point).macs for point in SIZES]
    for point, count in zip(SIZES, counts, strict=True):
        found = program.execute(point)
        assert found.error is None, found.error
        assert not found.held
        assert found.macs.at(point) == count
        for other, seen in zip(SIZES, counts, strict=True):
            if all(noted.guard.holds(other) == noted.outcome for noted in found.path):
                assert found.macs.at(other) == seen, other


ROWS = Input(("N", 8))
WHOLE = Input(("N", "M"), "long")


@pytest.mark.parametrize(
    ("function", "inputs"),
    [
        (lambda x: torch.diff(x, dim=0, prepend=x[:1] - 1), (ROWS,)),
        (lambda x: torch.diff(x, n=2, dim=1), (ROWS,)),
        (lambda x: torch.diff(x, dim=0), (ROWS,)),
        (lambda x: torch.histc(x, bins=5, min=0, max=4) + x.sum(), (ROWS,)),
        (lambda x: F.glu(x, 1), (ROWS,)),
        (lambda x: F.glu(torch.cat((x, x)), 0), (ROWS,)),
        (lambda x: torch.polar(x, x[:1]), (ROWS,)),
        (lambda x: torch.zeros(x.shape[0], 8).copy_(x[:1]), (ROWS,)),
        (F.hardswish, (ROWS,)),
        (F.logsigmoid, (ROWS,)),
        (lambda x: torch.complex(x, x), (ROWS,)),
        (lambda x: torch.diff(x, n=0, dim=0, prepend=x), (ROWS,)),
        (lambda x: (torch.vstack((x, x[0])), torch.hstack((x, x)), torch.dstack((x, x))), (ROWS,)),
        (lambda x: (torch.hstack((x[0], x[:, 0])), torch.vstack((x[:, 0], x[:, 1]))), (ROWS,)),
        (lambda x: (torch.column_stack((x, x[:, 0])), torch.dstack((x[0], x[0]))), (ROWS,)),
        (lambda x: (*torch.atleast_3d(x, x[0]), torch.atleast_2d(x[:, 0]), torch.atleast_1d(x.sum())), (ROWS,)),
        (lambda x: (*torch.hsplit(x, 4), *torch.hsplit(x, [2, 5]), *x[:, 0].tensor_split([1, 3])), (ROWS,)),
        (lambda x: (torch.cat((x, x)).vsplit(2)[0], x[None, None].dsplit([2])[1]), (ROWS,)),
        (lambda x: (x.diagonal(2), x.diagonal(-3), torch.linalg.diagonal(x, offset=-1)), (ROWS,)),
        (lambda x: (torch.diag(x[:, 0], 2), torch.diag(x, -1), torch.diagflat(x, 1)), (ROWS,)),
        (lambda x: torch.diag_embed(x, offset=-2, dim1=0, dim2=2), (ROWS,)),
        (lambda x: torch.diagonal_scatter(x, x.diagonal() * 2), (ROWS,)),
        (lambda x: x.slice_scatter(x[:, :3], 1, 2, 5) + x.select_scatter(x[:, 0], 1, 4), (ROWS,)),
        (lambda x: torch.cartesian_prod(x[:, 0], x[0], x[0, :3]), (ROWS,)),
        (lambda x: x.sum_to_size(1, 8) + x.take(torch.zeros(5, dtype=torch.long))[0], (ROWS,)),
        (lambda x: (torch.var(x, True), torch.std(x, False), *torch.var_mean(x, True)), (ROWS,)),
        (lambda x: (x.std(0, True), x.var(1, False), x.std(dim=0, keepdim=True)), (ROWS,)),
        (lambda x: (x.norm(2), x.norm(1, 0), torch.linalg.vector_norm(x, 2), torch.dist(x, 2 * x)), (ROWS,)),
        (lambda x: torch.linalg.matrix_norm(x[None], dim=(0, 2), keepdim=True), (ROWS,)),
        (lambda x: (x.nanmedian(), *x.nanmedian(1), x.msort(), *torch.frexp(x)), (ROWS,)),
        (lambda x: (torch.cross(x[:, :3], x[:, 3:6], 1), torch.linalg.vecdot(x, x)), (ROWS,)),
        (lambda x: 2.0 - x[:, :1] + torch.rsub(x[:, :1], x[0]), (ROWS,)),
        (lambda x: x[0].masked_scatter(x > 0, x), (ROWS,)),
        (lambda x: torch.linalg.lu_factor(x.mT @ x)[0] + torch.linalg.inv_ex(x.mT @ x)[0], (ROWS,)),
        (lambda x: (*torch.linalg.lu(x), *torch.svd(x), torch.linalg.vander(x, N=3)), (ROWS,)),
        (lambda x: torch.linalg.eig(x.mT @ x)[0], (ROWS,)),
        (lambda x: F.fractional_max_pool2d(F.pad(x[None], (0, 0, 3, 3)), 2, 3), (ROWS,)),
        (lambda x: F.grid_sample(x[None, None, None], torch.zeros(1, 2, 3, x.shape[0], 3)), (ROWS,)),
        (lambda x: F.multi_margin_loss(x, x[:, 0].long(), reduction="none"), (ROWS,)),
        (lambda x: F.multilabel_margin_loss(x, x.long()), (ROWS,)),
        (lambda x: F.embedding(torch.zeros_like(x, dtype=torch.long), torch.ones(5, 3), max_norm=1), (ROWS,)),
        (lambda x: F.embedding_bag(x.long(), torch.ones(5, 3), max_norm=1.0, padding_idx=1), (ROWS,)),
        (
            lambda x: F.embedding_bag(
                x[0].long(), torch.ones(5, 3), x[:, 0].long(), include_last_offset=True, mode="sum"
            ),
            (ROWS,),
        ),
        (lambda x: torch.segment_reduce(x, "sum", lengths=x[:, 0].long(), unsafe=True), (ROWS,)),
        (lambda x: torch.segment_reduce(x, "max", offsets=torch.arange(4), unsafe=True), (ROWS,)),
        (lambda x: torch.normal(0.0, 1.0, (x.shape[0], 3)) + torch.normal(x, 1)[:, :3], (ROWS,)),
        (lambda x: (torch.normal(x, x[0]), torch.normal(0.0, x), torch.normal(mean=x)), (ROWS,)),
        (lambda x: x.new_empty_strided(x.shape, (1, 9)), (ROWS,)),
        (lambda x: F.scaled_dot_product_attention(x, x[None, None, :2], x[None, None, :2]), (ROWS,)),
        (lambda x: (*torch.native_layer_norm(x, [8], None, None, 1e-5)[:2],), (ROWS,)),
        (lambda x: torch.native_group_norm(x, None, None, x.shape[0], 8, 1, 2, 1e-5)[:2], (ROWS,)),
        (lambda x: torch.addr(x[0], x[:, 0], x[0]) + torch.inner(x, x[0, 0]), (ROWS,)),
        (lambda x: x.clone().cauchy_() + x.byte() + torch.fill(x, 2), (ROWS,)),
    ],
)
def test_a_shape(function: Callable[..., Any], inputs: tuple[Input, ...]) -> None:
    check(function, *inputs)


def test_a_system_of_equations() -> None:
    """Its price is nobody's; its shape is that of the right side, in every batch."""
    program = fixed(
        lambda: Calls(lambda a, b: torch.linalg.solve_triangular(a, b, upper=False)),
        (Input((3, 1, "N", "N")), Input((2, "N", 5))),
    )
    found = program.execute({"N": 6})
    assert found.macs == 3 * 2 * 5 * N * 3
    counted = program.counts({"N": 6})
    assert counted.macs == found.macs.at({"N": 6})
    assert "aten::linalg_solve_triangular" in counted.unknown


OFFSETS = Input((4,), "int")


@pytest.mark.parametrize(
    ("left", "right", "form"),
    [
        (("N", 8), (4, 8, "M"), 8 * N * M),
        ((4, "M", 8), (8, "N"), 8 * N * M),
        (("M", "N"), ("N", 6), 6 * N * M),
        ((4, "N", 8), (4, 8, "M"), 4 * 8 * N * M),
    ],
)
def test_a_product_by_groups(left: tuple[Any, ...], right: tuple[Any, ...], form: Any) -> None:
    """Rows, columns or terms each belong to one group; a batch has its own."""

    def product(x: Tensor, y: Tensor, ends: Tensor) -> Tensor:
        plain = x.dim() == y.dim() == 3
        return torch._grouped_mm(x, y) if plain else torch._grouped_mm(x, y, offs=ends)

    program = fixed(lambda: Calls(product), (Input(left), Input(right), OFFSETS))
    for point in SIZES:
        found = program.execute(point)
        shown = found.operators()["_grouped_mm"]
        assert shown == form
        assert found.macs.at(point) == program.counts(point).macs


def test_a_call_that_its_rule_does_not_take_is_said() -> None:
    program = fixed(lambda: Calls(lambda x: torch.linalg.qr(x, "complete")[0]), (ROWS,))
    with pytest.raises(BeyondError, match="a complete QR"):
        program.execute({"N": 3})


def test_a_rule_that_fails_is_no_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a rule or a price of ours raises is said to be ours: the program was taken to raise it."""

    def fails(*args: Any, **kwargs: Any) -> Any:
        raise StopIteration

    program = fixed(lambda: Calls(torch.sin), (ROWS,))
    for table, name in ((RULES, "sin"), (PRICES, "matmul")):
        with monkeypatch.context() as patch:
            patch.setitem(table, name, fails)
            with pytest.raises(BeyondError, match=f"{name}: its .* does not take this call"):
                program.execute({"N": 3})


def test_forms_are_of_numbers_where_nothing_varies() -> None:
    program = fixed(lambda: Calls(lambda x: torch.diff(torch.arange(5)) * 1.0), (ROWS,))
    assert program.execute({"N": 3}).macs == as_polynomial(4 * 3)
