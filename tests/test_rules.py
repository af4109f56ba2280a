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
from vpcalc.execution.program import Fixed, Input, Inputs, built_on_meta

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
    program = fixed(lambda: Calls(lambda x: torch.vstack([x, x])), (ROWS,))
    with pytest.raises(BeyondError, match="vstack"):
        program.execute({"N": 3})


def test_forms_are_of_numbers_where_nothing_varies() -> None:
    program = fixed(lambda: Calls(lambda x: torch.diff(torch.arange(5)) * 1.0), (ROWS,))
    assert program.execute({"N": 3}).macs == as_polynomial(4 * 3)
